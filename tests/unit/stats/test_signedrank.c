/* The signed-rank test. Critical values: the table of Wilcoxon, Katti & Wilcox (1970), as textbooks
 * print it. The other values: Python, the null counted out in whole numbers; the depression scores
 * are those of Hollander & Wolfe (Nonparametric Statistical Methods, 1973), the plants Darwin's
 * (1876), for which both agree with published results. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats/signedrank.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * fmax(1, fabs(want))))
        fail_msg("%.17g, should be %.17g", got, want);
}

static void critical_values_are_those_of_the_table(void **state)
{
    (void)state;
    static const double tails[] = {0.05, 0.025, 0.01, 0.005};
    static const struct {
        size_t n;
        int critical[4]; /* largest w with P(W ≤ w) ≤ tail; −1: none */
    } rows[] = {
        {4, {-1, -1, -1, -1}},      {5, {0, -1, -1, -1}},   {6, {2, 0, -1, -1}},
        {7, {3, 2, 0, -1}},         {8, {5, 3, 1, 0}},      {9, {8, 5, 3, 1}},
        {10, {10, 8, 5, 3}},        {11, {13, 10, 7, 5}},   {12, {17, 13, 9, 7}},
        {13, {21, 17, 12, 9}},      {14, {25, 21, 15, 12}}, {15, {30, 25, 19, 15}},
        {16, {35, 29, 23, 19}},     {17, {41, 34, 27, 23}}, {18, {47, 40, 32, 27}},
        {19, {53, 46, 37, 32}},     {20, {60, 52, 43, 37}}, {25, {100, 89, 76, 68}},
        {30, {151, 137, 120, 109}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t t = 0; t < COUNT_OF(tails); t++) {
            int w = rows[i].critical[t];
            if (!(signedrank_cdf(rows[i].n, w) <= tails[t] &&
                  signedrank_cdf(rows[i].n, w + 1) > tails[t]))
                fail_msg("n %zu tail %g: %d is not critical", rows[i].n, tails[t], w);
        }
}

static void the_null_has_its_ends_and_its_symmetry(void **state)
{
    (void)state;
    assert_true(signedrank_cdf(5, -1) == 0);
    assert_true(signedrank_cdf(0, 0) == 1);
    assert_true(signedrank_cdf(5, 15) == 1 && signedrank_cdf(5, 1e9) == 1);
    assert_close(signedrank_cdf(5, 0), 1.0 / 32);
    assert_close(signedrank_cdf(5, 14.9), 31.0 / 32);
    for (size_t w = 0; w < 55; w++)
        assert_close(signedrank_cdf(10, (double)w) + signedrank_cdf(10, 54 - (double)w), 1);
    assert_close(signedrank_cdf(200, 0), ldexp(1, -200));
}

static void tests_estimates_and_intervals_are_those_of_exact_counting(void **state)
{
    (void)state;
    static const double depression[] = {0.952, -0.147, 1.022, 0.43, 0.62, 0.59, 0.49, -0.08, 0.01};
    static const double plants[] = {49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48};
    static const double tied[] = {3, -3, 3, 5, 0, 0, 2, -1, 4, 4, 8, -2};
    static const double six[] = {-1, -2, -3, -4, -5, -6.5};
    static const double alike[] = {1, 1, 1, 1, 1, 1, 1, 1};
    static const struct {
        const double *d;
        size_t n;
        double level, w, p_greater, p_less, p_two, estimate, low, high;
        size_t left;
    } cases[] = {
        {depression, 9, 0.95, 40, 0.01953125, 0.986328125, 0.0390625, 0.46, 0.01, 0.786, 9},
        {plants, 15, 0.95, 96, 0.0206298828125, 0.982330322265625, 0.041259765625, 25, 4, 41.5, 15},
        {tied, 12, 0.9, 46.5, 0.029296875, 0.978515625, 0.05859375, 2, 0, 3.5, 10},
        {six, 6, 0.95, 0, 1, 0.015625, 0.03125, -3.5, -6.5, -1, 6},
        {alike, 8, 0.95, 36, 0.00390625, 1, 0.0078125, 1, 1, 1, 8},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct signedrank got;
        signedrank_test(cases[i].d, cases[i].n, cases[i].level, &got);
        assert_int_equal(got.n, cases[i].left);
        assert_close(got.w, cases[i].w);
        assert_close(got.p_greater, cases[i].p_greater);
        assert_close(got.p_less, cases[i].p_less);
        assert_close(got.p_two, cases[i].p_two);
        assert_close(got.estimate, cases[i].estimate);
        assert_true(got.ci.has_low && got.ci.has_high);
        assert_close(got.ci.low, cases[i].low);
        assert_close(got.ci.high, cases[i].high);
        assert_true(got.confidence >= cases[i].level && got.confidence < 1);
    }
}

static void six_differences_have_a_95_percent_interval_and_five_have_none(void **state)
{
    (void)state;
    static const double d[] = {1, 2, 3, 4, 5, 6};
    struct signedrank got;
    signedrank_test(d, 5, 0.95, &got);
    assert_false(got.ci.has_low || got.ci.has_high);
    assert_true(got.confidence == 0 && got.ci.low == 3 && got.ci.high == 3 && got.estimate == 3);
    assert_close(got.p_two, 0.0625);
    signedrank_test(d, 6, 0.95, &got);
    assert_true(got.ci.has_low && got.ci.has_high && got.ci.low == 1 && got.ci.high == 6);
    assert_close(got.confidence, 0.96875);
    signedrank_test(d, 5, 0.9375, &got); /* exactly what five can give */
    assert_true(got.ci.has_low && got.ci.low == 1 && got.ci.high == 5);
}

static void nothing_and_zeros_alone_prove_nothing(void **state)
{
    (void)state;
    static const double zeros[] = {0, 0, 0, -0.0, 0, 0, 0};
    struct signedrank got;
    signedrank_test(zeros, 7, 0.95, &got);
    assert_true(got.n == 0 && got.p_two == 1 && got.p_less == 1 && got.p_greater == 1);
    assert_true(got.estimate == 0 && got.ci.has_low && got.ci.low == 0 && got.ci.high == 0);
    signedrank_test(NULL, 0, 0.95, &got);
    assert_true(got.n == 0 && got.p_two == 1 && isnan(got.estimate) && !got.ci.has_low);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(critical_values_are_those_of_the_table),
        cmocka_unit_test(the_null_has_its_ends_and_its_symmetry),
        cmocka_unit_test(tests_estimates_and_intervals_are_those_of_exact_counting),
        cmocka_unit_test(six_differences_have_a_95_percent_interval_and_five_have_none),
        cmocka_unit_test(nothing_and_zeros_alone_prove_nothing),
    };
    return cmocka_run_group_tests_name("signed ranks", tests, NULL, NULL);
}
