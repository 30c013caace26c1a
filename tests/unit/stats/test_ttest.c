/* Student's t. The sleep data are Student's (1908), whose results every textbook and R print;
 * digits beyond theirs, and the second example of Welch's test: SciPy 1.x, ttest_1samp and
 * ttest_ind. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats/ttest.h"

static const double first[] = {0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2};
static const double second[] = {1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-10 * fabs(want)))
        fail_msg("%.17g, should be %.17g", got, want);
}

static void paired_sleep_is_students(void **state)
{
    (void)state;
    double d[10];
    for (int i = 0; i < 10; i++)
        d[i] = first[i] - second[i];
    struct ttest got;
    ttest_paired(d, 10, 0.95, &got);
    assert_close(got.estimate, -1.58);
    assert_close(got.error, 0.3889587238883952);
    assert_close(got.t, -4.062127683382037);
    assert_true(got.df == 9);
    assert_close(got.p, 0.002832890197384273);
    assert_true(got.ci.has_low && got.ci.has_high);
    assert_close(got.ci.low, -2.459885763276983);
    assert_close(got.ci.high, -0.7001142367230175);
}

static void unpaired_sleep_is_welchs(void **state)
{
    (void)state;
    struct ttest got;
    ttest_welch(first, 10, second, 10, 0.95, &got);
    assert_close(got.estimate, -1.58);
    assert_close(got.t, -1.8608134674868526);
    assert_close(got.df, 17.776473516178488);
    assert_close(got.p, 0.0793941401873583);
    assert_close(got.ci.low, -3.3654832307117104);
    assert_close(got.ci.high, 0.20548323071171137);
}

static void samples_of_different_sizes_are_welchs(void **state)
{
    (void)state;
    static const double a[] = {27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1,
                               21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4};
    static const double b[] = {27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8,
                               22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5};
    struct ttest got;
    ttest_welch(a, 15, b, 14, 0.99, &got);
    assert_close(got.t, -2.707777779103321);
    assert_close(got.df, 26.952746503270294);
    assert_close(got.p, 0.01161619200263083);
    assert_close(got.ci.low, -5.624957928504661);
    assert_close(got.ci.high, 0.06495792850465865);
}

static void too_few_or_equal_values_say_nothing(void **state)
{
    (void)state;
    static const double same[] = {2, 2, 2, 2}, others[] = {1, 2, 4};
    struct ttest got;
    ttest_paired(same, 4, 0.95, &got);
    assert_true(got.p == 1 && isnan(got.t) && got.estimate == 2);
    assert_false(got.ci.has_low || got.ci.has_high);
    ttest_paired(others, 1, 0.95, &got);
    assert_true(got.p == 1 && got.estimate == 1 && !got.ci.has_low);
    ttest_paired(NULL, 0, 0.95, &got);
    assert_true(got.p == 1 && isnan(got.estimate) && !got.ci.has_low);
    ttest_welch(same, 4, same, 4, 0.95, &got);
    assert_true(got.p == 1 && got.estimate == 0 && !got.ci.has_low);
    ttest_welch(others, 3, others, 1, 0.95, &got);
    assert_true(got.p == 1 && !got.ci.has_low);
    ttest_welch(NULL, 0, others, 3, 0.95, &got);
    assert_true(got.p == 1 && isnan(got.estimate) && !got.ci.has_low);
}

static void one_constant_sample_leaves_the_others_degrees_of_freedom(void **state)
{
    (void)state;
    static const double same[] = {2, 2, 2, 2}, others[] = {1, 2, 4};
    struct ttest got;
    ttest_welch(same, 4, others, 3, 0.95, &got);
    assert_close(got.df, 2);
    assert_true(got.ci.has_low && got.ci.has_high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paired_sleep_is_students),
        cmocka_unit_test(unpaired_sleep_is_welchs),
        cmocka_unit_test(samples_of_different_sizes_are_welchs),
        cmocka_unit_test(too_few_or_equal_values_say_nothing),
        cmocka_unit_test(one_constant_sample_leaves_the_others_degrees_of_freedom),
    };
    return cmocka_run_group_tests_name("t tests", tests, NULL, NULL);
}
