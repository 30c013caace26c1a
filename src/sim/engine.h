#ifndef LOADLINE_SIM_ENGINE_H
#define LOADLINE_SIM_ENGINE_H

/* One engine, step by step and without a clock: its scheduler picks what the next step holds, the step law says how
 * long it takes, and at its end every sequence that caught up has one more token (more where drafts were
 * accepted). The caller owns time: begin a step, let its duration pass on whatever clock, end it.
 * Same configuration, seed and calls: same results. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/spec.h"

struct engine;
struct engine_request;

struct engine_ask {
    int64_t prompt_tokens, output_tokens; /* exactly so many come out */
    const uint32_t *ids;  /* of the prompt and as much of the output as is known: what others can share. The caller's,
                           * until the request has ended. NULL: unlike any other */
    int64_t id_count;     /* at most prompt_tokens + output_tokens */
    int64_t priority;     /* for that policy: the smallest goes first */
    int64_t arrived;      /* output tokens that came, and cache with them, from another engine; else 0 */
    void *owner;          /* comes back with each token */
};

struct engine_token {
    void *owner;
    int64_t index;  /* 0 for a request's first */
    int64_t count;  /* tokens from there on that leave together: more than 1 with accepted drafts */
    int64_t cached; /* tokens of the prompt that were in the cache when it was admitted */
    bool last;      /* the request is complete and its handle no longer valid */
    int64_t admitted_ns; /* when the step began that first held it, as told; 0 when no time was told */
};

struct engine_counts {
    int64_t running, waiting;
    int64_t blocks_used, blocks;     /* of KV cache; used: not to be had by others */
    uint64_t steps, preemptions;
    uint64_t admitted_prompt_tokens; /* looked up in the prefix cache */
    uint64_t cached_prompt_tokens;   /* and found there */
    uint64_t generated_tokens;
    uint64_t drafts, drafts_accepted;
};

struct engine *engine_new(const struct sim_config *c, uint64_t seed);
void engine_free(struct engine *e);

/* Queues a request; NULL when a length is below one, both exceed max_model_len together, or more is said to be known
 * or to have arrived than there is. Allowed at any time. */
struct engine_request *engine_ask(struct engine *e, const struct engine_ask *ask);

/* The same for a request unlike any other. */
struct engine_request *engine_submit(struct engine *e, int64_t prompt_tokens, int64_t output_tokens,
                                     void *owner);

/* Forgets a request at any time, also in the middle of a step; it has no more tokens. */
void engine_cancel(struct engine *e, struct engine_request *r);

/* So much time went by between steps; only the wandering of its speed minds. */
void engine_rest(struct engine *e, int64_t ns);
/* When the next step begins, by the caller's clock. Changes nothing but admitted_ns. */
void engine_tell_time(struct engine *e, int64_t now_ns);

/* Schedules a step. False when there is nothing to do; else engine_step_end must follow. */
bool engine_step_begin(struct engine *e, int64_t *duration_ns);

/* Ends the step: its tokens, in order of admission, valid until the next begin. */
size_t engine_step_end(struct engine *e, const struct engine_token **tokens);

/* Forgets every cached prefix; running requests keep what they hold. */
void engine_forget_prefixes(struct engine *e);

struct engine_counts engine_counts(const struct engine *e);

#endif
