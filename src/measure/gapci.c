#include "measure/gapci.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

static const double level = 0.95; /* of intervals that nobody asks for here */

struct counts { /* of one quantile: gaps of each request below it, and at or below it */
    uint32_t *below, *within;
    uint64_t all_below, all_within;
};

static void count_request(const struct gap_pool *g, size_t i, const uint64_t *quantile, size_t m,
                          struct counts *c)
{
    const uint64_t *gap = g->list + g->spans[i].from;
    size_t n = g->spans[i].n;
    for (size_t j = 0; j < m; j++) {
        uint64_t q = quantile[j];
        uint32_t below = 0, within = 0;
        for (size_t k = 0; k < n; k++) {
            below += gap[k] < q;
            within += gap[k] <= q;
        }
        c[j].below[i] = below;
        c[j].within[i] = within;
        c[j].all_below += below;
        c[j].all_within += within;
    }
}

/* The ratio's error from the requests' share in it; `scratch` takes the d_i. */
static void judge(const struct gap_pool *g, const uint32_t *k, uint64_t sum, double p,
                  double *scratch, struct blockci *out)
{
    double ratio = (double)sum / (double)g->n;
    double mean_gaps = (double)g->n / (double)g->span_count;
    for (size_t i = 0; i < g->span_count; i++)
        scratch[i] = ((double)k[i] - ratio * (double)g->spans[i].n) / mean_gaps;
    blockci_mean(scratch, g->span_count, level, out);
    double spread = p * (1 - p);
    out->variance = fmax(out->variance, spread / (double)g->n);
    out->n_eff = spread / out->variance;
}

void gapci_quantiles(const struct gap_pool *g, const double *p, const uint64_t *quantile, size_t m,
                     struct blockci *out)
{
    struct counts *c = MEM_ARRAY(struct counts, m);
    double *scratch = MEM_ARRAY(double, g->span_count);
    for (size_t j = 0; j < m; j++) {
        c[j].below = MEM_ARRAY(uint32_t, g->span_count);
        c[j].within = MEM_ARRAY(uint32_t, g->span_count);
    }
    for (size_t i = 0; i < g->span_count; i++)
        count_request(g, i, quantile, m, c);
    for (size_t j = 0; j < m; j++) {
        judge(g, c[j].within, c[j].all_within, p[j], scratch, &out[j]);
        if (c[j].all_within - c[j].all_below > 1 && c[j].all_below > 0) {
            struct blockci other;
            judge(g, c[j].below, c[j].all_below, p[j], scratch, &other);
            if (other.variance > out[j].variance)
                out[j] = other;
        }
        free(c[j].below);
        free(c[j].within);
    }
    free(scratch);
    free(c);
}
