#ifndef LOADLINE_STATS_SEQUENTIAL_H
#define LOADLINE_STATS_SEQUENTIAL_H

/* Deciding before the end. To test after every request, each time at level α, is to be wrong far more often than α.
 * Either the looks are fixed in advance and α is shared out among them, or the test is Wald's. */

#include <stddef.h>
#include <stdint.h>

/* --- looks fixed in advance: group-sequential ------------------------------------------------------------- */

/* How much of α may have been spent when a fraction t of the information is in (Lan & DeMets 1983). */
enum sequential_spending {
    SEQUENTIAL_EQUAL,          /* α/K at each of K looks, whenever they are (Bonferroni) */
    SEQUENTIAL_OBRIEN_FLEMING, /* 2 − 2Φ(z_{1−α/2}/√t): hardly any early, nearly all at the end */
    SEQUENTIAL_POCOCK,         /* α ln(1 + (e − 1)t): nearly even */
};

/* share[i]: the level at which to test at look i. fraction rises strictly, up to 1 at the last look (else the rest
 * of α is kept back); it does not matter to SEQUENTIAL_EQUAL, and may be NULL there. Each look gets what is newly
 * spent, and the shares add up to α at most: a union bound, safe whatever the looks have in common. (The boundaries
 * of Lan and DeMets make use of what they have in common, and are a little less strict; they take it to be that of
 * sums of independent values, which ours are not.) */
void sequential_split(enum sequential_spending spending, double alpha, const double *fraction,
                      size_t looks, double *share);

/* --- Wald's sequential probability ratio test (1945), of a share θ of misses ------------------------------- */

/* H₀: θ = 1 − p, as bad as may just not be, against H₁: θ = (1 − p)/2, on blocks of requests in the order of time. The
 * log-likelihood ratio of all blocks so far, Σ m ln(θ₁/θ₀) + (n − m) ln((1 − θ₁)/(1 − θ₀)), decides when it first
 * reaches ln((1 − β)/α) upward, good, or ln(β/(1 − α)) downward, bad. */
struct sequential_block {
    uint64_t n, misses;
};

enum sequential_verdict {
    SEQUENTIAL_UNDECIDED, /* go on */
    SEQUENTIAL_GOOD,      /* H₀ rejected; when θ ≥ 1 − p, with probability α/(1 − β) at most */
    SEQUENTIAL_BAD,       /* H₁ rejected; when θ ≤ (1 − p)/2, with probability β/(1 − α) at most */
    SEQUENTIAL_DEPENDENT, /* nothing may be decided: the blocks are correlated, take longer ones */
};

struct sequential_sprt {
    enum sequential_verdict verdict;
    double ratio; /* log-likelihood ratio after the deciding block, else after the last, over the inflation */
    double lower, upper;  /* the two bounds */
    double rho1;          /* between the shares of misses of neighbouring blocks */
    size_t decided_after; /* blocks; 0 while undecided or dependent */
};

enum { SEQUENTIAL_LEAST_BLOCKS = 10 };

/* Undecided with fewer than 10 blocks, as their correlation cannot be seen; dependent where it is 0.2 or more.
 * inflation ≥ 1 is by how much correlation within blocks makes the variance of misses larger than that of independent
 * ones, n/n_eff of the indicator at the quantile (blockci.h); the ratio is divided by it, as in quasi-likelihood
 * (Wedderburn 1974). Values below 1, and NAN, count as 1. 0 < p < 1; misses ≤ n. */
void sequential_sprt(const struct sequential_block *blocks, size_t count, double p, double alpha,
                     double beta, double inflation, struct sequential_sprt *out);

#endif
