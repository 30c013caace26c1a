/* When intervals may be claimed: the load's own bars, each reached by samples made for it, and what
 * is done to the variance of a percentile. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "measure/claim.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define SPACING_NS  100000000 /* ten requests a second */
#define T_975_OF_19 2.0930240544

enum { MOST = 8400 };

struct scene { /* what claim_survey sees */
    struct sample_set set;
    struct window window;
    struct concurrency concurrency;
    struct overload overload;
};

/* TTFT 10 and 20 ms in turn, each for `stretch` requests; E2E e2e_s and, of every second one,
 * other_s. */
static void open_scene(struct scene *s, size_t n, size_t stretch, double e2e_s, double other_s)
{
    static struct sample list[MOST];
    assert_true(n <= MOST);
    *s = (struct scene){.set = {.list = list, .n = n},
                        .window = {.end_ns = (int64_t)n * SPACING_NS, .steady = true}};
    for (size_t i = 0; i < n; i++) {
        list[i] = (struct sample){.intended_ns = (int64_t)i * SPACING_NS, .phase = 1};
        for (int m = 0; m < LATENCY_METRICS; m++)
            list[i].value_ns[m] = NAN;
        list[i].value_ns[LATENCY_TTFT] = i / stretch % 2 == 0 ? 10e6 : 20e6;
        list[i].value_ns[LATENCY_E2E] = (i % 2 == 0 ? e2e_s : other_s) * 1e9;
    }
    for (size_t j = 0; j < CONCURRENCY_BATCHES; j++)
        s->concurrency.batch[j] = 30;
}

static struct claim_ground survey(const struct scene *s)
{
    struct claim_ground g;
    claim_survey(&s->set, &s->window, &s->concurrency, &s->overload, &g);
    return g;
}

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fabs(want)))
        fail_msg("%.17g, should be %.17g", got, want);
}

static void a_calm_load_may_claim(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1000, 10, 1, 3);
    struct claim_ground g = survey(&s);
    assert_int_equal(g.bar, CLAIM_MAY);
    assert_string_equal(claim_bar_name(g.bar), "none");
    assert_int_equal(g.n, 1000);
    assert_close(g.turnover_s, (1.0 + 9) / (1 + 3)); /* E[S²]/E[S] */
    assert_close(g.turnovers, 100 / 2.5);
    assert_int_equal(g.lag, CLAIM_LAG);
    assert_close(g.memory,
                 -0.99); /* ten places on each is the other; ten of the thousand have none */
    assert_true(g.rho == 0);
}

static void overload_bars_before_all_else_and_then_no_steady_window(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 100, 10, 100, 100);
    s.overload.overloaded = true;
    s.window.steady = false;
    assert_int_equal(survey(&s).bar, CLAIM_OVERLOAD);
    s.overload.overloaded = false;
    assert_int_equal(survey(&s).bar, CLAIM_UNSTEADY);
    s.window.steady = true;
    assert_int_equal(survey(&s).bar,
                     CLAIM_FEW); /* before the turnovers, of which there is a tenth */
}

static void four_hundred_requests_are_enough(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, CLAIM_LEAST_REQUESTS - 1, 10, 1, 1);
    assert_int_equal(survey(&s).bar, CLAIM_FEW);
    open_scene(&s, CLAIM_LEAST_REQUESTS, 10, 1, 1);
    assert_int_equal(survey(&s).bar, CLAIM_MAY);
    s.set.list[7].outcome = OUTCOME_TIMEOUT;
    assert_int_equal(survey(&s).bar, CLAIM_FEW);
}

static void fifteen_turnovers_are_enough(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 600, 10, 4, 4); /* 60 s of 4 s */
    assert_int_equal(survey(&s).bar, CLAIM_MAY);
    open_scene(&s, 600, 10, 4.01, 4.01);
    assert_int_equal(survey(&s).bar, CLAIM_SHORT);
}

static void first_tokens_that_wait_in_stretches_bar(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1000, 50, 1, 1);
    struct claim_ground g = survey(&s);
    assert_int_equal(g.bar, CLAIM_WAITING);
    assert_true(fabs(g.memory - 0.6) <
                0.01); /* 40 of 50 are like the tenth after them, 10 are not */
}

/* 22 are like the tenth after them where 20 are not: 0.05. */
static void memory_counts_with_its_error(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 420, 21, 1, 1);
    assert_int_equal(survey(&s).bar, CLAIM_WAITING);
    open_scene(&s, 8400, 21, 1, 1);
    assert_true(survey(&s).memory > 0.04);
    assert_int_equal(survey(&s).bar, CLAIM_MAY);
}

static void memory_is_of_ranks_not_of_sizes(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1000, 50, 1, 1);
    double before = survey(&s).memory;
    for (size_t i = 0; i < s.set.n; i++)
        s.set.list[i].value_ns[LATENCY_TTFT] = exp(s.set.list[i].value_ns[LATENCY_TTFT] / 1e6);
    assert_close(survey(&s).memory, before);
}

static void in_flight_that_drifts_bars(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1000, 10, 1, 1);
    for (size_t j = 0; j < CONCURRENCY_BATCHES; j++)
        s.concurrency.batch[j] = 30 + (double)j;
    struct claim_ground g = survey(&s);
    assert_int_equal(g.bar, CLAIM_DRIFT);
    assert_true(g.rho > CLAIM_MOST_RHO && g.rho < 1);
    for (size_t j = 0; j < CONCURRENCY_BATCHES; j++) /* as straight, and within 1 % of its mean */
        s.concurrency.batch[j] = 30 + 0.05 * (double)j;
    assert_true(survey(&s).rho == 0);
    assert_int_equal(survey(&s).bar, CLAIM_MAY);
    for (size_t j = 0; j < CONCURRENCY_BATCHES; j++) /* to and fro is no drift */
        s.concurrency.batch[j] = j % 2 ? 20 : 40;
    g = survey(&s);
    assert_int_equal(g.bar, CLAIM_MAY);
    assert_close(g.rho, claim_rho_least(g.turnovers / CONCURRENCY_BATCHES));
}

/* By a series of e^(−|s−t|) integrated over both intervals, in closed form: x = 1, 0.1 and 20. */
static void batches_of_an_exponential_memory_are_alike_by_their_length(void **state)
{
    (void)state;
    double e1 = exp(-1.0);
    assert_close(claim_rho_least(1), (1 - 2 * e1 + exp(-2.0)) / (2 * e1));
    assert_true(claim_rho_least(0.1) > 0.93 && claim_rho_least(0.1) < 0.95);
    assert_close(claim_rho_least(20),
                 (1 - exp(-20.0)) * (1 - exp(-20.0)) / (2 * (19 + exp(-20.0))));
}

static void the_places_between_are_five_median_ttfts_of_time(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1000, 10, 1, 1);
    for (size_t i = 0; i < s.set.n; i++)
        s.set.list[i].value_ns[LATENCY_TTFT] *= 100; /* the median is 1 s, ten requests */
    assert_int_equal(survey(&s).lag, 50);
    for (size_t i = 0; i < s.set.n; i++)
        s.set.list[i].value_ns[LATENCY_TTFT] *= 20; /* as long as the window */
    assert_int_equal(survey(&s).lag, 1000);
    assert_true(isnan(survey(&s).memory));
    assert_int_equal(survey(&s).bar, CLAIM_FEW);
}

static void without_first_tokens_the_end_to_end_latencies_tell(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1000, 10, 0.01, 0.01);
    for (size_t i = 0; i < s.set.n; i++) {
        s.set.list[i].value_ns[LATENCY_E2E] += s.set.list[i].value_ns[LATENCY_TTFT];
        s.set.list[i].value_ns[LATENCY_TTFT] = NAN;
    }
    struct claim_ground g = survey(&s);
    assert_int_equal(g.n, 1000);
    assert_close(g.memory, -0.99);
}

static void nothing_completed_is_few(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 0, 1, 1, 1);
    s.window.end_ns = 1;
    struct claim_ground g = survey(&s);
    assert_int_equal(g.bar, CLAIM_FEW);
    assert_int_equal(g.n, 0);
    assert_true(isnan(g.turnover_s) && isnan(g.memory));
}

static void every_bar_has_a_name(void **state)
{
    (void)state;
    for (int a = CLAIM_MAY; a <= CLAIM_DRIFT; a++)
        for (int b = CLAIM_MAY; b < a; b++)
            assert_string_not_equal(claim_bar_name((enum claim_bar)a),
                                    claim_bar_name((enum claim_bar)b));
}

/* ---- each percentile ---- */

static void the_least_sizes_are_those_of_one_value_over(void **state)
{
    (void)state;
    assert_int_equal(claim_least(0.5), 8);
    assert_int_equal(claim_least(0.9), 46);
    assert_int_equal(claim_least(0.95), 93);
    assert_int_equal(claim_least(0.99), 473);
}

/* By mpmath: ∫ Φ₂(z, z; e^{−t}) − p² dt over p(1 − p), Φ₂ by conditioning on one of the pair. */
static void the_tail_agrees_with_the_integral_of_the_bivariate_normal(void **state)
{
    (void)state;
    static const struct {
        double p, tail;
    } cases[] = {
        {0.1, 1.3178132420590690},   {0.5, 1},
        {0.75, 1.0800933971268301},  {0.9, 1.3178132420590690},
        {0.95, 1.5655610718190248},  {0.99, 2.3277864481751500},
        {0.999, 3.7230246319334181},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_close(claim_tail(cases[i].p), cases[i].tail);
}

static struct blockci certain(double p, double n_eff, double rho1)
{
    double rho = fmax(rho1, 0);
    return (struct blockci){.variance = p * (1 - p) / n_eff,
                            .n_eff = n_eff,
                            .rho1 = rho1,
                            .df = BLOCKCI_BATCHES * (1 - rho) / (1 + rho) - 1,
                            .bound = true};
}

static void a_certain_percentile_of_a_calm_load_stays_as_it_is(void **state)
{
    (void)state;
    struct claim_ground g = {.bar = CLAIM_MAY};
    struct blockci median = certain(0.5, 1000, -0.2), b = certain(0.99, 1500, -0.2);
    claim_judge(&g, &median, 0.99, &b);
    assert_close(b.n_eff, 1500);
    assert_close(b.variance, 0.0099 / 1500);
    assert_close(b.df, 19);
    assert_true(b.bound);
}

static void the_greater_correlation_of_the_two_widens(void **state)
{
    (void)state;
    const double of_half = 3, of_third = 2; /* (1 + ρ)/(1 − ρ) */
    struct claim_ground g = {.bar = CLAIM_MAY, .rho = 0.5};
    struct blockci b = certain(0.5, 1000, 1.0 / 3);
    claim_judge(&g, &b, 0.5, &b);
    assert_close(b.n_eff, 1000 * of_third / of_half);
    assert_close(b.variance, 0.25 / 1000 * of_half / of_third);
    assert_close(b.df, 20 / of_half - 1);
    assert_true(b.bound);
    g.rho = 0.1;
    b = certain(0.5, 1000, 0.5);
    claim_judge(&g, &b, 0.5, &b);
    assert_close(b.n_eff, 1000); /* widened by its own already */
    assert_close(b.df, 20 / of_half - 1);
}

static void a_tail_is_no_more_certain_than_a_gaussian_one(void **state)
{
    (void)state;
    struct claim_ground g = {.bar = CLAIM_MAY};
    struct blockci median = certain(0.5, 1000, 0.5), b = certain(0.99, 5000, 0);
    claim_judge(&g, &median, 0.5, &median);
    claim_judge(&g, &median, 0.99, &b);
    assert_close(b.n_eff, 1000 * claim_tail(0.99));
    assert_close(b.variance, 0.0099 / b.n_eff);
    assert_close(b.df, median.df);
    assert_true(b.bound);
    b = certain(0.99, 5000, 0);
    median.bound = false;
    claim_judge(&g, &median, 0.99, &b);
    assert_false(b.bound);
    b = certain(0.99, 1500, 0); /* needs no help from the median */
    claim_judge(&g, &median, 0.99, &b);
    assert_true(b.bound);
}

static void too_few_independent_values_have_no_bound(void **state)
{
    (void)state;
    struct claim_ground g = {.bar = CLAIM_MAY};
    struct blockci median = certain(0.5, 1000, 0), b = certain(0.99, 472.9, 0);
    claim_judge(&g, &median, 0.99, &b);
    assert_false(b.bound);
    b = certain(0.99, 473.1, 0);
    claim_judge(&g, &median, 0.99, &b);
    assert_true(b.bound);
}

static void a_bar_too_much_correlation_or_no_batches_leave_no_bound(void **state)
{
    (void)state;
    struct claim_ground g = {.bar = CLAIM_SHORT};
    struct blockci b = certain(0.5, 1000, 0);
    claim_judge(&g, &b, 0.5, &b);
    assert_false(b.bound);
    assert_close(b.n_eff, 1000);
    g = (struct claim_ground){.bar = CLAIM_MAY};
    b = certain(0.5, 1000, 0.69);
    claim_judge(&g, &b, 0.5, &b);
    assert_true(b.bound);
    b = certain(0.5, 1000, 0.71);
    claim_judge(&g, &b, 0.5, &b);
    assert_false(b.bound);
    b = (struct blockci){.variance = 0.25 / 1000, .n_eff = 1000};
    claim_judge(&g, &b, 0.5, &b);
    assert_false(b.bound);
}

static void ranks_lie_a_t_quantile_around_the_percentile(void **state)
{
    (void)state;
    size_t low, high;
    struct blockci b = certain(0.5, 1000, 0);
    claim_ranks(&b, 1000, 0.5, &low, &high);
    double half = T_975_OF_19 * 1000 * sqrt(0.25 / 1000); /* 33.09 */
    assert_int_equal(low, (size_t)(500 - half));
    assert_int_equal(high, (size_t)(500 + half) + 1);
    b = certain(0.5, 250, 0); /* a quarter of it: twice as wide */
    claim_ranks(&b, 1000, 0.5, &low, &high);
    assert_int_equal(low, (size_t)(500 - 2 * half));
    assert_int_equal(high, (size_t)(500 + 2 * half) + 1);
}

static void ranks_beyond_the_ends_are_no_bounds(void **state)
{
    (void)state;
    size_t low, high;
    struct blockci b = certain(0.99, 100, 0);
    claim_ranks(&b, 100, 0.99, &low, &high);
    assert_int_equal(low, 96); /* 99 − 2.08 */
    assert_int_equal(high, 101);
    claim_ranks(&b, 100, 0.01, &low, &high);
    assert_int_equal(low, 0);
    assert_int_equal(high, 4);
    b.bound = false;
    claim_ranks(&b, 100, 0.5, &low, &high);
    assert_int_equal(low, 0);
    assert_int_equal(high, 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_calm_load_may_claim),
        cmocka_unit_test(overload_bars_before_all_else_and_then_no_steady_window),
        cmocka_unit_test(four_hundred_requests_are_enough),
        cmocka_unit_test(fifteen_turnovers_are_enough),
        cmocka_unit_test(first_tokens_that_wait_in_stretches_bar),
        cmocka_unit_test(memory_counts_with_its_error),
        cmocka_unit_test(memory_is_of_ranks_not_of_sizes),
        cmocka_unit_test(in_flight_that_drifts_bars),
        cmocka_unit_test(batches_of_an_exponential_memory_are_alike_by_their_length),
        cmocka_unit_test(the_places_between_are_five_median_ttfts_of_time),
        cmocka_unit_test(without_first_tokens_the_end_to_end_latencies_tell),
        cmocka_unit_test(nothing_completed_is_few),
        cmocka_unit_test(every_bar_has_a_name),
        cmocka_unit_test(the_least_sizes_are_those_of_one_value_over),
        cmocka_unit_test(the_tail_agrees_with_the_integral_of_the_bivariate_normal),
        cmocka_unit_test(a_certain_percentile_of_a_calm_load_stays_as_it_is),
        cmocka_unit_test(the_greater_correlation_of_the_two_widens),
        cmocka_unit_test(a_tail_is_no_more_certain_than_a_gaussian_one),
        cmocka_unit_test(too_few_independent_values_have_no_bound),
        cmocka_unit_test(a_bar_too_much_correlation_or_no_batches_leave_no_bound),
        cmocka_unit_test(ranks_lie_a_t_quantile_around_the_percentile),
        cmocka_unit_test(ranks_beyond_the_ends_are_no_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
