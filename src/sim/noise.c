#include "sim/noise.h"

#include <math.h>

#include "base/rng.h"

/* After so long the wandering has forgotten 63 % of where it was: about what clocks, heat and
 * neighbours take. */
#define DRIFT_TIME_S 30.0

/* A log-normal number of mean 1, z standard deviations of its logarithm from the middle. */
static double factor(double cv, double z)
{
    double variance = log1p(cv * cv);
    return exp(sqrt(variance) * z - variance / 2);
}

void noise_rest(struct noise *n, double seconds)
{
    n->rest_s += seconds;
}

double noise_factor(struct noise *n, uint64_t number, double seconds)
{
    double f = 1;
    if (n->step_cv > 0) {
        struct rng r = rng_at(n->seed, RNG_SIM_NOISE, number);
        f *= factor(n->step_cv, rng_normal(&r));
    }
    if (n->drift_cv > 0) {
        struct rng r = rng_at(n->seed, RNG_SIM_DRIFT, number);
        double kept = n->started ? exp(-(seconds + n->rest_s) / DRIFT_TIME_S) : 0;
        n->drift = kept * n->drift + sqrt(1 - kept * kept) * rng_normal(&r);
        n->started = 1;
        n->rest_s = 0;
        f *= factor(n->drift_cv, n->drift);
    }
    return f;
}
