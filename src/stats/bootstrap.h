#ifndef LOADLINE_STATS_BOOTSTRAP_H
#define LOADLINE_STATS_BOOTSTRAP_H

/* BCa: bias-corrected and accelerated bootstrap intervals (Efron, Better Bootstrap Confidence Intervals, 1987; Efron &
 * Tibshirani 1993, chapter 14), of any statistic of n items that do not depend on each other: runs or blocks of a run,
 * never its requests. */

#include <stddef.h>
#include <stdint.h>

#include "stats/interval.h"

enum { BOOTSTRAP_LEAST_DRAWS = 5000 };

/* The statistic of the items index[0 … m), of which some may occur several times and others not at all. It must not
 * depend on their order. m is n, or n − 1 for the jackknife. NAN: it has no value for these. */
typedef double bootstrap_statistic(const size_t *index, size_t m, void *context);

struct bootstrap {
    struct interval ci;  /* a side without a bound holds the estimate */
    double estimate;     /* of all items */
    double error;        /* standard deviation of the draws */
    double bias;         /* ẑ₀, from the share of draws below the estimate; equal ones count half */
    double acceleration; /* â, by the jackknife */
    size_t draws;        /* B */
};

/* B = draws, raised to 5,000 where it is less. Bounds are draws by rank, outward: of the (B + 1)·α₁ rounded down, of
 * the (B + 1)·α₂ rounded up. A draw that is NAN counts as beyond either bound. No bounds when n < 2, when the
 * estimate is NAN, when all draws are equal, or all on one side of the estimate; none on a side whose rank lies
 * beyond the draws, as it must with few items. The same seed gives the same draws. Calls f B + n + 1 times. */
void bootstrap_bca(size_t n, bootstrap_statistic *f, void *context, size_t draws, double level,
                   uint64_t seed, struct bootstrap *out);

#endif
