#include "twin/twin.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "record/gaps.h"
#include "sim/cluster.h"
#include "sim/text.h"
#include "twin/prompt_ids.h"
#include "workload/words.h"

/* As the live driver's warm-up. */
enum { WARMUP_CONCURRENCY = 16 };

enum { EVENTS_PER_TICK = 1 << 14, HTTP_BAD_REQUEST = 400, HTTP_OK = 200 };

struct flight { /* a request that was asked and has not ended */
    struct offer offer;
    struct cluster_request *request;
    bool left_over; /* of a load that is over: recorded already */
    bool stops;     /* ends by itself before its limit */
    int64_t started_ns, first_ns, last_ns;
    int64_t prompt_tokens, output_tokens, asked_input, asked_output, done, cached;
    int rung;
    bool repeated;
    uint32_t events;
    struct buf ids, gaps;
    struct flight *prev, *next; /* in the order of starting, which is that of deadlines */
};

struct twin {
    struct sim_config config;
    struct twin_setup setup;
    struct cluster *cluster;
    int64_t now_ns;
    struct flight *first, *last; /* in the engine */
    struct flight *pool;
    uint32_t *token_pool; /* ids of plain words */
    size_t token_pool_count;
    struct arena prompts; /* of the request being asked */
};

struct twin *twin_new(const struct twin_setup *s)
{
    struct twin *t = MEM_NEW(struct twin);
    t->setup = *s;
    t->config = *s->engine;
    t->setup.engine = &t->config;
    t->cluster = cluster_new(&t->config, s->seed);
    t->token_pool_count = words_count();
    t->token_pool = MEM_ARRAY(uint32_t, t->token_pool_count);
    for (size_t i = 0; i < t->token_pool_count; i++)
        t->token_pool[i] = text_token(words_at(i), t->config.model->vocabulary);
    return t;
}

static void free_flights(struct flight *f)
{
    while (f) {
        struct flight *next = f->next;
        buf_release(&f->ids);
        buf_release(&f->gaps);
        free(f);
        f = next;
    }
}

void twin_free(struct twin *t)
{
    if (!t)
        return;
    cluster_free(t->cluster);
    free_flights(t->first);
    free_flights(t->pool);
    free(t->token_pool);
    arena_release(&t->prompts);
    free(t);
}

struct tokenization twin_tokenization(const struct twin *t)
{
    return (struct tokenization){
        .pool = t->token_pool, .pool_count = t->token_pool_count, .tokens_per_word = 1};
}

/* ---- flights ---- */

static struct flight *flight_take(struct twin *t)
{
    struct flight *f = t->pool;
    if (f)
        t->pool = f->next;
    else
        f = MEM_NEW(struct flight);
    struct buf ids = f->ids, gaps = f->gaps;
    buf_clear(&ids);
    buf_clear(&gaps);
    *f = (struct flight){
        .ids = ids, .gaps = gaps, .prev = t->last, .first_ns = RECORD_NONE, .last_ns = RECORD_NONE};
    *(t->last ? &t->last->next : &t->first) = f;
    t->last = f;
    return f;
}

static void flight_give_back(struct twin *t, struct flight *f)
{
    *(f->prev ? &f->prev->next : &t->first) = f->next;
    *(f->next ? &f->next->prev : &t->last) = f->prev;
    f->next = t->pool;
    t->pool = f;
}

/* ---- one load ---- */

struct pass { /* a phase under way */
    struct twin *twin;
    const struct workload *workload;
    const struct twin_observer *observer;
    struct policy *policy;
    bool warmup, refill;
    int64_t start_ns;
    uint64_t tokens, events, asked; /* of this phase's requests */
};

static int64_t relative(const struct pass *p, int64_t at_ns)
{
    return at_ns == RECORD_NONE ? RECORD_NONE : at_ns - p->start_ns;
}

static struct request_record record_of(const struct pass *p, const struct offer *o)
{
    return (struct request_record){
        .index = o->index,
        .phase = (int)o->phase,
        .session = o->index,
        .rung = -1,
        .intended_ns = o->intended_ns - p->start_ns,
        .started_ns = RECORD_NONE,
        .sent_ns = RECORD_NONE,
        .first_byte_ns = RECORD_NONE,
        .first_token_ns = RECORD_NONE,
        .first_answer_ns = RECORD_NONE,
        .last_token_ns = RECORD_NONE,
        .end_ns = RECORD_NONE,
        .dns_ns = RECORD_NONE,
        .connect_ns = RECORD_NONE,
        .tls_ns = RECORD_NONE,
        .prompt_tokens = -1,
        .output_tokens = -1,
        .cached_tokens = -1,
        .reasoning_tokens = -1,
        .reused = true,
    };
}

static void put_unsent(struct pass *p, const struct offer *o, enum outcome outcome, const char *why,
                       int64_t end_ns)
{
    struct request_record r = record_of(p, o);
    workload_lengths(p->workload, p->warmup, o->index, &r.asked_input, &r.asked_output);
    r.outcome = outcome;
    r.error = slice_of(why);
    r.end_ns = relative(p, end_ns);
    p->observer->record(p->observer->context, &r);
}

static void put_flight(struct pass *p, const struct flight *f, enum outcome outcome,
                       const char *why, int64_t end_ns)
{
    struct request_record r = record_of(p, &f->offer);
    r.asked_input = f->asked_input;
    r.asked_output = f->asked_output;
    r.rung = f->rung;
    r.repeated = f->repeated;
    r.started_ns = r.sent_ns = r.first_byte_ns = relative(p, f->started_ns);
    r.first_token_ns = r.first_answer_ns = relative(p, f->first_ns);
    r.last_token_ns = relative(p, f->last_ns);
    r.end_ns = relative(p, end_ns);
    r.outcome = outcome;
    r.http_status = HTTP_OK;
    r.error = slice_of(why);
    r.events = f->events;
    if (f->done > 0)
        r.gaps = buf_slice(&f->gaps);
    if (outcome == OUTCOME_OK) {
        r.finish_reason = slice_of(f->stops ? "stop" : "length");
        r.prompt_tokens = f->prompt_tokens;
        r.output_tokens = f->done;
        r.cached_tokens = f->cached;
        r.output_source = TOKENS_USAGE;
    } else if (f->done > 0) {
        r.output_tokens = f->done;
        r.output_source = TOKENS_EVENTS;
    }
    p->observer->record(p->observer->context, &r);
}

/* The answer's length: as asked, or where the model would end by itself if that is less. */
static void plan_output(struct pass *p, struct flight *f, const struct prompt *q, uint64_t index)
{
    struct rng words = rng_at(p->twin->setup.seed, RNG_SIM_TEXT, index);
    int64_t room = p->twin->config.max_model_len - f->prompt_tokens;
    int64_t limit = q->output_tokens > 0 ? q->output_tokens : room;
    int64_t natural = text_natural_tokens(&words);
    f->stops = !q->exact_output && natural <= limit;
    f->output_tokens = f->stops ? natural : limit;
}

/* What the request of an offer is. Prompts that share nothing with others need no token ids. */
static void plan_flight(struct pass *p, struct flight *f)
{
    struct prompt q = {.rung = -1, .exact_output = true};
    uint64_t index = f->offer.index;
    if (workload_unshared(p->workload)) {
        workload_lengths(p->workload, p->warmup, index, &q.input_tokens, &q.output_tokens);
        f->prompt_tokens = q.input_tokens;
    } else {
        workload_draw(p->workload, p->warmup, index, &p->twin->prompts, &q);
        f->prompt_tokens = prompt_ids(&q, p->twin->config.model->vocabulary, &f->ids);
        arena_release(&p->twin->prompts);
    }
    f->asked_input = q.input_tokens;
    f->asked_output = q.output_tokens;
    f->rung = q.rung;
    f->repeated = q.repeated;
    plan_output(p, f, &q, index);
}

static void end_flight(struct pass *p, struct flight *f, enum outcome outcome, const char *why,
                       int64_t at_ns)
{
    if (!f->left_over) {
        put_flight(p, f, outcome, why, at_ns);
        policy_end(p->policy, &f->offer, at_ns);
        p->refill = true;
    }
    flight_give_back(p->twin, f);
}

static void start(struct pass *p, const struct offer *o)
{
    struct twin *t = p->twin;
    struct flight *f = flight_take(t);
    char why[160];
    f->offer = *o;
    f->started_ns = t->now_ns;
    plan_flight(p, f);
    struct engine_ask ask = {.prompt_tokens = f->prompt_tokens,
                             .output_tokens = f->output_tokens,
                             .ids = (const uint32_t *)(const void *)f->ids.p,
                             .id_count = (int64_t)(f->ids.n / sizeof(uint32_t)),
                             .owner = f};
    f->request = cluster_ask(t->cluster, &ask);
    p->asked++;
    if (f->request)
        return;
    snprintf(why, sizeof why,
             "a prompt of %lld tokens and %lld of output are more than the context of %lld",
             (long long)f->prompt_tokens, (long long)f->output_tokens,
             (long long)t->config.max_model_len);
    struct request_record r = record_of(p, o);
    r.asked_input = f->asked_input;
    r.asked_output = f->asked_output;
    r.started_ns = r.sent_ns = r.first_byte_ns = r.end_ns = relative(p, t->now_ns);
    r.outcome = OUTCOME_HTTP_ERROR;
    r.http_status = HTTP_BAD_REQUEST;
    r.error = slice_of(why);
    p->observer->record(p->observer->context, &r);
    policy_end(p->policy, o, t->now_ns);
    p->refill = true;
    flight_give_back(t, f);
}

static void refill(struct pass *p)
{
    struct twin *t = p->twin;
    struct offer o;
    p->refill = false;
    while (policy_refill(p->policy, 0, t->now_ns, &o)) {
        if (o.cancelled) {
            put_unsent(p, &o, OUTCOME_CANCELLED, "still queued when the load was over",
                       o.intended_ns);
        } else if (t->now_ns - o.intended_ns >= t->setup.timeout_ns) {
            put_unsent(p, &o, OUTCOME_TIMEOUT, "its time was up while it waited for the cap",
                       o.intended_ns + t->setup.timeout_ns);
            policy_end(p->policy, &o, t->now_ns);
        } else {
            start(p, &o);
        }
    }
}

static void admit(struct pass *p, const struct offer *o)
{
    switch (policy_admit(p->policy, o, p->twin->now_ns)) {
    case ADMIT_START:
        start(p, o);
        break;
    case ADMIT_DROPPED:
        put_unsent(p, o, OUTCOME_DROPPED, "over the concurrency cap (--on-cap drop)",
                   o->intended_ns);
        break;
    default:
        break;
    }
}

static void take_token(struct pass *p, const struct engine_token *token, int64_t at_ns)
{
    struct flight *f = token->owner;
    struct gap g = {.tokens = (uint64_t)token->count};
    if (f->done == 0) {
        f->first_ns = at_ns;
        f->cached = token->cached;
    } else {
        g.gap_ns = at_ns - f->last_ns;
    }
    f->last_ns = at_ns;
    f->done += token->count;
    if (!p->twin->setup.without_gaps && !f->left_over) {
        f->events++;
        gaps_put(&f->gaps, &g);
    }
    p->events += !f->left_over;
    p->tokens += f->left_over ? 0 : (uint64_t)token->count;
    if (token->last)
        end_flight(p, f, OUTCOME_OK, "", at_ns);
}

static void run_engine(struct pass *p)
{
    struct twin *t = p->twin;
    const struct engine_token *tokens;
    size_t n;
    int engine;
    int64_t at_ns;
    while (cluster_run(t->cluster, t->now_ns, &tokens, &n, &engine, &at_ns))
        for (size_t i = 0; i < n; i++)
            take_token(p, &tokens[i], at_ns);
}

static int64_t deadline_ns(const struct twin *t)
{
    const struct flight *f = t->first;
    return f ? f->offer.intended_ns + t->setup.timeout_ns : INT64_MAX;
}

static void time_out(struct pass *p)
{
    struct twin *t = p->twin;
    while (deadline_ns(t) <= t->now_ns) {
        struct flight *f = t->first;
        cluster_cancel(t->cluster, f->request);
        end_flight(p, f, OUTCOME_TIMEOUT, "no end within --timeout", t->now_ns);
    }
}

/* Everything measured has ended: what is still in the engine is the tail. */
static void leave_tail(struct pass *p)
{
    for (struct flight *f = p->twin->first; f; f = f->next) {
        if (f->left_over)
            continue;
        struct offer o = f->offer;
        f->offer.phase = PHASE_TAIL; /* also what a load that is cut had measured */
        put_flight(p, f, OUTCOME_CANCELLED, "of the tail: nothing was waited for any more",
                   p->twin->now_ns);
        policy_end(p->policy, &o, p->twin->now_ns);
        f->left_over = true;
    }
    refill(p); /* hands out, cancelled, what had queued */
}

static bool wants_stop(struct pass *p)
{
    struct policy_counts c = policy_counts(p->policy);
    struct twin_progress progress = {
        .phase = p->warmup ? PHASE_WARMUP : PHASE_MEASURE,
        .elapsed_ns = p->twin->now_ns - p->start_ns,
        .offered = c.offered,
        .ended = c.ended + c.dropped,
        .in_flight = c.in_flight,
        .queued = c.queued,
        .tokens = p->tokens,
    };
    return p->observer->tick && p->observer->tick(p->observer->context, &progress);
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Returns whether it was stopped. */
static bool fly(struct pass *p)
{
    struct twin *t = p->twin;
    struct offer next = {0};
    bool held = false, stopped = false;
    p->refill = true;
    for (uint64_t turn = 1;; turn++) {
        if (p->refill)
            refill(p);
        if (policy_exhausted(p->policy) && policy_measured(p->policy))
            break;
        if (!stopped && turn % EVENTS_PER_TICK == 0 && wants_stop(p)) {
            stopped = true;
            policy_stop(p->policy);
            p->refill = true;
            continue;
        }
        if (!held)
            held = policy_reserve(p->policy, &next);
        cluster_begin(t->cluster, t->now_ns);
        int64_t due_ns = earliest(cluster_due_ns(t->cluster), deadline_ns(t));
        if (held)
            due_ns = earliest(due_ns, next.intended_ns);
        if (due_ns == INT64_MAX)
            BUG("virtual time has come to an end before the load");
        if (due_ns > t->now_ns)
            t->now_ns = due_ns;
        run_engine(p);
        time_out(p);
        if (held && next.intended_ns <= t->now_ns) {
            held = false;
            admit(p, &next);
        }
    }
    if (held)
        policy_admit(p->policy, &next, t->now_ns); /* void */
    leave_tail(p);
    return stopped;
}

struct outcome_of_phase {
    struct policy_counts counts;
    int64_t start_ns;
    uint64_t events, asked;
    bool stopped;
};

static struct outcome_of_phase run_phase(struct twin *t, const struct twin_load *load,
                                         const struct load_spec *spec,
                                         const struct twin_observer *observer)
{
    struct pass p = {.twin = t,
                     .workload = load->workload,
                     .observer = observer,
                     .policy = policy_new(spec, 1, t->now_ns),
                     .warmup = spec->warmup,
                     .start_ns = t->now_ns};
    struct outcome_of_phase out = {.start_ns = t->now_ns};
    out.stopped = fly(&p);
    out.counts = policy_counts(p.policy);
    out.events = p.events;
    out.asked = p.asked;
    policy_free(p.policy);
    return out;
}

static void forget_all(struct twin *t)
{
    while (t->first) {
        struct flight *f = t->first;
        cluster_cancel(t->cluster, f->request);
        flight_give_back(t, f);
    }
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
    forget_all(t);
    t->now_ns = until_ns;
}

static void fill_end(const struct twin *t, const struct load_spec *spec,
                     const struct outcome_of_phase *m, struct run_record *run)
{
    uint64_t offered = m->counts.offered;
    int64_t end_ns = offered > 0 ? m->counts.last_offer_ns - m->start_ns : 0;
    bool by_time = spec->duration_ns > 0 && !m->stopped && offered > 0 &&
                   (spec->num_prompts == 0 || offered < spec->num_prompts);
    run->finished = true;
    run->interrupted = m->stopped;
    run->offered_end_ns = by_time ? spec->duration_ns : end_ns;
    run->drained_ns = t->now_ns - m->start_ns;
    run->body_underruns = 0;
    run->clock_steps = 0;
    run->steal_fraction = -1;
    run->cpu_user_ns = run->cpu_system_ns = run->spin_ns = 0;
    run->token_events = m->events;
    run->exchanges = m->asked;
    run->peak_in_flight = m->counts.peak_in_flight;
}

void twin_run(struct twin *t, const struct twin_load *load, const struct twin_observer *observer,
              struct run_record *run)
{
    struct outcome_of_phase warmup = {0}, measured = {.start_ns = t->now_ns};
    if (load->from_idle)
        forget_all(t);
    if (load->warmup_requests > 0) {
        int64_t users = WARMUP_CONCURRENCY;
        if (load->load.max_concurrency > 0)
            users = earliest(users, load->load.max_concurrency);
        struct load_spec spec = {.mode = LOAD_CLOSED,
                                 .max_concurrency = earliest(users, (int64_t)load->warmup_requests),
                                 .num_prompts = load->warmup_requests,
                                 .warmup = true};
        warmup = run_phase(t, load, &spec, observer);
        measured.start_ns = t->now_ns;
    }
    if (!warmup.stopped)
        measured = run_phase(t, load, &load->load, observer);
    fill_end(t, &load->load, &measured, run);
    run->interrupted |= warmup.stopped;
}
