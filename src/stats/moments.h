#ifndef LOADLINE_STATS_MOMENTS_H
#define LOADLINE_STATS_MOMENTS_H

/* Running mean, standard deviation (n − 1), extremes (Welford 1962). Zero-initialise. */

#include <stdint.h>

struct moments {
    uint64_t n;
    double mean, m2, min, max;
};

void moments_add(struct moments *m, double x);
double moments_sd(const struct moments *m); /* 0 when n < 2 */

#endif
