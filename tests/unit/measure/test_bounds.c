#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "measure/bounds.h"

static void goodput_takes_bounds_with_units(void **state)
{
    struct bounds b;
    struct err e = {0};
    (void)state;
    assert_int_equal(bounds_parse_goodput(slice_of(" ttft:500ms  tpot:50ms,e2e: 1.5s "), &b, &e),
                     OK);
    assert_int_equal(b.n, 3);
    assert_int_equal(b.list[0].metric, BOUND_TTFT);
    assert_int_equal(b.list[0].limit_ns, 500000000);
    assert_int_equal(b.list[1].metric, BOUND_TPOT);
    assert_int_equal(b.list[1].limit_ns, 50000000);
    assert_int_equal(b.list[2].metric, BOUND_E2E);
    assert_int_equal(b.list[2].limit_ns, 1500000000);
}

static void slo_takes_percentiles_joined_by_and(void **state)
{
    struct objectives o;
    struct err e = {0};
    (void)state;
    assert_int_equal(
        bounds_parse_slo(slice_of("p99 ttft < 500ms and p99.9 tpot<50ms, p50 ttft < 0.1s"), &o, &e),
        OK);
    assert_int_equal(o.n, 3);
    assert_float_equal(o.list[0].p, 0.99, 1e-15);
    assert_float_equal(o.list[1].p, 0.999, 1e-15);
    assert_int_equal(o.list[1].bounds.n, 1);
    assert_int_equal(o.list[1].bounds.list[0].metric, BOUND_TPOT);
    assert_int_equal(o.list[2].bounds.list[0].limit_ns, 100000000);
}

static void slo_takes_a_share_that_meets_several_bounds_at_once(void **state)
{
    struct objectives o;
    struct err e = {0};
    char text[OBJECTIVE_TEXT];
    (void)state;
    assert_int_equal(bounds_parse_slo(slice_of("goodput(ttft < 500ms, tpot<50ms) >= 99% and "
                                               "p50 e2e < 10s"),
                                      &o, &e),
                     OK);
    assert_int_equal(o.n, 2);
    assert_float_equal(o.list[0].p, 0.99, 1e-15);
    assert_int_equal(o.list[0].bounds.n, 2);
    assert_int_equal(o.list[0].bounds.list[1].metric, BOUND_TPOT);
    assert_int_equal(o.list[0].bounds.list[1].limit_ns, 50000000);
    assert_string_equal(objective_text(&o.list[0], text, sizeof text),
                        "goodput(ttft < 500 ms, tpot < 50.0 ms) >= 99 %");
    assert_string_equal(objective_text(&o.list[1], text, sizeof text), "p50 e2e < 10.0 s");
}

struct bad {
    const char *text;
    const char *where; /* beginning of the complaint */
};

static void expect_start(const struct bad *bad, int rc, const struct err *e)
{
    assert_int_equal(rc, ERR_USAGE);
    if (strncmp(e->text, bad->where, strlen(bad->where)) != 0)
        fail_msg("for '%s' got: %s", bad->text, e->text);
}

static void expect_goodput_complaint(const struct bad *bad)
{
    struct bounds b = {.n = 77};
    struct err e = {0};
    expect_start(bad, bounds_parse_goodput(slice_of(bad->text), &b, &e), &e);
    assert_int_equal(b.n, 77);
}

static void expect_slo_complaint(const struct bad *bad)
{
    struct objectives o = {.n = 77};
    struct err e = {0};
    expect_start(bad, bounds_parse_slo(slice_of(bad->text), &o, &e), &e);
    assert_int_equal(o.n, 77);
}

static void complaints_point_at_the_column(void **state)
{
    static const struct bad goodput[] = {
        {"", "--goodput, column 1: "},
        {"ttft", "--goodput, column 5: a ':'"},
        {"ttft:500", "--goodput, column 6: '500' has no unit"},
        {"ttft:500ms itl:5ms", "--goodput, column 12: itl has many values"},
        {"ttft:500ms speed:5ms", "--goodput, column 12: 'speed'"},
        {"ttft:500ms ttft:5ms", "--goodput, column 12: this metric is bounded twice"},
        {"ttft:0", "--goodput, column 6: a bound of 0"},
        {"ttft:", "--goodput, column 6: a time is missing"},
        {"ttft:5ms,", "--goodput, column 9: a bound is missing"},
        {"ttft:-5ms", "--goodput, column 6: "},
    };
    static const struct bad slo[] = {
        {" ", "--slo, column 1: "},
        {"ttft < 500ms", "--slo, column 1: expected a percentile"},
        {"p99 ttft 500ms", "--slo, column 10: a '<' is missing"},
        {"p99 ttft <= 500ms", "--slo, column 11: only '<'"},
        {"p99 ttft < 500", "--slo, column 12: '500' has no unit"},
        {"p100 ttft < 5ms", "--slo, column 1: a percentile lies"},
        {"pxx ttft < 5ms", "--slo, column 1: "},
        {"p99 ttft < 5ms or p99 tpot < 5ms", "--slo, column 16: bounds are joined"},
        {"p99 ttft < 5ms and", "--slo, column 19: expected a percentile"},
        {"p99 ttft < 5ms and p99 ttft < 6ms", "--slo, column 20: this metric is bounded twice"},
        {"goodput", "--slo, column 8: a '(' is missing"},
        {"goodput ttft < 5ms", "--slo, column 9: a '(' is missing"},
        {"goodput(", "--slo, column 9: a metric is missing"},
        {"goodput(ttft < 5ms", "--slo, column 19: a ')' is missing"},
        {"goodput(ttft < 5ms)", "--slo, column 20: a '>=' is missing"},
        {"goodput(ttft < 5ms) >= 99", "--slo, column 24: a share in percent"},
        {"goodput(ttft < 5ms) >= 100%", "--slo, column 24: a share lies between"},
        {"goodput(ttft < 5ms, ttft < 6ms) >= 99%", "--slo, column 21: this metric"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof goodput / sizeof goodput[0]; i++)
        expect_goodput_complaint(&goodput[i]);
    for (size_t i = 0; i < sizeof slo / sizeof slo[0]; i++)
        expect_slo_complaint(&slo[i]);
}

static void nine_bounds_are_too_many(void **state)
{
    const struct bad bad = {"p1 ttft < 1s, p2 ttft < 1s, p3 ttft < 1s, p4 ttft < 1s, p5 ttft < 1s, "
                            "p6 ttft < 1s, p7 ttft < 1s, p8 ttft < 1s, p9 ttft < 1s",
                            "--slo, column 113: too many bounds"};
    (void)state;
    expect_slo_complaint(&bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goodput_takes_bounds_with_units),
        cmocka_unit_test(slo_takes_percentiles_joined_by_and),
        cmocka_unit_test(slo_takes_a_share_that_meets_several_bounds_at_once),
        cmocka_unit_test(complaints_point_at_the_column),
        cmocka_unit_test(nine_bounds_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
