/* Repetitions of several levels. Variances: Python's fractions. Needed numbers: Python, counting up
 * with SciPy's t. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats/repetitions.h"

#include "series.h"

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-10 * fabs(want)))
        fail_msg("%.17g, should be %.17g", got, want);
}

static void variances_of_three_levels_are_told_apart(void **state)
{
    (void)state;
    static const size_t reps[] = {5, 4, 3};
    double y[60], s2[3], t2[3];
    series_wander(y, 60, 21, 0, 1);
    for (size_t i = 0; i < 60; i++)
        y[i] += (double)(400 * (i / 5 % 7) + 900 * (i / 20 % 5));
    repetitions_variances(y, reps, 3, s2, t2);
    assert_close(s2[0], 101942.1);
    assert_close(s2[1], 514634.3588888889);
    assert_close(s2[2], 1392181.4908333332);
    assert_close(t2[0], 101942.1);
    assert_close(t2[1], 494245.93888888886);
    assert_close(t2[2], 1263522.901111111);
}

static void a_level_that_adds_nothing_may_come_out_below_zero(void **state)
{
    (void)state;
    static const size_t reps[] = {3, 4};
    double y[12], s2[2], t2[2];
    series_wander(y, 12, 22, 0, 1);
    repetitions_variances(y, reps, 2, s2, t2);
    assert_close(s2[0], 57505.583333333336);
    assert_close(s2[1], 13857.583333333334);
    assert_close(t2[1], -5310.944444444444);
}

/* Each level's own variance, from many small pilots: the estimates are unbiased. */
static void estimates_are_right_on_average(void **state)
{
    (void)state;
    enum { PILOTS = 4000 };
    static const size_t reps[] = {2, 3, 2};
    double mean[3] = {0};
    struct rng r = rng_at(4, RNG_SIM_NOISE, 0);
    for (int p = 0; p < PILOTS; p++) {
        double y[12], s2[3], t2[3], top = 0, middle = 0;
        for (size_t i = 0; i < 12; i++) {
            top = i % 6 == 0 ? 3 * rng_normal(&r) : top;
            middle = i % 2 == 0 ? 2 * rng_normal(&r) : middle;
            y[i] = 10 + top + middle + rng_normal(&r);
        }
        repetitions_variances(y, reps, 3, s2, t2);
        for (size_t i = 0; i < 3; i++)
            mean[i] += t2[i] / PILOTS;
    }
    assert_true(fabs(mean[0] - 1) < 0.05);
    assert_true(fabs(mean[1] - 4) < 0.2);
    assert_true(fabs(mean[2] - 9) < 0.8);
}

static void the_best_numbers_are_those_of_the_formula(void **state)
{
    (void)state;
    static const double cost[] = {1, 100, 1600}, t2[] = {4, 1, 0.25};
    size_t reps[3] = {0, 0, 77};
    repetitions_best(cost, t2, 3, reps);
    assert_int_equal(reps[0], 20); /* √(100·4) */
    assert_int_equal(reps[1], 8);  /* √(16·4) */
    assert_int_equal(reps[2], 77); /* is not its business */
    static const double dear[] = {100, 10, 1}, uneven[] = {1, 3, 2};
    repetitions_best(dear, uneven, 3, reps);
    assert_int_equal(reps[0], 1);
    assert_int_equal(reps[1], 1);
    static const double near[] = {1, 2, 9}, equal[] = {1, 1, 1};
    repetitions_best(near, equal, 3, reps);
    assert_int_equal(reps[0], 2); /* √2, rounded up */
    assert_int_equal(reps[1], 3); /* √4.5 */
}

/* With the highest level's number for a fixed precision, no other choice costs less than the
 * real-valued optimum. */
static void the_best_numbers_are_the_cheapest(void **state)
{
    (void)state;
    static const double cost[] = {1, 90, 2000}, t2[] = {50, 3, 1};
    size_t reps[2];
    repetitions_best(cost, t2, 3, reps);
    double least = INFINITY, ours = 0;
    for (size_t a = 1; a < 100; a++)
        for (size_t b = 1; b < 100; b++) {
            double total = (cost[2] + (double)b * (cost[1] + (double)a * cost[0])) *
                           (t2[2] + t2[1] / (double)b + t2[0] / (double)(a * b));
            least = fmin(least, total);
            if (a == reps[0] && b == reps[1])
                ours = total;
        }
    assert_true(ours > 0 && ours < 1.005 * least);
}

static void levels_without_variance_are_not_repeated(void **state)
{
    (void)state;
    static const double cost[] = {1, 30, 70}, middle[] = {4, -0.1, 1}, inner[] = {4, -0.1, 0};
    size_t reps[2];
    repetitions_best(cost, middle, 3, reps);
    assert_int_equal(reps[0], 20); /* √((30 + 70)·4) */
    assert_int_equal(reps[1], 1);
    repetitions_best(cost, inner, 3, reps);
    assert_true(reps[0] == SIZE_MAX);
    assert_int_equal(reps[1], 1);
}

static void the_precision_decides_the_highest_level(void **state)
{
    (void)state;
    static const double t2[] = {101942.1, 494245.93888888886, 1263522.901111111};
    static const size_t reps[] = {3, 2};
    assert_int_equal(repetitions_needed(t2, reps, 3, 100, 0.95), 590);
    assert_int_equal(repetitions_needed(t2, reps, 3, 300, 0.95), 68);
    assert_int_equal(repetitions_needed(t2, reps, 3, 1000, 0.95), 9);
    assert_int_equal(repetitions_needed(t2, reps, 3, 3000, 0.95), 4);
    assert_int_equal(repetitions_needed(t2, reps, 3, 300, 0.99), 117);
    static const double one = 1, none = 0;
    assert_int_equal(repetitions_needed(&one, NULL, 1, 0.1, 0.95), 387);
    assert_int_equal(repetitions_needed(&one, NULL, 1, 2, 0.95), 4);
    assert_int_equal(repetitions_needed(&none, NULL, 1, 0.1, 0.95), 2);
    assert_true(repetitions_needed(&one, NULL, 1, 0, 0.95) == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variances_of_three_levels_are_told_apart),
        cmocka_unit_test(a_level_that_adds_nothing_may_come_out_below_zero),
        cmocka_unit_test(estimates_are_right_on_average),
        cmocka_unit_test(the_best_numbers_are_those_of_the_formula),
        cmocka_unit_test(the_best_numbers_are_the_cheapest),
        cmocka_unit_test(levels_without_variance_are_not_repeated),
        cmocka_unit_test(the_precision_decides_the_highest_level),
    };
    return cmocka_run_group_tests_name("repetitions", tests, NULL, NULL);
}
