#ifndef LOADLINE_STATS_BLOCKCI_H
#define LOADLINE_STATS_BLOCKCI_H

/* Confidence intervals from one long run whose values depend on their neighbours: batch means.
 *
 * The series, in time order, is cut into 20 batches of sizes that differ by one at most. The spread of their means
 * says how uncertain the mean of all is, whatever the dependence within a batch: V = max(Σ(B_j − B̄)²/(b(b − 1)),
 * what independent values would give). What dependence is left between neighbouring batches, ρ₁, is taken for that
 * of an AR(1) process: V is multiplied by (1 + ρ₁)/(1 − ρ₁), and the b batches count as b(1 − ρ₁)/(1 + ρ₁), one less
 * of which are degrees of freedom (the correction is that of Skart: Tafazzoli, Wilson, Lada & Steiger 2011; the
 * equivalent sample size that of Zwiers & von Storch 1995). ρ₁ below 0 counts as 0. Above 0.5 the run is too short
 * to tell, and no bound is given. What nominal 95 % covers of an AR(1) process, with 50 values a batch that is so many
 * correlation times (1 + φ)/(1 − φ) long: of the median 0.95 at 2.6, 0.93 at 1.3, 0.91 at 0.5, where a quarter of the
 * runs get no bound; of the 99th percentile 0.93, 0.91, 0.89; 0.93 to 0.96 in runs ten times as long.
 *
 * A quantile's interval takes the indicator 1{X ≤ q̂} as the series, and turns the uncertainty of its mean into ranks:
 * n p ± t n √V, the lower one rounded down and the upper one up. Where more than one value equals q̂, the indicator
 * 1{X < q̂} is judged too, and the less certain of the two counts. */

#include <stdbool.h>
#include <stddef.h>

#include "stats/interval.h"

enum { BLOCKCI_BATCHES = 20 };

struct blockci {
    struct interval ci; /* a side without a bound holds the estimate */
    double estimate;    /* NAN when n = 0 */
    double variance;    /* V, corrected: of the mean, or of the share of values at or below the quantile */
    double n_eff;       /* as many independent values would be as certain; never more than n */
    double rho1;        /* between neighbouring batches, as estimated; may be negative */
    double df;          /* of Student's t; 0 where there are no batches to take it from */
    bool bound;         /* false: the series says nothing about its own uncertainty, neither side has a bound */
};

/* The p-quantile, 0 < p < 1, by rank ⌈np⌉. x in time order, not modified, no NAN. A value may be +INFINITY: a request
 * that failed. An upper rank beyond n, or that of an infinite value, is no upper bound; a lower rank below 1 no lower
 * one. The lower bound itself may be +INFINITY: most certainly too many failed. bound is false for n < 40, two values a
 * batch: then n_eff is n, rho1 and df 0. Time: linear, with one copy of x. */
void blockci_quantile(const double *x, size_t n, double p, double level, struct blockci *out);

/* The mean, or a share where x is 0 or 1; not clipped to [0, 1]. x in time order, finite. bound is false for n < 40,
 * and where all values are equal: no miss among n does not mean that there are none. Linear time. */
void blockci_mean(const double *x, size_t n, double level, struct blockci *out);

#endif
