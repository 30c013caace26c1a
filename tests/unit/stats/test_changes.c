/* E-divisive. Places and statistics of the whole-number series: Python, the definition by four
 * nested loops. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats/changes.h"
#include "stats/decorrelate.h"

#include "series.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

enum { ROOM = 10 };

static const struct changes_options usual = {
    .level = 0.05, .least = 4, .permutations = 199, .seed = 1};

static void assert_change(const struct change *c, size_t at, double statistic)
{
    assert_int_equal(c->at, at);
    if (!isnan(statistic) && !(fabs(c->statistic - statistic) <= 1e-9 * statistic))
        fail_msg("statistic %.17g, should be %.17g", c->statistic, statistic);
    assert_true(c->p > 0 && c->p <= 0.05);
}

static void a_step_is_found_where_it_is(void **state)
{
    (void)state;
    double x[60];
    series_wander(x, 60, 11, 0, 1);
    for (size_t i = 23; i < 60; i++)
        x[i] += 600;
    struct change c[ROOM];
    assert_int_equal(changes_find(x, 60, &usual, c, ROOM), 1);
    assert_change(&c[0], 23, 10233.304864626896);
    assert_true(fabs(c[0].p - 0.005) < 1e-12); /* no permutation comes near: 1/200 */
}

static void there_and_back_are_two_changes_in_order(void **state)
{
    (void)state;
    double x[75];
    series_wander(x, 75, 12, 0, 1);
    for (size_t i = 25; i < 50; i++)
        x[i] += 900;
    struct change c[ROOM];
    assert_int_equal(changes_find(x, 75, &usual, c, ROOM), 2);
    assert_change(&c[0], 25, 14496.696666666669);
    assert_change(&c[1], 50, 15175.876666666667);
}

static void a_change_of_spread_alone_is_found(void **state)
{
    (void)state;
    double x[80];
    series_wander(x, 80, 13, 0, 1);
    for (size_t i = 0; i < 80; i++)
        x[i] = 500 + (x[i] - 500) * (i < 40 ? 1 : 8);
    struct changes_options o = usual;
    o.least = 5;
    struct change c[ROOM];
    assert_int_equal(changes_find(x, 80, &o, c, ROOM), 1);
    assert_change(&c[0], 41, 22056.741644736838);
}

static void no_more_are_told_than_there_is_room_for(void **state)
{
    (void)state;
    double x[75];
    series_wander(x, 75, 12, 0, 1);
    for (size_t i = 25; i < 50; i++)
        x[i] += 900;
    struct change c[1];
    assert_int_equal(changes_find(x, 75, &usual, c, 1), 1);
    assert_change(&c[0], 25, NAN);
    assert_int_equal(changes_find(x, 75, &usual, c, 0), 0);
}

static void short_and_constant_series_do_not_change(void **state)
{
    (void)state;
    double x[30] = {0};
    struct change c[ROOM];
    assert_int_equal(changes_find(x, 30, &usual, c, ROOM), 0);
    for (size_t n = 0; n < 8; n++) {
        x[n] = n < 4 ? 0 : 1000;
        assert_int_equal(changes_find(x, n, &usual, c, ROOM), 0);
    }
}

static void the_same_seed_gives_the_same_p(void **state)
{
    (void)state;
    double x[100];
    series_wander(x, 100, 15, 0, 1);
    for (size_t i = 50; i < 100; i++)
        x[i] += 260; /* a p that is neither the least nor too large */
    struct change a[ROOM], b[ROOM];
    assert_int_equal(changes_find(x, 100, &usual, a, ROOM), 1);
    assert_int_equal(changes_find(x, 100, &usual, b, ROOM), 1);
    assert_true(a[0].p == b[0].p);
}

static double share_that_fires(size_t n, double phi, double step, unsigned seeds)
{
    unsigned fired = 0;
    double *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        double means[DECORRELATE_MOST];
        struct decorrelated d;
        series_ar1(x, n, seed, phi);
        for (size_t i = n * 45 / 100; i < n; i++)
            x[i] += step;
        decorrelate(x, n, means, &d);
        if (!d.found)
            continue;
        struct changes_options o = usual;
        o.seed = seed;
        o.rho1 = d.rho1;
        struct change c[ROOM];
        fired += changes_find(means, d.n, &o, c, ROOM) > 0;
    }
    free(x);
    return (double)fired / seeds;
}

static void a_correlated_stationary_series_fires_no_more_often_than_the_level_says(void **state)
{
    (void)state;
    double share = share_that_fires(2000, 0.9, 0, 400);
    if (share > 0.06)
        fail_msg("fires on %g", share);
}

static void a_step_of_one_deviation_is_seen_through_the_correlation(void **state)
{
    (void)state;
    double share = share_that_fires(4000, 0.9, 1, 40);
    if (share < 0.9)
        fail_msg("fires on %g", share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_found_where_it_is),
        cmocka_unit_test(there_and_back_are_two_changes_in_order),
        cmocka_unit_test(a_change_of_spread_alone_is_found),
        cmocka_unit_test(no_more_are_told_than_there_is_room_for),
        cmocka_unit_test(short_and_constant_series_do_not_change),
        cmocka_unit_test(the_same_seed_gives_the_same_p),
        cmocka_unit_test(a_correlated_stationary_series_fires_no_more_often_than_the_level_says),
        cmocka_unit_test(a_step_of_one_deviation_is_seen_through_the_correlation),
    };
    return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
