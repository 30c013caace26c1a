#include "measure/latency.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/gapci.h"
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
        l.n_eff_of[i] = 0;
    }
    return l;
}

/* How certain each percentile is, and behind them, shown or not, the claimed one and the median. */
enum { CLAIMED, MEDIAN, HIDDEN };
enum { MOST_JUDGED = SUMMARY_MAX_PERCENTILES + HIDDEN };

struct certainty {
    double p[MOST_JUDGED];
    struct blockci of[MOST_JUDGED];
    size_t n; /* of the percentiles shown */
};

static void name_percentiles(const struct latency_wanted *wanted, struct certainty *c)
{
    c->n = wanted->count;
    for (size_t i = 0; i < c->n; i++)
        c->p[i] = wanted->percentiles[i] / 100;
    c->p[c->n + CLAIMED] = wanted->claimed / 100;
    c->p[c->n + MEDIAN] = 0.5;
}

/* A claimed interval has both its ends. */
static bool has_ends(const struct blockci *b, size_t n, double p)
{
    size_t low, high;
    claim_ranks(b, n, p, &low, &high);
    return low >= 1 && high <= n;
}

static void judge_claims(const struct claim_ground *ground, size_t n, struct certainty *c,
                         struct latency *out)
{
    struct blockci *median = &c->of[c->n + MEDIAN];
    claim_judge(ground, median, 0.5, median);
    for (size_t i = 0; i < c->n + MEDIAN; i++)
        claim_judge(ground, median, c->p[i], &c->of[i]);
    for (size_t i = 0; i < c->n; i++)
        out->n_eff_of[i] = c->of[i].n_eff;
    const struct blockci *claimed = &c->of[c->n + CLAIMED];
    out->n_eff = median->n_eff;
    out->n_eff_claimed = claimed->n_eff;
    out->claimed_bounded = has_ends(claimed, n, c->p[c->n + CLAIMED]);
}

/* The ranks of the intervals' ends, two of each percentile; 0 and n + 1 where there is no bound. */
static void interval_ranks(const struct certainty *c, size_t n, size_t *k)
{
    for (size_t i = 0; i < c->n; i++)
        claim_ranks(&c->of[i], n, c->p[i], &k[2 * i], &k[2 * i + 1]);
}

/* value[i] is what stands at rank k[i]; ignored where there is no such rank. */
static void fill_intervals(size_t percentiles, const size_t *k, const double *value, size_t n,
                           struct latency *out)
{
    for (size_t i = 0; i < percentiles; i++) {
        struct interval *ci = &out->ci95[i];
        ci->has_low = k[2 * i] >= 1;
        ci->has_high = k[2 * i + 1] <= n;
        ci->low = ci->has_low ? ms(value[2 * i]) : NAN;
        ci->high = ci->has_high ? ms(value[2 * i + 1]) : NAN;
    }
}

static double ratio(double p99, double p50)
{
    return p50 > 0 ? p99 / p50 : NAN;
}

void latency_of_values(const double *ns, size_t n, const struct latency_wanted *wanted,
                       struct latency *out)
{
    *out = empty_latency();
    if (n == 0)
        return;
    struct moments m = {0};
    for (size_t i = 0; i < n; i++)
        moments_add(&m, ns[i]);
    double *sorted = mem_alloc(n * sizeof *sorted);
    memcpy(sorted, ns, n * sizeof *sorted);
    rank_sort(sorted, n);

    struct certainty c = {0};
    name_percentiles(wanted, &c);
    for (size_t i = 0; i < c.n + HIDDEN; i++)
        blockci_quantile(ns, n, c.p[i], ci_level, &c.of[i]);
    judge_claims(wanted->ground, n, &c, out);
    size_t k[2 * SUMMARY_MAX_PERCENTILES];
    double value[2 * SUMMARY_MAX_PERCENTILES] = {0};
    interval_ranks(&c, n, k);
    for (size_t i = 0; i < 2 * c.n; i++)
        value[i] = k[i] >= 1 && k[i] <= n ? sorted[k[i] - 1] : NAN;
    fill_intervals(c.n, k, value, n, out);
    for (size_t i = 0; i < c.n; i++)
        out->percentile[i] = latency_rank_ms(sorted, n, c.p[i]);
    out->n = n;
    out->mean = ms(m.mean);
    out->sd = n >= 2 ? ms(moments_sd(&m)) : NAN;
    out->min = ms(m.min);
    out->max = ms(m.max);
    out->tail_ratio = ratio(latency_rank_ms(sorted, n, 0.99), latency_rank_ms(sorted, n, 0.5));
    free(sorted);
}

/* Standard deviation from exact sums: what the subtraction cancels is lost once, in long double. */
static double gap_sd_ns(const struct gap_pool *g)
{
    long double n = (long double)g->n;
    long double mean = (long double)g->sum_ns / n;
    long double rest = (long double)g->square_sum - n * mean * mean;
    return g->n >= 2 ? sqrt((double)(rest > 0 ? rest : 0) / (double)(n - 1)) : NAN;
}

/* The percentiles first: how certain they are, and so where their intervals end, is counted at
 * their values. */
void latency_of_gaps(const struct gap_pool *g, const struct latency_wanted *wanted,
                     struct latency *out)
{
    enum { P99 = HIDDEN, EACH = MOST_JUDGED + 1 };
    *out = empty_latency();
    if (g->n == 0)
        return;
    struct certainty c = {0};
    name_percentiles(wanted, &c);
    size_t at[EACH], k[2 * SUMMARY_MAX_PERCENTILES], inside[2 * SUMMARY_MAX_PERCENTILES];
    uint64_t quantile[EACH], end[2 * SUMMARY_MAX_PERCENTILES];
    double value[2 * SUMMARY_MAX_PERCENTILES] = {0};
    for (size_t i = 0; i < c.n + HIDDEN; i++)
        at[i] = rank_of(c.p[i], g->n);
    at[c.n + P99] = rank_of(0.99, g->n);
    rank_select_many_u64(g->list, g->n, at, c.n + P99 + 1, quantile);
    gapci_quantiles(g, c.p, quantile, c.n + HIDDEN, c.of);
    judge_claims(wanted->ground, g->n, &c, out);
    interval_ranks(&c, g->n, k);
    for (size_t i = 0; i < 2 * c.n; i++)
        inside[i] = k[i] < 1 ? 1 : k[i] > g->n ? g->n : k[i];
    rank_select_many_u64(g->list, g->n, inside, 2 * c.n, end);
    for (size_t i = 0; i < 2 * c.n; i++)
        value[i] = (double)end[i];
    fill_intervals(c.n, k, value, g->n, out);
    for (size_t i = 0; i < c.n; i++)
        out->percentile[i] = ms((double)quantile[i]);
    out->n = g->n;
    out->mean = ms((double)g->sum_ns / (double)g->n);
    out->sd = ms(gap_sd_ns(g));
    out->min = ms((double)g->min_ns);
    out->max = ms((double)g->max_ns);
    out->tail_ratio = ratio((double)quantile[c.n + P99], (double)quantile[c.n + MEDIAN]);
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
