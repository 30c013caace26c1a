/* Percentiles of values and of pooled gaps with their intervals: the same of both where each
 * request has one gap, and ranks as claim.h has them. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "measure/gapci.h"
#include "measure/latency.h"
#include "stats/rank.h"

enum { N = 2000, COPIES = 8 };

static const double shown[] = {50, 90, 99};
static const struct claim_ground may = {.bar = CLAIM_MAY}, barred = {.bar = CLAIM_SHORT};

/* Whole ns around 20 ms, each like its neighbours for about 1/(1 − phi) places. */
static void make(double *ns, double phi)
{
    struct rng r = rng_at(11, RNG_SIM_NOISE, 0);
    double y = rng_normal(&r);
    for (size_t i = 0; i < N; i++) {
        ns[i] = round(20e6 + 2e6 * y);
        y = phi * y + sqrt(1 - phi * phi) * rng_normal(&r);
    }
}

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fabs(want)))
        fail_msg("%.17g, should be %.17g", got, want);
}

static struct latency of_values(const double *ns, size_t n, double claimed,
                                const struct claim_ground *g)
{
    struct latency l;
    struct latency_wanted wanted = {shown, 3, claimed, g};
    latency_of_values(ns, n, &wanted, &l);
    return l;
}

/* Each value as `copies` gaps of one request. */
static void pool_of(const double *ns, size_t copies, struct gap_pool *g)
{
    *g = (struct gap_pool){.list = malloc(N * copies * sizeof(uint64_t)),
                           .n = N * copies,
                           .spans = malloc(N * sizeof(struct gap_span)),
                           .span_count = N,
                           .min_ns = UINT64_MAX};
    assert_true(g->list && g->spans);
    for (size_t i = 0; i < N; i++) {
        g->spans[i] = (struct gap_span){(int64_t)i, i * copies, copies};
        for (size_t k = 0; k < copies; k++) {
            uint64_t x = (uint64_t)ns[i];
            g->list[i * copies + k] = x;
            g->sum_ns += x;
            g->square_sum += (gap_square)x * x;
            g->min_ns = x < g->min_ns ? x : g->min_ns;
            g->max_ns = x > g->max_ns ? x : g->max_ns;
        }
    }
}

static void pool_release(struct gap_pool *g)
{
    free(g->list);
    free(g->spans);
}

static void interval_ends_are_the_values_at_the_claimed_ranks(void **state)
{
    double ns[N], sorted[N];
    (void)state;
    make(ns, 0.5);
    memcpy(sorted, ns, sizeof ns);
    rank_sort(sorted, N);
    struct latency l = of_values(ns, N, 99, &may);
    struct blockci median;
    blockci_quantile(ns, N, 0.5, 0.95, &median);
    claim_judge(&may, &median, 0.5, &median);
    for (size_t i = 0; i < 2; i++) {
        struct blockci b;
        size_t low, high;
        double p = shown[i] / 100;
        blockci_quantile(ns, N, p, 0.95, &b);
        claim_judge(&may, &median, p, &b);
        claim_ranks(&b, N, p, &low, &high);
        assert_true(low >= 1 && high <= N);
        assert_true(l.ci95[i].has_low && l.ci95[i].has_high);
        assert_close(l.ci95[i].low, sorted[low - 1] / 1e6);
        assert_close(l.ci95[i].high, sorted[high - 1] / 1e6);
        assert_close(l.n_eff_of[i], b.n_eff);
        assert_true(l.ci95[i].low < l.percentile[i] && l.percentile[i] < l.ci95[i].high);
    }
    assert_close(l.n_eff, median.n_eff);
    assert_true(l.n_eff < 0.6 * N); /* neighbours are alike: a third, for so long a memory */
}

static void the_claimed_percentile_is_judged_whether_or_not_it_is_shown(void **state)
{
    double ns[N];
    (void)state;
    make(ns, 0);
    struct latency with = of_values(ns, N, 99, &may), without;
    struct latency_wanted wanted = {shown, 1, 99, &may};
    latency_of_values(ns, N, &wanted, &without);
    assert_true(with.claimed_bounded && without.claimed_bounded);
    assert_close(without.n_eff_claimed, with.n_eff_of[2]);
    assert_close(with.n_eff_claimed, with.n_eff_of[2]);
    assert_false(of_values(ns, N, 99.9, &may).claimed_bounded);
    assert_true(of_values(ns, N, 90, &may).claimed_bounded);
}

static void a_barred_load_keeps_its_figures_and_loses_the_bounds(void **state)
{
    double ns[N];
    (void)state;
    make(ns, 0);
    struct latency l = of_values(ns, N, 99, &may), b = of_values(ns, N, 99, &barred);
    assert_false(b.claimed_bounded);
    for (size_t i = 0; i < 3; i++) {
        assert_true(l.ci95[i].has_low && l.ci95[i].has_high);
        assert_false(b.ci95[i].has_low || b.ci95[i].has_high);
        assert_true(isnan(b.ci95[i].low) && isnan(b.ci95[i].high));
        assert_close(b.percentile[i], l.percentile[i]);
        assert_close(b.n_eff_of[i], l.n_eff_of[i]);
    }
}

static void of_nothing_there_are_no_figures(void **state)
{
    struct latency l = of_values(NULL, 0, 99, &may);
    (void)state;
    assert_int_equal(l.n, 0);
    assert_true(l.n_eff == 0 && l.n_eff_claimed == 0);
    assert_true(isnan(l.mean) && isnan(l.percentile[0]) && isnan(l.tail_ratio));
    assert_false(l.claimed_bounded || l.ci95[0].has_low || l.ci95[0].has_high);
}

/* Far from independent, so that the batches and not the floor of the variance decide. */
static void one_gap_a_request_is_as_certain_as_one_value_a_request(void **state)
{
    double ns[N];
    struct gap_pool g;
    struct latency of_gaps;
    struct latency_wanted wanted = {shown, 3, 90, &may};
    (void)state;
    make(ns, 0.8);
    pool_of(ns, 1, &g);
    latency_of_gaps(&g, &wanted, &of_gaps);
    struct latency l = of_values(ns, N, 90, &may);
    assert_int_equal(of_gaps.n, N);
    assert_close(of_gaps.mean, l.mean);
    assert_close(of_gaps.sd, l.sd);
    assert_close(of_gaps.min, l.min);
    assert_close(of_gaps.max, l.max);
    assert_close(of_gaps.tail_ratio, l.tail_ratio);
    assert_true(l.ci95[1].has_low && l.ci95[1].has_high);
    for (size_t i = 0; i < 2; i++) {
        assert_close(of_gaps.percentile[i], l.percentile[i]);
        assert_close(of_gaps.n_eff_of[i], l.n_eff_of[i]);
        assert_close(of_gaps.ci95[i].low, l.ci95[i].low);
        assert_close(of_gaps.ci95[i].high, l.ci95[i].high);
    }
    pool_release(&g);
}

static void copies_of_a_gap_make_nothing_more_certain(void **state)
{
    double ns[N];
    struct gap_pool one, many;
    struct blockci of_one, of_many;
    static const double p = 0.9;
    (void)state;
    make(ns, 0.8);
    pool_of(ns, 1, &one);
    pool_of(ns, COPIES, &many);
    double copy[N];
    memcpy(copy, ns, sizeof ns);
    uint64_t quantile = (uint64_t)rank_select(copy, N, rank_of(p, N));
    gapci_quantiles(&one, &p, &quantile, 1, &of_one);
    gapci_quantiles(&many, &p, &quantile, 1, &of_many);
    /* Copies of the quantile itself are judged as ties besides: that is one request of N. */
    assert_true(fabs(of_many.variance / of_one.variance - 1) < 0.02);
    assert_true(fabs(of_many.n_eff / of_one.n_eff - 1) < 0.02);
    assert_true(of_one.n_eff < N);
    pool_release(&one);
    pool_release(&many);
}

static void gaps_are_worth_at_most_as_many_as_there_are(void **state)
{
    double ns[N];
    struct gap_pool g;
    struct blockci b;
    static const double p = 0.5;
    static const uint64_t quantile = 20000000;
    (void)state;
    for (size_t i = 0; i < N; i++)
        ns[i] = i % 2 == 0 ? 20e6 - (double)i : 20e6 + (double)i; /* a half of each batch */
    pool_of(ns, COPIES, &g);
    gapci_quantiles(&g, &p, &quantile, 1, &b);
    assert_true(b.n_eff <= N); /* requests are alike within, and there are so many */
    assert_true(b.n_eff > 0.99 * N);
    pool_release(&g);
}

static void gaps_of_few_requests_have_no_batches(void **state)
{
    double ns[N];
    struct gap_pool g;
    struct latency l;
    struct latency_wanted wanted = {shown, 3, 50, &may};
    (void)state;
    make(ns, 0);
    pool_of(ns, COPIES, &g);
    g.span_count = 39;
    g.n = 39 * COPIES;
    latency_of_gaps(&g, &wanted, &l);
    assert_int_equal(l.n, 39 * COPIES);
    assert_false(l.claimed_bounded || l.ci95[0].has_low || l.ci95[0].has_high);
    g.span_count = 40;
    g.n = 40 * COPIES;
    latency_of_gaps(&g, &wanted, &l);
    assert_true(l.claimed_bounded);
    pool_release(&g);
}

/* Half of the requests have nothing but gaps of 20 ms, which is the median: those below it come in
 * two stretches, and 1{gap ≤ q̂} would see them as evenly spread. */
static void of_many_equal_gaps_those_below_are_judged_too(void **state)
{
    double ns[N];
    struct gap_pool g;
    struct blockci b;
    static const double p = 0.5;
    static const uint64_t quantile = 20000000;
    (void)state;
    for (size_t i = 0; i < N; i++)
        ns[i] = i % 4 == 0 ? 30e6 : i / 500 % 2 == 0 && i % 4 == 1 ? 10e6 : 20e6;
    pool_of(ns, 1, &g);
    gapci_quantiles(&g, &p, &quantile, 1, &b);
    assert_true(b.n_eff < 0.2 * N);
    pool_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interval_ends_are_the_values_at_the_claimed_ranks),
        cmocka_unit_test(the_claimed_percentile_is_judged_whether_or_not_it_is_shown),
        cmocka_unit_test(a_barred_load_keeps_its_figures_and_loses_the_bounds),
        cmocka_unit_test(of_nothing_there_are_no_figures),
        cmocka_unit_test(one_gap_a_request_is_as_certain_as_one_value_a_request),
        cmocka_unit_test(copies_of_a_gap_make_nothing_more_certain),
        cmocka_unit_test(gaps_are_worth_at_most_as_many_as_there_are),
        cmocka_unit_test(gaps_of_few_requests_have_no_batches),
        cmocka_unit_test(of_many_equal_gaps_those_below_are_judged_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
