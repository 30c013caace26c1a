#include "stats/bootstrap.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stats/moments.h"
#include "stats/rank.h"
#include "stats/special.h"

struct draws {
    double *value; /* sorted, without those that are NAN */
    size_t n;
    size_t lost; /* NAN */
};

static void draw_all(size_t n, bootstrap_statistic *f, void *context, size_t draws, uint64_t seed,
                     struct draws *out)
{
    size_t *index = MEM_ARRAY(size_t, n);
    *out = (struct draws){.value = MEM_ARRAY(double, draws)};
    for (size_t b = 0; b < draws; b++) {
        struct rng r = rng_at(seed, RNG_BOOTSTRAP, b);
        for (size_t i = 0; i < n; i++)
            index[i] = (size_t)rng_below(&r, n);
        double value = f(index, n, context);
        if (isnan(value))
            out->lost++;
        else
            out->value[out->n++] = value;
    }
    rank_sort(out->value, out->n);
    free(index);
}

/* â = Σ(θ̄ − θ_i)³ / (6 (Σ(θ̄ − θ_i)²)^1.5), θ_i the statistic without item i; 0 where it is not
 * defined. */
static double jackknife_acceleration(size_t n, bootstrap_statistic *f, void *context)
{
    size_t *index = MEM_ARRAY(size_t, n);
    double *without = MEM_ARRAY(double, n);
    double mean = 0, squares = 0, cubes = 0;
    for (size_t i = 0; i + 1 < n; i++)
        index[i] = i + 1;
    for (size_t i = 0; i < n; i++) {
        without[i] = f(index, n - 1, context);
        mean += without[i] / (double)n;
        index[i] = i; /* in the place of i + 1, which is left out next */
    }
    for (size_t i = 0; i < n; i++) {
        double d = mean - without[i];
        squares += d * d;
        cubes += d * d * d;
    }
    free(without);
    free(index);
    double a = cubes / (6 * squares * sqrt(squares));
    return isfinite(a) ? a : 0;
}

/* Of the draws the share below the estimate, equal ones counted half: where the statistic takes few
 * values, they would else look biased. */
static double share_below(const struct draws *d, double estimate)
{
    double below = 0;
    for (size_t i = 0; i < d->n; i++)
        below += d->value[i] < estimate ? 1 : d->value[i] == estimate ? 0.5 : 0;
    return below / (double)d->n;
}

/* What share of the draws lies below the bound whose normal quantile is z; NAN beyond the
 * transformation's pole. */
static double adjusted(double z, double bias, double acceleration)
{
    double scale = 1 - acceleration * (bias + z);
    return scale > 0 ? special_normal_cdf(bias + (bias + z) / scale) : NAN;
}

static void find_bounds(const struct draws *d, double level, struct bootstrap *out)
{
    double z = special_normal_quantile(1 - (1 - level) / 2);
    double all = (double)(d->n + d->lost) + 1;
    double low = floor(all * adjusted(-z, out->bias, out->acceleration)) - (double)d->lost;
    double high = ceil(all * adjusted(z, out->bias, out->acceleration));
    if (low >= 1 && low <= (double)d->n) {
        out->ci.low = d->value[(size_t)low - 1];
        out->ci.has_low = true;
    }
    if (high >= 1 && high <= (double)d->n) {
        out->ci.high = d->value[(size_t)high - 1];
        out->ci.has_high = true;
    }
}

void bootstrap_bca(size_t n, bootstrap_statistic *f, void *context, size_t draws, double level,
                   uint64_t seed, struct bootstrap *out)
{
    size_t *index = MEM_ARRAY(size_t, n + 1);
    for (size_t i = 0; i < n; i++)
        index[i] = i;
    double estimate = n > 0 ? f(index, n, context) : NAN;
    free(index);
    *out = (struct bootstrap){.ci = {estimate, estimate, false, false}, .estimate = estimate};
    if (n < 2 || isnan(estimate))
        return;
    struct draws d;
    out->draws = draws < BOOTSTRAP_LEAST_DRAWS ? BOOTSTRAP_LEAST_DRAWS : draws;
    draw_all(n, f, context, out->draws, seed, &d);
    struct moments m = {0};
    for (size_t i = 0; i < d.n; i++)
        moments_add(&m, d.value[i]);
    out->error = moments_sd(&m);
    out->bias = d.n > 0 ? special_normal_quantile(share_below(&d, estimate)) : NAN;
    out->acceleration = jackknife_acceleration(n, f, context);
    if (d.n > 0 && d.value[0] < d.value[d.n - 1] && isfinite(out->bias))
        find_bounds(&d, level, out);
    free(d.value);
}
