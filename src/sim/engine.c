#include "sim/engine.h"

#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "sim/noise.h"
#include "sim/scheduler.h"

#define NS_PER_SECOND 1e9

/* Seeds of replicas follow each other; noise seeds must not lead from one's numbers to the next
 * one's. */
#define NOISE_SEED_SPREAD UINT64_C(0x9e3779b97f4a7c15)

enum { REMEMBERED_ROWS = 8192 };

struct engine {
    struct core core;
    struct noise noise;
    struct engine_token *tokens;
    struct step_chunk *chunks;
    bool in_step;
};

static const struct scheduler *scheduler_of(enum sim_engine engine)
{
    switch (engine) {
    case SIM_SGLANG:
        return &scheduler_sglang;
    case SIM_TGI:
        return &scheduler_tgi;
    case SIM_TRTLLM:
        return &scheduler_trtllm;
    default:
        return &scheduler_vllm;
    }
}

struct engine *engine_new(const struct sim_config *config, uint64_t seed)
{
    struct engine *e = MEM_NEW(struct engine);
    struct core *c = &e->core;
    size_t seqs = (size_t)config->max_num_seqs;
    c->config = *config;
    c->law = step_law_of(config);
    step_law_remember(&c->law, core_least(config->max_num_batched_tokens, REMEMBERED_ROWS));
    c->seed = seed;
    c->scheduler = scheduler_of(config->engine);
    c->counts.blocks = config->kv_blocks;
    if (c->scheduler->radix)
        c->radix = radix_new();
    else
        c->blocks = blocks_new(config->kv_blocks);
    c->running = MEM_ARRAY(struct engine_request *, seqs);
    c->state = mem_zero(1, c->scheduler->state_bytes + 1);
    if (c->scheduler->open)
        c->scheduler->open(c);
    e->noise = (struct noise){.seed = seed ^ (uint64_t)config->noise_seed * NOISE_SEED_SPREAD,
                              .step_cv = config->noise_cv,
                              .drift_cv = config->drift_cv};
    e->tokens = MEM_ARRAY(struct engine_token, seqs);
    e->chunks = MEM_ARRAY(struct step_chunk, seqs);
    return e;
}

static void free_request(struct engine_request *r)
{
    free(r->table);
    free(r->chain);
    free(r);
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    struct core *c = &e->core;
    for (int64_t i = 0; i < c->counts.running; i++)
        free_request(c->running[i]);
    while (c->first) {
        struct engine_request *r = c->first;
        c->first = r->next;
        free_request(r);
    }
    step_law_forget(&c->law);
    blocks_free(c->blocks);
    radix_free(c->radix);
    free(c->running);
    free(c->state);
    free(e->tokens);
    free(e->chunks);
    free(e);
}

/* ---- requests ---- */

static bool allowed(const struct core *c, const struct engine_ask *a)
{
    int64_t longest = c->config.max_model_len;
    if (a->prompt_tokens < 1 || a->output_tokens < 1 || a->prompt_tokens > longest ||
        a->output_tokens > longest - a->prompt_tokens)
        return false;
    return a->arrived >= 0 && a->arrived < a->output_tokens && a->id_count >= 0 &&
           a->id_count <= a->prompt_tokens + a->output_tokens;
}

struct engine_request *engine_ask(struct engine *e, const struct engine_ask *a)
{
    struct core *c = &e->core;
    if (!allowed(c, a))
        return NULL;
    struct engine_request *r = MEM_NEW(struct engine_request);
    *r = (struct engine_request){.prompt_tokens = a->prompt_tokens,
                                 .output_tokens = a->output_tokens,
                                 .generated = a->arrived,
                                 .arrived = a->arrived,
                                 .owner = a->owner,
                                 .ids = a->ids,
                                 .id_count = a->ids ? a->id_count : 0,
                                 .priority = a->priority,
                                 .number = c->requests++};
    c->scheduler->arrive(c, r);
    return r;
}

struct engine_request *engine_submit(struct engine *e, int64_t prompt_tokens, int64_t output_tokens,
                                     void *owner)
{
    return engine_ask(e, &(struct engine_ask){.prompt_tokens = prompt_tokens,
                                              .output_tokens = output_tokens,
                                              .owner = owner});
}

void engine_cancel(struct engine *e, struct engine_request *r)
{
    struct core *c = &e->core;
    if (r->running) {
        core_retire(c, r);
        c->scheduler->release(c, r, true);
    } else {
        core_dequeue(c, r);
    }
    free_request(r);
}

/* ---- steps ---- */

/* Sums up what the step holds. False when nothing. */
static bool describe_step(struct engine *e, struct step_batch *b)
{
    const struct core *c = &e->core;
    int64_t window = c->law.window_tokens;
    *b = (struct step_batch){.chunks = e->chunks};
    for (int64_t i = 0; i < c->counts.running; i++) {
        const struct engine_request *r = c->running[i];
        if (r->chunk == 1 && r->generated > 0) {
            int64_t context = r->computed + 1 + r->drafts;
            b->decodes++;
            b->drafts += r->drafts;
            b->decode_context_tokens += context;
            b->decode_window_tokens += context < window ? context : window;
        } else if (r->chunk > 0) {
            e->chunks[b->chunk_count++] = (struct step_chunk){r->chunk, r->computed};
            b->prompts_done += r->chunk == core_rest(r);
        }
    }
    return b->decodes > 0 || b->chunk_count > 0;
}

void engine_rest(struct engine *e, int64_t ns)
{
    if (ns > 0)
        noise_rest(&e->noise, (double)ns / NS_PER_SECOND);
}

void engine_tell_time(struct engine *e, int64_t now_ns)
{
    e->core.told_ns = now_ns;
}

bool engine_step_begin(struct engine *e, int64_t *duration_ns)
{
    struct core *c = &e->core;
    struct step_batch b;
    if (e->in_step)
        BUG("a step was begun inside a step");
    if (c->counts.running + c->counts.waiting == 0)
        return false;
    c->scheduler->choose(c);
    if (!describe_step(e, &b)) {
        if (c->counts.running + c->counts.waiting > 0)
            BUG("a scheduler with work to do chose nothing");
        return false;
    }
    double seconds = c->config.step_scale * step_seconds(&c->law, &b);
    seconds *= noise_factor(&e->noise, c->counts.steps, seconds);
    *duration_ns = (int64_t)ceil(seconds * NS_PER_SECOND);
    e->in_step = true;
    return true;
}

/* Drafts are accepted one behind the other until the first that is not. */
static int64_t accepted(struct core *c, const struct engine_request *r, struct rng *g)
{
    int64_t n = 0;
    while (n < r->drafts && rng_unit(g) <= c->config.acceptance)
        n++;
    c->counts.drafts += (uint64_t)r->drafts;
    c->counts.drafts_accepted += (uint64_t)n;
    return n;
}

/* Books what the step computed; returns how many tokens that brought the sequence. */
static int64_t book(struct core *c, struct engine_request *r, struct rng *g)
{
    int64_t n = 0;
    if (r->chunk == 0)
        return 0;
    r->computed += r->chunk;
    if (core_rest(r) == 0) {
        int64_t more = r->drafts ? accepted(c, r, g) : 0;
        r->computed += more;
        r->generated += 1 + more;
        n = 1 + more;
    }
    r->chunk = r->drafts = 0;
    if (c->scheduler->computed)
        c->scheduler->computed(c, r);
    return n;
}

size_t engine_step_end(struct engine *e, const struct engine_token **tokens)
{
    struct core *c = &e->core;
    if (!e->in_step)
        BUG("a step was ended that had not begun");
    e->in_step = false;
    struct rng draws = rng_at(c->seed, RNG_SIM_DRAFT, c->counts.steps++);
    size_t n = 0;
    int64_t kept = 0;
    for (int64_t i = 0; i < c->counts.running; i++) {
        struct engine_request *r = c->running[i];
        int64_t got = book(c, r, &draws);
        bool last = r->generated == r->output_tokens;
        if (got) {
            e->tokens[n++] = (struct engine_token){.owner = r->owner,
                                                   .index = r->generated - got,
                                                   .count = got,
                                                   .cached = r->cached,
                                                   .last = last,
                                                   .admitted_ns = r->admitted_ns};
            c->counts.generated_tokens += (uint64_t)got;
        }
        if (last) {
            c->scheduler->release(c, r, true);
            free_request(r);
        } else {
            c->running[kept++] = r;
        }
    }
    c->counts.running = kept;
    *tokens = e->tokens;
    return n;
}

/* ---- what it knows ---- */

void engine_forget_prefixes(struct engine *e)
{
    struct core *c = &e->core;
    if (c->radix)
        radix_evict(c->radix, radix_evictable(c->radix));
    else
        blocks_forget(c->blocks);
}

struct engine_counts engine_counts(const struct engine *e)
{
    const struct core *c = &e->core;
    struct engine_counts n = c->counts;
    if (c->radix) {
        int64_t tokens = c->own_tokens + radix_tokens(c->radix) - radix_evictable(c->radix);
        n.blocks_used = (tokens + SIM_BLOCK_TOKENS - 1) / SIM_BLOCK_TOKENS;
    } else {
        n.blocks_used = n.blocks - blocks_idle(c->blocks);
    }
    return n;
}
