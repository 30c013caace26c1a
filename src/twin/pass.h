#ifndef LOADLINE_TWIN_PASS_H
#define LOADLINE_TWIN_PASS_H

/* One phase of a load under way, and the records of its requests as the live driver makes them. Inside this room only. */

#include "sim/cluster.h"
#include "twin/flight.h"
#include "twin/twin.h"

struct twin {
    struct sim_config config;
    struct twin_setup setup;
    struct cluster *cluster;
    int64_t now_ns;
    struct flights flights;
    uint32_t *token_pool;    /* ids of plain words */
    size_t token_pool_count;
    int64_t template_tokens; /* of a chat around its only message */
};

struct pass {
    struct twin *twin;
    const struct workload *workload;
    const struct twin_observer *observer;
    struct load_spec spec;
    struct policy *policy;
    int64_t start_ns;
    bool refill;                    /* a slot was freed: ask the policy */
    bool stopped;                   /* nothing more is offered … */
    bool aborted, hopeless;         /* … what was in flight is cut off; because nothing succeeds */
    int64_t succeeded_ns;           /* the last time; the start before */
    uint64_t succeeded, failed, dropped, failures_in_row;
    uint64_t tokens, events, asked; /* its tail included */
    uint64_t work;                  /* since the last look at the observer */
};

/* An offer that was never sent. */
void pass_put_unsent(struct pass *p, const struct offer *o, enum outcome outcome, const char *why);

/* A request that ended now. */
void pass_put_flight(struct pass *p, const struct flight *f, enum outcome outcome, const char *why);

/* One that the engine does not take. */
void pass_put_refused(struct pass *p, const struct flight *f);

#endif
