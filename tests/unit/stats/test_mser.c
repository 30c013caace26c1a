/* MSER-5. The cuts of the whole-number series were found with Python's fractions. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats/mser.h"

#include "series.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static void cuts_are_those_of_exact_arithmetic(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        uint64_t seed, keep, of;
        size_t cut;
        bool found;
    } cases[] = {
        {1000, 1, 9, 10, 125, true}, {1003, 2, 95, 100, 35, true},  {437, 3, 0, 1, 0, true},
        {400, 4, 98, 100, 95, true}, {200, 5, 98, 100, 100, false}, {60, 6, 98, 100, 30, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        double x[1003];
        series_wander(x, cases[i].n, cases[i].seed, cases[i].keep, cases[i].of);
        struct mser got;
        mser5(x, cases[i].n, &got);
        assert_int_equal(got.cut, cases[i].cut);
        assert_int_equal(got.found, cases[i].found);
    }
}

static void a_step_is_cut_off_to_the_batch(void **state)
{
    (void)state;
    double x[400];
    for (size_t i = 0; i < 400; i++)
        x[i] = (i < 62 ? 100 : 10) + (double)(i % 5); /* batches all alike but for the step */
    struct mser got;
    mser5(x, 400, &got);
    assert_true(got.found);
    assert_int_equal(got.cut, 65);
}

static void what_never_settles_is_not_found(void **state)
{
    (void)state;
    double x[500];
    for (size_t i = 0; i < 500; i++)
        x[i] = (double)i;
    struct mser got;
    mser5(x, 500, &got);
    assert_false(got.found);
    assert_int_equal(got.cut, 250);
}

static void a_constant_series_needs_no_cut(void **state)
{
    (void)state;
    double x[100];
    for (size_t i = 0; i < 100; i++)
        x[i] = 0.1;
    struct mser got;
    mser5(x, 100, &got);
    assert_true(got.found);
    assert_int_equal(got.cut, 0);
}

static void a_short_series_is_not_judged(void **state)
{
    (void)state;
    double x[20] = {0};
    static const size_t sizes[] = {0, 1, 5, 19};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct mser got;
        mser5(x, sizes[i], &got);
        assert_false(got.found);
        assert_int_equal(got.cut, 0);
    }
    struct mser got;
    mser5(x, 20, &got);
    assert_true(got.found);
}

/* AR(1) about 0 that begins 8 standard deviations away and comes back as 0.99^i. */
static void the_cut_takes_most_of_a_transients_bias_away(void **state)
{
    (void)state;
    enum { N = 1000, SEEDS = 200 };
    double bias = 0, rest = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        double x[N], sum = 0, kept = 0, transient = 8;
        series_ar1(x, N, seed, 0.7);
        for (size_t i = 0; i < N; i++, transient *= 0.99)
            x[i] += transient;
        struct mser got;
        mser5(x, N, &got);
        for (size_t i = 0; i < N; i++) {
            sum += x[i];
            kept += i >= got.cut ? x[i] : 0;
        }
        bias += sum / N / SEEDS;
        rest += kept / (double)(N - got.cut) / SEEDS;
    }
    assert_true(bias > 0.7);
    assert_true(fabs(rest) < bias / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_are_those_of_exact_arithmetic),
        cmocka_unit_test(a_step_is_cut_off_to_the_batch),
        cmocka_unit_test(what_never_settles_is_not_found),
        cmocka_unit_test(a_constant_series_needs_no_cut),
        cmocka_unit_test(a_short_series_is_not_judged),
        cmocka_unit_test(the_cut_takes_most_of_a_transients_bias_away),
    };
    return cmocka_run_group_tests_name("MSER-5", tests, NULL, NULL);
}
