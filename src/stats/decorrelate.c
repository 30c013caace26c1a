#include "stats/decorrelate.h"

#include <stdlib.h>

#include "base/mem.h"
#include "stats/rank.h"

enum {
    FIFTHS = 5,
    MOST_POINTS = 1000, /* a longer series is first averaged down to at most so many */
};
static const double rho_enough = 0.1;

static void average(const double *x, size_t size, size_t batches, double *means)
{
    for (size_t j = 0; j < batches; j++) {
        double sum = 0;
        for (size_t i = 0; i < size; i++)
            sum += x[j * size + i];
        means[j] = sum / (double)size;
    }
}

/* The covariances at lags 0…, divided by n at all lags, which keeps them small where they are
 * uncertain. Returns how many there are before the sum of a pair, 2t and 2t + 1, is not positive;
 * `cov` has room for n. The mean is that of differences from the first value: of equal values
 * nothing may be left, or what is left of rounding looks wholly correlated. */
static size_t autocovariances(const double *x, size_t n, double *cov)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += (x[i] - x[0]) / (double)n;
    mean += x[0];
    for (size_t lag = 0; lag < n; lag++) {
        double sum = 0;
        for (size_t i = lag; i < n; i++)
            sum += (x[i] - mean) * (x[i - lag] - mean);
        cov[lag] = sum / (double)n;
        if (lag % 2 == 1 && cov[lag - 1] + cov[lag] <= 0)
            return lag - 1;
    }
    return n;
}

static double variance_of_sum(const double *cov, size_t lags, size_t m)
{
    double v = lags > 0 ? (double)m * cov[0] : 0;
    for (size_t lag = 1; lag < lags && lag < m; lag++)
        v += 2 * (double)(m - lag) * cov[lag];
    return v;
}

struct fifths {
    double *cov[FIFTHS];
    size_t lags[FIFTHS];
};

static double correlation_of_batches(const struct fifths *f, size_t m)
{
    double rho[FIFTHS];
    for (size_t g = 0; g < FIFTHS; g++) {
        double one = variance_of_sum(f->cov[g], f->lags[g], m);
        double two = variance_of_sum(f->cov[g], f->lags[g], 2 * m);
        rho[g] = one > 0 ? two / (2 * one) - 1 : 0;
    }
    return rank_select(rho, FIFTHS, (FIFTHS + 1) / 2);
}

/* The smallest m, in points, that does, or 0. */
static size_t find_size(const double *points, size_t n, double *rho)
{
    struct fifths f;
    for (size_t g = 0; g < FIFTHS; g++) {
        size_t from = n * g / FIFTHS, to = n * (g + 1) / FIFTHS;
        f.cov[g] = MEM_ARRAY(double, to - from);
        f.lags[g] = autocovariances(points + from, to - from, f.cov[g]);
    }
    size_t found = 0;
    size_t first = (n + DECORRELATE_MOST - 1) / DECORRELATE_MOST;
    for (size_t m = first; m <= n / DECORRELATE_LEAST && found == 0; m++) {
        *rho = correlation_of_batches(&f, m);
        if (*rho < rho_enough)
            found = m;
    }
    for (size_t g = 0; g < FIFTHS; g++)
        free(f.cov[g]);
    return found;
}

void decorrelate(const double *x, size_t n, double means[DECORRELATE_MOST],
                 struct decorrelated *out)
{
    *out = (struct decorrelated){0};
    if (n < DECORRELATE_LEAST)
        return;
    size_t unit = (n + MOST_POINTS - 1) / MOST_POINTS, points = n / unit;
    double *averaged = MEM_ARRAY(double, points);
    average(x, unit, points, averaged);
    size_t m = find_size(averaged, points, &out->rho1);
    free(averaged);
    out->found = m > 0;
    out->size = m > 0 ? m * unit : n / DECORRELATE_LEAST;
    out->n = n / out->size;
    average(x, out->size, out->n, means);
}
