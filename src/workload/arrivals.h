#ifndef LOADLINE_WORKLOAD_ARRIVALS_H
#define LOADLINE_WORKLOAD_ARRIVALS_H

/* When requests are meant to arrive, ns from the start of the run. Gap i depends on (seed, i) alone; the times
 * are their running sum. Poisson (burstiness 1), Gamma (shape b, scale 1/(λb), CV 1/√b), constant (b = inf),
 * all at once (rate inf). Not rescaled to end at n/λ: that would take the Poisson property away. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ramp { RAMP_NONE, RAMP_LINEAR, RAMP_EXPONENTIAL, RAMP_STEPS };

enum { ARRIVALS_MAX_STEPS = 64 };

struct arrivals_step {
    double rate;      /* per second, > 0 */
    int64_t until_ns; /* from the start; the last step's rate goes on behind it */
};

struct arrivals_spec {
    double rate;            /* per second; INFINITY: all at 0 */
    double burstiness;      /* > 0; INFINITY: constant gaps */
    enum ramp ramp;         /* rate goes from ramp_start to ramp_end, rate itself is unused */
    double ramp_start, ramp_end;
    uint64_t ramp_requests; /* the ramp is over index/ramp_requests when > 0 … */
    int64_t ramp_ns;        /* … else over time/ramp_ns */
    struct arrivals_step steps[ARRIVALS_MAX_STEPS]; /* RAMP_STEPS: one rate after the other */
    size_t step_count;
    const int64_t *at_ns;   /* given times (a trace), at_count of them, ascending; NULL for drawn gaps */
    uint64_t at_count;
    uint64_t seed;
};

struct arrivals {
    struct arrivals_spec spec;
    uint64_t next_index;
    double at_s;            /* running sum; double keeps nanoseconds over a month */
};

void arrivals_init(struct arrivals *a, const struct arrivals_spec *spec);

/* Intended time of the next request, ns from the start. False when a trace is used up. */
bool arrivals_next(struct arrivals *a, int64_t *at_ns);

#endif
