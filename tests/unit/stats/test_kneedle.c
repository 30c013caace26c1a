/* Kneedle. The first case is figure 2 of the paper, whose knee is at 0.22; the others, but for the
 * S-shaped one, agree with the Python library kneed 0.9 at every sensitivity shown. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats/kneedle.h"
#include "stats/special.h"

enum { N = 10, NONE = 99 };
static const double places[N] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

static size_t knee_of(const double *y, enum kneedle_shape shape, double sensitivity)
{
    size_t index = NONE;
    bool found = kneedle_find(places, y, N, shape, sensitivity, &index);
    assert_true(found == (index != NONE));
    return index;
}

static void figure_2_of_the_paper_has_its_knee(void **state)
{
    (void)state;
    double x[N], y[N];
    for (int i = 0; i < N; i++) {
        x[i] = i / 9.0;
        y[i] = 5 - 1 / (x[i] + 0.1);
    }
    size_t index = NONE;
    assert_true(kneedle_find(x, y, N, KNEEDLE_CONCAVE, 1, &index));
    assert_true(fabs(x[index] - 0.22) < 0.005);
}

static void convex_and_concave_curves_mirror_each_other(void **state)
{
    (void)state;
    static const double convex[N] = {1, 2, 3, 4, 5, 10, 15, 20, 40, 100};
    static const double concave[N] = {0, 60, 80, 85, 90, 95, 96, 97, 98, 99};
    for (double s = 0; s <= 5; s++) {
        assert_int_equal(knee_of(convex, KNEEDLE_CONVEX, s), 7);
        assert_int_equal(knee_of(concave, KNEEDLE_CONCAVE, s), 2);
    }
}

static void sensitivity_decides_whether_a_bump_is_a_knee(void **state)
{
    (void)state;
    static const double bump[N] = {0, 50, 51, 52, 49, 60, 90, 95, 96, 100};
    for (double s = 0; s <= 3; s++)
        assert_int_equal(knee_of(bump, KNEEDLE_CONCAVE, s), 1);
    /* 1 falls too little before 5 rises, and 6 rises too late */
    assert_int_equal(knee_of(bump, KNEEDLE_CONCAVE, 4), NONE);
}

static void a_line_has_no_knee(void **state)
{
    (void)state;
    static const double line[N] = {0, 11, 22, 33, 44, 56, 67, 78, 89, 100};
    assert_int_equal(knee_of(line, KNEEDLE_CONCAVE, 1), NONE);
    assert_int_equal(knee_of(line, KNEEDLE_CONVEX, 1), NONE);
    static const double flat[N] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
    assert_int_equal(knee_of(flat, KNEEDLE_CONVEX, 1), NONE);
    size_t index = NONE;
    assert_false(kneedle_find(places, line, 2, KNEEDLE_CONVEX, 1, &index));
    assert_false(kneedle_find(places, line, 0, KNEEDLE_CONVEX, 1, &index));
}

static void latency_of_a_queue_bends_where_it_should(void **state)
{
    (void)state;
    double x[19], y[19];
    for (int i = 0; i < 19; i++) {
        x[i] = 0.05 + 0.05 * i;
        y[i] = 1 / (1 - x[i]);
    }
    size_t index = NONE;
    assert_true(kneedle_find(x, y, 19, KNEEDLE_CONVEX, 1, &index));
    assert_int_equal(index, 15);
    /* on geometric levels */
    for (int i = 0; i < 8; i++) {
        x[i] = 0.98 * pow(1.4, i - 7);
        y[i] = 1 / (1 - x[i]);
    }
    assert_true(kneedle_find(x, y, 8, KNEEDLE_CONVEX, 1, &index));
    assert_int_equal(index, 6);
}

/* The distribution function of N(50, 10), the paper's second example without its noise. Between its
 * extremes, r standard deviations apart, it leaves the diagonal where its density is 1/r: at φ(z) =
 * 1/r. */
static void an_s_shaped_curve_bends_where_its_slope_is_the_diagonals(void **state)
{
    (void)state;
    enum { POINTS = 1000 };
    double x[POINTS], y[POINTS];
    for (int i = 0; i < POINTS; i++) {
        x[i] = 50 + 10 * special_normal_quantile((i + 1) / (POINTS + 1.0));
        y[i] = (i + 1) / (POINTS + 1.0);
    }
    double range = (x[POINTS - 1] - x[0]) / 10;
    double z = sqrt(2 * log(range / sqrt(2 * M_PI)));
    size_t index = NONE;
    assert_true(kneedle_find(x, y, POINTS, KNEEDLE_CONCAVE, 1, &index));
    assert_true(fabs(x[index] - (50 + 10 * z)) < 0.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figure_2_of_the_paper_has_its_knee),
        cmocka_unit_test(convex_and_concave_curves_mirror_each_other),
        cmocka_unit_test(sensitivity_decides_whether_a_bump_is_a_knee),
        cmocka_unit_test(a_line_has_no_knee),
        cmocka_unit_test(latency_of_a_queue_bends_where_it_should),
        cmocka_unit_test(an_s_shaped_curve_bends_where_its_slope_is_the_diagonals),
    };
    return cmocka_run_group_tests_name("Kneedle", tests, NULL, NULL);
}
