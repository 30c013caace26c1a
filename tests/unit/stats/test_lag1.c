/* The correlation of neighbours. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats/lag1.h"

#include "series.h"

static void it_is_the_ratio_of_sums(void **state)
{
    (void)state;
    static const double x[] = {1, 2, 3, 4, 5}; /* (2 + 0 + 0 + 2)/(4 + 1 + 0 + 1 + 4) */
    assert_true(fabs(lag1_correlation(x, 5) - 0.4) < 1e-15);
    static const double alternating[] = {1, -1, 1, -1}; /* −3/4 */
    assert_true(fabs(lag1_correlation(alternating, 4) + 0.75) < 1e-15);
}

static void far_from_zero_it_keeps_its_digits(void **state)
{
    (void)state;
    static const double x[] = {1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4, 1e9 + 5};
    assert_true(fabs(lag1_correlation(x, 5) - 0.4) < 1e-12);
}

static void equal_values_and_short_series_have_none(void **state)
{
    (void)state;
    static const double x[] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1};
    assert_true(lag1_correlation(x, 7) == 0);
    assert_true(lag1_correlation(x, 1) == 0);
    assert_true(lag1_correlation(NULL, 0) == 0);
}

static void of_a_long_ar1_series_it_is_phi(void **state)
{
    (void)state;
    double x[20000];
    series_ar1(x, 20000, 1, 0.8);
    assert_true(fabs(lag1_correlation(x, 20000) - 0.8) < 0.015);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_ratio_of_sums),
        cmocka_unit_test(far_from_zero_it_keeps_its_digits),
        cmocka_unit_test(equal_values_and_short_series_have_none),
        cmocka_unit_test(of_a_long_ar1_series_it_is_phi),
    };
    return cmocka_run_group_tests_name("lag 1", tests, NULL, NULL);
}
