#ifndef LOADLINE_STATS_HOLM_H
#define LOADLINE_STATS_HOLM_H

/* Several tests at once (Holm, A simple sequentially rejective multiple test procedure, 1979). */

#include <stddef.h>

/* Adjusted p-values: reject what is not above α, and the chance of any false rejection is at most α, whatever the tests
 * have to do with each other. With p sorted, the j-th of m (from 1) becomes max over i ≤ j of min(1, (m − i + 1) p_i).
 * out[i] belongs to p[i]; out may be p. The p are within 0 … 1. */
void holm_adjust(const double *p, size_t m, double *out);

#endif
