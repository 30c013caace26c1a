#ifndef LOADLINE_MEASURE_CONCURRENCY_H
#define LOADLINE_MEASURE_CONCURRENCY_H

/* Requests in flight, [intended, end), by an exact sweep over the window; and whether its growth says that the server
 * is overloaded. */

#include "measure/window.h"

enum { CONCURRENCY_BATCHES = 20 };

struct concurrency {
    double mean; /* ∫L dt / T */
    uint64_t peak;
    bool identity;                      /* ∫L dt = Σ |[a, end] ∩ window|, to the nanosecond */
    double batch[CONCURRENCY_BATCHES];  /* mean in flight over equal parts of the window */
};

void concurrency_sweep(const struct sample_set *set, const struct window *w,
                       struct concurrency *out);

/* The mean in flight over each of n equal parts of [from, to]: a count at even moments would beat with requests that
 * come and go evenly. */
void concurrency_levels(const struct sample_set *set, int64_t from_ns, int64_t to_ns, size_t n,
                        double *level);

struct overload {
    double growth;      /* requests in flight, over the window: slope × length */
    double growth_t;    /* slope over its standard error */
    double ended_share; /* ended / offered to the server, within the window; NAN when none was offered */
    bool growing, overloaded;
};

/* Growing: the slope of the batch means is positive beyond their error (one-sided 97.5 %). Overloaded: growing, and
 * fewer than 98 % as many ended as were offered. In a window that holds the filling-up of the load in-flight grows
 * also while that goes on; there the end-to-end latency must besides grow with the arrival time, by half of its mean or
 * more. */
void overload_judge(const struct sample_set *set, const struct window *w,
                    const struct concurrency *c, struct overload *out);

#endif
