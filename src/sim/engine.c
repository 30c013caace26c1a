#include "sim/engine.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "sim/step.h"

#define NS_PER_SECOND 1e9

struct engine_request {
    void *owner;
    int64_t prompt_tokens, output_tokens;
    int64_t generated; /* tokens given out */
    int64_t computed;  /* tokens whose keys and values are in the cache */
    int64_t chunk;     /* tokens of the step under way; 0: not in it */
    int64_t blocks;    /* of cache held */
    bool running;
    struct engine_request *prev, *next; /* in the queue while it waits */
};

struct engine {
    struct sim_config config;
    struct step_law law;
    uint64_t seed;
    struct engine_request **running;     /* in order of admission */
    struct engine_request *first, *last; /* the queue */
    struct engine_token *tokens;
    struct step_chunk *chunks;
    struct engine_counts counts;
    bool in_step;
};

struct engine *engine_new(const struct sim_config *c, uint64_t seed)
{
    struct engine *e = MEM_NEW(struct engine);
    size_t seqs = (size_t)c->max_num_seqs;
    e->config = *c;
    e->law = step_law_of(c);
    e->seed = seed;
    e->running = MEM_ARRAY(struct engine_request *, seqs);
    e->tokens = MEM_ARRAY(struct engine_token, seqs);
    e->chunks = MEM_ARRAY(struct step_chunk, seqs);
    e->counts.blocks = c->kv_blocks;
    return e;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    for (int64_t i = 0; i < e->counts.running; i++)
        free(e->running[i]);
    while (e->first) {
        struct engine_request *r = e->first;
        e->first = r->next;
        free(r);
    }
    free(e->running);
    free(e->tokens);
    free(e->chunks);
    free(e);
}

/* Queues r behind `before`; at the front when that is NULL. */
static void queue_insert(struct engine *e, struct engine_request *r, struct engine_request *before)
{
    r->prev = before;
    r->next = before ? before->next : e->first;
    *(r->prev ? &r->prev->next : &e->first) = r;
    *(r->next ? &r->next->prev : &e->last) = r;
    e->counts.waiting++;
}

static void queue_remove(struct engine *e, struct engine_request *r)
{
    *(r->prev ? &r->prev->next : &e->first) = r->next;
    *(r->next ? &r->next->prev : &e->last) = r->prev;
    e->counts.waiting--;
}

struct engine_request *engine_submit(struct engine *e, int64_t prompt_tokens, int64_t output_tokens,
                                     void *owner)
{
    int64_t longest = e->config.max_model_len;
    if (prompt_tokens < 1 || output_tokens < 1 || prompt_tokens > longest ||
        output_tokens > longest - prompt_tokens)
        return NULL;
    struct engine_request *r = MEM_NEW(struct engine_request);
    r->owner = owner;
    r->prompt_tokens = prompt_tokens;
    r->output_tokens = output_tokens;
    queue_insert(e, r, e->last);
    return r;
}

static void release_blocks(struct engine *e, struct engine_request *r)
{
    e->counts.blocks_used -= r->blocks;
    r->blocks = 0;
    r->computed = 0;
    r->chunk = 0;
}

static void running_remove(struct engine *e, int64_t at)
{
    int64_t behind = --e->counts.running - at;
    memmove(&e->running[at], &e->running[at + 1], (size_t)behind * sizeof(struct engine_request *));
}

void engine_cancel(struct engine *e, struct engine_request *r)
{
    if (r->running) {
        int64_t at = 0;
        while (e->running[at] != r)
            at++;
        running_remove(e, at);
        release_blocks(e, r);
    } else {
        queue_remove(e, r);
    }
    free(r);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Holds blocks for the sequence's first `tokens` tokens; false, and nothing taken, when there are
 * too few. */
static bool hold_blocks(struct engine *e, struct engine_request *r, int64_t tokens)
{
    int64_t more = (tokens + SIM_BLOCK_TOKENS - 1) / SIM_BLOCK_TOKENS - r->blocks;
    if (more > e->counts.blocks - e->counts.blocks_used)
        return false;
    if (more > 0) {
        r->blocks += more;
        e->counts.blocks_used += more;
    }
    return true;
}

static struct engine_request *preempt_last(struct engine *e)
{
    struct engine_request *victim = e->running[--e->counts.running];
    release_blocks(e, victim);
    victim->running = false;
    queue_insert(e, victim, NULL);
    e->counts.preemptions++;
    return victim;
}

/* Gives each running sequence its share of the step. Returns what is left of the budget; 0 also
 * after a preemption, when no new sequence may come in. */
static int64_t schedule_running(struct engine *e, int64_t budget)
{
    uint64_t preemptions = e->counts.preemptions;
    for (int64_t i = 0; i < e->counts.running && budget > 0; i++) {
        struct engine_request *r = e->running[i];
        int64_t n = least(r->prompt_tokens + r->generated - r->computed, budget);
        while (!hold_blocks(e, r, r->computed + n))
            if (preempt_last(e) == r)
                return 0;
        r->chunk = n;
        budget -= n;
    }
    return e->counts.preemptions == preemptions ? budget : 0;
}

static void schedule_waiting(struct engine *e, int64_t budget)
{
    while (e->first && budget > 0 && e->counts.running < e->config.max_num_seqs) {
        struct engine_request *r = e->first;
        int64_t n = least(r->prompt_tokens + r->generated, budget);
        if (!hold_blocks(e, r, n))
            return;
        queue_remove(e, r);
        r->running = true;
        r->chunk = n;
        budget -= n;
        e->running[e->counts.running++] = r;
        if (r->generated == 0)
            e->counts.admitted_prompt_tokens += (uint64_t)r->prompt_tokens;
    }
}

/* Multiplies a step's time by a log-normal number of mean 1 and the configured variation. */
static double noise(const struct engine *e)
{
    double cv = e->config.noise_cv;
    if (cv <= 0)
        return 1;
    struct rng r = rng_at(e->seed, RNG_SIM_NOISE, e->counts.steps);
    double variance = log1p(cv * cv);
    return exp(sqrt(variance) * rng_normal(&r) - variance / 2);
}

static struct step_batch describe_step(struct engine *e)
{
    struct step_batch b = {.chunks = e->chunks};
    for (int64_t i = 0; i < e->counts.running; i++) {
        const struct engine_request *r = e->running[i];
        if (r->chunk == 1 && r->generated > 0) {
            b.decodes++;
            b.decode_context_tokens += r->computed + 1;
        } else if (r->chunk > 0) {
            e->chunks[b.chunk_count++] = (struct step_chunk){r->chunk, r->computed};
        }
    }
    return b;
}

bool engine_step_begin(struct engine *e, int64_t *duration_ns)
{
    if (e->in_step)
        BUG("a step was begun inside a step");
    int64_t left = schedule_running(e, e->config.max_num_batched_tokens);
    schedule_waiting(e, left);
    if (e->counts.running == 0)
        return false;
    struct step_batch b = describe_step(e);
    *duration_ns = (int64_t)ceil(step_seconds(&e->law, &b) * noise(e) * NS_PER_SECOND);
    e->in_step = true;
    return true;
}

/* Books what the step computed; true when that brought the sequence a token. */
static bool take_token(struct engine_request *r)
{
    r->computed += r->chunk;
    bool caught_up = r->chunk > 0 && r->computed == r->prompt_tokens + r->generated;
    r->chunk = 0;
    r->generated += caught_up;
    return caught_up;
}

size_t engine_step_end(struct engine *e, const struct engine_token **tokens)
{
    if (!e->in_step)
        BUG("a step was ended that had not begun");
    e->in_step = false;
    e->counts.steps++;
    size_t n = 0;
    int64_t kept = 0;
    for (int64_t i = 0; i < e->counts.running; i++) {
        struct engine_request *r = e->running[i];
        bool last = false;
        if (take_token(r)) {
            last = r->generated == r->output_tokens;
            e->tokens[n++] = (struct engine_token){r->owner, r->generated - 1, last};
        }
        if (last) {
            release_blocks(e, r);
            free(r);
        } else {
            e->running[kept++] = r;
        }
    }
    e->counts.running = kept;
    e->counts.generated_tokens += n;
    *tokens = e->tokens;
    return n;
}

struct engine_counts engine_counts(const struct engine *e)
{
    return e->counts;
}
