/* What misses of a dependent series show. Where values come evenly, n_eff is n and the
 * probabilities are exact binomial tails that can be counted by hand. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stats/missrate.h"
#include "stats/special.h"

#include "series.h"

enum { FORTY = 40, MANY = 2000 };

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fabs(want)))
        fail_msg("%.17g, should be %.17g", got, want);
}

/* Forty different values, a small and a large one in each batch of two: as good as independent. */
static void fill_evenly(double *x)
{
    for (size_t i = 0; i < FORTY; i++)
        x[i] = i % 2 == 0 ? (double)i : 100 + (double)i;
}

static void few_misses_have_the_binomial_tail_counted_by_hand(void **state)
{
    (void)state;
    /* The largest are 139, 137, 135, …: the limit says how many of them miss. */
    static const double ways[] = {1, 1 + 40, 1 + 40 + 780, 1 + 40 + 780 + 9880};
    double x[FORTY];
    struct missrate m;
    fill_evenly(x);
    for (size_t k = 0; k < sizeof ways / sizeof ways[0]; k++) {
        missrate_test(x, FORTY, 140 - 2 * (double)k, 0.5, &m);
        assert_true(m.bound);
        assert_int_equal(m.n, FORTY);
        assert_int_equal(m.misses, k);
        assert_close(m.n_eff, FORTY);
        assert_close(m.share, (double)k / FORTY);
        assert_close(m.p_bad, ways[k] / 0x1p40);
        assert_true(m.p_good > 0.999);
    }
}

static void many_misses_have_the_other_tail(void **state)
{
    (void)state;
    double x[FORTY];
    struct missrate m;
    fill_evenly(x);
    missrate_test(x, FORTY, -1, 0.5, &m); /* all of them miss */
    assert_int_equal(m.misses, FORTY);
    assert_true(fabs(m.p_good - 0x1p-40) < 1e-15);
    assert_close(m.p_bad, 1);
    missrate_test(x, FORTY, 100, 0.5, &m); /* half of them, as the claim allows */
    assert_int_equal(m.misses, 20);
    double half = special_binomial_cdf(20, 40, 0.5);
    assert_close(m.p_bad, half);
    assert_close(m.p_good, half); /* the distribution is symmetric */
}

static void a_value_at_the_limit_is_a_miss_and_so_is_an_infinite_one(void **state)
{
    (void)state;
    double x[FORTY];
    struct missrate m;
    fill_evenly(x);
    missrate_test(x, FORTY, 139, 0.9, &m);
    assert_int_equal(m.misses, 1);
    x[1] = INFINITY;
    missrate_test(x, FORTY, 1e300, 0.9, &m);
    assert_int_equal(m.misses, 1);
    assert_true(isfinite(m.quantile));
}

static void the_quantile_is_the_ranked_value(void **state)
{
    (void)state;
    double x[FORTY];
    struct missrate m;
    fill_evenly(x);
    missrate_test(x, FORTY, 1e9, 0.9, &m);
    assert_true(m.quantile == 131); /* the 36th of 0, 2 … 38, 101, 103 … 139 */
}

static void more_misses_show_less_good_and_more_bad(void **state)
{
    (void)state;
    double x[MANY];
    struct missrate m;
    double p_bad = 0, p_good = 1;
    series_ar1(x, MANY, 7, 0);
    for (double limit = 4; limit > -1; limit -= 0.05) {
        missrate_test(x, MANY, limit, 0.9, &m);
        assert_true(m.p_bad >= p_bad);
        assert_true(m.p_good <= p_good);
        p_bad = m.p_bad;
        p_good = m.p_good;
    }
    assert_true(p_bad > 0.999);
    assert_true(p_good < 1e-6);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The same values, those of each four hundred in order: what is large comes together. */
static void values_that_come_in_stretches_say_less(void **state)
{
    (void)state;
    double x[MANY], alike[MANY];
    struct missrate free_ones, stretches;
    series_ar1(x, MANY, 8, 0);
    memcpy(alike, x, sizeof x);
    for (size_t i = 0; i < MANY; i += 400)
        qsort(alike + i, 400, sizeof *alike, by_value);
    for (double limit = 1.0; limit < 2.0; limit += 0.5) {
        missrate_test(x, MANY, limit, 0.9, &free_ones);
        missrate_test(alike, MANY, limit, 0.9, &stretches);
        assert_int_equal(free_ones.misses, stretches.misses);
        assert_true(free_ones.bound && stretches.bound);
        assert_true(stretches.n_eff < free_ones.n_eff / 3);
        double *sure = free_ones.share < 0.1 ? &free_ones.p_bad : &free_ones.p_good;
        double *less = free_ones.share < 0.1 ? &stretches.p_bad : &stretches.p_good;
        assert_true(*less > *sure);
    }
}

static void too_few_or_too_dependent_values_show_nothing(void **state)
{
    (void)state;
    double x[MANY];
    struct missrate m;
    fill_evenly(x);
    missrate_test(x, FORTY - 1, 1e9, 0.5, &m);
    assert_false(m.bound);
    assert_true(m.p_bad == 1 && m.p_good == 1);
    for (size_t i = 0; i < MANY; i++)
        x[i] = (double)i; /* grows all along */
    missrate_test(x, MANY, 1e9, 0.5, &m);
    assert_false(m.bound);
    assert_int_equal(m.misses, 0);
    assert_true(m.p_bad == 1 && m.p_good == 1);
}

static void of_nothing_there_is_no_share(void **state)
{
    (void)state;
    struct missrate m;
    missrate_test(NULL, 0, 1, 0.9, &m);
    assert_true(isnan(m.share) && isnan(m.quantile));
    assert_false(m.bound);
    assert_true(m.p_bad == 1 && m.p_good == 1);
}

/* The limit is the true quantile, so either claim is wrong; each may be made once in twenty times.
 */
static void either_claim_is_seldom_made_of_a_share_at_the_limit(void **state)
{
    (void)state;
    enum { SERIES = 600 };
    static const double phis[] = {0, 0.5, 0.9};
    const double limit = special_normal_quantile(0.9);
    double x[MANY];
    for (size_t f = 0; f < sizeof phis / sizeof phis[0]; f++) {
        unsigned pass = 0, fail = 0;
        for (uint64_t i = 0; i < SERIES; i++) {
            struct missrate m;
            series_ar1(x, MANY, 1000 * (f + 1) + i, phis[f]);
            missrate_test(x, MANY, limit, 0.9, &m);
            pass += m.p_bad <= 0.05;
            fail += m.p_good <= 0.05;
        }
        if (pass > SERIES * 8 / 100 || fail > SERIES * 8 / 100)
            fail_msg("phi %g: %u passes, %u failures of %d", phis[f], pass, fail, SERIES);
        if (pass + fail < SERIES * 2 / 100)
            fail_msg("phi %g: %u passes, %u failures: it never says anything", phis[f], pass, fail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_misses_have_the_binomial_tail_counted_by_hand),
        cmocka_unit_test(many_misses_have_the_other_tail),
        cmocka_unit_test(a_value_at_the_limit_is_a_miss_and_so_is_an_infinite_one),
        cmocka_unit_test(the_quantile_is_the_ranked_value),
        cmocka_unit_test(more_misses_show_less_good_and_more_bad),
        cmocka_unit_test(values_that_come_in_stretches_say_less),
        cmocka_unit_test(too_few_or_too_dependent_values_show_nothing),
        cmocka_unit_test(of_nothing_there_is_no_share),
        cmocka_unit_test(either_claim_is_seldom_made_of_a_share_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
