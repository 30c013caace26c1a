#include "../measure/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "report/layout.h"
#include "report/report.h"

static const struct report_style plain_80 = {.columns = 80, .run_file = "a.loadline"};

/* A run that shows every part of the report. */
static void rich_run(struct fixture *f)
{
    fixture_open(f);
    fixture_fill_good(f);
    for (size_t i = 0; i < 1000; i++) {
        f->list[i].rung = (int)(i % 3);
        f->list[i].connect_ns = MS;
    }
    fixture_fail(
        &f->list[400], OUTCOME_TIMEOUT,
        "no token for 600 s \033[31m\x9b and a word that is far too long for any line: "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    fixture_fail(&f->list[401], OUTCOME_RESET, "reset");
    f->run.goodput = "ttft:100ms tpot:30ms";
    f->run.slo = "p99 ttft < 200ms and p99 tpot < 15ms";
    f->run.max_concurrency = 64;
    f->findings[0] =
        (struct finding_record){"option-dropped", "note", "the server refused ignore_eos"};
    f->finding_count = 1;
    f->run.target =
        "https://a-very-long-name-of-a-server.in-some-cluster.example.internal:8443/with/a/path";
}

static char *text_of(const struct summary *s, const struct report_style *style)
{
    struct buf b = {0};
    report_text(s, style, &b);
    char *text = test_malloc(b.n + 1);
    memcpy(text, b.p, b.n);
    text[b.n] = '\0';
    assert_int_equal(strlen(text), b.n);
    buf_release(&b);
    return text;
}

static void expect_width(const char *text, size_t columns)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        size_t width = layout_width(slice_make(text, n));
        if (width > columns)
            fail_msg("%zu columns: %.*s", width, (int)n, text);
        if (n > 0 && text[n - 1] == ' ')
            fail_msg("trailing blank: %.*s", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static void no_line_is_wider_than_the_terminal(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    rich_run(&f);
    fixture_summarise(&f, NULL, &s);
    for (unsigned columns = 60; columns <= 140; columns += 10) {
        struct report_style style = plain_80;
        style.columns = columns;
        style.all_checks = true;
        style.metrics = (1u << LATENCY_METRICS) - 1;
        char *text = text_of(&s, &style);
        expect_width(text, columns);
        test_free(text);
        struct buf b = {0};
        struct summary runs[2] = {s, s};
        report_text_series(runs, 2, &style, &b);
        expect_width(buf_cstr(&b), columns);
        buf_release(&b);
    }
    summary_release(&s);
    fixture_close(&f);
}

static void extreme_figures_keep_to_their_columns(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    rich_run(&f);
    for (size_t i = 0; i < 1000; i += 2) {
        f.list[i].first_token_ns = f.list[i].intended_ns + INT64_C(1234567890) * MS;
        f.list[i].last_token_ns = f.list[i].first_token_ns + INT64_C(9876543210) * MS;
        f.list[i].output_tokens = INT64_C(123456789012);
    }
    fixture_summarise(&f, NULL, &s);
    char *text = text_of(&s, &plain_80);
    expect_width(text, 80);
    test_free(text);
    summary_release(&s);
    fixture_close(&f);
}

static void the_report_opens_with_the_verdict_and_closes_with_the_file(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f);
    fixture_summarise(&f, NULL, &s);
    char *text = text_of(&s, &plain_80);
    assert_memory_equal(text, "VALID  ", 7);
    assert_non_null(strstr(text, "Run file     a.loadline"));
    assert_non_null(strstr(text, "never interpolated"));
    assert_null(strstr(text, "What to know"));
    assert_null(strchr(text, '\033'));
    test_free(text);
    summary_release(&s);
    fixture_close(&f);

    rich_run(&f);
    f.run.interrupted = true;
    fixture_summarise(&f, NULL, &s);
    text = text_of(&s, &plain_80);
    assert_memory_equal(text, "INVALID  ", 9);
    assert_non_null(strstr(text, "interrupted, stopped before its end"));
    assert_non_null(strstr(text, "NOT met: p99 tpot < 15.0 ms"));
    assert_non_null(strstr(text, "reset 1 · timeout 1"));
    assert_non_null(strstr(text, "Ladder"));
    assert_non_null(strstr(text, "the server refused ignore_eos"));
    test_free(text);
    summary_release(&s);
    fixture_close(&f);
}

static void a_run_stopped_before_its_load_has_no_figures(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    f.run.interrupted = true;
    fixture_summarise(&f, NULL, &s);
    char *text = text_of(&s, &plain_80);
    assert_memory_equal(text, "INVALID  nothing was measured", 29);
    assert_non_null(strstr(text, "Run file     a.loadline"));
    assert_null(strstr(text, "Throughput"));
    assert_null(strstr(text, "What to know"));
    test_free(text);
    summary_release(&s);
    fixture_close(&f);
}

/* Every check of the instrument, by name. */
static const char *const INSTRUMENT_CHECKS[] = {"schedule-lag",   "receive-stamps", "censored",
                                                "body-underruns", "clock-steps",    "driver-busy",
                                                "steal"};

static enum check_status status_of(const struct summary *s, const char *id)
{
    for (size_t i = 0; i < s->check_count; i++)
        if (strcmp(s->checks[i].id, id) == 0)
            return s->checks[i].status;
    fail_msg("no check %s", id);
    return CHECK_FAIL;
}

static void a_run_in_virtual_time_claims_no_instrument(void **state)
{
    static const char *const CONTEXTS[] = {
        "{\"gpu\":\"h100\",\"simulated\":\"in virtual time\"}",
        "{\"gpu\":\"h100\",\"simulated\":\"yes\"}",
        "{\"note\":\"in virtual time\",\"simulated\":1}",
        "[]",
        "",
    };
    (void)state;
    for (size_t i = 0; i < sizeof CONTEXTS / sizeof *CONTEXTS; i++) {
        struct fixture f;
        struct summary s;
        fixture_open(&f);
        fixture_fill_good(&f);
        f.run.context_json = CONTEXTS[i];
        fixture_summarise(&f, NULL, &s);
        char *text = text_of(&s, &plain_80);
        expect_width(text, 80);
        bool none = strstr(text, "Instrument   none: virtual time;") != NULL;
        assert_int_equal(none, i == 0);
        assert_int_equal(strstr(text, "kernel stamps") != NULL, i > 0);
        assert_int_equal(strstr(text, "counted by the simulated engine") != NULL, i == 0);
        for (size_t k = 0; k < sizeof INSTRUMENT_CHECKS / sizeof *INSTRUMENT_CHECKS; k++)
            assert_int_equal(status_of(&s, INSTRUMENT_CHECKS[k]) == CHECK_SKIPPED, i == 0);
        test_free(text);
        summary_release(&s);
        fixture_close(&f);
    }
}

static void arrivals_of_a_data_set_are_not_called_drawn(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f);
    f.run.burstiness = NAN;
    fixture_summarise(&f, NULL, &s);
    char *text = text_of(&s, &plain_80);
    assert_non_null(strstr(text, "open loop, at the data set's times"));
    assert_null(strstr(text, "Poisson"));
    test_free(text);
    summary_release(&s);
    fixture_close(&f);
}

static void colour_comes_only_when_asked_and_a_servers_text_cannot_add_any(void **state)
{
    struct fixture f;
    struct summary s;
    struct report_style style = plain_80;
    (void)state;
    rich_run(&f);
    fixture_summarise(&f, NULL, &s);
    char *text = text_of(&s, &style);
    assert_null(strchr(text, '\033'));
    assert_null(strchr(text, '\x9b'));
    assert_non_null(strstr(text, "?[31m? and a word"));
    test_free(text);
    style.color = true;
    text = text_of(&s, &style);
    assert_memory_equal(text, "\033[1;32mVALID\033[0m", 16);
    assert_null(strstr(text, "\033[31m"));
    test_free(text);
    summary_release(&s);
    fixture_close(&f);
}

static void a_percentile_of_too_few_values_has_no_bound(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    for (unsigned i = 0; i < 30; i++)
        fixture_add(&f, i, 100.0 * i, 50 + i, 20, 10);
    f.run.offered_end_ns = 2900 * MS;
    fixture_summarise(&f, NULL, &s);
    char *text = text_of(&s, &plain_80);
    assert_non_null(strstr(text, "[no bound]"));
    assert_non_null(strstr(text, "* no bound"));
    assert_non_null(strstr(text, "sample-size"));
    test_free(text);
    summary_release(&s);
    fixture_close(&f);
}

static void only_the_metrics_asked_for_have_rows(void **state)
{
    struct fixture f;
    struct summary s;
    struct report_style style = plain_80;
    (void)state;
    rich_run(&f);
    fixture_summarise(&f, NULL, &s);
    style.metrics = 1 << LATENCY_CONNECT;
    char *text = text_of(&s, &style);
    assert_non_null(strstr(text, "\n  connect "));
    assert_null(strstr(text, "\n  itl "));
    test_free(text);
    summary_release(&s);
    fixture_close(&f);
}

#define LEVEL(streams, p50)                                                                        \
    "{\"streams\":" #streams ",\"error_us\":{\"token_arrival\":{\"uncensored\":{"                  \
    "\"kernel\":{\"p50\":" #p50 ",\"p99\":9.5},\"user_space\":{\"p50\":300,\"p99\":1200}}}}}"

static void expect_quote(const struct summary *s, const char *quoted)
{
    char *text = text_of(s, &plain_80);
    if (quoted && !strstr(text, quoted))
        fail_msg("no \"%s\" in: %s", quoted, text);
    if (!quoted)
        assert_null(strstr(text, "instrument error"));
    expect_width(text, 80);
    test_free(text);
}

static void the_calibration_quoted_is_of_the_level_that_covers_the_run(void **state)
{
    (void)state;
    struct fixture f;
    struct summary s;
    fixture_open(&f);
    fixture_fill_good(&f);
    fixture_write(&f);
    fixture_summarise(&f, &(struct summary_options){0}, &s);
    expect_quote(&s, NULL);
    s.calibration_json = "{\"at\":\"2026-01-02T03:04:05Z\",\"levels\":[" LEVEL(1, 1.5) "," LEVEL(
        256, 2.5) "," LEVEL(64, 3.5) "]}";
    s.run.peak_in_flight = 1;
    expect_quote(&s, "p50 1.50 µs");
    s.run.peak_in_flight = 2;
    expect_quote(&s, "p50 3.50 µs");
    s.run.peak_in_flight = 100;
    expect_quote(&s, "p50 2.50 µs");
    s.run.peak_in_flight = 1000;
    expect_quote(&s, "p50 2.50 µs");
    s.calibration_json = "{\"levels\":7}";
    expect_quote(&s, NULL);
    s.calibration_json = "not JSON";
    expect_quote(&s, NULL);
    summary_release(&s);
    fixture_close(&f);
}

static void numbers_have_three_digits_and_separators(void **state)
{
    char out[LAYOUT_NUMBER];
    (void)state;
    assert_string_equal(layout_ms(0.1234, out), "0.123");
    assert_string_equal(layout_ms(0, out), "0.00");
    assert_string_equal(layout_ms(9.996, out), "10.0");
    assert_string_equal(layout_ms(99.96, out), "100");
    assert_string_equal(layout_ms(12345.6, out), "12,346");
    assert_string_equal(layout_ms(NAN, out), "-");
    assert_string_equal(layout_count(1234567, out), "1,234,567");
    assert_string_equal(layout_count(-1234, out), "-1,234");
    assert_string_equal(layout_percent(0.00626, out), "0.626 %");
    assert_string_equal(layout_percent(0.0000763, out), "0.01 %");
    assert_string_equal(layout_percent(0.0000003, out), "< 0.01 %");
    assert_string_equal(layout_percent(1, out), "100 %");
    assert_string_equal(layout_percent(0.9999, out), "100 %");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
        cmocka_unit_test(extreme_figures_keep_to_their_columns),
        cmocka_unit_test(the_report_opens_with_the_verdict_and_closes_with_the_file),
        cmocka_unit_test(a_run_stopped_before_its_load_has_no_figures),
        cmocka_unit_test(a_run_in_virtual_time_claims_no_instrument),
        cmocka_unit_test(arrivals_of_a_data_set_are_not_called_drawn),
        cmocka_unit_test(colour_comes_only_when_asked_and_a_servers_text_cannot_add_any),
        cmocka_unit_test(a_percentile_of_too_few_values_has_no_bound),
        cmocka_unit_test(only_the_metrics_asked_for_have_rows),
        cmocka_unit_test(the_calibration_quoted_is_of_the_level_that_covers_the_run),
        cmocka_unit_test(numbers_have_three_digits_and_separators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
