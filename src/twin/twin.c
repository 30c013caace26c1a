#include "twin/twin.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "record/gaps.h"
#include "sim/text.h"
#include "twin/pass.h"
#include "twin/prompt_ids.h"
#include "workload/words.h"

enum {
    WARMUP_CONCURRENCY = 16, /* as the live driver's */
    WORK_PER_TICK = 1 << 15, /* tokens, requests and steps between two looks at the observer */
};

/* The live driver's rule for giving up: so many failures in a row, and no success before or none
 * for so long. The last figure is for closed loops whose prompts are refused at once: no time
 * passes between them. */
enum { HOPELESS_FAILURES = 500, HOPELESS_AT_ONCE = 100000 };
#define HOPELESS_NS (10 * NS_PER_S)

struct twin *twin_new(const struct twin_setup *s)
{
    struct twin *t = MEM_NEW(struct twin);
    struct buf ids = {0};
    struct prompt nothing = {.kind = PROMPT_TEXT};
    uint64_t hash;
    t->setup = *s;
    t->config = *s->engine;
    t->setup.engine = &t->config;
    t->cluster = cluster_new(&t->config, s->seed);
    int vocabulary = t->config.model->vocabulary;
    t->token_pool_count = words_count();
    t->token_pool = MEM_ARRAY(uint32_t, t->token_pool_count);
    for (size_t i = 0; i < t->token_pool_count; i++)
        t->token_pool[i] = text_token(words_at(i), vocabulary);
    t->template_tokens = prompt_ids(&nothing, s->chat, vocabulary, &ids, &hash);
    buf_release(&ids);
    return t;
}

/* The engine does not know who asked: what it still has is taken back one by one. */
static void cancel_flights(struct twin *t)
{
    while (t->flights.first) {
        cluster_cancel(t->cluster, t->flights.first->request);
        flights_give_back(&t->flights, t->flights.first);
    }
}

void twin_free(struct twin *t)
{
    if (!t)
        return;
    cancel_flights(t);
    cluster_free(t->cluster);
    flights_release(&t->flights);
    free(t->token_pool);
    free(t);
}

struct tokenization twin_tokenization(const struct twin *t)
{
    return (struct tokenization){.pool = t->token_pool,
                                 .pool_count = t->token_pool_count,
                                 .tokens_per_word = 1,
                                 .overhead_tokens = (double)t->template_tokens};
}

/* ---- requests ---- */

/* Where the answer ends: as asked, or where the model would end it by itself if that is earlier.
 * Both follow from the prompt as at the served engine. Prompts that share nothing with others need
 * no ids. */
static void plan_answer(struct pass *p, struct flight *f, bool exact, uint64_t prompt_hash)
{
    const struct twin *t = p->twin;
    const int64_t no_seed = 0; /* in the request's body */
    uint64_t index = text_hash(prompt_hash, &no_seed, sizeof no_seed);
    if (t->setup.sampled)
        index = text_hash(index, &f->offer.index, sizeof f->offer.index);
    struct rng words = rng_at(t->setup.seed, RNG_SIM_TEXT, index);
    int64_t limit = spec_output_limit(&t->config, f->prompt_tokens, f->asked_output, t->setup.chat);
    int64_t natural = text_natural_tokens(&words);
    f->stops = !exact && natural <= limit;
    f->output_tokens = f->stops ? natural : limit;
    for (int64_t i = f->stops; f->ids.n > 0 && i < f->output_tokens; i++) {
        uint32_t id = text_token(text_word(&words), t->config.model->vocabulary);
        buf_append(&f->ids, &id, sizeof id);
    }
}

static void plan_flight(struct pass *p, struct flight *f)
{
    const struct twin *t = p->twin;
    struct prompt q;
    struct arena memory = {0};
    uint64_t index = f->offer.index, hash = 0;
    if (workload_unshared(p->workload) && !t->setup.chat) {
        workload_outline(p->workload, p->spec.warmup, index, &q);
        f->prompt_tokens = q.input_tokens;
    } else {
        workload_draw(p->workload, p->spec.warmup, index, &memory, &q);
        f->prompt_tokens =
            prompt_ids(&q, t->setup.chat, t->config.model->vocabulary, &f->ids, &hash);
    }
    f->asked_input = q.input_tokens;
    f->asked_output = q.output_tokens;
    f->rung = q.rung;
    f->repeated = q.repeated;
    if (f->prompt_tokens > 0)
        plan_answer(p, f, q.output_tokens > 0 && (q.exact_output || t->setup.exact_output), hash);
    arena_release(&memory);
}

/* However it ended. */
static void finish(struct pass *p, struct flight *f)
{
    policy_end(p->policy, &f->offer, p->twin->now_ns);
    p->refill = true;
    flights_give_back(&p->twin->flights, f);
}

static void start(struct pass *p, const struct offer *o)
{
    struct twin *t = p->twin;
    struct flight *f = flights_take(&t->flights);
    f->offer = *o;
    f->started_ns = t->now_ns;
    plan_flight(p, f);
    p->asked++;
    p->work++;
    struct engine_ask ask = {.prompt_tokens = f->prompt_tokens,
                             .output_tokens = f->output_tokens,
                             .ids = (const uint32_t *)(const void *)f->ids.p,
                             .id_count = (int64_t)(f->ids.n / sizeof(uint32_t)),
                             .owner = f};
    if (ask.id_count == 0)
        ask.ids = NULL;
    f->request = cluster_ask(t->cluster, &ask);
    if (f->request)
        return;
    pass_put_refused(p, f);
    finish(p, f);
}

static void take_token(struct pass *p, const struct engine_token *token)
{
    struct twin *t = p->twin;
    struct flight *f = token->owner;
    struct gap g = {.tokens = (uint64_t)token->count};
    if (f->left_over) {
        if (token->last)
            flights_give_back(&t->flights, f);
        return;
    }
    if (f->done == 0) {
        f->first_ns = t->now_ns;
        f->cached = token->cached;
    } else {
        g.gap_ns = t->now_ns - f->last_ns;
    }
    f->last_ns = t->now_ns;
    f->done += token->count;
    if (!t->setup.without_gaps) {
        f->events++;
        gaps_put(&f->gaps, &g);
    }
    p->events++;
    p->tokens += (uint64_t)token->count;
    if (token->last) {
        pass_put_flight(p, f, OUTCOME_OK, "");
        finish(p, f);
    }
}

/* Whatever the engine does at this moment. */
static void run_engine(struct pass *p)
{
    struct twin *t = p->twin;
    const struct engine_token *tokens;
    size_t n;
    int engine;
    int64_t at_ns;
    while (cluster_run(t->cluster, t->now_ns, &tokens, &n, &engine, &at_ns)) {
        if (at_ns != t->now_ns)
            BUG("virtual time has passed over a step's end");
        for (size_t i = 0; i < n; i++)
            take_token(p, &tokens[i]);
        p->work += 1 + n;
    }
}

static int64_t deadline_ns(const struct twin *t)
{
    const struct flight *f = t->flights.first;
    int64_t at_ns;
    if (!f || __builtin_add_overflow(f->offer.intended_ns, t->setup.timeout_ns, &at_ns))
        return INT64_MAX;
    return at_ns;
}

static void cut_off(struct pass *p, struct flight *f, enum outcome outcome, const char *why)
{
    cluster_cancel(p->twin->cluster, f->request);
    if (f->left_over) {
        flights_give_back(&p->twin->flights, f);
        return;
    }
    pass_put_flight(p, f, outcome, why);
    finish(p, f);
}

static void time_out(struct pass *p)
{
    while (deadline_ns(p->twin) <= p->twin->now_ns)
        cut_off(p, p->twin->flights.first, OUTCOME_TIMEOUT, "no end within --timeout");
}

static void abort_all(struct pass *p)
{
    for (struct flight *f = p->twin->flights.first, *next; f; f = next) {
        next = f->next;
        if (!f->left_over)
            cut_off(p, f, OUTCOME_CANCELLED, "cancelled");
    }
}

/* Everything measured has ended: what is still in the engine is the tail. */
static void leave_tail(struct pass *p)
{
    for (struct flight *f = p->twin->flights.first; f; f = f->next) {
        if (f->left_over)
            continue;
        struct offer o = f->offer;
        f->offer.phase = PHASE_TAIL; /* also what a load that is cut had measured */
        pass_put_flight(p, f, OUTCOME_CANCELLED, "of the tail: all that is measured had ended");
        policy_end(p->policy, &o, p->twin->now_ns);
        f->left_over = true;
    }
}

/* ---- what the observer wants ---- */

static void stop(struct pass *p, bool cut)
{
    if (!p->stopped) {
        p->stopped = true;
        policy_stop(p->policy);
        p->refill = true;
    }
    if (cut && !p->aborted) {
        p->aborted = true;
        abort_all(p);
    }
}

static void tick(struct pass *p)
{
    struct policy_counts c = policy_counts(p->policy);
    struct twin_progress progress = {
        .phase = p->spec.warmup ? PHASE_WARMUP : PHASE_MEASURE,
        .elapsed_ns = p->twin->now_ns - p->start_ns,
        .total = p->spec.num_prompts,
        .offered = c.offered,
        .ended = c.ended + c.dropped,
        .failed = p->failed,
        .dropped = p->dropped,
        .in_flight = c.in_flight,
        .queued = c.queued,
        .tokens = p->tokens,
    };
    p->work = 0;
    if (!p->observer->tick)
        return;
    enum twin_command command = p->observer->tick(p->observer->context, &progress);
    if (command != TWIN_GO_ON)
        stop(p, command == TWIN_ABORT);
}

static bool is_hopeless(const struct pass *p)
{
    if (p->failures_in_row < HOPELESS_FAILURES)
        return false;
    bool nothing_to_hope_for = p->succeeded == 0 && policy_counts(p->policy).in_flight == 0;
    return nothing_to_hope_for || p->failures_in_row >= HOPELESS_AT_ONCE ||
           p->twin->now_ns - p->succeeded_ns >= HOPELESS_NS;
}

static void look_up(struct pass *p)
{
    if (!p->stopped && is_hopeless(p)) {
        p->hopeless = true;
        stop(p, true);
    }
    if (p->work >= WORK_PER_TICK)
        tick(p);
}

/* ---- the loop ---- */

static void take_refill(struct pass *p, const struct offer *o)
{
    struct twin *t = p->twin;
    if (o->cancelled) {
        pass_put_unsent(p, o, OUTCOME_CANCELLED,
                        p->stopped ? "still queued when the run was interrupted"
                                   : "still queued when all that is measured had ended");
    } else if (t->now_ns - o->intended_ns >= t->setup.timeout_ns) {
        pass_put_unsent(p, o, OUTCOME_TIMEOUT, "its time was up while it waited for the cap");
        policy_end(p->policy, o, t->now_ns);
    } else {
        start(p, o);
    }
}

static void refill(struct pass *p)
{
    struct offer o;
    p->refill = false;
    while (policy_refill(p->policy, 0, p->twin->now_ns, &o)) {
        take_refill(p, &o);
        look_up(p);
    }
}

static void admit(struct pass *p, const struct offer *o)
{
    switch (policy_admit(p->policy, o, p->twin->now_ns)) {
    case ADMIT_START:
        start(p, o);
        break;
    case ADMIT_DROPPED:
        pass_put_unsent(p, o, OUTCOME_DROPPED, "over the concurrency cap (--on-cap drop)");
        break;
    default:
        break;
    }
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Time goes to the next moment at which something happens. */
static void go_on(struct pass *p, int64_t arrival_ns)
{
    struct twin *t = p->twin;
    cluster_begin(t->cluster, t->now_ns);
    int64_t due_ns = earliest(earliest(cluster_due_ns(t->cluster), deadline_ns(t)), arrival_ns);
    if (due_ns == INT64_MAX)
        BUG("virtual time has come to an end before the load");
    if (due_ns > t->now_ns)
        t->now_ns = due_ns;
    run_engine(p);
    time_out(p);
}

static void fly(struct pass *p)
{
    struct offer next = {0};
    bool held = false;
    p->refill = true;
    for (;;) {
        if (p->refill)
            refill(p);
        look_up(p);
        if (p->refill)
            continue;
        if (policy_exhausted(p->policy) && policy_measured(p->policy))
            break;
        if (!held)
            held = policy_reserve(p->policy, &next);
        if (held && (p->stopped || next.intended_ns <= p->twin->now_ns)) {
            held = false; /* all that is due is asked before the engine begins its next step */
            admit(p, &next);
            continue;
        }
        go_on(p, held ? next.intended_ns : INT64_MAX);
    }
    if (held)
        policy_admit(p->policy, &next, p->twin->now_ns); /* void */
    leave_tail(p);
}

static struct policy_counts run_phase(struct pass *p, const struct load_spec *spec)
{
    p->spec = *spec;
    p->start_ns = p->succeeded_ns = p->twin->now_ns;
    p->policy = policy_new(spec, 1, p->start_ns);
    fly(p);
    struct policy_counts counts = policy_counts(p->policy);
    policy_free(p->policy);
    return counts;
}

/* ---- loads ---- */

/* A step under way has to come to its end, although nobody waits for its tokens. */
static void make_idle(struct twin *t)
{
    const struct engine_token *tokens;
    size_t n;
    int engine;
    int64_t due_ns, at_ns;
    cancel_flights(t);
    while ((due_ns = cluster_due_ns(t->cluster)) != INT64_MAX) {
        if (due_ns > t->now_ns)
            t->now_ns = due_ns;
        cluster_run(t->cluster, t->now_ns, &tokens, &n, &engine, &at_ns);
    }
    cluster_begin(t->cluster,
                  t->now_ns); /* nothing: so that no next step counts from an older one */
    cluster_forget_prefixes(t->cluster);
}

int64_t twin_now_ns(const struct twin *t)
{
    return t->now_ns;
}

void twin_wait(struct twin *t, int64_t until_ns)
{
    if (until_ns <= t->now_ns)
        return;
    make_idle(t);
    if (until_ns > t->now_ns)
        t->now_ns = until_ns;
}

static struct load_spec warmup_spec(const struct twin_load *load)
{
    int64_t users = WARMUP_CONCURRENCY;
    if (load->warmup_users > 0)
        users = load->warmup_users;
    else if (load->load.max_concurrency > 0)
        users = earliest(users, load->load.max_concurrency);
    if (load->warmup_requests < (uint64_t)users)
        users = (int64_t)load->warmup_requests;
    return (struct load_spec){.mode = LOAD_CLOSED,
                              .max_concurrency = users,
                              .num_prompts = load->warmup_requests,
                              .warmup = true};
}

static void fill_end(const struct pass *p, const struct policy_counts *c, struct run_record *run)
{
    const struct load_spec *spec = &p->spec;
    int64_t end_ns = c->offered > 0 ? c->last_offer_ns - p->start_ns : 0;
    if (spec->duration_ns > 0 && !p->stopped && c->offered > 0 &&
        (spec->num_prompts == 0 || c->offered < spec->num_prompts))
        end_ns = spec->duration_ns;
    run->finished = true;
    run->interrupted = p->stopped && !p->hopeless;
    run->offered_end_ns = end_ns;
    run->drained_ns = p->twin->now_ns - p->start_ns;
    run->body_underruns = 0;
    run->clock_steps = 0;
    run->steal_fraction = -1;
    run->cpu_user_ns = run->cpu_system_ns = run->spin_ns = 0;
    run->token_events = p->events;
    run->exchanges = p->asked;
    run->peak_in_flight = c->peak_in_flight;
}

bool twin_run(struct twin *t, const struct twin_load *load, const struct twin_observer *observer,
              struct run_record *run)
{
    struct pass fresh = {.twin = t, .workload = load->workload, .observer = observer};
    struct pass warmup = fresh, measured = fresh;
    struct policy_counts counts = {0};
    if (load->from_idle)
        make_idle(t);
    if (load->warmup_requests > 0) {
        struct load_spec spec = warmup_spec(load);
        run_phase(&warmup, &spec);
    }
    measured.spec = load->load;
    measured.start_ns = t->now_ns;
    if (!warmup.stopped)
        counts = run_phase(&measured, &load->load);
    fill_end(&measured, &counts, run);
    run->interrupted |= warmup.stopped && !warmup.hopeless;
    return !warmup.hopeless && !measured.hopeless;
}
