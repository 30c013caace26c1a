/* The grammars of --metrics and --fail-if, and the values behind the names. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "decide/compare_metric.h"

static void metrics_are_named_as_objectives_are(void **state)
{
    (void)state;
    struct compare_metrics m;
    struct err e = {0};
    char name[COMPARE_NAME];
    assert_int_equal(
        compare_metrics_parse(slice_of(" p50 ttft,p99.9 tpot , mean e2e, throughput,goodput,"
                                       "request_throughput, p90 itl"),
                              &m, &e),
        OK);
    assert_int_equal(m.n, 7);
    static const char *const names[] = {"p50 ttft", "p99.9 tpot",         "mean e2e", "throughput",
                                        "goodput",  "request_throughput", "p90 itl"};
    for (size_t i = 0; i < m.n; i++)
        assert_string_equal(compare_metric_name(&m.list[i], name), names[i]);
    assert_false(compare_more_is_better(&m.list[0]));
    assert_true(compare_more_is_better(&m.list[3]));
}

static void the_default_is_six_metrics_that_parse_as_they_print(void **state)
{
    (void)state;
    struct compare_metrics m = compare_metrics_default(), again;
    struct buf text = {0};
    struct err e = {0};
    char name[COMPARE_NAME];
    for (size_t i = 0; i < m.n; i++)
        buf_printf(&text, "%s%s", i > 0 ? ", " : "", compare_metric_name(&m.list[i], name));
    assert_string_equal(buf_cstr(&text),
                        "p50 ttft, p99 ttft, p50 tpot, p99 tpot, p50 e2e, throughput");
    assert_int_equal(compare_metrics_parse(buf_slice(&text), &again, &e), OK);
    assert_int_equal(again.n, m.n);
    for (size_t i = 0; i < m.n; i++)
        assert_int_equal(compare_metrics_find(&again, &m.list[i]), i);
    buf_release(&text);
}

static void gates_have_a_metric_and_a_limit(void **state)
{
    (void)state;
    struct compare_gates g = {0};
    struct err e = {0};
    struct buf text = {0};
    assert_int_equal(compare_gates_parse(slice_of("p99 ttft worse than 5% or throughput possibly "
                                                  "worse than 2.5 %, mean tpot worse"),
                                         &g, &e),
                     OK);
    assert_int_equal(compare_gates_parse(slice_of("p50 e2e worse than 150%"), &g, &e), OK);
    assert_int_equal(g.n, 4);
    assert_float_equal(g.list[0].limit, 0.05, 1e-12);
    assert_false(g.list[0].possibly);
    assert_true(g.list[1].possibly);
    assert_float_equal(g.list[1].limit, 0.025, 1e-12);
    assert_true(g.list[2].limit == 0);
    for (size_t i = 0; i < g.n; i++) {
        buf_puts(&text, i > 0 ? " or " : "");
        compare_gate_put(&g.list[i], &text);
    }
    assert_string_equal(
        buf_cstr(&text),
        "p99 ttft worse than 5% or throughput possibly worse than 2.5% or mean tpot "
        "worse than 0% or p50 e2e worse than 150%");
    buf_release(&text);
}

struct bad {
    const char *text, *where;
};

static void metric_complaints_point_at_the_column(void **state)
{
    static const struct bad bad[] = {
        {"", "--metrics, column 1: a metric is missing"},
        {"ttft", "--metrics, column 1: 'ttft' is no metric"},
        {"p50", "--metrics, column 4: '' is no latency; behind p50"},
        {"p50 speed", "--metrics, column 5: 'speed' is no latency"},
        {"p50 connect", "--metrics, column 5: 'connect' is no latency"},
        {"p100 ttft", "--metrics, column 1: a percentile lies"},
        {"p0 ttft", "--metrics, column 1: a percentile lies"},
        {"p5x ttft", "--metrics, column 1"},
        {"p50 ttft p99 ttft", "--metrics, column 10: metrics are joined by commas"},
        {"p50 ttft, p50 ttft", "--metrics, column 11: this metric is named twice"},
        {"p50 ttft,", "--metrics, column 10: a metric is missing"},
        {"p50 ttft%", "--metrics, column 9: metrics are joined"},
        {"p1 e2e,p2 e2e,p3 e2e,p4 e2e,p5 e2e,p6 e2e,p7 e2e,p8 e2e,p9 e2e,p10 e2e,p11 e2e,p12 e2e,"
         "p13 e2e,p14 e2e,p15 e2e,p16 e2e,p17 e2e",
         "--metrics, column 120: too many"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct compare_metrics m = {.n = 7};
        struct err e = {0};
        assert_int_equal(compare_metrics_parse(slice_of(bad[i].text), &m, &e), ERR_USAGE);
        if (strncmp(e.text, bad[i].where, strlen(bad[i].where)) != 0)
            fail_msg("for '%s' got: %s", bad[i].text, e.text);
        assert_int_equal(m.n, 7);
    }
}

static void gate_complaints_point_at_the_column(void **state)
{
    static const struct bad bad[] = {
        {"", "--fail-if, column 1: a metric is missing"},
        {"p99 ttft", "--fail-if, column 9: expected \"worse than\""},
        {"p99 ttft better than 5%", "--fail-if, column 10: expected \"worse than\""},
        {"p99 ttft possibly", "--fail-if, column 18: expected \"worse than\""},
        {"p99 ttft worse than", "--fail-if, column 20: a share is missing"},
        {"p99 ttft worse than 5", "--fail-if, column 21: '5' has no unit; write 5%"},
        {"p99 ttft worse than five%", "--fail-if, column 21: "},
        {"p99 ttft worse than -5%", "--fail-if, column 21: "},
        {"p99 ttft worse than 5% and p50 e2e worse", "--fail-if, column 24: conditions are joined"},
        {"p99 ttft worse than 5% or", "--fail-if, column 26: a metric is missing"},
        {"throughput worse than 100%", "--fail-if, column 23: nothing is left"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct compare_gates g = {.n = 3};
        struct err e = {0};
        assert_int_equal(compare_gates_parse(slice_of(bad[i].text), &g, &e), ERR_USAGE);
        if (strncmp(e.text, bad[i].where, strlen(bad[i].where)) != 0)
            fail_msg("for '%s' got: %s", bad[i].text, e.text);
        assert_int_equal(g.n, 3);
    }
}

static void there_is_room_for_sixteen_gates(void **state)
{
    (void)state;
    struct compare_gates g = {0};
    struct err e = {0};
    for (int i = 0; i < COMPARE_MAX_GATES; i++)
        assert_int_equal(compare_gates_parse(slice_of("p99 ttft worse"), &g, &e), OK);
    assert_int_equal(compare_gates_parse(slice_of("p99 ttft worse"), &g, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "16 is the most"));
}

static void values_come_from_the_summary(void **state)
{
    (void)state;
    struct compare_metrics m;
    struct err e;
    struct summary s = {
        .output_tokens_per_s = 900, .requests_per_s = 3, .has_goodput = true, .goodput_per_s = 2};
    compare_metrics_parse(slice_of("p99 tpot, p50 ttft, p99 ttft, mean ttft, throughput, "
                                   "request_throughput, goodput, p50 e2e"),
                          &m, &e);
    compare_metrics_options(&m, &s.options);
    assert_int_equal(s.options.percentile_count, 2);
    assert_true(s.options.percentiles[0] == 50 && s.options.percentiles[1] == 99);
    s.latency[LATENCY_TTFT] = (struct latency){.n = 10, .mean = 7, .percentile = {5, 9}};
    s.latency[LATENCY_TPOT] = (struct latency){.n = 10, .mean = 1, .percentile = {2, 3}};
    static const double wanted[] = {3, 5, 9, 7, 900, 3, 2};
    for (size_t i = 0; i < 7; i++)
        assert_true(compare_metric_value(&m.list[i], &s) == wanted[i]);
    assert_true(isnan(compare_metric_value(&m.list[7], &s))); /* no request has one */
    s.has_goodput = false;
    assert_true(isnan(compare_metric_value(&m.list[6], &s)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_named_as_objectives_are),
        cmocka_unit_test(the_default_is_six_metrics_that_parse_as_they_print),
        cmocka_unit_test(gates_have_a_metric_and_a_limit),
        cmocka_unit_test(metric_complaints_point_at_the_column),
        cmocka_unit_test(gate_complaints_point_at_the_column),
        cmocka_unit_test(there_is_room_for_sixteen_gates),
        cmocka_unit_test(values_come_from_the_summary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
