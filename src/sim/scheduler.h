#ifndef LOADLINE_SIM_SCHEDULER_H
#define LOADLINE_SIM_SCHEDULER_H

/* What an engine decides for itself: which requests a step holds, and how memory is kept. */

#include "sim/core.h"

struct scheduler {
    size_t state_bytes; /* of its own, zeroed at the start */
    bool radix;         /* the cache is a tree of tokens, else blocks */

    /* May be NULL. */
    void (*open)(struct core *c);

    /* A request has come: puts it into the queue. */
    void (*arrive)(struct core *c, struct engine_request *r);

    /* Chooses the step: sets chunk (and drafts) of requests in the batch, admits and preempts. None chosen: nothing
     * can be done. */
    void (*choose)(struct core *c);

    /* More of a request is computed. May be NULL. */
    void (*computed)(struct core *c, struct engine_request *r);

    /* Gives back a request's memory; computed becomes 0. `done`: it will not come back. */
    void (*release)(struct core *c, struct engine_request *r, bool done);
};

extern const struct scheduler scheduler_vllm, scheduler_sglang, scheduler_tgi, scheduler_trtllm;

#endif
