#include "stats/ttest.h"

#include <math.h>

#include "stats/moments.h"
#include "stats/special.h"

static struct moments moments_of(const double *x, size_t n)
{
    struct moments m = {0};
    for (size_t i = 0; i < n; i++)
        moments_add(&m, x[i]);
    return m;
}

/* The variance of the mean. */
static double square_error(const struct moments *m)
{
    double sd = moments_sd(m);
    return m->n > 0 ? sd * sd / (double)m->n : NAN;
}

static void judge(double estimate, double variance, double df, double level, struct ttest *out)
{
    *out = (struct ttest){
        .estimate = estimate,
        .error = sqrt(variance),
        .t = NAN,
        .df = NAN,
        .p = 1,
        .ci = {estimate, estimate, false, false},
    };
    if (!(variance > 0) || !(df > 0))
        return;
    out->t = estimate / out->error;
    out->df = df;
    out->p = fmin(1, 2 * special_t_cdf(-fabs(out->t), df));
    double half = special_t_quantile(1 - (1 - level) / 2, df) * out->error;
    out->ci = (struct interval){estimate - half, estimate + half, true, true};
}

void ttest_paired(const double *d, size_t n, double level, struct ttest *out)
{
    struct moments m = moments_of(d, n);
    judge(n > 0 ? m.mean : NAN, square_error(&m), (double)n - 1, level, out);
}

void ttest_welch(const double *a, size_t n, const double *b, size_t m, double level,
                 struct ttest *out)
{
    struct moments x = moments_of(a, n), y = moments_of(b, m);
    double u = square_error(&x), v = square_error(&y);
    double df = 0;
    if (n > 1 && m > 1)
        df = (u + v) * (u + v) / (u * u / (double)(n - 1) + v * v / (double)(m - 1));
    judge(n > 0 && m > 0 ? x.mean - y.mean : NAN, u + v, df, level, out);
}
