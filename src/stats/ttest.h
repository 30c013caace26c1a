#ifndef LOADLINE_STATS_TTEST_H
#define LOADLINE_STATS_TTEST_H

/* Student's t. Assumes means that are nearly normal, and values that do not depend on each other. */

#include <stddef.h>

#include "stats/interval.h"

struct ttest {
    double estimate;    /* mean difference; NAN without values */
    double error;       /* its standard error */
    double t, df;       /* NAN where p says nothing */
    double p;           /* two-sided, against no difference */
    struct interval ci; /* of the difference; a side without a bound holds the estimate */
};

/* Of paired values: d_i = a_i − b_i, the mean against 0 with n − 1 degrees of freedom (Student 1908). Fewer than
 * two, or all alike: they say nothing of their own uncertainty, so p = 1 and no bounds. */
void ttest_paired(const double *d, size_t n, double level, struct ttest *out);

/* mean(a) − mean(b) of two independent samples with variances of their own: (s_a²/n + s_b²/m) and the degrees of
 * freedom of Welch (1938, 1947) and Satterthwaite (1946). p = 1 and no bounds as above, if either sample has fewer
 * than two values or both are constant. */
void ttest_welch(const double *a, size_t n, const double *b, size_t m, double level,
                 struct ttest *out);

#endif
