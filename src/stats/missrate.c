#include "stats/missrate.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/blockci.h"
#include "stats/special.h"

static const double level = 0.95; /* of an interval that is not asked for */

/* As many independent trials as the misses themselves are worth. */
static double trials_by_misses(const double *x, size_t n, double limit)
{
    double *miss = MEM_ARRAY(double, n);
    struct blockci b;
    for (size_t i = 0; i < n; i++)
        miss[i] = x[i] >= limit;
    blockci_mean(miss, n, level, &b);
    free(miss);
    return b.n_eff;
}

void missrate_test(const double *x, size_t n, double limit, double p, struct missrate *out)
{
    struct blockci b;
    *out = (struct missrate){.n = n, .share = NAN, .quantile = NAN, .p_bad = 1, .p_good = 1};
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        out->misses += x[i] >= limit;
    blockci_quantile(x, n, p, level, &b);
    out->share = (double)out->misses / (double)n;
    out->quantile = b.estimate;
    out->n_eff = b.n_eff;
    out->rho1 = b.rho1;
    out->bound = b.bound;
    double trials = floor(b.n_eff);
    if (b.bound && trials >= 1)
        out->p_bad = special_binomial_cdf(ceil(out->share * b.n_eff), trials, 1 - p);
    /* Many misses tell of their own dependence, and more of it. */
    double least = fmin(b.n_eff, trials_by_misses(x, n, limit));
    double missed = floor(out->share * floor(least));
    if (b.bound && missed >= 1)
        out->p_good = 1 - special_binomial_cdf(missed - 1, floor(least), 1 - p);
}
