#include "sim/cluster.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

#define NS_PER_SECOND 1e9

enum { NOT_ENDED = -1 };

struct lane { /* an engine and its place in time */
    struct engine *engine;
    bool stepping;
    int64_t due_ns;   /* end of the step under way */
    int64_t ended_ns; /* when the last step was due to end, until the next is looked for */
    int64_t idle_ns;  /* since when there has been no step */
    int64_t link_free_ns;
};

struct cluster_request {
    struct engine_ask ask;
    int engine;
    struct engine_request *inside; /* NULL while its cache is on the way */
    int64_t ready_ns;              /* when that will have come */
    int64_t cached;
    struct cluster_request *prev, *next; /* among those on the way */
};

struct cluster {
    struct sim_config config;
    struct lane *lanes; /* those for prompts, then those that decode */
    int engines;
    uint64_t routed[2];
    struct cluster_request *first, *last; /* on the way, by ready_ns */
    struct engine_token *tokens;
    size_t room;
};

struct cluster *cluster_new(const struct sim_config *config, uint64_t seed)
{
    struct cluster *c = MEM_NEW(struct cluster);
    c->config = *config;
    c->engines = config->prefill_replicas + config->replicas;
    c->lanes = MEM_ARRAY(struct lane, (size_t)c->engines);
    for (int i = 0; i < c->engines; i++)
        c->lanes[i] =
            (struct lane){.engine = engine_new(config, seed + (uint64_t)i), .ended_ns = NOT_ENDED};
    c->room = (size_t)config->max_num_seqs;
    c->tokens = MEM_ARRAY(struct engine_token, c->room);
    return c;
}

void cluster_free(struct cluster *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->engines; i++)
        engine_free(c->lanes[i].engine);
    while (c->first) {
        struct cluster_request *r = c->first;
        c->first = r->next;
        free(r);
    }
    free(c->lanes);
    free(c->tokens);
    free(c);
}

/* ---- routing ---- */

static int64_t load_of(const struct lane *l)
{
    struct engine_counts n = engine_counts(l->engine);
    return n.running + n.waiting;
}

/* Among the engines for prompts (pool 0, if there are any) or the others. */
static int route(struct cluster *c, int pool)
{
    int from = pool == 0 ? 0 : c->config.prefill_replicas;
    int to = pool == 0 && c->config.prefill_replicas > 0 ? c->config.prefill_replicas : c->engines;
    if (c->config.router == SIM_ROUND_ROBIN)
        return from + (int)(c->routed[pool]++ % (uint64_t)(to - from));
    int best = from;
    for (int i = from + 1; i < to; i++)
        if (load_of(&c->lanes[i]) < load_of(&c->lanes[best]))
            best = i;
    return best;
}

static bool enter(struct cluster *c, struct cluster_request *r, const struct engine_ask *ask,
                  int pool)
{
    struct engine_ask inner = *ask;
    inner.owner = r;
    r->engine = route(c, pool);
    r->inside = engine_ask(c->lanes[r->engine].engine, &inner);
    return r->inside != NULL;
}

struct cluster_request *cluster_ask(struct cluster *c, const struct engine_ask *ask)
{
    if (ask->prompt_tokens < 1 || ask->output_tokens < 1 ||
        ask->prompt_tokens > c->config.max_model_len ||
        ask->output_tokens > c->config.max_model_len - ask->prompt_tokens)
        return NULL;
    struct cluster_request *r = MEM_NEW(struct cluster_request);
    r->ask = *ask;
    struct engine_ask first = *ask;
    if (c->config.prefill_replicas > 0) {
        first.output_tokens = 1;
        if (first.id_count > first.prompt_tokens)
            first.id_count = first.prompt_tokens;
    }
    if (!enter(c, r, &first, 0)) {
        free(r);
        return NULL;
    }
    return r;
}

static void unlink_request(struct cluster *c, struct cluster_request *r)
{
    *(r->prev ? &r->prev->next : &c->first) = r->next;
    *(r->next ? &r->next->prev : &c->last) = r->prev;
}

void cluster_cancel(struct cluster *c, struct cluster_request *r)
{
    if (r->inside)
        engine_cancel(c->lanes[r->engine].engine, r->inside);
    else
        unlink_request(c, r);
    free(r);
}

int cluster_engine_of(const struct cluster_request *r)
{
    return r->engine;
}

/* ---- from prompts to decoding ---- */

/* The first token is out; the prompt's cache follows over its engine's link, one after the other.
 */
static void send_cache(struct cluster *c, struct cluster_request *r, int64_t now_ns)
{
    struct lane *l = &c->lanes[r->engine];
    double bytes = (double)r->ask.prompt_tokens * spec_kv_bytes(&c->config);
    int64_t begin_ns = l->link_free_ns > now_ns ? l->link_free_ns : now_ns;
    r->ready_ns = begin_ns + (int64_t)(bytes / c->config.link_bytes_per_s * NS_PER_SECOND);
    l->link_free_ns = r->ready_ns;
    r->inside = NULL;
    struct cluster_request *before = c->last;
    while (before && before->ready_ns > r->ready_ns)
        before = before->prev;
    r->prev = before;
    r->next = before ? before->next : c->first;
    *(r->prev ? &r->prev->next : &c->first) = r;
    *(r->next ? &r->next->prev : &c->last) = r;
}

static void receive_cache(struct cluster *c)
{
    struct cluster_request *r = c->first;
    struct engine_ask rest = r->ask;
    unlink_request(c, r);
    rest.arrived = 1;
    if (!enter(c, r, &rest, 1))
        BUG("an engine refused lengths that were checked");
}

/* ---- time ---- */

void cluster_begin(struct cluster *c, int64_t now_ns)
{
    for (int i = 0; i < c->engines; i++) {
        struct lane *l = &c->lanes[i];
        if (l->stepping)
            continue;
        int64_t duration_ns = 0;
        int64_t start_ns = l->ended_ns == NOT_ENDED ? now_ns : l->ended_ns;
        l->ended_ns = NOT_ENDED;
        engine_rest(l->engine, start_ns - l->idle_ns);
        l->idle_ns = start_ns;
        engine_tell_time(l->engine, start_ns);
        l->stepping = engine_step_begin(l->engine, &duration_ns);
        l->due_ns = start_ns + duration_ns;
        if (l->stepping && l->due_ns < now_ns)
            l->due_ns = now_ns + duration_ns;
    }
}

static struct lane *next_lane(const struct cluster *c)
{
    struct lane *next = NULL;
    for (int i = 0; i < c->engines; i++)
        if (c->lanes[i].stepping && (!next || c->lanes[i].due_ns < next->due_ns))
            next = &c->lanes[i];
    return next;
}

int64_t cluster_due_ns(const struct cluster *c)
{
    const struct lane *l = next_lane(c);
    int64_t due_ns = l ? l->due_ns : INT64_MAX;
    return c->first && c->first->ready_ns < due_ns ? c->first->ready_ns : due_ns;
}

/* The tokens under their owners' names. */
static size_t hand_over(struct cluster *c, const struct lane *l, const struct engine_token *inner,
                        size_t n)
{
    bool prompts_only = l < c->lanes + c->config.prefill_replicas;
    for (size_t i = 0; i < n; i++) {
        struct cluster_request *r = inner[i].owner;
        struct engine_token *t = &c->tokens[i];
        *t = inner[i];
        t->owner = r->ask.owner;
        if (t->index == 0)
            r->cached = t->cached;
        t->cached = r->cached;
        t->last = inner[i].last && !(prompts_only && r->ask.output_tokens > 1);
        if (t->last)
            free(r);
        else if (prompts_only)
            send_cache(c, r, l->due_ns);
    }
    return n;
}

bool cluster_run(struct cluster *c, int64_t now_ns, const struct engine_token **tokens, size_t *n,
                 int *engine, int64_t *at_ns)
{
    struct lane *l = next_lane(c);
    *n = 0;
    *engine = -1;
    *tokens = c->tokens;
    if (c->first && c->first->ready_ns <= now_ns && (!l || c->first->ready_ns <= l->due_ns)) {
        *at_ns = c->first->ready_ns;
        receive_cache(c);
        return true;
    }
    if (!l || l->due_ns > now_ns)
        return false;
    const struct engine_token *inner;
    size_t got = engine_step_end(l->engine, &inner);
    l->stepping = false;
    l->ended_ns = l->idle_ns = *at_ns = l->due_ns;
    *engine = (int)(l - c->lanes);
    *n = hand_over(c, l, inner, got);
    return true;
}

int cluster_engines(const struct cluster *c)
{
    return c->engines;
}

struct engine_counts cluster_counts(const struct cluster *c, int engine)
{
    return engine_counts(c->lanes[engine].engine);
}

void cluster_forget_prefixes(struct cluster *c)
{
    for (int i = 0; i < c->engines; i++)
        engine_forget_prefixes(c->lanes[i].engine);
}
