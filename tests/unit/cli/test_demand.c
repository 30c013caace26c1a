/* Demands, percentages and growth as people write them. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/demand.h"

static void expect_said(int rc, const struct err *e, const char *part)
{
    assert_int_equal(rc, ERR_USAGE);
    if (!strstr(e->text, part))
        fail_msg("\"%s\" does not say \"%s\"", e->text, part);
}

static void expect_near(double got, double wanted)
{
    if (!(fabs(got - wanted) <= 1e-12))
        fail_msg("%.17g is not %.17g", got, wanted);
}

/* ---- rates ---- */

static size_t rates_of(const struct option_list *texts, double out[DEMAND_MAX_RATES])
{
    size_t n = 0;
    struct err e = {0};
    if (demand_rates(texts, out, &n, &e) < 0)
        fail_msg("%s", e.text);
    return n;
}

static void one_rate_is_a_list_of_one(void **state)
{
    (void)state;
    double out[DEMAND_MAX_RATES];
    struct option_list one = {{"0.5"}, 1};
    assert_int_equal(rates_of(&one, out), 1);
    expect_near(out[0], 0.5);
}

static void rates_come_out_ascending_and_each_once(void **state)
{
    (void)state;
    double out[DEMAND_MAX_RATES];
    struct option_list lists = {{"50,10", "20", "1e1,20.0"}, 3};
    assert_int_equal(rates_of(&lists, out), 3);
    expect_near(out[0], 10);
    expect_near(out[1], 20);
    expect_near(out[2], 50);
}

static void wrong_rates_are_refused_at_their_column(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "--rate, column 1: a number is missing"},
        {",5", "--rate, column 1: a number is missing"},
        {"5,", "--rate, column 3: a number is missing"},
        {"5,,6", "--rate, column 3: a number is missing"},
        {"10,ten", "--rate, column 4: 'ten' is not a number"},
        {"0", "--rate, column 1: '0' is too small"},
        {"5,-1", "--rate, column 3: '-1' is too small"},
        {"1e10", "--rate, column 1: '1e10' is too large"},
        {"nan", "'nan' is not a number"},
        {"inf", "--rate, column 1"},
        {"5 6", "--rate, column 1"},
        {"5/s", "--rate, column 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct option_list one = {{cases[i][0]}, 1};
        double out[DEMAND_MAX_RATES] = {77};
        size_t n = 99;
        struct err e = {0};
        expect_said(demand_rates(&one, out, &n, &e), &e, cases[i][1]);
        assert_int_equal(n, 99); /* as they were */
        expect_near(out[0], 77);
    }
}

static void there_is_a_most_number_of_demands(void **state)
{
    (void)state;
    char text[8 * DEMAND_MAX_RATES] = "";
    for (int i = 1; i <= DEMAND_MAX_RATES; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i > 1 ? "," : "", i);
    double out[DEMAND_MAX_RATES];
    size_t n = 0;
    struct err e = {0};
    struct option_list full = {{text}, 1}, more = {{text, "99"}, 2};
    assert_int_equal(rates_of(&full, out), DEMAND_MAX_RATES);
    expect_said(demand_rates(&more, out, &n, &e), &e, "more than 32 demands");
}

/* ---- percentages ---- */

static void a_percentage_is_a_share(void **state)
{
    (void)state;
    double x = NAN;
    struct err e = {0};
    assert_int_equal(demand_percent("20%", "--headroom", &x, &e), OK);
    expect_near(x, 0.2);
    assert_int_equal(demand_percent("0%", "--headroom", &x, &e), OK);
    expect_near(x, 0);
    assert_int_equal(demand_percent("12.5 %", "--headroom", &x, &e), OK);
    expect_near(x, 0.125);
    assert_int_equal(demand_percent("1000%", "--headroom", &x, &e), OK);
    expect_near(x, 10);
}

/* 0.2 could be meant as 20 % or as 0.2 %. */
static void a_number_without_its_sign_is_no_percentage(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"0.2", "--headroom: '0.2' is no percentage; write for example 20%"},
        {"20", "is no percentage"},
        {"", "is no percentage"},
        {"20%%", "is no percentage"},
        {"20%x", "is no percentage"},
        {"%", "--headroom"},
        {"-5%", "--headroom: '-5' is too small"},
        {"1001%", "--headroom: '1001' is too large"},
        {"inf%", "--headroom"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double x = 77;
        struct err e = {0};
        expect_said(demand_percent(cases[i][0], "--headroom", &x, &e), &e, cases[i][1]);
        expect_near(x, 77);
    }
}

/* ---- growth ---- */

static void growth_is_a_share_in_a_second_minute_or_hour(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double share;
        int64_t per_ns;
    } cases[] = {
        {"0.1%/s", 0.001, NS_PER_S},
        {"5%/min", 0.05, 60 * NS_PER_S},
        {"50 %/h", 0.5, 3600 * NS_PER_S},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct capacity_growth g = {0};
        struct err e = {0};
        assert_int_equal(demand_growth(cases[i].text, "--growth", &g, &e), OK);
        expect_near(g.share, cases[i].share);
        assert_int_equal(g.per_ns, cases[i].per_ns);
    }
}

static void growth_without_a_time_or_with_another_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"5%",      "5%/",   "5%/m",  "5%/day", "5%/min ", "5/min",
                                        "5%/5min", "%/min", "-1%/s", "5%%/s",  "",        "/min"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct capacity_growth g = {7, 7};
        struct err e = {0};
        expect_said(demand_growth(cases[i], "--growth", &g, &e), &e, "--growth");
        expect_near(g.share, 7);
        assert_int_equal(g.per_ns, 7);
    }
}

/* A sentence has room for so much of what was typed. */
static void a_long_text_is_cut_in_the_complaint(void **state)
{
    (void)state;
    char text[4096];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    double x;
    struct capacity_growth g;
    struct err e = {0};
    expect_said(demand_percent(text, "--headroom", &x, &e), &e, "write for example 20%");
    expect_said(demand_growth(text, "--growth", &g, &e), &e, "or 50%/h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_rate_is_a_list_of_one),
        cmocka_unit_test(rates_come_out_ascending_and_each_once),
        cmocka_unit_test(wrong_rates_are_refused_at_their_column),
        cmocka_unit_test(there_is_a_most_number_of_demands),
        cmocka_unit_test(a_percentage_is_a_share),
        cmocka_unit_test(a_number_without_its_sign_is_no_percentage),
        cmocka_unit_test(growth_is_a_share_in_a_second_minute_or_hour),
        cmocka_unit_test(growth_without_a_time_or_with_another_is_refused),
        cmocka_unit_test(a_long_text_is_cut_in_the_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
