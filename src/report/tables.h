#ifndef LOADLINE_REPORT_TABLES_H
#define LOADLINE_REPORT_TABLES_H

/* The tables of the terminal report. */

#include "measure/summary.h"
#include "report/layout.h"

/* Latency rows for the metrics of the bit set that have values: mean, as many percentiles as fit, and below
 * them the 95 % intervals of two. True when some shown percentile has no upper bound (marked with '*'). */
bool tables_latency(struct layout *l, const struct summary *s, unsigned metrics);

void tables_ladder(struct layout *l, const struct summary *s);

#endif
