#ifndef LOADLINE_STATS_SIGNEDRANK_H
#define LOADLINE_STATS_SIGNEDRANK_H

/* Paired differences without a normal distribution: Wilcoxon's signed-rank test (1945), the estimate of Hodges &
 * Lehmann (1963), and Tukey's interval by Walsh averages. All exact: the null distribution is counted out by dynamic
 * programming, with midranks for ties. Assumes differences that are independent and symmetric about their centre. */

#include <stddef.h>

#include "stats/interval.h"

struct signedrank {
    size_t n;           /* differences that are not zero; only these are tested */
    double w;           /* W₊, the sum of the ranks, by size, of the positive ones */
    double p_greater;   /* P(W₊ ≥ w) when the centre is 0: small if the differences are positive */
    double p_less;      /* P(W₊ ≤ w) */
    double p_two;       /* min(1, twice the smaller) */
    double estimate;    /* median of the Walsh averages (d_i + d_j)/2, i ≤ j; NAN without differences */
    struct interval ci; /* [A_(k), A_(M+1−k)] of the M ordered Walsh averages; without bounds it holds the estimate */
    double confidence;  /* what the interval has exactly, at least the level asked; 0: too few differences */
};

/* d is finite and not modified; zeros are dropped by the test, but kept in the Walsh averages: to the estimate they are
 * differences like others. k is the largest with P(W₊ < k) ≤ (1 − level)/2 by the null without ties, which keeps the
 * interval conservative with them. 95 % needs 6 differences. Time n³, memory n²: meant for tens or hundreds of them. */
void signedrank_test(const double *d, size_t n, double level, struct signedrank *out);

/* P(W₊ ≤ w) for n differences without ties or zeros. */
double signedrank_cdf(size_t n, double w);

#endif
