#include "stats/interval.h"

#include <math.h>

#include "stats/moments.h"
#include "stats/special.h"

/* F(k − 1; n, p) for k from 0 to n + 1. */
static double below(size_t k, size_t n, double p)
{
    return special_binomial_cdf((double)k - 1, (double)n, p);
}

void interval_quantile_ranks(size_t n, double p, double level, size_t *low, size_t *high)
{
    double tail = (1 - level) / 2;

    /* Largest k with F(k − 1) ≤ tail: it holds at 0, and at n + 1 it does not. */
    size_t yes = 0, no = n + 1;
    while (no - yes > 1) {
        size_t middle = yes + (no - yes) / 2;
        if (below(middle, n, p) <= tail)
            yes = middle;
        else
            no = middle;
    }
    *low = yes;

    /* Smallest k with F(k − 1) ≥ 1 − tail: it holds at n + 1, and at 0 it does not. */
    no = 0;
    yes = n + 1;
    while (yes - no > 1) {
        size_t middle = no + (yes - no) / 2;
        if (below(middle, n, p) >= 1 - tail)
            yes = middle;
        else
            no = middle;
    }
    *high = yes;
}

void interval_mean(const double *x, size_t n, double level, struct interval *out)
{
    struct moments m = {0};
    for (size_t i = 0; i < n; i++)
        moments_add(&m, x[i]);
    double half = 0;
    if (n >= 2) {
        double t = special_t_quantile(1 - (1 - level) / 2, (double)(n - 1));
        half = t * moments_sd(&m) / sqrt((double)n);
    }
    *out = (struct interval){m.mean - half, m.mean + half, n >= 2, n >= 2};
}
