/* A sweep for people and for programs. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "report/layout.h"
#include "report/sweep_report.h"

static const struct run_record row = {.target = "http://127.0.0.1:8000",
                                      .model = "llama",
                                      .engine = "vllm",
                                      .engine_version = "",
                                      .workload = "chat",
                                      .command = "loadline sweep",
                                      .slo = "p99 ttft < 500ms",
                                      .seed = 42};

struct fixture {
    struct sweep_read open, closed;
    struct summary floor;
    struct sweep_report report;
};

static struct level *add(struct sweep_read *s, enum level_stage stage, enum load_kind kind,
                         double load, double ttft_p99_ms)
{
    size_t i = s->sweep.count++;
    struct level *l = &s->sweep.levels[i];
    *l = (struct level){.stage = stage,
                        .point = {.kind = kind,
                                  .rate = kind == LOAD_AT_RATE ? load : 0,
                                  .users = kind == LOAD_OF_USERS ? (int64_t)load : 0,
                                  .duration_ns = 60 * NS_PER_S,
                                  .cut = stage == LEVEL_CLIMB || stage == LEVEL_NARROW},
                        .run_id = (int64_t)i + 1,
                        .offered = 600,
                        .window = {.start_ns = 0, .end_ns = 60 * NS_PER_S}};
    for (size_t k = 0; k < s->sweep.spec.slo.n; k++) {
        l->slo[k].objective = s->sweep.spec.slo.list[k];
        l->slo[k].test.p_bad = stage == LEVEL_CONFIRM ? 0 : 1;
        l->slo[k].test.p_good = load == 16 ? 0 : 1;
    }
    s->points[i] = (struct curve_point){.requests_per_s = kind == LOAD_AT_RATE ? load : load / 4,
                                        .output_tokens_per_s = 200 * load,
                                        .in_flight = stage == LEVEL_CLIMB ? NAN : 3,
                                        .ttft_p50_ms = 40,
                                        .ttft_p99_ms = ttft_p99_ms,
                                        .tpot_p50_ms = 12,
                                        .tpot_p99_ms = 14 + load,
                                        .e2e_p50_ms = 900,
                                        .n = 600};
    return l;
}

static struct fixture *searched(void)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    struct sweep_spec *spec = &f->open.sweep.spec;
    struct err e = {0};
    assert_int_equal(
        bounds_parse_slo(slice_of("p99 ttft < 500ms and p99 tpot < 50ms"), &spec->slo, &e), OK);
    spec->budget_ns = 1200 * NS_PER_S;
    f->open.sweep.spent_ns = 1180 * NS_PER_S;
    add(&f->open, LEVEL_SINGLE, LOAD_OF_USERS, 1, 60);
    add(&f->open, LEVEL_BURST, LOAD_AT_ONCE, 0, 20000);
    add(&f->open, LEVEL_CLIMB, LOAD_AT_RATE, 16, 3000);
    add(&f->open, LEVEL_CLIMB, LOAD_AT_RATE, 2, 120);
    add(&f->open, LEVEL_NARROW, LOAD_AT_RATE, 12, 800);
    add(&f->open, LEVEL_CONFIRM, LOAD_AT_RATE, 8.5, 300);
    f->floor.verdict = VERDICT_VALID;
    f->report = (struct sweep_report){.sweep = &f->open,
                                      .run = &row,
                                      .floor = &f->floor,
                                      .result = {.end = SWEEP_FOUND,
                                                 .floor = 5,
                                                 .ceiling = 2,
                                                 .crossing = 10,
                                                 .binding = 1,
                                                 .knee = 4,
                                                 .saturated = 2,
                                                 .monotone = true,
                                                 .more_s = 7200}};
    return f;
}

static void beside(struct fixture *f)
{
    f->closed.sweep.spec.kind = LOAD_OF_USERS;
    add(&f->closed, LEVEL_GIVEN, LOAD_OF_USERS, 4, 50);
    add(&f->closed, LEVEL_GIVEN, LOAD_OF_USERS, 32, 90);
    add(&f->closed, LEVEL_GIVEN, LOAD_OF_USERS, 64, 95);
    f->report.closed = &f->closed;
}

static char *text_of(const struct fixture *f, unsigned columns)
{
    struct report_style style = {.columns = columns, .run_file = "s.db"};
    struct buf b = {0};
    sweep_report_text(&f->report, &style, &b);
    char *text = test_malloc(b.n + 1);
    memcpy(text, buf_cstr(&b), b.n + 1);
    buf_release(&b);
    return text;
}

/* Every wanted piece is there, in this order. */
static void expect(const struct fixture *f, size_t n, const char *const *wanted)
{
    char *text = text_of(f, 100), *at = text;
    for (size_t i = 0; i < n; i++) {
        char *found = strstr(at, wanted[i]);
        if (!found)
            fail_msg("no '%s' from here on: %s", wanted[i], at);
        at = found + strlen(wanted[i]);
    }
    test_free(text);
}

#define EXPECT(f, ...)                                                                             \
    do {                                                                                           \
        static const char *const wanted[] = {__VA_ARGS__};                                         \
        expect(f, sizeof wanted / sizeof *wanted, wanted);                                         \
    } while (0)

static void expect_none(const struct fixture *f, const char *piece)
{
    char *text = text_of(f, 100);
    if (strstr(text, piece))
        fail_msg("'%s' in: %s", piece, text);
    test_free(text);
}

static void a_search_tells_floor_ceiling_and_what_they_rest_on(void **state)
{
    (void)state;
    struct fixture *f = searched();
    EXPECT(f, "FLOOR  8.50 requests/s met; ceiling: 16.0 requests/s missed\n",
           "http://127.0.0.1:8000", "chat prompts", "6 levels in 19m 40s of 20m 0s",
           "p99 ttft < 500 ms and p99 tpot < 50.0 ms",
           "Floor        8.50 requests/s, shown to meet the SLO at 5 % over 1m 0s",
           "Ceiling      16.0 requests/s, shown to miss it", "Crossing     near 10.0 requests/s",
           "a guess, not a result", "Binding      p99 tpot < 50.0 ms",
           "Knee         near 12.0 requests/s", "Saturated    from 16.0 requests/s on",
           "More         a floor within 5 % of the crossing takes a budget of about 2h",
           "Run file     s.db", "Next         loadline plan s.db");
    expect_none(f, "Caution");
    test_free(f);
}

static void the_rows_stand_by_load_and_one_user_first(void **state)
{
    (void)state;
    struct fixture *f = searched();
    EXPECT(f, "Curve (load: requests/s), ms\n", "    load  done/s", "  1 user", "    2.00",
           "climb\n", "    8.50", "met\n", "    12.0", "narrow\n", "    16.0", "missed\n");
    expect_none(f, "burst\n"); /* is no level of the curve */
    test_free(f);
}

static void what_was_not_found_is_said(void **state)
{
    (void)state;
    struct fixture *f = searched();
    struct sweep_result *r = &f->report.result;
    *r = (struct sweep_result){.end = SWEEP_UNDECIDED,
                               .floor = -1,
                               .ceiling = -1,
                               .crossing = NAN,
                               .binding = -1,
                               .knee = -1,
                               .saturated = -1,
                               .monotone = false,
                               .more_s = NAN};
    f->report.floor = NULL;
    EXPECT(f, "UNDECIDED  no level was shown to meet the SLO, and none to miss it\n",
           "Caution      latency does not rise with the load", "larger --budget");
    static const char *const none[] = {"Floor  ", "Ceiling  ", "Crossing", "Binding",
                                       "Knee",    "Saturated", "More  ",   "The floor holds"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        expect_none(f, none[i]);
    r->end = SWEEP_FOUND;
    r->ceiling = 2;
    EXPECT(f, "UNDECIDED  no level was shown to meet the SLO; ceiling: 16.0 requests/s missed\n");
    r->ceiling = -1;
    r->floor = 5;
    EXPECT(f, "FLOOR  8.50 requests/s met; no level was shown to miss the SLO\n");
    r->end = SWEEP_NEVER_MET;
    r->floor = -1;
    EXPECT(f, "NOT MET  the SLO is missed even at the lowest level\n");
    r->end = SWEEP_NO_SLO;
    EXPECT(f, "CURVE  no SLO was given, so no limit was looked for\n", "--slo");
    r->end = SWEEP_UNFINISHED;
    EXPECT(f, "UNFINISHED  the sweep was interrupted", "loadline sweep --resume s.db");
    test_free(f);
}

static void a_floor_of_an_invalid_run_is_no_floor(void **state)
{
    (void)state;
    struct fixture *f = searched();
    struct check checks[2] = {{.id = "schedule-lag",
                               .status = CHECK_FAIL,
                               .severity = SEVERITY_INVALID,
                               .value = "p99 50 ms",
                               .threshold = "1 ms"},
                              {.id = "steal",
                               .status = CHECK_FAIL,
                               .severity = SEVERITY_NOTE,
                               .value = "9 %",
                               .threshold = "5 %"}};
    f->floor.verdict = VERDICT_INVALID;
    memcpy(f->floor.checks, checks, sizeof checks);
    f->floor.check_count = 2;
    assert_true(sweep_report_invalid(&f->report));
    EXPECT(f, "INVALID  the run that the floor rests on may be wrong", "loadline report --run 6",
           "schedule-lag there: p99 50 ms (wanted: 1 ms)");
    expect_none(f, "steal there");
    f->report.floor = NULL;
    assert_false(sweep_report_invalid(&f->report));
    test_free(f);
}

static void both_loops_stand_side_by_side(void **state)
{
    (void)state;
    struct fixture *f = searched();
    beside(f);
    f->open.points[4].requests_per_s = 9; /* of 12 that arrive */
    EXPECT(f, "Both loops side by side", "open loop", "│", "closed loop", "arrive/s", "│", "users",
           "                                      │    4.00    1.00", /* nothing so low was offered
                                                                         openly */
           "    2.00    2.00       120      16.0  │\n",
           "    8.50    8.50       300      22.5  │    32.0    8.00      90.0",
           "    16.0    16.0     3,000      30.0  │    64.0    16.0",
           "with 12.0 requests/s arriving, the open loop was served 9.00, p99 ttft was 800 ms",
           "64 users came to 16.0");
    test_free(f);
}

static void a_picture_has_marks_limits_and_ends_of_its_axes(void **state)
{
    (void)state;
    struct fixture *f = searched();
    EXPECT(f, "p99 TTFT, ms", "p99 TPOT, ms", "  3,000 ┤", "50.0 ┤╌", "500 ┤╌", "    120 ┤", "└──",
           "2.00", "requests/s", "16.0", "● level · ○ short level · ╌ limit");
    expect_none(f, "×");
    beside(f);
    EXPECT(f, "×", "× closed loop, at its done/s");
    f->report.closed = NULL;
    f->open.sweep.count = 4; /* two points are no curve */
    expect_none(f, "p99 TTFT, ms");
    test_free(f);
}

static void no_line_is_wider_than_the_terminal(void **state)
{
    (void)state;
    struct fixture *f = searched();
    beside(f);
    f->open.points[2].ttft_p99_ms = 612345;
    f->open.points[2].tpot_p99_ms = 1e-3;
    f->open.sweep.levels[3].point.rate = 1e-5;
    f->report.result.monotone = false;
    for (unsigned columns = 60; columns <= 140; columns += 10) {
        char *text = text_of(f, columns);
        for (char *at = text; *at;) {
            size_t n = strcspn(at, "\n");
            if (layout_width(slice_make(at, n)) > columns)
                fail_msg("%u columns: %.*s", columns, (int)n, at);
            if (n > 0 && at[n - 1] == ' ')
                fail_msg("trailing blank: %.*s|", (int)n, at);
            at += n + (at[n] == '\n');
        }
        test_free(text);
    }
    test_free(f);
}

static json_t *json_of_fixture(const struct fixture *f)
{
    struct buf b = {0};
    struct err e = {0};
    assert_int_equal(sweep_report_json(&f->report, &b, &e), OK);
    json_t *j = json_loads(buf_cstr(&b), 0, NULL);
    assert_non_null(j);
    buf_release(&b);
    return j;
}

static double number(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    assert_true(json_is_number(v));
    return json_number_value(v);
}

static void the_json_holds_what_the_text_says(void **state)
{
    (void)state;
    struct fixture *f = searched();
    beside(f);
    json_t *j = json_of_fixture(f), *r = json_object_get(j, "result");
    assert_string_equal(json_string_value(json_object_get(j, "schema")), "loadline.sweep/1");
    assert_string_equal(json_string_value(json_object_get(j, "levels_of")), "rate");
    assert_true(number(j, "budget_s") == 1200 && number(j, "spent_s") == 1180);
    assert_string_equal(json_string_value(json_object_get(r, "end")), "found");
    assert_string_equal(json_string_value(json_object_get(r, "floor_verdict")), "valid");
    assert_true(number(json_object_get(r, "floor"), "load") == 8.5);
    assert_true(number(json_object_get(r, "floor"), "run_id") == 6);
    assert_true(number(json_object_get(r, "ceiling"), "load") == 16);
    assert_true(number(json_object_get(r, "knee"), "load") == 12);
    assert_true(number(r, "crossing") == 10 && number(r, "more_certainty_s") == 7200);
    assert_true(json_is_true(json_object_get(r, "monotone")));
    assert_int_equal(json_array_size(json_object_get(j, "levels")), 6);
    const json_t *burst = json_array_get(json_object_get(j, "levels"), 1);
    assert_true(json_is_null(json_object_get(burst, "request_rate")) &&
                json_is_null(json_object_get(burst, "users")));
    const json_t *climb = json_array_get(json_object_get(j, "levels"), 2);
    assert_true(json_is_null(json_object_get(climb, "in_flight"))); /* NAN */
    assert_true(json_is_true(json_object_get(climb, "cut")));
    assert_int_equal(json_array_size(json_object_get(climb, "objectives")), 2);
    assert_int_equal(json_array_size(json_object_get(j, "closed_levels")), 3);
    json_decref(j);
    test_free(f);
}

static void what_is_unknown_is_null_in_json(void **state)
{
    (void)state;
    struct fixture *f = searched();
    f->report.result = (struct sweep_result){.end = SWEEP_UNDECIDED,
                                             .floor = -1,
                                             .ceiling = -1,
                                             .crossing = INFINITY,
                                             .binding = -1,
                                             .knee = -1,
                                             .saturated = -1,
                                             .more_s = NAN};
    f->report.floor = NULL;
    json_t *j = json_of_fixture(f), *r = json_object_get(j, "result");
    static const char *const keys[] = {"floor",   "ceiling", "floor_verdict", "crossing",
                                       "binding", "knee",    "saturated",     "more_certainty_s"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_true(json_is_null(json_object_get(r, keys[i])));
    assert_true(json_is_null(json_object_get(j, "closed_levels")));
    json_decref(j);
    test_free(f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_tells_floor_ceiling_and_what_they_rest_on),
        cmocka_unit_test(the_rows_stand_by_load_and_one_user_first),
        cmocka_unit_test(what_was_not_found_is_said),
        cmocka_unit_test(a_floor_of_an_invalid_run_is_no_floor),
        cmocka_unit_test(both_loops_stand_side_by_side),
        cmocka_unit_test(a_picture_has_marks_limits_and_ends_of_its_axes),
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
        cmocka_unit_test(the_json_holds_what_the_text_says),
        cmocka_unit_test(what_is_unknown_is_null_in_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
