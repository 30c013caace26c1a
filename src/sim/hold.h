#ifndef LOADLINE_SIM_HOLD_H
#define LOADLINE_SIM_HOLD_H

/* Requests' blocks of cache: admission with what is cached, growth, sharing, giving back. */

#include "sim/core.h"

/* The hashes of a new request's known blocks. */
void hold_arrive(struct core *c, struct engine_request *r);

struct hold_found { /* the beginning of a waiting request that is cached */
    int64_t tokens;
    size_t blocks, idle;
};

/* At least one token is always left to compute. */
struct hold_found hold_find(struct core *c, struct engine_request *r);

/* Holds what was just found and blocks for the first `tokens` tokens altogether; false, and nothing taken, when there
 * are too few besides `spare`, which others have a claim on. */
bool hold_admit(struct core *c, struct engine_request *r, struct hold_found found, int64_t tokens,
                int64_t spare);

/* Blocks for the first `tokens` tokens; false, and nothing taken, when there are too few. */
bool hold_grow(struct core *c, struct engine_request *r, int64_t tokens);

/* As a scheduler's `computed` and `release`. */
void hold_computed(struct core *c, struct engine_request *r);
void hold_release(struct core *c, struct engine_request *r, bool done);

static inline int64_t hold_blocks(int64_t tokens)
{
    return (tokens + SIM_BLOCK_TOKENS - 1) / SIM_BLOCK_TOKENS;
}

#endif
