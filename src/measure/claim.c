#include "measure/claim.h"

#include <math.h>

#include "stats/early.h"
#include "stats/special.h"

static const double level = 0.95;

uint64_t claim_least(double p)
{
    return early_total(p, level, 1);
}

void claim_judge(struct blockci *b, double p)
{
    b->bound = b->bound && b->n_eff >= (double)claim_least(p);
}

void claim_ranks(const struct blockci *b, size_t n, double p, size_t *low, size_t *high)
{
    *low = 0;
    *high = n + 1;
    if (!b->bound)
        return;
    double t = special_t_quantile(1 - (1 - level) / 2, b->df);
    double middle = (double)n * p, half = t * (double)n * sqrt(b->variance);
    if (middle - half >= 1)
        *low = (size_t)floor(middle - half);
    if (ceil(middle + half) <= (double)n)
        *high = (size_t)ceil(middle + half);
}
