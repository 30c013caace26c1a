/* A capacity plan for people. */

#include "plan_fixture.h"

#include <math.h>
#include <string.h>

#include "report/layout.h"

static const struct report_style plain_80 = {.columns = 80};

/* With all blanks and ends of lines as one blank. Valid until the next call. */
static const char *said(const struct plan_fixture *f)
{
    static char text[16384];
    struct buf b = {0};
    size_t n = 0;
    plan_report_text(&f->r, &plain_80, &b);
    assert_true(b.n < sizeof text);
    for (size_t i = 0; i < b.n; i++) {
        char c = b.p[i] == '\n' ? ' ' : (char)b.p[i];
        if (c != ' ' || (n > 0 && text[n - 1] != ' '))
            text[n++] = c;
    }
    text[n] = '\0';
    buf_release(&b);
    return text;
}

static void expect_said(const struct plan_fixture *f, const char *part)
{
    const char *text = said(f);
    if (!strstr(text, part))
        fail_msg("\"%s\" is missing from:\n%s", part, text);
}

static void expect_not_said(const struct plan_fixture *f, const char *part)
{
    const char *text = said(f);
    if (strstr(text, part))
        fail_msg("\"%s\" is in:\n%s", part, text);
}

static int set_up(void **state)
{
    static struct plan_fixture f;
    const double demand = 30;
    plan_fixture_open(&f);
    plan_fixture_ask(&f, &demand, 1);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    plan_fixture_close(*state);
    return 0;
}

/* ---- the answer ---- */

static void the_first_line_is_the_answer(void **state)
{
    struct plan_fixture *f = *state;
    const double demand = 30, demands[] = {3, 30, 300};
    expect_said(f, "PLAN 9 replicas for 30.0 requests/s within the SLO, 20 % headroom included");
    f->r.terms.spares = 2;
    plan_fixture_ask(f, &demand, 1);
    expect_said(f, "PLAN 11 replicas for 30.0 requests/s within the SLO, 2 spares and 20 % "
                   "headroom included");
    f->r.terms.spares = 1;
    plan_fixture_ask(f, demands, 3);
    expect_said(f, "PLAN 2 to 91 replicas for 3.00 to 300 requests/s within the SLO, 1 spare and "
                   "20 % headroom included");
    plan_fixture_ask(f, demands, 1);
    f->r.terms.spares = 0;
    plan_fixture_ask(f, demands, 1);
    expect_said(f, "PLAN 1 replica for 3.00 requests/s");
}

static void a_provisional_floor_makes_the_plan_provisional_and_says_why(void **state)
{
    struct plan_fixture *f = *state;
    f->floor->verdict = VERDICT_PROVISIONAL;
    struct check *c = &f->floor->checks[f->floor->check_count++];
    *c = (struct check){.id = "achieved-rate",
                        .severity = SEVERITY_PROVISIONAL,
                        .status = CHECK_FAIL,
                        .value = "3.9/s started",
                        .threshold = "4/s"};
    assert_true(plan_report_provisional(&f->r));
    expect_said(f, "PROVISIONAL 9 replicas");
    expect_said(f, "(run 11) achieved-rate there: 3.9/s started (wanted: 4/s)");
    c->id = "sample-size"; /* of percentiles, on which no floor rests */
    assert_false(plan_report_provisional(&f->r));
    expect_said(f, "PLAN 9 replicas");
    expect_not_said(f, " there: ");
}

static void notes_and_checks_that_passed_are_left_out(void **state)
{
    struct plan_fixture *f = *state;
    f->floor->checks[0] = (struct check){
        .id = "context", .severity = SEVERITY_NOTE, .status = CHECK_FAIL, .value = "none"};
    f->floor->checks[1] = (struct check){
        .id = "errors", .severity = SEVERITY_INVALID, .status = CHECK_PASS, .value = "0"};
    f->floor->check_count = 2;
    expect_not_said(f, " there: ");
    expect_said(f, "PLAN 9");
}

static void a_ceiling_below_the_floor_makes_the_plan_provisional(void **state)
{
    struct plan_fixture *f = *state;
    const double demand = 30;
    f->r.result.ceiling = 0;
    f->r.unit.ceiling = NAN;
    plan_fixture_ask(f, &demand, 1);
    assert_true(plan_report_provisional(&f->r));
    expect_said(f, "PROVISIONAL 9 replicas");
    expect_said(f, "Ceiling none to count on: 2.00 requests/s was shown to miss it too");
    expect_said(f, "9 by the floor, and how many fewer might do is not known");
}

/* ---- what it rests on ---- */

static void floor_mix_and_binding_objective_are_named(void **state)
{
    struct plan_fixture *f = *state;
    assert_false(plan_report_provisional(&f->r));
    expect_said(f, "Target http://server:8000 · some-model · vllm 0.11");
    expect_said(f, "Mix chat prompts · Poisson arrivals 500 tokens in and 200 out a request");
    expect_said(f, "SLO p99 ttft < 500 ms and p99 tpot < 50.0 ms");
    expect_said(f, "Floor 4.00 requests/s a replica, shown to meet it at 5 % over 10m 0s (run 11)");
    expect_said(f, "Ceiling 6.00 requests/s, shown to miss it");
    expect_said(f, "Binding p99 tpot < 50.0 ms");
    f->r.result.ceiling = -1;
    f->r.result.binding = -1;
    expect_said(f, "Ceiling none: no level was shown to miss it");
    expect_not_said(f, "Binding");
}

static void unknown_tokens_are_said_to_be_unknown(void **state)
{
    struct plan_fixture *f = *state;
    f->r.unit.output_tokens = NAN;
    expect_said(f, "500 tokens in and unknown out a request");
}

static void the_headroom_says_where_it_is_from(void **state)
{
    struct plan_fixture *f = *state;
    struct capacity_headroom *h = &f->r.headroom;
    expect_said(f, "Headroom 20 %, the default; --growth and --startup can raise it");
    f->r.headroom_given = true;
    expect_said(f, "Headroom 20 %, as asked");
    f->r.growth = (struct capacity_growth){0.05, INT64_C(60000000000)};
    f->r.startup_ns = INT64_C(180000000000);
    *h = capacity_headroom_of(0.2, &f->r.growth, f->r.startup_ns);
    expect_said(f, "Headroom 20 %, as asked: no less than the 15.8 % by which the demand grows in "
                   "the 3m 0s until a new replica serves");
    f->r.startup_ns = INT64_C(300000000000);
    *h = capacity_headroom_of(0.2, &f->r.growth, f->r.startup_ns);
    expect_said(f, "Headroom 27.6 %, by which the demand grows in the 5m 0s until a new replica "
                   "serves: more than the 20 % of --headroom");
    f->r.headroom_given = false;
    expect_said(f, "20 % of --headroom (default)");
}

static void gpus_say_where_their_number_is_from(void **state)
{
    struct plan_fixture *f = *state;
    expect_said(f, "GPUs 1 a replica, by the sweep's context");
    f->r.gpus_from = PLAN_GPUS_GIVEN;
    expect_said(f, "GPUs 1 a replica, by --gpus");
    f->r.gpus_from = PLAN_GPUS_ASSUMED;
    expect_said(f, "GPUs 1 a replica, assumed: the sweep does not say; --gpus N does");
}

static void a_target_of_several_engines_is_counted_in_units(void **state)
{
    struct plan_fixture *f = *state;
    f->r.engines = 4;
    expect_said(f, "PLAN 9 units for 30.0 requests/s");
    expect_said(f, "Unit the whole target as measured: 4 replicas behind it");
    expect_said(f, "used: demand / (units × floor)");
}

static void caveats_stand_where_they_apply(void **state)
{
    struct plan_fixture *f = *state;
    expect_said(f, "Scaling one replica was measured");
    expect_not_said(f, "Simulated");
    expect_not_said(f, "Steady");
    expect_not_said(f, "Unfinished");
    f->r.simulated = true;
    f->r.result.monotone = false;
    f->r.result.end = SWEEP_UNFINISHED;
    f->floor->run.burstiness = INFINITY;
    expect_said(f, "Simulated the target was the embedded engine");
    expect_said(f, "Steady in the sweep latency fell somewhere as the load rose");
    expect_said(f, "Unfinished the sweep was interrupted");
    expect_said(f, "Arrivals constant gaps, as measured");
    f->floor->run.burstiness = 0.25;
    expect_said(f, "arrivals of burstiness 0.25");
}

/* ---- tables ---- */

static void costs_are_shown_with_a_price_alone(void **state)
{
    struct plan_fixture *f = *state;
    const double demand = 30;
    expect_said(f, "replicas GPUs used needed 9 9 83.3 % N+1 10 10 75 % Between");
    expect_not_said(f, "cost/h");
    expect_not_said(f, "Price");
    f->r.terms.price = 2.4;
    plan_fixture_ask(f, &demand, 1);
    expect_said(f, "Price 2.40 a GPU-hour");
    /* 9 × 2.4 = 21.6 an hour for 108,000 requests of 500 and 200 tokens */
    expect_said(f, "needed 9 9 83.3 % 21.60 0.200 0.400 1.00 0.286");
    /* one at its floor: 2.4 for 14,400 requests */
    expect_said(f, "one, full 1 1 100 % 2.40 0.167 0.333 0.833 0.238");
    expect_said(f, "never at saturation");
}

static void one_spare_is_the_one_more(void **state)
{
    struct plan_fixture *f = *state;
    const double demand = 30;
    f->r.terms.spares = 1;
    plan_fixture_ask(f, &demand, 1);
    expect_said(f, "needed 9 9 83.3 % N+1 (spare) 10 10 75 % Between");
    f->r.terms.spares = 2;
    plan_fixture_ask(f, &demand, 1);
    expect_said(f, "needed 9 9 83.3 % N+1 10 10 75 % with spares 11 11 68.2 % Between");
}

static void the_numbers_by_floor_and_ceiling_are_compared(void **state)
{
    struct plan_fixture *f = *state;
    const double demand = 30, less = 1;
    expect_said(f, "Between 7 by the ceiling, as fewer were shown not to do, and 9 by the floor");
    f->r.unit.ceiling = 4.2;
    plan_fixture_ask(f, &demand, 1);
    expect_said(f, "Between exactly 9:");
    plan_fixture_ask(f, &less, 1);
    expect_said(f, "Between 1: there can be no fewer");
}

static void several_demands_are_rows_of_one_table(void **state)
{
    struct plan_fixture *f = *state;
    const double demands[] = {3, 30, 300};
    f->r.terms.price = 2.4;
    plan_fixture_ask(f, demands, 3);
    expect_said(f, "Demands requests/s replicas at least N+1 GPUs used cost/h 1k req. "
                   "3.00 1 1 2 1 75 % 2.40 0.222 "
                   "30.0 9 7 10 9 83.3 % 21.60 0.200 "
                   "300 90 61 91 90 83.3 % 216.00 0.200 ");
    expect_said(f, "One, full 1k req. 0.167 · 1M in 0.333 · 1M out 0.833 · 1M both 0.238");
    expect_not_said(f, "Around it");
}

static void multiples_stand_around_a_single_demand_in_order(void **state)
{
    struct plan_fixture *f = *state;
    expect_said(f, "Around it requests/s replicas at least N+1 GPUs used "
                   "30.0 9 7 10 9 83.3 % 60.0 18 13 19 18 83.3 % 90.0 27 19 28 27 83.3 %");
}

/* ---- form ---- */

static void expect_width(const char *text, size_t columns)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        if (layout_width(slice_make(text, n)) > columns)
            fail_msg("wider than %zu: %.*s", columns, (int)n, text);
        if (n > 0 && text[n - 1] == ' ')
            fail_msg("trailing blank: %.*s", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static void no_line_is_wider_than_the_terminal(void **state)
{
    struct plan_fixture *f = *state;
    const double demands[] = {1e-6, 30, 1e9}, one[] = {30}, huge[] = {1e9};
    static const struct {
        size_t n;
        int64_t spares;
        double price;
    } cases[] = {{1, 0, NAN}, {1, 1000000, 1e9}, {3, 0, 1e-9}, {3, 2, 1e9}, {0, 3, 12345.678}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        f->r.terms.spares = cases[i].spares;
        f->r.terms.price = cases[i].price;
        f->r.unit.gpus = 100000;
        size_t n = cases[i].n;
        plan_fixture_ask(f, n == 3 ? demands : n == 1 ? one : huge, n > 0 ? n : 1);
        for (unsigned columns = 60; columns <= 120; columns += 10) {
            struct report_style style = {.columns = columns};
            struct buf b = {0};
            plan_report_text(&f->r, &style, &b);
            expect_width(buf_cstr(&b), columns);
            buf_release(&b);
        }
    }
}

static void color_is_used_when_it_is_wanted(void **state)
{
    struct plan_fixture *f = *state;
    struct report_style style = {.columns = 80, .color = true};
    struct buf b = {0};
    plan_report_text(&f->r, &plain_80, &b);
    assert_null(strchr(buf_cstr(&b), '\033'));
    buf_release(&b);
    plan_report_text(&f->r, &style, &b);
    assert_non_null(strstr(buf_cstr(&b), "\033[1;32mPLAN"));
    buf_release(&b);
}

static void what_a_server_calls_itself_does_not_steer_the_terminal(void **state)
{
    struct plan_fixture *f = *state;
    f->floor->run.model = "evil\033[31m\x9b";
    expect_said(f, "evil?[31m?");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_line_is_the_answer),
        TEST(a_provisional_floor_makes_the_plan_provisional_and_says_why),
        TEST(notes_and_checks_that_passed_are_left_out),
        TEST(a_ceiling_below_the_floor_makes_the_plan_provisional),
        TEST(floor_mix_and_binding_objective_are_named),
        TEST(unknown_tokens_are_said_to_be_unknown),
        TEST(the_headroom_says_where_it_is_from),
        TEST(gpus_say_where_their_number_is_from),
        TEST(a_target_of_several_engines_is_counted_in_units),
        TEST(caveats_stand_where_they_apply),
        TEST(costs_are_shown_with_a_price_alone),
        TEST(one_spare_is_the_one_more),
        TEST(the_numbers_by_floor_and_ceiling_are_compared),
        TEST(several_demands_are_rows_of_one_table),
        TEST(multiples_stand_around_a_single_demand_in_order),
        TEST(no_line_is_wider_than_the_terminal),
        TEST(color_is_used_when_it_is_wanted),
        TEST(what_a_server_calls_itself_does_not_steer_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
