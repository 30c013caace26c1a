#ifndef LOADLINE_SIM_ENGINE_H
#define LOADLINE_SIM_ENGINE_H

/* The engine, step by step and without a clock: a scheduler after vLLM's v1 picks what the next step holds, the
 * step law says how long it takes, and at its end every sequence that caught up has one more token. The
 * caller owns time: begin a step, let its duration pass on whatever clock, end it.
 *
 * Scheduling: a budget of max_num_batched_tokens is dealt first to the running sequences in order of admission (one
 * token each, or the next chunk of a prompt), then to waiting ones, first come first served, while there
 * are fewer than max_num_seqs and blocks of cache for the chunk. When a running sequence finds no block, the
 * last admitted is preempted: it gives up its blocks, goes to the front of the queue and is later computed
 * anew. Same configuration, seed and calls: same results. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/spec.h"

struct engine;
struct engine_request;

struct engine_token {
    void *owner;
    int64_t index; /* 0 for a request's first */
    bool last;     /* the request is complete and its handle no longer valid */
};

struct engine_counts {
    int64_t running, waiting;
    int64_t blocks_used, blocks;    /* of KV cache */
    uint64_t steps, preemptions;
    uint64_t admitted_prompt_tokens; /* looked up at admission; there is no prefix cache to find them in */
    uint64_t generated_tokens;
};

struct engine *engine_new(const struct sim_config *c, uint64_t seed);
void engine_free(struct engine *e);

/* Queues a request for exactly `output_tokens` tokens; `owner` comes back with each. NULL when a length is below one or
 * both exceed max_model_len together. Allowed at any time. */
struct engine_request *engine_submit(struct engine *e, int64_t prompt_tokens, int64_t output_tokens,
                                     void *owner);

/* Forgets a request at any time, also in the middle of a step; it has no more tokens. */
void engine_cancel(struct engine *e, struct engine_request *r);

/* Schedules a step. False when there is nothing to do; else engine_step_end must follow. */
bool engine_step_begin(struct engine *e, int64_t *duration_ns);

/* Ends the step: its tokens, in order of admission, valid until the next begin. */
size_t engine_step_end(struct engine *e, const struct engine_token **tokens);

struct engine_counts engine_counts(const struct engine *e);

#endif
