#ifndef LOADLINE_STATS_LAG1_H
#define LOADLINE_STATS_LAG1_H

#include <stddef.h>

/* Correlation of neighbours in a series: Σ(x_i − x̄)(x_{i+1} − x̄)/Σ(x_i − x̄)². 0 when all are equal, or fewer than
 * two. Of independent values it is −1/n on average, give or take 1/√n. */
double lag1_correlation(const double *x, size_t n);

#endif
