#ifndef TESTS_UNIT_STATS_SERIES_H
#define TESTS_UNIT_STATS_SERIES_H

/* Series for tests: whole numbers that any language can make again, and autocorrelated normal ones. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

/* x ← ⌊x·keep/of⌋ + noise of 0…999, from the top bits of a 31-bit congruential generator. Neighbours are alike the
 * more, the nearer keep/of is to 1. */
static inline void series_wander(double *x, size_t n, uint64_t seed, uint64_t keep, uint64_t of)
{
    uint64_t state = seed, y = 0;
    for (size_t i = 0; i < n; i++) {
        state = (state * 1103515245 + 12345) % (UINT64_C(1) << 31);
        y = y * keep / of + (state >> 16) % 1000;
        x[i] = (double)y;
    }
}

/* x_i = phi·x_{i−1} + e_i, stationary from the start, variance 1. */
static inline void series_ar1(double *x, size_t n, uint64_t seed, double phi)
{
    struct rng r = rng_at(seed, RNG_SIM_NOISE, 0);
    double scale = sqrt(1 - phi * phi);
    double y = rng_normal(&r);
    for (size_t i = 0; i < n; i++) {
        x[i] = y;
        y = phi * y + scale * rng_normal(&r);
    }
}

#endif
