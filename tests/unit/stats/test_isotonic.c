/* Pooling adjacent violators. Reference values: SciPy 1.x, optimize.isotonic_regression. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stats/isotonic.h"

#include "series.h"

enum { N = 10 };
static const double y[N] = {1, 3, 2, 2.5, 6, 4, 5, 5, 9, 1};
static const double weights[N] = {1, 2, 1, 4, 1, 3, 1, 1, 0.5, 2};

static void assert_fit(const double *w, bool rising, const double *want)
{
    double out[N];
    isotonic_fit(y, w, N, rising, out);
    for (size_t i = 0; i < N; i++)
        if (!(fabs(out[i] - want[i]) < 1e-14 * 10))
            fail_msg("[%zu] %.17g, should be %.17g", i, out[i], want[i]);
}

static void fits_are_those_of_least_squares(void **state)
{
    (void)state;
    static const double plain[] = {1, 2.5, 2.5, 2.5, 5, 5, 5, 5, 5, 5};
    static const double a = 2.5714285714285716, b = 4.0588235294117645, c = 3.5517241379310347;
    const double weighted[] = {1, a, a, a, b, b, b, b, b, b};
    const double falling[] = {c, c, c, c, c, c, c, c, c, 1};
    assert_fit(NULL, true, plain);
    assert_fit(weights, true, weighted);
    assert_fit(weights, false, falling);
}

static void what_is_in_order_stays(void **state)
{
    (void)state;
    static const double rising[] = {-1, 0, 0, 3};
    double out[4];
    isotonic_fit(rising, NULL, 4, true, out);
    assert_memory_equal(out, rising, sizeof out);
    static const double falling[] = {5, 5, 2, -7};
    isotonic_fit(falling, NULL, 4, false, out);
    assert_memory_equal(out, falling, sizeof out);
    isotonic_fit(NULL, NULL, 0, true, NULL);
}

static void the_fit_keeps_the_sum_and_may_overwrite_its_input(void **state)
{
    (void)state;
    double x[500], sum = 0, fitted = 0;
    series_wander(x, 500, 8, 0, 1);
    for (size_t i = 0; i < 500; i++)
        sum += x[i];
    isotonic_fit(x, NULL, 500, true, x);
    for (size_t i = 0; i < 500; i++) {
        fitted += x[i];
        assert_true(i == 0 || x[i] >= x[i - 1]);
    }
    assert_true(fabs(fitted - sum) < 1e-9 * sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_are_those_of_least_squares),
        cmocka_unit_test(what_is_in_order_stays),
        cmocka_unit_test(the_fit_keeps_the_sum_and_may_overwrite_its_input),
    };
    return cmocka_run_group_tests_name("isotonic", tests, NULL, NULL);
}
