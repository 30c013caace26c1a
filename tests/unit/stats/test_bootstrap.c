/* BCa intervals. The spatial test data, the law schools and the published figures for the first (90
 * %: 115.8 … 259.6, â = 0.061) are Efron & Tibshirani's (1993, tables 14.1 and 3.1). Finer
 * reference values: Python with NumPy, 2·10⁶ and 10⁶ draws, the jackknife exactly; for five values
 * all 5⁵ samples. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats/bootstrap.h"
#include "stats/moments.h"

static void assert_near(double got, double want, double slack)
{
    if (!(fabs(got - want) <= slack))
        fail_msg("%.17g, should be %g ± %g", got, want, slack);
}

static double mean_of(const size_t *index, size_t m, void *context)
{
    const double *x = context;
    struct moments sum = {0};
    for (size_t i = 0; i < m; i++)
        moments_add(&sum, x[index[i]]);
    return sum.mean;
}

static double variance_of(const size_t *index, size_t m, void *context)
{
    const double *x = context;
    struct moments sum = {0};
    for (size_t i = 0; i < m; i++)
        moments_add(&sum, x[index[i]]);
    return sum.m2 / (double)m;
}

struct pairs {
    const double *x, *y;
};

static double correlation_of(const size_t *index, size_t m, void *context)
{
    const struct pairs *p = context;
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < m; i++) {
        mx += p->x[index[i]] / (double)m;
        my += p->y[index[i]] / (double)m;
    }
    for (size_t i = 0; i < m; i++) {
        double dx = p->x[index[i]] - mx, dy = p->y[index[i]] - my;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    return xy / sqrt(xx * yy);
}

static void the_variance_of_the_spatial_test_data_is_efrons(void **state)
{
    (void)state;
    double a[] = {48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6,
                  0,  33, 28, 34, 4,  32, 24, 47, 41, 24, 26, 30, 41};
    struct bootstrap got;
    bootstrap_bca(26, variance_of, a, 200000, 0.9, 1, &got);
    assert_near(got.estimate, 171.53402366863904, 1e-10);
    assert_near(got.acceleration, 0.06124011981230745, 1e-12);
    assert_near(got.bias, 0.180, 0.01);
    assert_near(got.error, 41.82, 0.3);
    assert_true(got.ci.has_low && got.ci.has_high && got.draws == 200000);
    assert_near(got.ci.low, 115.8, 0.8);
    assert_near(got.ci.high, 261.6, 2);
}

static void the_correlation_of_the_law_schools_is_efrons(void **state)
{
    (void)state;
    static const double lsat[] = {576, 635, 558, 578, 666, 580, 555, 661,
                                  651, 605, 653, 575, 545, 572, 594};
    static const double gpa[] = {3.39, 3.30, 2.81, 3.03, 3.44, 3.07, 3.00, 3.43,
                                 3.36, 3.13, 3.12, 2.74, 2.76, 2.88, 2.96};
    struct pairs p = {lsat, gpa};
    struct bootstrap got;
    bootstrap_bca(15, correlation_of, &p, 100000, 0.95, 2, &got);
    assert_near(got.estimate, 0.776374491289407, 1e-12);
    assert_near(got.acceleration, -0.07567156493787919, 1e-10);
    assert_near(got.error, 0.1336, 0.002);
    assert_near(got.ci.low, 0.333, 0.01);
    assert_near(got.ci.high, 0.942, 0.003);
}

static void five_values_agree_with_all_their_samples(void **state)
{
    (void)state;
    double x[] = {1, 2, 4, 8, 16};
    struct bootstrap got;
    bootstrap_bca(5, mean_of, x, 100000, 0.9, 3, &got);
    assert_near(got.acceleration, 0.06626573549067027, 1e-12);
    assert_near(got.bias, 0.0928, 0.012);
    assert_near(got.error, 2.4397, 0.03);
    assert_near(got.ci.low, 3,
                1e-9); /* means are multiples of 1/5: ranks near the exact one give it too */
    assert_near(got.ci.high, 11.6, 0.21);
}

static void the_same_seed_gives_the_same_interval(void **state)
{
    (void)state;
    double x[] = {3, 1, 4, 1, 5, 9, 2, 6};
    struct bootstrap a, b, c;
    bootstrap_bca(8, mean_of, x, 0, 0.95, 7, &a);
    bootstrap_bca(8, mean_of, x, 5000, 0.95, 7, &b);
    bootstrap_bca(8, mean_of, x, 5000, 0.95, 8, &c);
    assert_true(a.draws == BOOTSTRAP_LEAST_DRAWS);
    assert_true(a.ci.low == b.ci.low && a.ci.high == b.ci.high && a.bias == b.bias);
    assert_true(a.bias != c.bias);
}

static void items_that_say_nothing_have_no_bounds(void **state)
{
    (void)state;
    double same[] = {2, 2, 2, 2, 2}, nothing[] = {NAN, 1, 2};
    struct bootstrap got;
    bootstrap_bca(5, mean_of, same, 0, 0.95, 1, &got);
    assert_true(got.estimate == 2 && got.error == 0 && got.acceleration == 0);
    assert_false(got.ci.has_low || got.ci.has_high);
    bootstrap_bca(1, mean_of, same, 0, 0.95, 1, &got);
    assert_true(got.estimate == 2 && !got.ci.has_low && !got.ci.has_high);
    bootstrap_bca(0, mean_of, same, 0, 0.95, 1, &got);
    assert_true(isnan(got.estimate) && !got.ci.has_low && !got.ci.has_high);
    bootstrap_bca(3, mean_of, nothing, 0, 0.95, 1, &got);
    assert_true(isnan(got.estimate) && !got.ci.has_low && !got.ci.has_high);
}

static double maximum_of(const size_t *index, size_t m, void *context)
{
    const double *x = context;
    double most = -INFINITY;
    for (size_t i = 0; i < m; i++)
        most = fmax(most, x[index[i]]);
    return most;
}

static void a_statistic_at_the_end_of_its_range_has_no_bound_there(void **state)
{
    (void)state;
    double x[] = {1, 2, 3, 4, 5, 6};
    struct bootstrap got;
    bootstrap_bca(6, maximum_of, x, 0, 0.95, 1, &got);
    assert_true(got.estimate == 6);
    assert_true(!got.ci.has_high || got.ci.high == 6);
}

/* The mean of all items but 3, of which there may be none. */
static double mean_without_three(const size_t *index, size_t m, void *context)
{
    const double *x = context;
    struct moments sum = {0};
    for (size_t i = 0; i < m; i++)
        if (index[i] != 3)
            moments_add(&sum, x[index[i]]);
    return sum.n > 2 ? sum.mean : NAN;
}

static void draws_without_a_value_widen_the_interval(void **state)
{
    (void)state;
    double x[] = {1, 2, 3, 4};
    struct bootstrap got;
    bootstrap_bca(4, mean_without_three, x, 0, 0.9, 1, &got); /* about a quarter of the draws */
    assert_true(isfinite(got.estimate) && got.acceleration == 0);
    assert_false(got.ci.has_low || got.ci.has_high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_variance_of_the_spatial_test_data_is_efrons),
        cmocka_unit_test(the_correlation_of_the_law_schools_is_efrons),
        cmocka_unit_test(five_values_agree_with_all_their_samples),
        cmocka_unit_test(the_same_seed_gives_the_same_interval),
        cmocka_unit_test(items_that_say_nothing_have_no_bounds),
        cmocka_unit_test(a_statistic_at_the_end_of_its_range_has_no_bound_there),
        cmocka_unit_test(draws_without_a_value_widen_the_interval),
    };
    return cmocka_run_group_tests_name("bootstrap", tests, NULL, NULL);
}
