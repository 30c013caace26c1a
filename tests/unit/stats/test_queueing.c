/* Queueing models. Inoue's bound: Python's fractions; that the bound holds, and where it is tight,
 * the simulated engine's tests show. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "stats/queueing.h"

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * fabs(want)))
        fail_msg("%.17g, should be %.17g", got, want);
}

static void a_closed_loop_is_bounded_by_latency_first_and_by_the_server_then(void **state)
{
    (void)state;
    assert_close(queueing_closed_rate_bound(1, 0.5, 0, 8), 2);
    assert_close(queueing_closed_rate_bound(4, 0.5, 0, 8), 8);
    assert_close(queueing_closed_rate_bound(40, 0.5, 0, 8), 8);
    assert_close(queueing_closed_rate_bound(4, 0.5, 1.5, 8), 2);
    assert_close(queueing_closed_latency_bound(1, 0.5, 0, 8), 0.5);
    assert_close(queueing_closed_latency_bound(4, 0.5, 0, 8), 0.5);
    assert_close(queueing_closed_latency_bound(40, 0.5, 0, 8), 5);
    assert_close(queueing_closed_latency_bound(40, 0.5, 1.5, 8), 3.5);
}

static void the_decoding_batch_is_a_fixed_point_of_littles_law(void **state)
{
    (void)state;
    const double rate = 5, tokens = 200, c0 = 0.008, c1 = 0.0002;
    double batch = queueing_decode_batch(rate, tokens, c0, c1);
    assert_close(batch, 10); /* 8/(1 − 0.2) */
    assert_close(rate * tokens * (c0 + c1 * batch), batch);
    assert_true(isinf(queueing_decode_batch(25, tokens, c0, c1)));
    assert_true(isinf(queueing_decode_batch(30, tokens, c0, c1)));
    assert_true(queueing_decode_batch(0, tokens, c0, c1) == 0);
}

/* Lindley's recursion for waiting times, Poisson arrivals at rate 1: mean waiting, of gaps and
 * services as given. */
static double simulated_wait(double service, double gap_shape, uint64_t seed)
{
    enum { N = 400000 };
    double wait = 0, sum = 0;
    struct rng r = rng_at(seed, RNG_SIM_NOISE, 0);
    for (int i = 0; i < N; i++) {
        sum += wait / N;
        wait = fmax(0, wait + service - rng_gamma(&r, gap_shape) / gap_shape);
    }
    return sum;
}

static void prefill_alone_is_md1(void **state)
{
    (void)state;
    assert_close(queueing_prefill_ttft(0, 0.2), 0.2);
    assert_close(queueing_prefill_ttft(2.5, 0.2), 0.3); /* 0.2 + 2.5·0.04/(2·0.5) */
    assert_true(isinf(queueing_prefill_ttft(5, 0.2)));
    double ttft = 0.6 + simulated_wait(0.6, 1, 1);
    assert_true(fabs(ttft - queueing_prefill_ttft(1, 0.6)) < 0.02 * ttft);
}

static void dynamic_batching_has_inoues_bound(void **state)
{
    (void)state;
    static const double rows[][2] = {
        {0.05, 0.2212124212124212}, {2.5, 0.28671679197994987}, {10, 0.39791666666666664},
        {25, 0.6333333333333333},   {40, 1.5777777777777777},   {45, 3.1526315789473682},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_close(queueing_batching_latency_bound(rows[i][0], 0.02, 0.2), rows[i][1]);
    assert_true(isinf(queueing_batching_latency_bound(50, 0.02, 0.2)));
    assert_close(queueing_batching_latency_bound(0, 0.02, 0.2), 0.22); /* alone: α + τ₀ */
}

static void a_token_budget_keeps_up_below_its_rate(void **state)
{
    (void)state;
    assert_true(queueing_budget_stable(9.9, 1500, 500, 2048, 0.1));   /* 19,800 < 20,480 a second */
    assert_false(queueing_budget_stable(10.3, 1500, 500, 2048, 0.1)); /* 20,600 */
}

static void bursts_lengthen_waiting_by_kingmans_factor(void **state)
{
    (void)state;
    assert_close(queueing_burst_factor(1, 1), 1);
    assert_close(queueing_burst_factor(1, 0), 0.5);
    assert_close(queueing_burst_factor(2, 1), 2.5);
    assert_close(queueing_burst_factor(0, 0), 0);
    /* Gamma gaps of CV 2, constant service, utilisation 0.9: within a tenth of ρ/(1 −
     * ρ)·service·factor */
    double expected = 0.9 / 0.1 * 0.9 * queueing_burst_factor(2, 0);
    double wait = simulated_wait(0.9, 0.25, 2);
    assert_true(fabs(wait - expected) < 0.1 * expected);
}

static void a_run_near_saturation_must_be_as_long_as_whitt_says(void **state)
{
    (void)state;
    assert_close(queueing_run_length(0.5, 0.1, 0.95), 9219.501169665895);
    assert_close(queueing_run_length(0.9, 0.1, 0.95), 162194.92798486305);
    assert_close(queueing_run_length(0.9, 0.05, 0.95), 648779.7119394522);
    assert_close(queueing_run_length(0.95, 0.05, 0.95), 2523231.8990664515);
    assert_true(isinf(queueing_run_length(1, 0.05, 0.95)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_loop_is_bounded_by_latency_first_and_by_the_server_then),
        cmocka_unit_test(the_decoding_batch_is_a_fixed_point_of_littles_law),
        cmocka_unit_test(prefill_alone_is_md1),
        cmocka_unit_test(dynamic_batching_has_inoues_bound),
        cmocka_unit_test(a_token_budget_keeps_up_below_its_rate),
        cmocka_unit_test(bursts_lengthen_waiting_by_kingmans_factor),
        cmocka_unit_test(a_run_near_saturation_must_be_as_long_as_whitt_says),
    };
    return cmocka_run_group_tests_name("queueing", tests, NULL, NULL);
}
