#ifndef LOADLINE_STATS_MISSRATE_H
#define LOADLINE_STATS_MISSRATE_H

/* Does a share of at most 1 − p of a stationary series lie at or over a limit? Values depend on their neighbours: a slow
 * moment of a server makes many requests miss at once, so n of them say as much as n_eff independent ones. How much that
 * is shows in when the values near the p-quantile came (stats/blockci.h), not in the misses alone: a window just over the
 * limit often holds none. Then the count is judged by the binomial distribution of n_eff trials (Clopper & Pearson 1934),
 * n_eff rounded down and misses against the claim. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct missrate {
    uint64_t n, misses;
    double share;    /* misses/n; NAN when n = 0 */
    double quantile; /* the ⌈np⌉-th smallest value */
    double n_eff, rho1;
    bool bound;      /* false: too few or too dependent to say anything: both probabilities are 1 */
    double p_bad;    /* of so few misses, or fewer, if the share were 1 − p: small shows that it is lower */
    double p_good;   /* of so many misses, or more, if the share were 1 − p: small shows that it is higher */
};

/* x in time order, not modified, no NAN; +INFINITY is a miss whatever the limit. Linear time. */
void missrate_test(const double *x, size_t n, double limit, double p, struct missrate *out);

#endif
