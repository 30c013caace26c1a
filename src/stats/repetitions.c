#include "stats/repetitions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "stats/special.h"

/* Replaces groups of r values by their means, in place, and returns the pooled variance around
 * these. */
static double fold(double *x, size_t groups, size_t r)
{
    double squares = 0;
    for (size_t g = 0; g < groups; g++) {
        const double *in = x + g * r;
        double mean = 0;
        for (size_t i = 0; i < r; i++)
            mean += in[i] / (double)r;
        for (size_t i = 0; i < r; i++)
            squares += (in[i] - mean) * (in[i] - mean);
        x[g] = mean; /* g ≤ g·r: what is overwritten has been read */
    }
    return squares / ((double)groups * (double)(r - 1));
}

void repetitions_variances(const double *y, const size_t *reps, size_t levels, double *s2,
                           double *t2)
{
    size_t n = 1;
    for (size_t i = 0; i < levels; i++)
        n *= reps[i];
    double *x = mem_alloc(n * sizeof *x);
    memcpy(x, y, n * sizeof *x);
    for (size_t i = 0; i < levels; i++) {
        n /= reps[i];
        s2[i] = fold(x, n, reps[i]);
        t2[i] = i > 0 ? s2[i] - s2[i - 1] / (double)reps[i - 1] : s2[0];
    }
    free(x);
}

void repetitions_best(const double *cost, const double *t2, size_t levels, size_t *reps)
{
    for (size_t i = 0; i + 1 < levels; i++) {
        size_t above = i + 1;
        double each = cost[above];
        while (above < levels && !(t2[above] > 0)) {
            above++;
            each += above < levels ? cost[above] : 0;
        }
        reps[i] = 1;
        if (!(t2[i] > 0))
            continue;
        double best = above < levels ? sqrt(each / cost[i] * t2[i] / t2[above]) : INFINITY;
        if (best > 1)
            reps[i] = best < (double)(SIZE_MAX / 2) ? (size_t)ceil(best) : SIZE_MAX;
    }
}

static double half_width_of(double variance, size_t r, double level)
{
    double t = special_t_quantile(1 - (1 - level) / 2, (double)(r - 1));
    return t * sqrt(variance / (double)r);
}

size_t repetitions_needed(const double *t2, const size_t *reps, size_t levels, double half_width,
                          double level)
{
    double variance = 0, below = 1;
    for (size_t i = levels; i-- > 0;) {
        below *= i + 1 < levels ? (double)reps[i] : 1;
        variance += fmax(t2[i], 0) / below;
    }
    if (!(half_width > 0))
        return SIZE_MAX;
    size_t high = 2;
    while (high < SIZE_MAX / 4 && half_width_of(variance, high, level) > half_width)
        high *= 2;
    size_t low = high / 2; /* too few, or 1 */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (half_width_of(variance, middle, level) > half_width)
            low = middle;
        else
            high = middle;
    }
    return high;
}
