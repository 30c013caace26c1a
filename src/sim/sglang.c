/* After SGLang's scheduler: prompts go first. As long as a waiting request can be admitted a step
 * holds prompts only (up to max_num_batched_tokens, and chunk_tokens of them computed, the last one
 * cut to what is left); else it holds one token of each of the batch. Admission keeps back a share
 * of what the batch may yet generate; the share decays while all goes well. When the cache runs
 * out, who has generated least gives up its memory and waits again, and the share is set back.
 * Prefixes are kept in a radix tree, token by token. */

#include "sim/scheduler.h"

/* SGLang: SGLANG_INIT_NEW_TOKEN_RATIO × schedule_conservativeness, its decay to 0.14 of that over
 * 600 decode steps, CLIP_MAX_NEW_TOKENS, and the queue's length above which prefixes are not
 * matched. */
#define FIRST_RATIO 0.7
#define LEAST_RATIO 0.098
#define DECAY_STEPS 600
enum { CLIP_NEW_TOKENS = 4096, MATCHED_QUEUE = 128 };

struct state {
    double ratio;
    struct engine_request *cut; /* its prompt is partly computed */
};

static void open(struct core *c)
{
    struct state *s = c->state;
    s->ratio = FIRST_RATIO;
}

static void arrive(struct core *c, struct engine_request *r)
{
    core_enqueue(c, r, c->last);
}

/* ---- memory, in tokens ---- */

static int64_t pool_tokens(const struct core *c)
{
    return c->counts.blocks * SIM_BLOCK_TOKENS;
}

static int64_t free_tokens(const struct core *c)
{
    return pool_tokens(c) - c->own_tokens - radix_tokens(c->radix);
}

static void take(struct core *c, struct engine_request *r, int64_t tokens)
{
    int64_t lacking = tokens - free_tokens(c);
    if (lacking > 0)
        radix_evict(c->radix, lacking);
    r->own += tokens;
    c->own_tokens += tokens;
}

/* Tokens of a request that others can find, of the first n. */
static int64_t sharable(const struct core *c, const struct engine_request *r, int64_t n)
{
    return c->config.prefix_caching ? core_least(r->id_count, n) : 0;
}

/* Moves what is computed and known into the tree; the request's lock moves to its end. */
static void into_tree(struct core *c, struct engine_request *r)
{
    int64_t n = sharable(c, r, r->computed);
    if (n <= r->shared)
        return;
    struct radix_node *end;
    radix_insert(c->radix, r->ids, n, &end);
    radix_lock(c->radix, end);
    if (r->node)
        radix_unlock(c->radix, r->node);
    r->node = end;
    c->own_tokens -= n - r->shared; /* those another had inserted before are given back */
    r->own -= n - r->shared;
    r->shared = n;
}

static void computed(struct core *c, struct engine_request *r)
{
    int64_t unused = r->own + r->shared - r->computed; /* of drafts that were not accepted */
    r->own -= unused;
    c->own_tokens -= unused;
    if (r->generated == 0 || r->computed == r->prompt_tokens)
        into_tree(c, r);
}

static void release(struct core *c, struct engine_request *r, bool done)
{
    struct state *s = c->state;
    if (done)
        into_tree(c, r);
    if (r->node)
        radix_unlock(c->radix, r->node);
    c->own_tokens -= r->own;
    r->node = NULL;
    r->own = r->shared = r->computed = 0;
    if (s->cut == r)
        s->cut = NULL;
}

/* ---- prompts ---- */

static int64_t clipped(const struct engine_request *r)
{
    return core_least(r->output_tokens - r->generated, CLIP_NEW_TOKENS);
}

static double kept_back(const struct core *c, const struct state *s)
{
    double tokens = 0;
    for (int64_t i = 0; i < c->counts.running; i++)
        tokens += (double)clipped(c->running[i]) * s->ratio;
    if (s->cut) /* the rest of a prompt is certain to come */
        tokens += (double)core_rest(s->cut);
    return tokens;
}

/* The next of the waiting: by arrival, or by the longest cached prefix. */
static struct engine_request *next_of(const struct core *c)
{
    if (c->config.policy != SIM_LONGEST_PREFIX || c->counts.waiting > MATCHED_QUEUE)
        return c->first;
    struct engine_request *best = c->first;
    int64_t longest = -1;
    for (struct engine_request *r = c->first; r; r = r->next) {
        int64_t n = radix_peek(c->radix, r->ids, sharable(c, r, core_tokens(r) - 1));
        if (n > longest) {
            longest = n;
            best = r;
        }
    }
    return best;
}

struct budget {
    int64_t tokens, chunk;
    double memory;
};

static void give(struct core *c, struct engine_request *r, struct budget *b, int64_t n)
{
    take(c, r, n);
    r->chunk = n;
    b->tokens -= n;
    b->chunk -= n;
}

static bool admit_one(struct core *c, struct budget *b)
{
    struct state *s = c->state;
    struct engine_request *r = next_of(c);
    struct radix_node *node;
    int64_t found = radix_match(c->radix, r->ids, sharable(c, r, core_tokens(r) - 1), &node);
    /* What is found is locked, and so no longer to be had by evicting it. */
    int64_t before = radix_evictable(c->radix);
    radix_lock(c->radix, node);
    double memory = b->memory - (double)(before - radix_evictable(c->radix));
    bool brings_cache = r->arrived && !r->admitted_once;
    int64_t have = brings_cache ? core_tokens(r) - 1 : found;
    int64_t n = core_tokens(r) - have;
    double needed = (double)(core_tokens(r) - found + clipped(r));
    if (needed > memory) {
        radix_unlock(c->radix, node);
        return false;
    }
    core_admit(c, r, have);
    r->node = node;
    r->shared = found;
    take(c, r, have - found);
    if (n > b->chunk) {
        s->cut = r;
        n = b->chunk;
    }
    b->memory = memory - needed;
    give(c, r, b, n);
    return true;
}

/* Returns whether the step holds prompts. */
static bool choose_prompts(struct core *c)
{
    struct state *s = c->state;
    if (!s->cut && !c->first)
        return false;
    struct budget b = {
        .tokens = c->config.max_num_batched_tokens,
        .chunk = core_least(c->config.chunk_tokens, c->config.max_num_batched_tokens),
        .memory = (double)(free_tokens(c) + radix_evictable(c->radix)) - kept_back(c, s),
    };
    bool any = false;
    if (s->cut) {
        struct engine_request *r = s->cut;
        int64_t n = core_least(core_rest(r), b.chunk);
        if (n == core_rest(r))
            s->cut = NULL;
        give(c, r, &b, n);
        any = true;
    }
    while (c->first && !s->cut && b.chunk > 0 && b.tokens > 0 &&
           c->counts.running < c->config.max_num_seqs) {
        if (!admit_one(c, &b))
            break;
        any = true;
    }
    return any;
}

/* ---- decoding ---- */

static int64_t step_tokens(const struct core *c)
{
    int64_t tokens = 0;
    for (int64_t i = 0; i < c->counts.running; i++)
        tokens += core_rest(c->running[i]) +
                  core_drafts(c, c->running[i], c->config.max_num_batched_tokens);
    return tokens;
}

/* Who has generated least; of these the longest prompt, then the last. */
static struct engine_request *retracted(const struct core *c)
{
    struct engine_request *worst = c->running[0];
    for (int64_t i = 1; i < c->counts.running; i++) {
        struct engine_request *r = c->running[i];
        if (r->generated < worst->generated ||
            (r->generated == worst->generated && r->prompt_tokens >= worst->prompt_tokens))
            worst = r;
    }
    return worst;
}

static void make_room(struct core *c)
{
    struct state *s = c->state;
    while (c->counts.running > 1 && step_tokens(c) > free_tokens(c) + radix_evictable(c->radix)) {
        struct engine_request *r = retracted(c);
        core_preempt(c, r);
        if (c->first != c->last) { /* to the end of the queue */
            core_dequeue(c, r);
            core_enqueue(c, r, c->last);
        }
        s->ratio = FIRST_RATIO;
    }
}

static void choose(struct core *c)
{
    struct state *s = c->state;
    if (choose_prompts(c))
        return;
    if (c->counts.running == 0) {
        s->ratio = FIRST_RATIO;
        return;
    }
    make_room(c);
    for (int64_t i = 0; i < c->counts.running; i++) {
        struct engine_request *r = c->running[i];
        r->chunk = core_rest(r);
        r->drafts = core_drafts(c, r, c->config.max_num_batched_tokens);
        take(c, r, r->chunk + r->drafts);
    }
    double decayed = s->ratio - (FIRST_RATIO - LEAST_RATIO) / DECAY_STEPS;
    s->ratio = decayed > LEAST_RATIO ? decayed : LEAST_RATIO;
}

const struct scheduler scheduler_sglang = {.state_bytes = sizeof(struct state),
                                           .radix = true,
                                           .open = open,
                                           .arrive = arrive,
                                           .choose = choose,
                                           .computed = computed,
                                           .release = release};
