/* Batches that hardly depend on each other. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats/decorrelate.h"

#include "series.h"

/* Correlation of neighbouring batches of m of an AR(1) process: φ(1 − φ^m)²/(m(1 − φ²) − 2φ(1 −
 * φ^m)), from summing its autocovariances φ^l. */
static double batch_correlation(double phi, double m)
{
    double p = pow(phi, m);
    return phi * (1 - p) * (1 - p) / (m * (1 - phi * phi) - 2 * phi * (1 - p));
}

static void the_size_is_near_that_of_the_true_autocorrelation(void **state)
{
    (void)state;
    enum { N = 20000, SEEDS = 20 };
    double *x = malloc(N * sizeof *x), mean = 0;
    assert_non_null(x);
    double right = 1;
    while (batch_correlation(0.98, right) >= 0.1)
        right++;
    assert_true(right > 290 && right < 305); /* far above the least size, 100 */
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        double means[DECORRELATE_MOST];
        struct decorrelated d;
        series_ar1(x, N, seed, 0.98);
        decorrelate(x, N, means, &d);
        assert_true(d.found && d.rho1 < 0.1);
        assert_int_equal(d.n, N / d.size);
        mean += (double)d.size / SEEDS;
    }
    free(x);
    if (mean < 0.75 * right || mean > 1.25 * right)
        fail_msg("mean size %g, should be about %g", mean, right);
}

static void independent_values_make_as_many_batches_as_there_may_be(void **state)
{
    (void)state;
    double x[1000], means[DECORRELATE_MOST];
    struct decorrelated d;
    series_ar1(x, 1000, 3, 0);
    decorrelate(x, 1000, means, &d);
    assert_true(d.found && d.size == 5 && d.n == 200);
    assert_true(fabs(means[199] - (x[995] + x[996] + x[997] + x[998] + x[999]) / 5) < 1e-12);
}

static void a_change_of_level_does_not_pass_for_correlation(void **state)
{
    (void)state;
    double x[2000], means[DECORRELATE_MOST];
    struct decorrelated d;
    series_ar1(x, 2000, 5, 0.5);
    for (size_t i = 900; i < 2000; i++)
        x[i] += i < 1500 ? 50 : 20;
    decorrelate(x, 2000, means, &d);
    assert_true(d.found && d.size < 40);
}

static void a_series_too_correlated_for_twenty_batches_is_refused(void **state)
{
    (void)state;
    double x[500], means[DECORRELATE_MOST];
    struct decorrelated d;
    series_ar1(x, 500, 1, 0.99);
    decorrelate(x, 500, means, &d);
    assert_false(d.found);
    assert_int_equal(d.n, 20);
    assert_int_equal(d.size, 25);
}

static void constants_and_short_series_are_no_trouble(void **state)
{
    (void)state;
    double x[100] = {0}, means[DECORRELATE_MOST];
    struct decorrelated d;
    decorrelate(x, 100, means, &d);
    assert_true(d.found && d.n == 100 && d.size == 1);
    for (size_t i = 0; i < 100; i++)
        x[i] = 2e7 / 3; /* whose sum rounds */
    decorrelate(x, 100, means, &d);
    assert_true(d.found && d.n == 100 && d.rho1 == 0);
    decorrelate(x, 19, means, &d);
    assert_true(!d.found && d.n == 0);
    decorrelate(x, 0, means, &d);
    assert_true(!d.found && d.n == 0);
    decorrelate(x, 20, means, &d);
    assert_true(d.n == 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_size_is_near_that_of_the_true_autocorrelation),
        cmocka_unit_test(independent_values_make_as_many_batches_as_there_may_be),
        cmocka_unit_test(a_change_of_level_does_not_pass_for_correlation),
        cmocka_unit_test(a_series_too_correlated_for_twenty_batches_is_refused),
        cmocka_unit_test(constants_and_short_series_are_no_trouble),
    };
    return cmocka_run_group_tests_name("decorrelated batches", tests, NULL, NULL);
}
