#ifndef LOADLINE_STATS_DECORRELATE_H
#define LOADLINE_STATS_DECORRELATE_H

/* Batches of a series that hardly depend on each other, for tests that take independent values.
 *
 * The correlation of neighbouring batches follows from the autocovariances of the series: with V(m) the variance of the
 * sum of m values, it is V(2m)/(2V(m)) − 1. This is far less noisy than the correlation of the few batches themselves.
 * Autocovariances are taken up to where their sums by pairs cease to be positive (Geyer 1992). They are estimated
 * in each fifth of the series apart, and of the five correlations the median counts: else a change of level, which is
 * what the batches are meant to find, would itself pass for correlation. Up to two fifths may hold a change. */

#include <stdbool.h>
#include <stddef.h>

enum {
    DECORRELATE_MOST = 200, /* batches made at most, which is the room that `means` needs */
    DECORRELATE_LEAST = 20, /* batches that must remain */
};

struct decorrelated {
    size_t n;    /* batches */
    size_t size; /* values in each, as few as will do; what is left over at the end is not used */
    double rho1; /* between neighbouring batches; below 0.1 where found */
    bool found;  /* false: no size leaves 20 batches that hardly depend on each other. means then has 20 or a few more,
                  * of which nothing should be claimed; none when the series has fewer than 20 values */
};

/* x in time order, finite. Time: about n + 100,000 steps. */
void decorrelate(const double *x, size_t n, double means[DECORRELATE_MOST],
                 struct decorrelated *out);

#endif
