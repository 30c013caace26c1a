#ifndef LOADLINE_STATS_CHANGES_H
#define LOADLINE_STATS_CHANGES_H

/* Where a series changes: E-divisive with α = 1 (Matteson & James 2014). It finds changes of distribution, of the mean
 * foremost, one after the other: each time the split of a segment, found so far, that parts it best, if that is better
 * than what values exchanged at random within their segments give. */

#include <stddef.h>
#include <stdint.h>

struct changes_options {
    double level;          /* a change stands when its p is not above it: 0.05 */
    size_t least;          /* values between two changes, at least 2 */
    unsigned permutations; /* R; 199 are enough for a level of 0.05 */
    uint64_t seed;
    double rho1; /* what correlation there is between neighbouring values, as decorrelate() tells; 0 when independent */
};

struct change {
    size_t at;        /* the first value after it */
    double statistic; /* Q̂ there: twice the mean distance between less those within, times ab/(a + b) */
    double p;         /* (1 + permutations whose best split is as good)/(1 + R) */
};

/* Fills out with at most `room` changes in the order of their places, and returns how many. x in time order, finite,
 * not modified; a few hundred values, as time grows with n² R and memory with n²: 200 take 0.1 s at worst, and 0.01 s
 * when nothing changes. The same seed gives the same answer.
 *
 * The test is exact for independent values. Correlation makes low frequencies, and with them the best split, larger by
 * (1 + ρ)/(1 − ρ), so the statistic is divided by that before it is compared. On batches by decorrelate() of stationary
 * AR(1) series, φ from 0 to 0.995, it fires on 4 to 6.5 % at level 0.05. */
size_t changes_find(const double *x, size_t n, const struct changes_options *o, struct change *out,
                    size_t room);

#endif
