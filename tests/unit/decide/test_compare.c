/* From values to verdicts. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "base/rng.h"
#include "decide/compare.h"

static void parse(struct comparison *c, const char *metrics, const char *gates)
{
    struct err e = {0};
    c->spec.margin = 0.05;
    if (compare_metrics_parse(slice_of(metrics), &c->spec.metrics, &e) < 0 ||
        (gates && compare_gates_parse(slice_of(gates), &c->spec.gates, &e) < 0))
        fail_msg("%s", e.text);
}

static void begin(struct comparison *c, size_t blocks)
{
    struct err e = {0};
    assert_int_equal(compare_begin(c, blocks, &e), OK);
}

/* A's values vary about 100, B's are so many times as large, give or take a share. */
static void fill(struct comparison *c, size_t row, size_t n, double factor, double spread,
                 uint64_t seed)
{
    struct rng r = rng_at(seed, RNG_SHUFFLE, row);
    for (size_t i = 0; i < n; i++) {
        double a = 100 * exp(0.2 * rng_normal(&r));
        c->rows[row].value[COMPARE_A][i] = a;
        c->rows[row].value[COMPARE_B][i] = a * factor * exp(spread * rng_normal(&r));
    }
}

static struct comparison one(const char *metric, const char *gates, size_t n, double factor,
                             double spread)
{
    struct comparison c = {.design = COMPARE_ROUNDS};
    parse(&c, metric, gates);
    begin(&c, n);
    fill(&c, 0, n, factor, spread, 1);
    compare_judge(&c);
    return c;
}

static void a_slower_server_is_worse_by_the_exact_test(void **state)
{
    (void)state;
    struct comparison c = one("p50 tpot", NULL, 8, 1.1, 0.01);
    const struct compare_row *r = &c.rows[0];
    assert_int_equal(r->verdict, COMPARE_WORSE);
    assert_true(r->p == 2.0 / 256); /* every difference has the same sign */
    assert_true(r->p_holm == r->p);
    assert_float_equal(exp(r->ratio), 1.1, 0.01);
    assert_true(r->ci.has_low && r->ci.has_high && r->ci.low > log(1.08) && r->ci.high < log(1.12));
    assert_float_equal(exp(r->t.ratio), 1.1, 0.01);
    assert_true(r->t.p < 1e-6 && r->t.df == 7);
    assert_false(r->within_margin);
    assert_true(isnan(r->rounds_needed));
    comparison_release(&c);
}

static void the_direction_is_the_metrics_own(void **state)
{
    (void)state;
    static const struct {
        const char *metric;
        double factor;
        enum compare_verdict verdict;
    } cases[] = {{"p50 tpot", 1.1, COMPARE_WORSE},
                 {"p50 tpot", 0.9, COMPARE_BETTER},
                 {"throughput", 1.1, COMPARE_BETTER},
                 {"throughput", 0.9, COMPARE_WORSE}};
    for (size_t i = 0; i < 4; i++) {
        struct comparison c = one(cases[i].metric, NULL, 10, cases[i].factor, 0.01);
        assert_int_equal(c.rows[0].verdict, cases[i].verdict);
        comparison_release(&c);
    }
}

static void a_small_difference_is_one_and_is_within_the_margin(void **state)
{
    (void)state;
    struct comparison c = one("p50 tpot", NULL, 10, 1.02, 0.005);
    assert_int_equal(c.rows[0].verdict, COMPARE_WORSE);
    assert_true(c.rows[0].within_margin);
    comparison_release(&c);
}

static void equivalent_takes_an_interval_within_the_margin(void **state)
{
    (void)state;
    struct comparison c = one("p50 tpot", NULL, 10, 1, 0);
    assert_int_equal(c.rows[0].verdict, COMPARE_EQUIVALENT);
    assert_true(c.rows[0].ratio == 0 && c.rows[0].p == 1);
    comparison_release(&c);

    c = one("p50 tpot", NULL, 10, 1, 0.3);
    assert_int_equal(c.rows[0].verdict, COMPARE_UNDECIDED);
    assert_false(c.rows[0].within_margin);
    assert_true(c.rows[0].rounds_needed > 10);
    comparison_release(&c);
}

static void five_rounds_decide_nothing(void **state)
{
    (void)state;
    struct comparison c = one("p50 tpot", NULL, 5, 1.5, 0.001);
    assert_int_equal(c.rows[0].verdict, COMPARE_UNDECIDED);
    assert_false(c.rows[0].ci.has_low || c.rows[0].ci.has_high);
    assert_true(c.rows[0].rounds_needed == 6);
    comparison_release(&c);
    c = one("p50 tpot", NULL, 6, 1.5, 0.001);
    assert_int_equal(c.rows[0].verdict, COMPARE_WORSE);
    comparison_release(&c);
}

static struct comparison six(size_t rounds)
{
    struct comparison c = {.design = COMPARE_ROUNDS};
    c.spec = (struct compare_spec){.metrics = compare_metrics_default(), .margin = 0.05};
    begin(&c, rounds);
    fill(&c, 0, rounds, 1.5, 0.01, 7);
    for (size_t i = 1; i < 6; i++)
        fill(&c, i, rounds, 1, 0.01, 7 + i);
    compare_judge(&c);
    return c;
}

static void six_metrics_need_eight_rounds(void **state)
{
    (void)state;
    assert_int_equal(compare_rounds_for_metrics(1), 6);
    assert_int_equal(compare_rounds_for_metrics(6), 8);
    assert_int_equal(compare_rounds_for_metrics(16), 10);
    struct comparison c = six(7);
    assert_int_equal(c.rows[0].verdict, COMPARE_UNDECIDED);
    assert_float_equal(c.rows[0].p_holm, 6 * 2.0 / 128, 1e-12);
    comparison_release(&c);
    c = six(8);
    assert_int_equal(c.rows[0].verdict, COMPARE_WORSE);
    assert_float_equal(c.rows[0].p_holm, 6 * 2.0 / 256, 1e-12);
    comparison_release(&c);
}

static void a_round_without_a_value_takes_the_verdict_away(void **state)
{
    (void)state;
    struct comparison c = {.design = COMPARE_ROUNDS};
    parse(&c, "goodput, p50 ttft", "goodput worse than 5%");
    begin(&c, 10);
    fill(&c, 0, 10, 0.5, 0.01, 1);
    fill(&c, 1, 10, 1, 0.01, 1);
    c.rows[0].value[COMPARE_B][3] = 0;
    compare_judge(&c);
    assert_int_equal(c.rows[0].verdict, COMPARE_NO_VERDICT);
    assert_string_equal(c.rows[0].why, "1 of 10 rounds lack a value above 0");
    assert_true(isnan(c.rows[0].p_holm));
    assert_true(c.rows[1].p_holm == c.rows[1].p); /* alone in its family */
    assert_int_equal(c.gates[0].state, COMPARE_CANNOT_TELL);
    assert_true(compare_gates_cannot_tell(&c) && !compare_gates_fail(&c));
    comparison_release(&c);
}

static void a_metric_without_any_value_is_said_to_have_none(void **state)
{
    (void)state;
    struct comparison c = {.design = COMPARE_ROUNDS};
    parse(&c, "goodput", NULL);
    begin(&c, 10);
    compare_judge(&c);
    assert_int_equal(c.rows[0].verdict, COMPARE_NO_VERDICT);
    assert_string_equal(c.rows[0].why, "there are no values");
    assert_true(isnan(c.rows[0].ratio) && isnan(c.rows[0].median[COMPARE_A]));
    comparison_release(&c);
}

static void itl_has_no_verdict_when_events_carry_different_tokens(void **state)
{
    (void)state;
    for (int differ = 0; differ < 2; differ++) {
        struct comparison c = {.design = COMPARE_ROUNDS};
        parse(&c, "p50 itl, p50 tpot", NULL);
        begin(&c, 10);
        fill(&c, 0, 10, 2, 0.01, 1);
        fill(&c, 1, 10, 2, 0.01, 1);
        c.side[COMPARE_A].tokens_per_event = 1;
        c.side[COMPARE_B].tokens_per_event = differ ? 2.5 : 1.005;
        compare_judge(&c);
        assert_int_equal(c.rows[0].verdict, differ ? COMPARE_NO_VERDICT : COMPARE_WORSE);
        assert_int_equal(c.rows[1].verdict, COMPARE_WORSE);
        if (differ)
            assert_string_equal(c.rows[0].why,
                                "events carry 1 tokens at A and 2.5 at B: tpot compares");
        comparison_release(&c);
    }
}

static void runs_that_were_not_interleaved_are_compared_by_welch(void **state)
{
    (void)state;
    struct comparison c = {.design = COMPARE_UNPAIRED_RUNS};
    parse(&c, "p50 tpot", "p50 tpot worse than 5% or p50 tpot worse than 60%");
    begin(&c, 5);
    c.rows[0].n[COMPARE_B] = 4;
    static const double a[] = {0.1, -0.1, 0.05, -0.05, 0}, b[] = {0.6, 0.4, 0.55, 0.45};
    for (size_t i = 0; i < 5; i++)
        c.rows[0].value[COMPARE_A][i] = exp(a[i]);
    for (size_t i = 0; i < 4; i++)
        c.rows[0].value[COMPARE_B][i] = exp(b[i]);
    compare_judge(&c);
    /* s² 0.00625 and 0.0083333, so t = 0.5/√(0.00125 + 0.00208333) with 6.047 degrees of freedom
     */
    assert_float_equal(c.rows[0].ratio, 0.5, 1e-12);
    assert_true(fabs(c.rows[0].t.df - 6.04725) < 1e-4);
    assert_true(c.rows[0].p < 0.001 && c.rows[0].p > 0.00005);
    assert_int_equal(c.rows[0].verdict, COMPARE_WORSE);
    assert_int_equal(c.gates[0].state, COMPARE_FAILS);
    assert_int_equal(c.gates[1].state, COMPARE_PASSES);
    comparison_release(&c);
}

static void one_run_of_a_side_has_no_verdict(void **state)
{
    (void)state;
    struct comparison c = {.design = COMPARE_UNPAIRED_RUNS};
    parse(&c, "p50 tpot", "p50 tpot worse");
    begin(&c, 5);
    fill(&c, 0, 5, 2, 0.01, 1);
    c.rows[0].n[COMPARE_B] = 1;
    compare_judge(&c);
    assert_int_equal(c.rows[0].verdict, COMPARE_NO_VERDICT);
    assert_int_equal(c.gates[0].state, COMPARE_CANNOT_TELL);
    comparison_release(&c);
}

static void rounds_needed_follow_from_the_spread(void **state)
{
    (void)state;
    /* differences of sd 0.0316, 10 rounds */
    struct comparison c = {.design = COMPARE_ROUNDS};
    parse(&c, "p50 tpot", NULL);
    begin(&c, 10);
    for (size_t i = 0; i < 10; i++) {
        double d = 0.025 + (i % 2 ? 0.03 : -0.03);
        c.rows[0].value[COMPARE_A][i] = 1;
        c.rows[0].value[COMPARE_B][i] = exp(d);
    }
    compare_judge(&c);
    assert_int_equal(c.rows[0].verdict, COMPARE_UNDECIDED);
    assert_true(fabs(c.rows[0].sd - 0.03 * sqrt(10.0 / 9)) < 1e-12);
    /* (1.96 + 0.84)²·(0.0316/0.025)² is 12.6, a little more with t, and 3/π of that is asked of
     * ranks */
    assert_in_range((int)c.rows[0].rounds_needed, 14, 18);
    comparison_release(&c);

    /* Where the difference is about the margin, nothing decides. */
    c = one("p50 tpot", NULL, 10, 1, 0);
    for (size_t i = 0; i < 10; i++)
        c.rows[0].value[COMPARE_B][i] = c.rows[0].value[COMPARE_A][i] * exp(i % 2   ? 2
                                                                            : i % 4 ? -2
                                                                                    : -2.01);
    c.rows[0].verdict = COMPARE_UNDECIDED;
    compare_judge(&c);
    assert_true(isinf(c.rows[0].rounds_needed));
    comparison_release(&c);
}

/* --- gates --- */

static void a_gate_agrees_with_the_intervals_end(void **state)
{
    (void)state;
    static const char *const names[] = {"p99 ttft", "throughput"};
    for (int more = 0; more < 2; more++) {
        struct comparison c = one(names[more], NULL, 10, more ? 0.9 : 1.1, 0.03);
        double low = c.rows[0].ci.low, high = c.rows[0].ci.high;
        /* the least and the most that B is worse */
        double least = more ? -expm1(high) : expm1(low), most = more ? -expm1(low) : expm1(high);
        comparison_release(&c);
        struct {
            double limit;
            bool possibly, fails;
        } cases[] = {{least * 0.999, false, true},
                     {least * 1.001, false, false},
                     {most * 0.999, true, true},
                     {most * 1.001, true, false}};
        for (int i = 0; i < 4; i++) {
            char gate[80];
            snprintf(gate, sizeof gate, "%s %sworse than %.12f%%", names[more],
                     cases[i].possibly ? "possibly " : "", 100 * cases[i].limit);
            c = one(names[more], gate, 10, more ? 0.9 : 1.1, 0.03);
            assert_int_equal(c.gates[0].state, cases[i].fails ? COMPARE_FAILS : COMPARE_PASSES);
            comparison_release(&c);
        }
    }
}

static void gates_share_their_false_alarms(void **state)
{
    (void)state;
    /* Seven rounds, each difference of one sign: p is 1/128, too much for four gates and enough for
     * three. */
    struct comparison c =
        one("p50 ttft", "p50 ttft worse, p50 ttft worse, p50 ttft worse", 7, 1.1, 0);
    assert_int_equal(compare_rounds_for_gates(&c.spec.gates), 7);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(c.gates[i].state, COMPARE_FAILS);
        assert_float_equal(c.gates[i].p, 3.0 / 128, 1e-12);
    }
    comparison_release(&c);
    c = one("p50 ttft", "p50 ttft worse, p50 ttft worse, p50 ttft worse, p50 ttft worse", 7, 1.1,
            0);
    assert_int_equal(compare_rounds_for_gates(&c.spec.gates), 8);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(c.gates[i].state, COMPARE_CANNOT_TELL);
    comparison_release(&c);
}

static void rounds_for_gates_are_what_the_smallest_p_allows(void **state)
{
    (void)state;
    struct compare_gates g = {0};
    struct err e;
    assert_int_equal(compare_rounds_for_gates(&g), 0);
    compare_gates_parse(slice_of("p50 ttft possibly worse, p99 ttft possibly worse"), &g, &e);
    assert_int_equal(compare_rounds_for_gates(&g), 6);
    compare_gates_parse(slice_of("p50 ttft worse"), &g, &e);
    assert_int_equal(compare_rounds_for_gates(&g), 6);
    compare_gates_parse(slice_of("p50 ttft worse"), &g, &e);
    assert_int_equal(compare_rounds_for_gates(&g), 7);
}

static void metrics_of_gates_are_compared_too(void **state)
{
    (void)state;
    struct comparison c = {.design = COMPARE_ROUNDS};
    parse(&c, "p50 tpot", "p99 ttft worse than 5%");
    begin(&c, 10);
    assert_int_equal(c.row_count, 2);
    comparison_release(&c);
}

/* How often equal servers are told apart. D of so little spread that no two are the same. */
static void equal_servers_are_rarely_told_apart(void **state)
{
    (void)state;
    enum { TRIALS = 4000 };
    size_t raw = 0, adjusted = 0, gates = 0;
    for (uint64_t k = 0; k < TRIALS; k++) {
        struct comparison c = {.design = COMPARE_ROUNDS};
        bool any = false;
        c.spec = (struct compare_spec){.metrics = compare_metrics_default(), .margin = 0.05};
        struct err e;
        compare_gates_parse(slice_of("p50 ttft worse, p99 ttft worse, p50 tpot worse"),
                            &c.spec.gates, &e);
        begin(&c, 10);
        for (size_t i = 0; i < 6; i++)
            fill(&c, i, 10, 1, 0.1, 1000 + k);
        compare_judge(&c);
        raw += c.rows[0].p <= 0.05;
        for (size_t i = 0; i < 6; i++)
            any = any || c.rows[i].verdict == COMPARE_BETTER || c.rows[i].verdict == COMPARE_WORSE;
        adjusted += any;
        gates += compare_gates_fail(&c);
        comparison_release(&c);
    }
    assert_float_equal((double)raw / TRIALS, 0.0488, 0.012); /* what ten rounds can have */
    assert_true((double)adjusted / TRIALS < 0.05);
    assert_true((double)gates / TRIALS < 0.025);
}

static void a_verdict_withheld_leaves_no_answer(void **state)
{
    (void)state;
    struct comparison c = one("p50 ttft", "p50 ttft worse", 10, 2, 0.01);
    assert_true(compare_gates_fail(&c));
    compare_withhold(&c, "they are not the same");
    assert_int_equal(c.rows[0].verdict, COMPARE_NO_VERDICT);
    assert_string_equal(c.rows[0].why, "they are not the same");
    assert_false(compare_gates_fail(&c));
    assert_true(compare_gates_cannot_tell(&c));
    comparison_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slower_server_is_worse_by_the_exact_test),
        cmocka_unit_test(the_direction_is_the_metrics_own),
        cmocka_unit_test(a_small_difference_is_one_and_is_within_the_margin),
        cmocka_unit_test(equivalent_takes_an_interval_within_the_margin),
        cmocka_unit_test(five_rounds_decide_nothing),
        cmocka_unit_test(six_metrics_need_eight_rounds),
        cmocka_unit_test(a_round_without_a_value_takes_the_verdict_away),
        cmocka_unit_test(a_metric_without_any_value_is_said_to_have_none),
        cmocka_unit_test(itl_has_no_verdict_when_events_carry_different_tokens),
        cmocka_unit_test(runs_that_were_not_interleaved_are_compared_by_welch),
        cmocka_unit_test(one_run_of_a_side_has_no_verdict),
        cmocka_unit_test(rounds_needed_follow_from_the_spread),
        cmocka_unit_test(a_gate_agrees_with_the_intervals_end),
        cmocka_unit_test(gates_share_their_false_alarms),
        cmocka_unit_test(rounds_for_gates_are_what_the_smallest_p_allows),
        cmocka_unit_test(metrics_of_gates_are_compared_too),
        cmocka_unit_test(equal_servers_are_rarely_told_apart),
        cmocka_unit_test(a_verdict_withheld_leaves_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
