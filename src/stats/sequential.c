#include "stats/sequential.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/lag1.h"
#include "stats/special.h"

static const double rho_limit = 0.2;

static double spent(enum sequential_spending spending, double alpha, double t)
{
    if (spending == SEQUENTIAL_POCOCK)
        return alpha * log1p((M_E - 1) * t);
    return 2 * special_normal_cdf(special_normal_quantile(alpha / 2) / sqrt(t));
}

void sequential_split(enum sequential_spending spending, double alpha, const double *fraction,
                      size_t looks, double *share)
{
    double before = 0;
    for (size_t i = 0; i < looks; i++) {
        if (spending == SEQUENTIAL_EQUAL) {
            share[i] = alpha / (double)looks;
            continue;
        }
        double now = spent(spending, alpha, fraction[i]);
        share[i] = now - before;
        before = now;
    }
}

static double correlation_of_blocks(const struct sequential_block *blocks, size_t count)
{
    double *share = MEM_ARRAY(double, count + 1);
    for (size_t i = 0; i < count; i++)
        share[i] = blocks[i].n > 0 ? (double)blocks[i].misses / (double)blocks[i].n : 0;
    double rho = lag1_correlation(share, count);
    free(share);
    return rho;
}

void sequential_sprt(const struct sequential_block *blocks, size_t count, double p, double alpha,
                     double beta, double inflation, struct sequential_sprt *out)
{
    double bad = 1 - p, good = bad / 2;
    double of_miss = log(good / bad) / fmax(inflation, 1);
    double of_hit = (log1p(-good) - log1p(-bad)) / fmax(inflation, 1);
    *out = (struct sequential_sprt){
        .lower = log(beta / (1 - alpha)),
        .upper = log((1 - beta) / alpha),
        .rho1 = correlation_of_blocks(blocks, count),
    };
    size_t i = 0;
    while (i < count && out->ratio > out->lower && out->ratio < out->upper) {
        double misses = (double)blocks[i].misses;
        out->ratio += misses * of_miss + ((double)blocks[i].n - misses) * of_hit;
        i++;
    }
    if (count < SEQUENTIAL_LEAST_BLOCKS)
        return;
    if (out->rho1 >= rho_limit) {
        out->verdict = SEQUENTIAL_DEPENDENT;
        return;
    }
    if (out->ratio >= out->upper)
        out->verdict = SEQUENTIAL_GOOD;
    else if (out->ratio <= out->lower)
        out->verdict = SEQUENTIAL_BAD;
    out->decided_after = out->verdict == SEQUENTIAL_UNDECIDED ? 0 : i;
}
