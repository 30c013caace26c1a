#include "stats/blockci.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "stats/lag1.h"
#include "stats/moments.h"
#include "stats/rank.h"
#include "stats/special.h"

static const double rho_limit = 0.5;
static const double rounding = 1e-12; /* of variances that are equal but for it */
enum { LEAST_VALUES = 2 * BLOCKCI_BATCHES };

/* The first value of batch j of n. Written so that n·j cannot overflow. */
static size_t batch_start(size_t n, size_t j)
{
    return n / BLOCKCI_BATCHES * j + n % BLOCKCI_BATCHES * j / BLOCKCI_BATCHES;
}

/* Fills variance, n_eff, rho1, df and bound from the means of the batches. `spread` is the variance
 * of a single value. */
static void judge_batches(const double *means, double spread, size_t n, struct blockci *out)
{
    struct moments m = {0};
    for (size_t j = 0; j < BLOCKCI_BATCHES; j++)
        moments_add(&m, means[j]);
    double between = m.m2 / (BLOCKCI_BATCHES * (BLOCKCI_BATCHES - 1));
    out->rho1 = lag1_correlation(means, BLOCKCI_BATCHES);
    double rho = fmax(out->rho1, 0);
    double inflation = (1 + rho) / (1 - rho);
    out->variance = fmax(between, spread / (double)n) * inflation;
    out->n_eff = out->variance > 0 ? spread / out->variance : (double)n;
    out->df = BLOCKCI_BATCHES / inflation - 1;
    out->bound = rho <= rho_limit && out->variance > 0 && isfinite(out->variance);
}

static void no_batches(double estimate, double spread, size_t n, struct blockci *out)
{
    *out = (struct blockci){
        .ci = {estimate, estimate, false, false},
        .estimate = estimate,
        .variance = n > 0 ? spread / (double)n : NAN,
        .n_eff = (double)n,
    };
}

/* Of each batch the share of values below the quantile, or at or below it. */
static void batch_shares(const double *x, size_t n, double quantile, bool at_too, double *means)
{
    for (size_t j = 0; j < BLOCKCI_BATCHES; j++) {
        size_t from = batch_start(n, j), to = batch_start(n, j + 1), below = 0;
        for (size_t i = from; i < to; i++)
            below += at_too ? x[i] <= quantile : x[i] < quantile;
        means[j] = (double)below / (double)(to - from);
    }
}

/* Where more than one value is the quantile, 1{X < q̂} is judged too, and the less certain of the
 * two counts: 1{X ≤ q̂} alone knows nothing of when the failures came if q̂ is itself one. */
static void judge_ties(const double *x, size_t n, struct blockci *out)
{
    size_t below = 0, equal = 0;
    for (size_t i = 0; i < n; i++) {
        below += x[i] < out->estimate;
        equal += x[i] == out->estimate;
    }
    if (equal < 2 || below == 0)
        return;
    double share = (double)below / (double)n;
    double means[BLOCKCI_BATCHES];
    struct blockci other = *out;
    batch_shares(x, n, out->estimate, false, means);
    judge_batches(means, share * (1 - share), n, &other);
    if (other.variance > out->variance * (1 + rounding))
        *out = other;
}

/* The bounds at the ranks n p ± half; `copy` may be rearranged. */
static void bounds_at_ranks(double *copy, size_t n, double p, double half, struct interval *ci)
{
    double low = floor((double)n * p - half), high = ceil((double)n * p + half);
    if (low >= 1) {
        ci->low = rank_select(copy, n, (size_t)low);
        ci->has_low = true;
    }
    if (high <= (double)n) {
        double value = rank_select(copy, n, (size_t)high);
        ci->has_high = isfinite(value);
        ci->high = ci->has_high ? value : ci->high;
    }
}

void blockci_quantile(const double *x, size_t n, double p, double level, struct blockci *out)
{
    double spread = p * (1 - p);
    if (n == 0) {
        no_batches(NAN, spread, n, out);
        return;
    }
    double *copy = mem_alloc(n * sizeof *copy);
    memcpy(copy, x, n * sizeof *copy);
    no_batches(rank_select(copy, n, rank_of(p, n)), spread, n, out);
    if (n >= LEAST_VALUES) {
        double means[BLOCKCI_BATCHES];
        batch_shares(x, n, out->estimate, true, means);
        judge_batches(means, spread, n, out);
        judge_ties(x, n, out);
    }
    if (out->bound) {
        double t = special_t_quantile(1 - (1 - level) / 2, out->df);
        bounds_at_ranks(copy, n, p, t * (double)n * sqrt(out->variance), &out->ci);
    }
    free(copy);
}

/* Sums of differences from the first value, so that digits are not lost far from zero. */
static double mean_of(const double *x, size_t n, double origin)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] - origin;
    return origin + sum / (double)n;
}

void blockci_mean(const double *x, size_t n, double level, struct blockci *out)
{
    double mean = n > 0 ? mean_of(x, n, x[0]) : NAN;
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    double spread = n > 0 ? squares / (double)n : NAN; /* p(1 − p) where x is 0 or 1 */
    no_batches(mean, spread, n, out);
    if (n < LEAST_VALUES)
        return;
    double means[BLOCKCI_BATCHES];
    for (size_t j = 0; j < BLOCKCI_BATCHES; j++) {
        size_t from = batch_start(n, j);
        means[j] = mean_of(x + from, batch_start(n, j + 1) - from, mean);
    }
    judge_batches(means, spread, n, out);
    if (!out->bound)
        return;
    double half = special_t_quantile(1 - (1 - level) / 2, out->df) * sqrt(out->variance);
    out->ci = (struct interval){mean - half, mean + half, true, true};
}
