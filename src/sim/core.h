#ifndef LOADLINE_SIM_CORE_H
#define LOADLINE_SIM_CORE_H

/* What the engine and its schedulers share: requests, the queue, who runs. Inside this room only. */

#include <stdbool.h>
#include <stdint.h>

#include "sim/blocks.h"
#include "sim/engine.h"
#include "sim/radix.h"
#include "sim/step.h"

struct engine_request {
    int64_t prompt_tokens, output_tokens;
    int64_t generated;  /* tokens given out */
    int64_t computed;   /* tokens whose keys and values are in the cache */
    int64_t chunk;      /* tokens of the step under way, drafts not counted; 0: not in it */
    int64_t drafts;     /* verified besides */
    int64_t publish_at; /* computed tokens at which the next block is full and can be shared */
    bool running;
    bool admitted_once;
    void *owner;
    const uint32_t *ids;
    int64_t id_count;
    int64_t cached, priority, arrived;
    int64_t admitted_ns;                /* first, by the time that was told */
    uint64_t number;                    /* in order of arrival */
    struct engine_request *prev, *next; /* in the queue while it waits */
    /* Held in blocks (hold.h): */
    uint32_t *table;
    size_t held, room;
    uint64_t *chain; /* a hash for each full block of known ids */
    size_t chain_length, published;
    /* Held in a radix tree (sglang.c): */
    struct radix_node *node;
    int64_t shared, own; /* tokens on the locked path, and outside the tree */
};

struct core {
    struct sim_config config;
    struct step_law law;
    uint64_t seed, requests;
    int64_t told_ns;                     /* engine_tell_time */
    const struct scheduler *scheduler;
    void *state;                         /* the scheduler's */
    struct engine_request **running;     /* in order of admission */
    struct engine_request *first, *last; /* the queue */
    struct engine_counts counts;
    struct blocks *blocks;               /* one of the two */
    struct radix *radix;
    int64_t own_tokens;                  /* beside the tree */
};

/* Tokens a request has, those of them not yet computed, and the most it can come to have. */
static inline int64_t core_tokens(const struct engine_request *r)
{
    return r->prompt_tokens + r->generated;
}

static inline int64_t core_rest(const struct engine_request *r)
{
    return core_tokens(r) - r->computed;
}

static inline int64_t core_whole(const struct engine_request *r)
{
    return r->prompt_tokens + r->output_tokens;
}

/* Behind `before` in the queue; at the front when that is NULL. */
void core_enqueue(struct core *c, struct engine_request *r, struct engine_request *before);
void core_dequeue(struct core *c, struct engine_request *r);

/* Out of the queue into the batch, `cached` of its tokens in the cache already. */
void core_admit(struct core *c, struct engine_request *r, int64_t cached);

/* Out of the batch, its memory given back, to the front of the queue, to be computed anew. */
void core_preempt(struct core *c, struct engine_request *r);

/* Out of the batch. */
void core_retire(struct core *c, struct engine_request *r);

/* How many drafts a sequence that decodes has verified with its next token, of a step's budget. */
int64_t core_drafts(const struct core *c, const struct engine_request *r, int64_t budget);

static inline int64_t core_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
