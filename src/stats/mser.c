#include "stats/mser.h"

#include "stats/moments.h"

enum { LEAST_BATCHES = 4 }; /* fewer leave no d between none and the bound */

static double batch_mean(const double *x, size_t batch)
{
    double sum = 0;
    for (size_t i = 0; i < MSER_BATCH; i++)
        sum += x[batch * MSER_BATCH + i];
    return sum / MSER_BATCH;
}

/* From the last batch backward, so that the moments of all that follow d are at hand at each d. */
void mser5(const double *x, size_t n, struct mser *out)
{
    size_t batches = n / MSER_BATCH;
    *out = (struct mser){0, false};
    if (batches < LEAST_BATCHES)
        return;
    size_t bound = batches / 2, best = bound;
    double least = 0;
    struct moments after = {0};
    for (size_t d = batches; d-- > 0;) {
        moments_add(&after, batch_mean(x, d));
        if (d > bound)
            continue;
        double kept = (double)(batches - d);
        double score = after.m2 / (kept * kept);
        if (d == bound || score <= least) {
            least = score;
            best = d;
        }
    }
    *out = (struct mser){best * MSER_BATCH, best < bound};
}
