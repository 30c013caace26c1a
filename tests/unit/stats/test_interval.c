/* Intervals, early stopping, moments. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats/early.h"
#include "stats/interval.h"
#include "stats/moments.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static void quantile_ranks_are_those_of_exact_arithmetic(void **state)
{
    (void)state;
    /* Computed with Python's fractions: binomial sums as whole numbers, no rounding. */
    static const struct {
        size_t n;
        double p, level;
        size_t low, high;
    } cases[] = {
        {1, 0.5, 0.95, 0, 2},
        {5, 0.5, 0.95, 0, 6},
        {6, 0.5, 0.95, 1, 6},
        {10, 0.5, 0.95, 2, 9},
        {100, 0.5, 0.95, 40, 61},
        {1000, 0.5, 0.95, 469, 532},
        {100, 0.9, 0.95, 84, 96},
        {100, 0.99, 0.95, 97, 101},
        {368, 0.99, 0.95, 360, 368},
        {369, 0.99, 0.95, 361, 369},
        {1000, 0.99, 0.95, 983, 997},
        {1000, 0.999, 0.95, 997, 1001},
        {10000, 0.99, 0.95, 9880, 9920},
        {10000, 0.999, 0.99, 9981, 9998},
        {1000, 0.95, 0.9, 938, 962},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t low, high;
        interval_quantile_ranks(cases[i].n, cases[i].p, cases[i].level, &low, &high);
        if (low != cases[i].low || high != cases[i].high)
            fail_msg("n %zu p %g: %zu … %zu, should be %zu … %zu", cases[i].n, cases[i].p, low,
                     high, cases[i].low, cases[i].high);
    }
}

static void quantile_ranks_of_fifty_million_enclose_the_quantile(void **state)
{
    (void)state;
    size_t low, high;
    interval_quantile_ranks(50000000, 0.99, 0.95, &low, &high);
    /* np ± 1.96 √(np(1 − p)) = 49,500,000 ± 1,379 */
    assert_in_range(low, 49500000 - 1381, 49500000 - 1377);
    assert_in_range(high, 49500000 + 1377, 49500000 + 1381);
}

static void the_interval_of_a_mean_is_students(void **state)
{
    (void)state;
    /* mean 5, sd 2 over n = 5: 5 ± 2.776445105 · 2/√5 */
    const double x[] = {5 - 2 * M_SQRT2, 5, 5, 5, 5 + 2 * M_SQRT2};
    struct interval i;
    interval_mean(x, 5, 0.95, &i);
    assert_true(i.has_low && i.has_high);
    assert_true(fabs(i.low - (5 - 2.77644510519779436 * 2 / sqrt(5))) < 1e-9);
    assert_true(fabs(i.high - (5 + 2.77644510519779436 * 2 / sqrt(5))) < 1e-9);
}

static void one_value_bounds_no_mean(void **state)
{
    (void)state;
    const double x[] = {7};
    struct interval i;
    interval_mean(x, 1, 0.95, &i);
    assert_false(i.has_low || i.has_high);
    assert_true(i.low == 7 && i.high == 7);
    interval_mean(x, 0, 0.95, &i);
    assert_false(i.has_low || i.has_high);
}

static void early_stopping_totals_are_mlperfs(void **state)
{
    (void)state;
    static const uint64_t over[] = {0, 1, 2, 3, 5, 10, 20};
    static const struct {
        double p;
        uint64_t totals[7];
    } at_99[] = {
        {0.5, {7, 11, 14, 17, 22, 35, 59}},
        {0.9, {44, 64, 81, 97, 127, 197, 325}},
        {0.95, {90, 130, 165, 198, 259, 398, 656}},
        {0.99, {459, 662, 838, 1001, 1307, 2010, 3304}},
        {0.999, {4603, 6636, 8403, 10042, 13105, 20140, 33097}},
    };
    static const uint64_t over_95[] = {0, 1, 2, 5, 10};
    static const uint64_t p90_at_95[] = {29, 46, 61, 103, 167};
    static const uint64_t p99_at_95[] = {299, 473, 628, 1049, 1693};
    for (size_t i = 0; i < COUNT_OF(at_99); i++)
        for (size_t j = 0; j < COUNT_OF(over); j++) {
            assert_int_equal(early_total(at_99[i].p, 0.99, over[j]), at_99[i].totals[j]);
            assert_int_equal(early_h_min(at_99[i].p, 0.99, over[j]), at_99[i].totals[j] - over[j]);
        }
    for (size_t j = 0; j < COUNT_OF(over_95); j++) {
        assert_int_equal(early_total(0.9, 0.95, over_95[j]), p90_at_95[j]);
        assert_int_equal(early_total(0.99, 0.95, over_95[j]), p99_at_95[j]);
    }
}

static void certainty_can_never_be_reached(void **state)
{
    (void)state;
    assert_int_equal(early_total(1, 0.99, 3), UINT64_MAX);
    assert_int_equal(early_h_min(0.9, 1, 3), UINT64_MAX);
}

static void moments_keep_their_digits_far_from_zero(void **state)
{
    (void)state;
    struct moments m = {0};
    assert_true(moments_sd(&m) == 0);
    const double x[] = {4, 7, 13, 16};
    for (int i = 0; i < 4; i++)
        moments_add(&m, 1e9 + x[i]);
    assert_int_equal(m.n, 4);
    assert_true(m.mean == 1e9 + 10);
    assert_true(fabs(moments_sd(&m) - sqrt(30)) < 1e-6);
    assert_true(m.min == 1e9 + 4);
    assert_true(m.max == 1e9 + 16);
    struct moments below = {0};
    moments_add(&below, -3);
    assert_true(below.min == -3 && below.max == -3 && moments_sd(&below) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantile_ranks_are_those_of_exact_arithmetic),
        cmocka_unit_test(quantile_ranks_of_fifty_million_enclose_the_quantile),
        cmocka_unit_test(the_interval_of_a_mean_is_students),
        cmocka_unit_test(one_value_bounds_no_mean),
        cmocka_unit_test(early_stopping_totals_are_mlperfs),
        cmocka_unit_test(certainty_can_never_be_reached),
        cmocka_unit_test(moments_keep_their_digits_far_from_zero),
    };
    return cmocka_run_group_tests_name("intervals", tests, NULL, NULL);
}
