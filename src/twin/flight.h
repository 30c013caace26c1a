#ifndef LOADLINE_TWIN_FLIGHT_H
#define LOADLINE_TWIN_FLIGHT_H

/* The requests that the simulated engine has: asked, and not ended. In the order of their starts, which is that of their
 * intended times and so of their deadlines. Inside this room only. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "sim/cluster.h"
#include "workload/policy.h"

struct flight {
    struct offer offer;
    struct cluster_request *request;
    bool left_over; /* of a load that is over: recorded already */
    bool stops;     /* ends by itself before its limit */
    bool repeated;
    int rung;
    int64_t started_ns, first_ns, last_ns; /* RECORD_NONE: no token yet */
    int64_t prompt_tokens, output_tokens;  /* as they will be */
    int64_t asked_input, asked_output;
    int64_t done, cached;
    uint32_t events;
    struct buf ids, gaps; /* of prompt and answer; of the tokens so far */
    struct flight *prev, *next;
};

struct flights { /* zero-initialise */
    struct flight *first, *last;
    struct flight *pool;
};

/* A new one, at the end. */
struct flight *flights_take(struct flights *list);
void flights_give_back(struct flights *list, struct flight *f);
void flights_release(struct flights *list);

#endif
