#ifndef LOADLINE_STATS_INTERVAL_H
#define LOADLINE_STATS_INTERVAL_H

/* Confidence intervals. */

#include <stdbool.h>
#include <stddef.h>

struct interval {
    double low, high;
    bool has_low, has_high; /* false: no bound on that side can be claimed */
};

/* Ranks (from 1) of the binomial order-statistic interval of the p-quantile of n independent values at `level`
 * (0.95), α = 1 − level: low = max{k : F(k−1; n, p) ≤ α/2}, high = min{k : F(k−1; n, p) ≥ 1 − α/2}; low 0 or
 * high n+1: no bound on that side. */
void interval_quantile_ranks(size_t n, double p, double level, size_t *low, size_t *high);

/* Mean ± t·sd/√n over independent values; no bounds when n < 2. */
void interval_mean(const double *x, size_t n, double level, struct interval *out);

#endif
