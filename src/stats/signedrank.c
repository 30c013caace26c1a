#include "stats/signedrank.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/rank.h"

/* P(sum = s) for s from 0 to the sum of all, each rank being in it or not with equal odds. Ranks
 * are doubled, so that midranks are whole. The caller frees it. */
static double *null_distribution(const size_t *ranks, size_t n, size_t total)
{
    double *p = MEM_ARRAY(double, total + 1);
    p[0] = 1;
    size_t reached = 0;
    for (size_t k = 0; k < n; k++) {
        reached += ranks[k];
        for (size_t s = reached + 1; s-- > 0;)
            p[s] = (p[s] + (s >= ranks[k] ? p[s - ranks[k]] : 0)) / 2;
    }
    return p;
}

/* Σ p[s] over from ≤ s ≤ to, the small ones first. */
static double sum_upward(const double *p, size_t from, size_t to)
{
    double sum = 0;
    for (size_t s = from; s <= to; s++)
        sum += p[s];
    return sum;
}

static double *untied_distribution(size_t n, size_t *total)
{
    size_t *ranks = MEM_ARRAY(size_t, n + 1);
    *total = n * (n + 1);
    for (size_t i = 0; i < n; i++)
        ranks[i] = 2 * (i + 1);
    double *p = null_distribution(ranks, n, *total);
    free(ranks);
    return p;
}

double signedrank_cdf(size_t n, double w)
{
    if (!(w >= 0))
        return 0;
    size_t total;
    double *p = untied_distribution(n, &total);
    double twice = 2 * floor(w);
    double sum = twice >= (double)total ? 1 : sum_upward(p, 0, (size_t)twice);
    free(p);
    return sum;
}

static int by_magnitude(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return (x > y) - (x < y);
}

/* d sorted by magnitude, without zeros → doubled midranks; returns the doubled W₊. */
static size_t rank_magnitudes(const double *d, size_t n, size_t *ranks)
{
    size_t positive = 0;
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && fabs(d[end]) == fabs(d[i]))
            end++;
        for (size_t k = i; k < end; k++) {
            ranks[k] = i + 1 + end; /* of ranks i + 1 … end the mean, twice */
            positive += d[k] > 0 ? ranks[k] : 0;
        }
        i = end;
    }
    return positive;
}

static void test_null(const double *d, size_t n, struct signedrank *out)
{
    double *sorted = MEM_ARRAY(double, n + 1);
    out->n = 0;
    for (size_t i = 0; i < n; i++)
        if (d[i] != 0)
            sorted[out->n++] = d[i];
    qsort(sorted, out->n, sizeof *sorted, by_magnitude);
    size_t *ranks = MEM_ARRAY(size_t, out->n + 1);
    size_t w = rank_magnitudes(sorted, out->n, ranks), total = out->n * (out->n + 1);
    double *p = null_distribution(ranks, out->n, total);
    out->w = (double)w / 2;
    out->p_less = fmin(1, sum_upward(p, 0, w));
    out->p_greater = fmin(1, sum_upward(p, 0, total - w)); /* the distribution is symmetric */
    out->p_two = fmin(1, 2 * fmin(out->p_less, out->p_greater));
    free(p);
    free(ranks);
    free(sorted);
}

/* The largest k with P(W₊ < k) ≤ tail, and what the interval then has; 0 when there is none. */
static size_t order_of_bounds(size_t n, double tail, double *confidence)
{
    size_t total, k = 0;
    double *p = untied_distribution(n, &total);
    double below = p[0]; /* P(W₊ ≤ k) */
    *confidence = 0;
    while (n > 0 &&
           below <= tail * (1 + 1e-12)) { /* 2⁻ⁿ counts are exact, a level like 0.95 is not */
        k++;
        *confidence = 1 - 2 * below;
        below += p[2 * k];
    }
    free(p);
    return k;
}

static void estimate(const double *d, size_t n, double level, struct signedrank *out)
{
    size_t m = n * (n + 1) / 2, k = 0;
    double *walsh = MEM_ARRAY(double, m + 1);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            walsh[k++] = d[i] / 2 + d[j] / 2;
    rank_sort(walsh, m);
    out->estimate = m > 0 ? walsh[(m - 1) / 2] / 2 + walsh[m / 2] / 2 : NAN;
    out->ci = (struct interval){out->estimate, out->estimate, false, false};
    k = order_of_bounds(n, (1 - level) / 2, &out->confidence);
    if (k > 0)
        out->ci = (struct interval){walsh[k - 1], walsh[m - k], true, true};
    free(walsh);
}

void signedrank_test(const double *d, size_t n, double level, struct signedrank *out)
{
    test_null(d, n, out);
    estimate(d, n, level, out);
}
