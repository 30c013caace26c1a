#include "measure/latency.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/moments.h"
#include "stats/rank.h"

static const double ci_level = 0.95;

static double ms(double ns)
{
    return ns / 1e6;
}

static struct latency empty_latency(void)
{
    struct latency l = {.mean = NAN, .sd = NAN, .min = NAN, .max = NAN, .tail_ratio = NAN};
    for (unsigned i = 0; i < SUMMARY_MAX_PERCENTILES; i++) {
        l.percentile[i] = NAN;
        l.ci95[i] = (struct interval){NAN, NAN, false, false};
    }
    return l;
}

/* The ranks a latency is made of: of each percentile itself and its interval's ends, then of p50
 * and p99. */
enum { RANKS_EACH = 3, RANKS_MAX = SUMMARY_MAX_PERCENTILES * RANKS_EACH + 2 };

struct ranks {
    size_t k[RANKS_MAX]; /* 0 or n + 1: no such value */
    size_t n;
};

static struct ranks ranks_of(size_t n, const struct summary_options *o)
{
    struct ranks r = {0};
    for (size_t i = 0; i < o->percentile_count; i++) {
        double p = o->percentiles[i] / 100;
        r.k[r.n] = rank_of(p, n);
        interval_quantile_ranks(n, p, ci_level, &r.k[r.n + 1], &r.k[r.n + 2]);
        r.n += RANKS_EACH;
    }
    r.k[r.n++] = rank_of(0.5, n);
    r.k[r.n++] = rank_of(0.99, n);
    return r;
}

/* value[i] is what stands at rank r->k[i]; ignored where there is no such rank. */
static void fill_ranks(const struct ranks *r, const double *value, size_t n,
                       const struct summary_options *o, struct latency *out)
{
    for (size_t i = 0; i < o->percentile_count; i++) {
        const size_t *k = &r->k[i * RANKS_EACH];
        const double *v = &value[i * RANKS_EACH];
        struct interval *ci = &out->ci95[i];
        out->percentile[i] = ms(v[0]);
        ci->has_low = k[1] >= 1;
        ci->has_high = k[2] <= n;
        ci->low = ci->has_low ? ms(v[1]) : NAN;
        ci->high = ci->has_high ? ms(v[2]) : NAN;
    }
    double p50 = value[r->n - 2], p99 = value[r->n - 1];
    out->tail_ratio = p50 > 0 ? p99 / p50 : NAN;
}

void latency_of_values(double *ns, size_t n, const struct summary_options *o, struct latency *out)
{
    *out = empty_latency();
    if (n == 0)
        return;
    struct moments m = {0};
    for (size_t i = 0; i < n; i++)
        moments_add(&m, ns[i]);
    rank_sort(ns, n);
    struct ranks r = ranks_of(n, o);
    double value[RANKS_MAX] = {0};
    for (size_t i = 0; i < r.n; i++)
        value[i] = r.k[i] >= 1 && r.k[i] <= n ? ns[r.k[i] - 1] : NAN;
    out->n = n;
    out->n_eff = (double)n;
    out->mean = ms(m.mean);
    out->sd = n >= 2 ? ms(moments_sd(&m)) : NAN;
    out->min = ms(ns[0]);
    out->max = ms(ns[n - 1]);
    fill_ranks(&r, value, n, o, out);
}

/* Standard deviation from exact sums: what the subtraction cancels is lost once, in long double. */
static double gap_sd_ns(const struct gap_pool *g)
{
    long double n = (long double)g->n;
    long double mean = (long double)g->sum_ns / n;
    long double rest = (long double)g->square_sum - n * mean * mean;
    return g->n >= 2 ? sqrt((double)(rest > 0 ? rest : 0) / (double)(n - 1)) : NAN;
}

void latency_of_gaps(const struct gap_pool *g, const struct summary_options *o, struct latency *out)
{
    *out = empty_latency();
    if (g->n == 0)
        return;
    struct ranks r = ranks_of(g->n, o);
    size_t inside[RANKS_MAX] = {0};
    uint64_t found[RANKS_MAX] = {0};
    double value[RANKS_MAX] = {0};
    for (size_t i = 0; i < r.n; i++)
        inside[i] = r.k[i] < 1 ? 1 : r.k[i] > g->n ? g->n : r.k[i];
    rank_select_many_u64(g->list, g->n, inside, r.n, found);
    for (size_t i = 0; i < r.n; i++)
        value[i] = (double)found[i];
    out->n = g->n;
    out->n_eff = (double)g->n;
    out->mean = ms((double)g->sum_ns / (double)g->n);
    out->sd = ms(gap_sd_ns(g));
    out->min = ms((double)g->min_ns);
    out->max = ms((double)g->max_ns);
    fill_ranks(&r, value, g->n, o, out);
}

size_t latency_collect(const struct sample_set *set, const struct window *w, enum latency_metric m,
                       double *to)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        if (window_samples(w, q) && !isnan(q->value_ns[m]))
            to[n++] = q->value_ns[m];
    }
    return n;
}

double latency_rank_ms(const double *sorted_ns, size_t n, double p)
{
    return n > 0 ? ms(sorted_ns[rank_of(p, n) - 1]) : NAN;
}

struct rung_values {
    double *list;
    size_t n;
};

static struct rung_values values_of_rung(const struct sample_set *set, const struct window *w,
                                         int rung, enum latency_metric m, double *scratch)
{
    struct rung_values v = {scratch, 0};
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        if (q->rung == rung && window_samples(w, q) && !isnan(q->value_ns[m]))
            v.list[v.n++] = q->value_ns[m];
    }
    if (v.n > 0)
        rank_sort(v.list, v.n);
    return v;
}

static bool rung_row(const struct sample_set *set, const struct window *w, int rung,
                     double *scratch, struct rung *row)
{
    *row = (struct rung){0};
    for (size_t i = 0; i < set->n; i++) {
        if (set->list[i].rung != rung || !window_samples(w, &set->list[i]))
            continue;
        if (row->n++ == 0)
            row->output_tokens = set->list[i].asked_output;
    }
    if (row->n == 0)
        return false;
    struct rung_values v = values_of_rung(set, w, rung, LATENCY_TTFT, scratch);
    row->ttft_p50_ms = latency_rank_ms(v.list, v.n, 0.5);
    v = values_of_rung(set, w, rung, LATENCY_TPOT, scratch);
    row->tpot_p50_ms = latency_rank_ms(v.list, v.n, 0.5);
    row->tpot_p99_ms = latency_rank_ms(v.list, v.n, 0.99);
    v = values_of_rung(set, w, rung, LATENCY_E2E, scratch);
    row->e2e_p50_ms = latency_rank_ms(v.list, v.n, 0.5);
    row->e2e_p99_ms = latency_rank_ms(v.list, v.n, 0.99);
    return true;
}

size_t latency_rungs(const struct sample_set *set, const struct window *w, struct rung *rows)
{
    double *scratch = MEM_ARRAY(double, set->n + 1);
    size_t n = 0;
    for (int rung = 0; rung < SUMMARY_MAX_RUNGS; rung++)
        n += rung_row(set, w, rung, scratch, &rows[n]);
    free(scratch);
    return n;
}
