#ifndef LOADLINE_STATS_EARLY_H
#define LOADLINE_STATS_EARLY_H

/* MLPerf LoadGen's early stopping, exact: with t requests over the bound, how many must have been under it before
 * the p-quantile can be said to be under it with confidence c. h_min(t) = min{h : I_p(h, t+1) ≤ 1 − c}. */

#include <stdint.h>

uint64_t early_h_min(double p, double c, uint64_t t);

/* h_min(t) + t: the total that must be seen. */
uint64_t early_total(double p, double c, uint64_t t);

#endif
