/* Batch-means intervals. Reference values: Python's fractions for the means, variances and
 * correlations, the quantiles of Student's t from SciPy 1.x; the series are made of whole numbers,
 * so both see the same. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stats/blockci.h"

#include "series.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const struct wander {
    size_t n;
    uint64_t seed, keep, of;
} wanders[] = {{1000, 1, 9, 10}, {1003, 2, 95, 100}, {437, 3, 0, 1}, {400, 4, 98, 100}};

static double *made(const struct wander *w)
{
    double *x = malloc(w->n * sizeof *x);
    assert_non_null(x);
    series_wander(x, w->n, w->seed, w->keep, w->of);
    return x;
}

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fabs(want)))
        fail_msg("%.17g, should be %.17g", got, want);
}

static void quantiles_are_bounded_as_in_exact_arithmetic(void **state)
{
    (void)state;
    static const double none = NAN;
    const struct {
        unsigned wander;
        double p, estimate, variance, n_eff, rho1, df, low, high;
        bool bound;
    } cases[] = {
        {0, 0.5, 4880, 0.004578001793263809, 54.608759736148436, 0.19842125165437702,
         12.377245225567766, 4627, 5136, true},
        {0, 0.9, 5802, 0.0009673157894736842, 93.04097067305077, -0.2312993089939605, 19, 5604,
         6162, true},
        {0, 0.99, 6397, 5.157894736842105e-05, 191.9387755102041, -0.10714285714285714, 19, 6230,
         none, true},
        {1, 0.5, 10091, 0.01237626454732305, 20.199956056536806, 0.3251354088631039,
         9.185594417341761, 9277, 10722, true},
        {1, 0.9, 11219, 0.0016705560451413025, 54.6842230952771, 0.15630919904745144,
         13.592823470531362, 10931, 11946, true},
        {2, 0.5, 517, 0.0005720823798627002, 437, -0.36623069672508735, 19, 459, 563, true},
        {2, 0.99, 989, 2.827316224445411e-05, 350.15538461538466, -0.12307692307692308, 19, 966,
         none, true},
        {3, 0.5, 24158, 0.07163601775523146, 3.489864565813933, 0.7678321678321678,
         1.6265822784810127, none, none, false},
        {3, 0.9, 26165, 0.007196301182818184, 13.058791956119592, 0.42460389316432773,
         7.07798026660735, 25132, none, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct wander *w = &wanders[cases[i].wander];
        double *x = made(w);
        struct blockci got;
        blockci_quantile(x, w->n, cases[i].p, 0.95, &got);
        assert_true(got.estimate == cases[i].estimate);
        assert_close(got.variance, cases[i].variance);
        assert_close(got.n_eff, cases[i].n_eff);
        assert_close(got.rho1, cases[i].rho1);
        assert_close(got.df, cases[i].df);
        assert_int_equal(got.bound, cases[i].bound);
        assert_int_equal(got.ci.has_low, !isnan(cases[i].low));
        assert_int_equal(got.ci.has_high, !isnan(cases[i].high));
        assert_true(got.ci.low == (got.ci.has_low ? cases[i].low : got.estimate));
        assert_true(got.ci.high == (got.ci.has_high ? cases[i].high : got.estimate));
        free(x);
    }
}

static void means_are_bounded_as_in_exact_arithmetic(void **state)
{
    (void)state;
    static const struct {
        unsigned wander;
        double mean, variance, n_eff, rho1, df, low, high;
        bool bound;
    } cases[] = {
        {0, 4877.976, 13367.270234391719, 42.12105041277498, 0.050508844841500394,
         17.076785546755826, 4634.1291645509355, 5121.822835449064, true},
        {1, 9912.99002991027, 67491.02618553584, 24.163448361842175, 0.1396579092851482,
         14.098251566639018, 9356.159225059771, 10469.820834760769, true},
        {2, 498.5423340961098, 196.3052561767576, 437, -0.41508371505451996, 19, 469.21718805044713,
         527.8674801417725, true},
        {3, 22261.24, 7920434.117253762, 4.005000959896714, 0.6594854096324952, 3.103857598156456,
         22261.24, 22261.24, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct wander *w = &wanders[cases[i].wander];
        double *x = made(w);
        struct blockci got;
        blockci_mean(x, w->n, 0.95, &got);
        assert_close(got.estimate, cases[i].mean);
        assert_close(got.variance, cases[i].variance);
        assert_close(got.n_eff, cases[i].n_eff);
        assert_close(got.rho1, cases[i].rho1);
        assert_close(got.df, cases[i].df);
        assert_int_equal(got.bound, cases[i].bound);
        assert_true(got.ci.has_low == cases[i].bound && got.ci.has_high == cases[i].bound);
        assert_close(got.ci.low, cases[i].low);
        assert_close(got.ci.high, cases[i].high);
        free(x);
    }
}

static void a_share_has_the_variance_of_an_indicator(void **state)
{
    (void)state;
    double *x = made(&wanders[2]);
    size_t n = wanders[2].n;
    for (size_t i = 0; i < n; i++)
        x[i] = fmod(x[i], 10) == 0;
    struct blockci got;
    blockci_mean(x, n, 0.9, &got);
    free(x);
    assert_close(got.estimate, 51.0 / 437);
    assert_close(got.variance, 0.0007060158712333761);
    assert_close(got.n_eff, 146.00917354305818);
    assert_close(got.df, 9.56011699175783);
    assert_close(got.ci.low, 0.06832013893711038);
    assert_close(got.ci.high, 0.1650894720468713);
}

static void a_trend_has_no_bound(void **state)
{
    (void)state;
    double x[1000];
    for (int i = 0; i < 1000; i++)
        x[i] = i;
    struct blockci got;
    blockci_quantile(x, 1000, 0.5, 0.95, &got);
    assert_true(got.rho1 > 0.5);
    assert_false(got.bound || got.ci.has_low || got.ci.has_high);
    assert_true(got.estimate == 499);
    blockci_mean(x, 1000, 0.95, &got);
    assert_false(got.bound || got.ci.has_low || got.ci.has_high);
    assert_close(got.estimate, 499.5);
}

static void too_few_values_have_an_estimate_and_no_bound(void **state)
{
    (void)state;
    double x[40];
    series_wander(x, 40, 7, 0, 1);
    static const size_t sizes[] = {1, 2, 19, 20, 39};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct blockci got;
        blockci_quantile(x, sizes[i], 0.5, 0.95, &got);
        assert_false(got.bound || got.ci.has_low || got.ci.has_high);
        assert_true(isfinite(got.estimate) && got.n_eff == (double)sizes[i] && got.df == 0);
        blockci_mean(x, sizes[i], 0.95, &got);
        assert_false(got.bound || got.ci.has_low || got.ci.has_high);
        assert_true(isfinite(got.estimate) && got.n_eff == (double)sizes[i] && got.df == 0);
    }
    struct blockci got;
    blockci_quantile(x, 40, 0.5, 0.95, &got);
    assert_true(got.bound);
    blockci_mean(x, 40, 0.95, &got);
    assert_true(got.bound);
}

static void nothing_has_no_estimate(void **state)
{
    (void)state;
    struct blockci got;
    blockci_quantile(NULL, 0, 0.5, 0.95, &got);
    assert_true(isnan(got.estimate) && !got.bound && got.n_eff == 0);
    blockci_mean(NULL, 0, 0.95, &got);
    assert_true(isnan(got.estimate) && !got.bound && got.n_eff == 0);
}

static void no_miss_among_many_is_no_proof_of_none(void **state)
{
    (void)state;
    double x[500] = {0};
    struct blockci got;
    blockci_mean(x, 500, 0.95, &got);
    assert_true(got.estimate == 0 && got.variance == 0 && got.n_eff == 500);
    assert_false(got.bound || got.ci.has_low || got.ci.has_high);
}

static void equal_values_bound_their_quantile(void **state)
{
    (void)state;
    double x[500];
    for (int i = 0; i < 500; i++)
        x[i] = 3;
    struct blockci got;
    blockci_quantile(x, 500, 0.5, 0.95, &got);
    assert_true(got.bound && got.ci.low == 3 && got.ci.high == 3 && got.estimate == 3);
    assert_close(got.n_eff, 500);
}

static void failures_stand_above_every_value(void **state)
{
    (void)state;
    double x[1000];
    series_wander(x, 1000, 9, 0, 1);
    for (int i = 0; i < 1000; i += 50)
        x[i] = INFINITY;
    struct blockci got;
    blockci_quantile(x, 1000, 0.5, 0.95, &got);
    assert_true(got.bound && got.ci.has_low && got.ci.has_high && isfinite(got.ci.high));
    blockci_quantile(x, 1000, 0.975, 0.95, &got); /* 2 % fail: within reach of the upper rank */
    assert_true(got.bound && isfinite(got.estimate) && got.ci.has_low && !got.ci.has_high);
    assert_true(isfinite(got.ci.low));
    blockci_quantile(x, 1000, 0.995, 0.95, &got);
    assert_true(got.bound && isinf(got.estimate) && !got.ci.has_high);

    for (int i = 0; i < 1000; i++)
        x[i] = i % 2 ? INFINITY : x[i];
    blockci_quantile(x, 1000, 0.9, 0.95, &got);
    assert_true(got.bound && isinf(got.estimate));
    assert_true(got.ci.has_low && isinf(got.ci.low)); /* certainly too many fail */
    assert_false(got.ci.has_high);
}

static void failures_that_come_together_make_an_infinite_quantile_uncertain(void **state)
{
    (void)state;
    double x[1000];
    series_wander(x, 1000, 9, 0, 1);
    for (int i = 0; i < 1000; i++)
        x[i] = i / 50 % 10 == 3 ? INFINITY : x[i]; /* two bursts of 50 */
    struct blockci got;
    blockci_quantile(x, 1000, 0.95, 0.95, &got);
    assert_true(got.bound && isinf(got.estimate));
    assert_true(got.ci.has_low && isfinite(got.ci.low) && !got.ci.has_high);
    assert_true(got.n_eff < 25);
}

static void the_series_is_left_as_it_was(void **state)
{
    (void)state;
    double x[300], kept[300];
    series_wander(x, 300, 3, 9, 10);
    memcpy(kept, x, sizeof x);
    struct blockci got;
    blockci_quantile(x, 300, 0.7, 0.95, &got);
    assert_memory_equal(x, kept, sizeof x);
}

/* Of an AR(1) median the true value is 0. Python with NumPy, 2,000 series each: φ = 0.9, n = 1000:
 * 0.952; without the correction 0.935. φ = 0.98: 0.906 of the three quarters that have a bound;
 * without 0.775. */
static void correlated_series_are_covered_about_as_often_as_is_said(void **state)
{
    (void)state;
    static const struct {
        double phi;
        size_t n;
        double least, most;
    } cases[] = {{0, 1000, 0.95, 1}, {0.9, 1000, 0.93, 0.97}, {0.98, 1000, 0.87, 0.95}};
    enum { SEEDS = 1000 };
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        double x[1000];
        unsigned covered = 0, bounded = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            series_ar1(x, cases[c].n, seed, cases[c].phi);
            struct blockci got;
            blockci_quantile(x, cases[c].n, 0.5, 0.95, &got);
            bounded += got.bound;
            covered += got.bound && got.ci.low <= 0 && (got.ci.high >= 0 || !got.ci.has_high);
        }
        double share = (double)covered / bounded;
        if (bounded < SEEDS / 2 || share < cases[c].least || share > cases[c].most)
            fail_msg("phi %g: %u bounded, of which %.3f covered", cases[c].phi, bounded, share);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_bounded_as_in_exact_arithmetic),
        cmocka_unit_test(means_are_bounded_as_in_exact_arithmetic),
        cmocka_unit_test(a_share_has_the_variance_of_an_indicator),
        cmocka_unit_test(a_trend_has_no_bound),
        cmocka_unit_test(too_few_values_have_an_estimate_and_no_bound),
        cmocka_unit_test(nothing_has_no_estimate),
        cmocka_unit_test(no_miss_among_many_is_no_proof_of_none),
        cmocka_unit_test(equal_values_bound_their_quantile),
        cmocka_unit_test(failures_stand_above_every_value),
        cmocka_unit_test(failures_that_come_together_make_an_infinite_quantile_uncertain),
        cmocka_unit_test(the_series_is_left_as_it_was),
        cmocka_unit_test(correlated_series_are_covered_about_as_often_as_is_said),
    };
    return cmocka_run_group_tests_name("batch means", tests, NULL, NULL);
}
