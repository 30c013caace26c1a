#ifndef LOADLINE_STATS_KNEEDLE_H
#define LOADLINE_STATS_KNEEDLE_H

/* Where a curve bends most: Kneedle (Satopää, Albrecht, Irwin & Raghavan, Finding a "Kneedle" in a Haystack, 2011),
 * offline. Both axes are brought to 0 … 1; a local maximum of the distance from the diagonal is a knee when the
 * distance falls by more than sensitivity/(n − 1) after it, before it rises again. Smoothing, where it is needed, is
 * the caller's. */

#include <stdbool.h>
#include <stddef.h>

enum kneedle_shape {
    KNEEDLE_CONCAVE, /* rises less and less: throughput over load. Looked through from the left */
    KNEEDLE_CONVEX,  /* rises more and more: latency over load. From the right */
};

/* The first knee met. x strictly rising, y finite; sensitivity 1 is the authors' advice, and a larger one is slower to
 * see a knee. false, and *index untouched: no knee, fewer than 3 points, or y all equal. */
bool kneedle_find(const double *x, const double *y, size_t n, enum kneedle_shape shape,
                  double sensitivity, size_t *index);

#endif
