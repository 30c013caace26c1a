/* Holm's adjusted p-values. The first case is worked out in many textbooks; all agree with
 * statsmodels' multipletests. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stats/holm.h"

static void adjusted_values_are_holms(void **state)
{
    (void)state;
    static const struct {
        size_t m;
        double p[6], adjusted[6];
    } cases[] = {
        {4, {0.01, 0.04, 0.03, 0.005}, {0.03, 0.06, 0.06, 0.02}},
        {6, {0.001, 0.01, 0.02, 0.02, 0.9, 0.04}, {0.006, 0.05, 0.08, 0.08, 0.9, 0.08}},
        {3, {0.5, 0.6, 0.7}, {1, 1, 1}},
        {2, {0, 1}, {0, 1}},
        {1, {0.0001}, {0.0001}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double out[6];
        holm_adjust(cases[i].p, cases[i].m, out);
        for (size_t k = 0; k < cases[i].m; k++)
            assert_true(fabs(out[k] - cases[i].adjusted[k]) < 1e-15);
    }
}

static void the_input_may_be_the_output(void **state)
{
    (void)state;
    double p[] = {0.01, 0.04, 0.03, 0.005};
    holm_adjust(p, 4, p);
    static const double adjusted[] = {0.03, 0.06, 0.06, 0.02};
    for (size_t k = 0; k < 4; k++)
        assert_true(fabs(p[k] - adjusted[k]) < 1e-15);
    holm_adjust(NULL, 0, NULL);
}

/* 6 metrics from 8 paired blocks: the least signed-rank p is 2/2⁸, times 6 still below 0.05; from 7
 * it is not. */
static void eight_blocks_can_show_a_difference_in_six_metrics_and_seven_cannot(void **state)
{
    (void)state;
    double p[6], out[6];
    for (int k = 0; k < 6; k++)
        p[k] = ldexp(1, -7);
    holm_adjust(p, 6, out);
    assert_true(out[0] < 0.05 && out[5] < 0.05);
    for (int k = 0; k < 6; k++)
        p[k] = ldexp(1, -6);
    holm_adjust(p, 6, out);
    assert_true(out[0] > 0.05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adjusted_values_are_holms),
        cmocka_unit_test(the_input_may_be_the_output),
        cmocka_unit_test(eight_blocks_can_show_a_difference_in_six_metrics_and_seven_cannot),
    };
    return cmocka_run_group_tests_name("Holm", tests, NULL, NULL);
}
