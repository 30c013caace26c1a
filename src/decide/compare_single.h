#ifndef LOADLINE_DECIDE_COMPARE_SINGLE_H
#define LOADLINE_DECIDE_COMPARE_SINGLE_H

/* One run of each side: how sure the ratio is by what varies within the runs alone. From the interval of each percentile that
 * of the difference of their logarithms is put together (MOVER: Zou & Donner, Construction of confidence limits about effect
 * measures, 2008). No test follows from it. Means and rates have no interval within a run. */

#include "decide/compare.h"

void compare_single_take(struct comparison *c, enum compare_side side, const struct summary *s);
void compare_single_end(struct comparison *c); /* ratio and ci of the rows */

#endif
