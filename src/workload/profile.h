#ifndef LOADLINE_WORKLOAD_PROFILE_H
#define LOADLINE_WORKLOAD_PROFILE_H

/* Named length profiles. Log-normal ones: exp(µ + σz) rounded and clipped; the others are one fixed pair. */

#include <stdint.h>

struct profile {
    const char *name;
    double input_mu, output_mu;     /* ln of the median, tokens */
    double sigma;                   /* 0: fixed lengths */
    int64_t input_min, input_max, output_min, output_max;
    const char *what;               /* one line for help */
};

const struct profile *profile_find(const char *name); /* NULL when there is none */
const struct profile *profile_at(unsigned i);         /* NULL behind the last */

#endif
