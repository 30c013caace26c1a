#ifndef LOADLINE_MEASURE_LATENCY_H
#define LOADLINE_MEASURE_LATENCY_H

/* Samples → struct latency. Percentiles are the ⌈np⌉-th smallest value; intervals come from batch means of what lies
 * below them (stats/blockci.h, gapci.h), where they may be claimed at all (claim.h). */

#include "measure/claim.h"
#include "measure/events.h"
#include "measure/samples.h"

struct latency_wanted {
    const double *percentiles; /* as 99; at most SUMMARY_MAX_PERCENTILES */
    size_t count;
    double claimed;            /* judged whether or not it is among them */
    const struct claim_ground *ground;
};

/* ns in the order of the requests' intended times. */
void latency_of_values(const double *ns, size_t n, const struct latency_wanted *wanted,
                       struct latency *out);
void latency_of_gaps(const struct gap_pool *g, const struct latency_wanted *wanted,
                     struct latency *out);

/* Copies metric m of the window's samples that have one, in the order of the set; to ≥ set->n values. Returns how many.
 */
size_t latency_collect(const struct sample_set *set, const struct window *w, enum latency_metric m,
                       double *to);

/* The ⌈np⌉-th smallest of n sorted values in ns, as ms; NAN when there are none. */
double latency_rank_ms(const double *sorted_ns, size_t n, double p);

/* One row for each output length of a ladder; returns how many. rows ≥ SUMMARY_MAX_RUNGS. */
size_t latency_rungs(const struct sample_set *set, const struct window *w, struct rung *rows);

#endif
