/* A comparison in words, and its table. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "report/comparison.h"
#include "report/comparison_words.h"

static const char *change(double factor, char *out)
{
    return words_change(log(factor), out);
}

static void changes_are_percent_or_from_three_times_on_multiples(void **state)
{
    (void)state;
    char out[WORDS_CELL];
    assert_string_equal(change(1.031, out), "+3.1 %");
    assert_string_equal(change(0.9996, out), "-0.04 %");
    assert_string_equal(change(2.5, out), "+150 %");
    assert_string_equal(change(3.401, out), "×3.40");
    assert_string_equal(change(0.171, out), "×0.171");
    assert_string_equal(change(34.25, out), "×34.2");
    assert_string_equal(change(500, out), "×500");
    assert_string_equal(words_change(NAN, out), "-");
}

static void intervals_have_the_form_of_their_ratio(void **state)
{
    (void)state;
    char out[WORDS_CELL];
    struct interval ci = {log(1.029), log(1.033), true, true},
                    wide = {log(2.9), log(3.81), true, true};
    assert_string_equal(words_interval(log(1.031), &ci, out), "[+2.9, +3.3]");
    assert_string_equal(words_interval(log(3.4), &wide, out), "[×2.90, ×3.81]");
    ci.has_high = false;
    assert_string_equal(words_interval(log(1.031), &ci, out), "[+2.9, ?]");
    ci.has_low = false;
    assert_string_equal(words_interval(log(1.031), &ci, out), "no bounds");
}

static void small_p_values_are_not_called_zero(void **state)
{
    (void)state;
    char out[WORDS_CELL];
    assert_string_equal(words_p(0.0004, out), "< 0.001");
    assert_string_equal(words_p(0.0117, out), "0.012");
    assert_string_equal(words_p(0.0994, out), "0.099");
    assert_string_equal(words_p(0.0999, out), "0.10");
    assert_string_equal(words_p(1, out), "1.00");
    assert_string_equal(words_p(NAN, out), "-");
}

/* Ten rounds in which B is so many times A, give or take a little. */
static struct comparison compared(const char *metrics, const char *gates, const double *factors,
                                  const double *spread)
{
    struct comparison c = {.design = COMPARE_ROUNDS, .planned = 10, .complete = 10};
    struct err e = {0};
    c.spec.margin = 0.05;
    assert_int_equal(compare_metrics_parse(slice_of(metrics), &c.spec.metrics, &e), OK);
    if (gates)
        assert_int_equal(compare_gates_parse(slice_of(gates), &c.spec.gates, &e), OK);
    assert_int_equal(compare_begin(&c, 10, &e), OK);
    for (size_t k = 0; k < c.row_count; k++) {
        for (size_t i = 0; i < 10; i++) {
            double step = ((double)i - 4.5) / 4.5;
            c.rows[k].value[COMPARE_A][i] = 100;
            c.rows[k].value[COMPARE_B][i] = 100 * factors[k] * exp(spread[k] * step);
        }
    }
    for (int s = 0; s < COMPARE_SIDES; s++) {
        c.side[s].blocks = 10;
        c.side[s].run = (struct run_record){.target = s == COMPARE_A ? "old" : "new",
                                            .model = "m",
                                            .engine = "",
                                            .engine_version = "",
                                            .mode = "closed",
                                            .max_concurrency = 4,
                                            .num_prompts = 100,
                                            .workload = "chat"};
    }
    compare_judge(&c);
    return c;
}

static void expect_result(const struct comparison *c, const char *words)
{
    struct buf out = {0};
    words_result(c, &out);
    assert_string_equal(buf_cstr(&out), words);
    buf_release(&out);
}

static void the_sentence_has_the_direction_of_each_metric(void **state)
{
    (void)state;
    const double up[] = {1.1, 1.1}, down[] = {0.9, 0.9}, spread[] = {0.001, 0.001};
    struct comparison c = compared("p50 tpot, throughput", NULL, up, spread);
    expect_result(&c, "B is 10.0 % [9.9, 10.1] slower than A at p50 tpot; B has 10.0 % [9.9, 10.1] "
                      "more throughput than A.");
    comparison_release(&c);
    c = compared("p50 tpot, throughput", NULL, down, spread);
    expect_result(&c, "B has 10.0 % [9.9, 10.0] less throughput than A; B is 10.0 % [9.9, 10.0] "
                      "faster than A at p50 tpot.");
    comparison_release(&c);
}

static void multiples_are_told_in_the_direction_of_the_word(void **state)
{
    (void)state;
    const double factors[] = {0.2, 4, 0.25}, spread[] = {0.01, 0.01, 0.01};
    struct comparison c = compared("p50 ttft, p99 ttft, goodput", NULL, factors, spread);
    expect_result(&c,
                  "B is 4.00 times [3.98, 4.02] slower than A at p99 ttft; B has 4.00 times "
                  "[3.98, 4.02] less goodput than A; B is 5.00 times [4.97, 5.03] faster than A "
                  "at p50 ttft.");
    comparison_release(&c);
}

static void what_is_not_decided_is_told_apart_from_what_is_equivalent(void **state)
{
    (void)state;
    const double factors[] = {1, 1.001, 1}, spread[] = {0.5, 0.002, 0.4};
    struct comparison c = compared("p50 ttft, p50 tpot, p99 ttft", NULL, factors, spread);
    expect_result(&c,
                  "B is equivalent to A within ± 5 % at p50 tpot; undecided at p50 ttft and p99 "
                  "ttft.");
    struct buf out = {0};
    words_rounds(&c, &out);
    assert_non_null(strstr(buf_cstr(&out), "p50 ttft about "));
    assert_null(strstr(buf_cstr(&out), "p50 tpot"));
    buf_release(&out);
    comparison_release(&c);
}

static void a_reason_shared_by_all_is_told_once(void **state)
{
    (void)state;
    const double factors[] = {1.1, 1.1}, spread[] = {0.001, 0.001};
    struct comparison c = compared("p50 ttft, p50 tpot", NULL, factors, spread);
    struct report_style style = {.columns = 80};
    struct buf out = {0};
    compare_withhold(&c, "they are not alike");
    comparison_text(&c, &style, &out);
    const char *first = strstr(buf_cstr(&out), "they are not alike");
    assert_non_null(first);
    assert_null(strstr(first + 1, "they are not alike"));
    assert_null(strstr(buf_cstr(&out), "\n\n\n"));
    buf_release(&out);
    comparison_release(&c);
}

static void the_gravest_flaw_comes_first(void **state)
{
    (void)state;
    const double factors[] = {1.1}, spread[] = {0.001};
    struct comparison c = compared("p50 ttft", NULL, factors, spread);
    struct report_style style = {.columns = 80};
    struct buf out = {0};
    compare_flaw_add(&c, SEVERITY_NOTE, "a trifle");
    compare_flaw_add(&c, SEVERITY_PROVISIONAL, "a doubt");
    compare_flaw_add(&c, SEVERITY_INVALID, "a fault");
    comparison_text(&c, &style, &out);
    const char *text = strstr(buf_cstr(&out), "What to know");
    assert_memory_equal(buf_cstr(&out), "INVALID  10 interleaved rounds: a fault", 39);
    assert_true(strstr(text, "a fault") < strstr(text, "a doubt"));
    assert_true(strstr(text, "a doubt") < strstr(text, "a trifle"));
    buf_release(&out);
    comparison_release(&c);
}

static void a_difference_within_the_margin_is_marked_and_explained(void **state)
{
    (void)state;
    const double factors[] = {1.02}, spread[] = {0.001};
    struct comparison c = compared("p50 ttft", "p50 ttft worse than 1%", factors, spread);
    struct report_style style = {.columns = 120};
    struct buf out = {0};
    comparison_text(&c, &style, &out);
    assert_non_null(strstr(buf_cstr(&out), "worse <5%"));
    assert_non_null(strstr(buf_cstr(&out), "too small to matter"));
    assert_non_null(strstr(buf_cstr(&out), "FAILS      p50 ttft worse than 1%: shown, p < 0.001"));
    buf_release(&out);
    comparison_release(&c);
}

/* It was stopped in its first round. */
static void a_comparison_without_a_round_is_told_as_such(void **state)
{
    (void)state;
    struct comparison c = {.design = COMPARE_ROUNDS, .planned = 10, .interrupted = true};
    struct report_style style = {.columns = 80, .run_file = "x.db"};
    struct buf out = {0};
    struct err e = {0};
    compare_spec_complete(&c.spec);
    assert_int_equal(compare_begin(&c, 0, &e), OK);
    compare_judge(&c);
    compare_flaw_add(&c, SEVERITY_INVALID, "it was stopped after 0 of 10 rounds");
    comparison_text(&c, &style, &out);
    assert_memory_equal(buf_cstr(&out), "INVALID  0 interleaved rounds: it was stopped", 45);
    buf_clear(&out);
    assert_int_equal(comparison_json(&c, &out, &e), OK);
    buf_release(&out);
    comparison_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_percent_or_from_three_times_on_multiples),
        cmocka_unit_test(intervals_have_the_form_of_their_ratio),
        cmocka_unit_test(small_p_values_are_not_called_zero),
        cmocka_unit_test(the_sentence_has_the_direction_of_each_metric),
        cmocka_unit_test(multiples_are_told_in_the_direction_of_the_word),
        cmocka_unit_test(what_is_not_decided_is_told_apart_from_what_is_equivalent),
        cmocka_unit_test(a_reason_shared_by_all_is_told_once),
        cmocka_unit_test(the_gravest_flaw_comes_first),
        cmocka_unit_test(a_difference_within_the_margin_is_marked_and_explained),
        cmocka_unit_test(a_comparison_without_a_round_is_told_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
