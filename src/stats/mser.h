#ifndef LOADLINE_STATS_MSER_H
#define LOADLINE_STATS_MSER_H

/* Where warm-up ends: MSER-5 (White, An effective truncation heuristic for bias reduction in simulation output, 1997;
 * batches of five: White, Cobb & Spratt 2000). */

#include <stdbool.h>
#include <stddef.h>

enum { MSER_BATCH = 5 };

struct mser {
    size_t cut; /* raw values to leave out at the start: a multiple of 5 */
    bool found; /* false: the least lies at the bound, so the series has not been seen to settle, or it is too short */
};

/* x in time order, finite. Its k = ⌊n/5⌋ batch means Z are judged; what is left over at the end is not. cut = 5·d*,
 * d* = argmin over 0 ≤ d ≤ ⌊k/2⌋ of Σ_{i>d}(Z_i − Z̄_d)²/(k − d)², Z̄_d the mean of those after d; of equals the first.
 * found is false when d* = ⌊k/2⌋, and for k < 4, where cut is 0. Linear time. */
void mser5(const double *x, size_t n, struct mser *out);

#endif
