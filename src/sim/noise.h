#ifndef LOADLINE_SIM_NOISE_H
#define LOADLINE_SIM_NOISE_H

/* What makes real steps differ: each step's time is multiplied by a log-normal number of mean 1, and by another that
 * wanders slowly (an Ornstein–Uhlenbeck process of its logarithm, so that it keeps its variation however the steps
 * fall). Numbers follow from the seed and the step. */

#include <stdint.h>

struct noise {
    uint64_t seed;
    double step_cv, drift_cv; /* coefficients of variation; 0 for none */
    double drift;             /* where the wandering is, in standard deviations of its logarithm */
    int started;
    double rest_s;            /* time without a step since the last one: it wanders then too */
};

/* Time goes by without a step. */
void noise_rest(struct noise *n, double seconds);

/* The factor for step `number`, which would take `seconds`. Steps are asked for in order. */
double noise_factor(struct noise *n, uint64_t number, double seconds);

#endif
