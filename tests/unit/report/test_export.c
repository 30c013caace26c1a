#include "../measure/fixture.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "report/report.h"

static json_t *parsed(struct buf *b)
{
    json_error_t error;
    json_t *o = json_loadb(b->p, b->n, JSON_REJECT_DUPLICATES, &error);
    if (!o)
        fail_msg("%s at line %d", error.text, error.line);
    buf_release(b);
    return o;
}

static json_t *json_of_summary(const struct summary *s)
{
    struct buf b = {0};
    struct err e = {0};
    assert_int_equal(report_json(s, &b, &e), OK);
    return parsed(&b);
}

/* The value at a path of keys, which must be there. */
static json_t *at(json_t *o, const char *path)
{
    char key[64];
    while (o && *path) {
        size_t n = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)n, path);
        o = json_object_get(o, key);
        path += n + (path[n] == '/');
    }
    if (!o)
        fail_msg("no key at %s", path);
    return o;
}

#define SAME(o, path, value)                                                                       \
    assert_true(fabs(json_number_value(at((o), (path))) - (double)(value)) <=                      \
                1e-12 * fabs((double)(value)))

static void json_holds_what_the_summary_holds(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f);
    fixture_fail(&f.list[77], OUTCOME_TIMEOUT, "broken \xff text");
    f.run.goodput = "ttft:100ms";
    f.run.slo = "p99 ttft < 200ms";
    fixture_summarise(&f, NULL, &s);
    json_t *o = json_of_summary(&s);
    assert_string_equal(json_string_value(at(o, "schema")), "loadline.summary/1");
    assert_string_equal(json_string_value(at(o, "tool/name")), "loadline");
    assert_string_equal(json_string_value(at(o, "run/started_at")), "2023-11-14T22:13:20.000Z");
    assert_string_equal(json_string_value(at(o, "run/model")), "llama-3.1-8b");
    SAME(o, "run/seed", 42);
    assert_string_equal(json_string_value(at(o, "host/cpu")), "test");
    SAME(o, "host/steal_fraction", 0.01);
    assert_string_equal(json_string_value(at(o, "context/gpu")), "A100");
    assert_string_equal(json_string_value(at(o, "load/mode")), "open");
    assert_string_equal(json_string_value(at(o, "load/burstiness")), "inf");
    assert_true(json_is_null(at(o, "load/max_concurrency")));
    assert_true(json_is_null(at(o, "load/duration_s")));
    SAME(o, "load/request_rate", 10);
    SAME(o, "window/start_s", s.window_start_s);
    SAME(o, "window/end_s", s.window_end_s);
    assert_true(json_is_true(at(o, "window/steady")));
    assert_string_equal(json_string_value(at(o, "window/start_by")), s.search.by);
    SAME(o, "window/fill_s", s.search.fill_s);
    SAME(o, "window/tpot_s", s.search.tpot_s);
    assert_true(json_is_true(at(o, "window/in_flight_settled")));
    assert_string_equal(json_string_value(at(o, "intervals/barred_by")), "none");
    SAME(o, "intervals/claimed_percentile", 99);
    SAME(o, "intervals/turnover_s", 0.23); /* 50 ms and nine gaps of 20 */
    SAME(o, "intervals/turnovers", s.ground.turnovers);
    SAME(o, "intervals/memory", s.ground.memory);
    SAME(o, "intervals/memory_lag", 10);
    SAME(o, "intervals/in_flight_rho", s.ground.in_flight_rho);
    assert_int_equal(json_array_size(at(o, "changes/in_flight")), 0);
    assert_true(json_is_array(at(o, "changes/tpot_ms")));
    SAME(o, "requests/offered", 1000);
    SAME(o, "requests/sent", 1000);
    SAME(o, "requests/completed", 999);
    SAME(o, "requests/failed", 1);
    SAME(o, "requests/dropped", 0);
    SAME(o, "requests/errors/timeout", 1);
    assert_int_equal(json_object_size(at(o, "requests/errors")), 1);
    SAME(o, "tokens/prompt", 99900);
    SAME(o, "tokens/output", 9990);
    SAME(o, "tokens/cached", 0);
    assert_string_equal(json_string_value(at(o, "tokens/output_source")),
                        token_source_name(TOKENS_CONTINUOUS));
    SAME(o, "tokens/per_event", 1);
    SAME(o, "throughput/requests_per_s", s.requests_per_s);
    SAME(o, "throughput/output_tokens_per_s", s.output_tokens_per_s);
    SAME(o, "throughput/prompt_tokens_per_s", s.prompt_tokens_per_s);
    SAME(o, "throughput/total_tokens_per_s", s.total_tokens_per_s);
    SAME(o, "goodput/requests_per_s", s.goodput_per_s);
    SAME(o, "goodput/fraction", s.goodput_fraction);
    SAME(o, "concurrency/mean", s.concurrency_mean);
    SAME(o, "concurrency/peak", s.concurrency_peak);
    assert_true(json_is_true(at(o, "slo/met")));
    SAME(o, "instrument/rx_stamped_fraction", 1);
    SAME(o, "instrument/schedule_lag_ms/p99", s.instrument.schedule_lag_p99_ms);
    assert_true(json_is_null(at(o, "instrument/read_lag_ms/p99")));
    assert_true(json_is_null(at(o, "instrument/calibration")));
    for (int m = 0; m < LATENCY_METRICS; m++) {
        const struct latency *l = &s.latency[m];
        json_t *j = at(at(o, "latency"), latency_metric_name((enum latency_metric)m));
        SAME(j, "n", l->n);
        if (l->n == 0) {
            assert_true(json_is_null(at(j, "mean")));
            assert_true(json_is_null(at(j, "percentiles/50")));
            assert_true(json_is_null(json_array_get(at(j, "ci95/50"), 0)));
            continue;
        }
        SAME(j, "n_eff", l->n_eff);
        SAME(j, "n_eff_of/99", l->n_eff_of[4]);
        SAME(j, "mean", l->mean);
        SAME(j, "std", l->sd);
        SAME(j, "tail_ratio", l->tail_ratio);
        SAME(j, "percentiles/50", l->percentile[0]);
        SAME(j, "percentiles/99.9", l->percentile[5]);
        assert_true(json_real_value(json_array_get(at(j, "ci95/50"), 0)) == l->ci95[0].low);
    }
    /* 987 values bound no p99.9 from above. */
    assert_true(json_is_null(json_array_get(at(o, "latency/ttft_ms/ci95/99.9"), 1)));
    assert_string_equal(json_string_value(at(o, "verdict/status")), "valid");
    json_t *checks = at(o, "verdict/checks");
    assert_int_equal(json_array_size(checks), s.check_count);
    for (size_t i = 0; i < s.check_count; i++) {
        json_t *c = json_array_get(checks, i);
        assert_string_equal(json_string_value(at(c, "id")), s.checks[i].id);
        assert_string_equal(json_string_value(at(c, "value")), s.checks[i].value);
        assert_true(json_is_string(at(c, "severity")) && json_is_string(at(c, "status")) &&
                    json_is_string(at(c, "threshold")) && json_is_string(at(c, "advice")));
    }
    json_decref(o);
    summary_release(&s);
    fixture_close(&f);
}

static void changes_are_told_and_null_where_none_could_be_seen(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f);
    for (size_t i = 700; i < 1000; i++)
        f.list[i].last_token_ns += 18 * MS; /* over nine gaps */
    fixture_summarise(&f, NULL, &s);
    json_t *o = json_of_summary(&s);
    assert_int_equal(json_array_size(at(o, "changes/tpot_ms")), 1);
    json_t *c = json_array_get(at(o, "changes/tpot_ms"), 0);
    assert_true(fabs(json_number_value(at(c, "at_s")) - 70) < 2);
    assert_true(fabs(json_number_value(at(c, "before")) - 20) < 0.1);
    assert_true(fabs(json_number_value(at(c, "after")) - 22) < 0.1);
    json_decref(o);
    summary_release(&s);
    fixture_close(&f);

    fixture_open(&f);
    for (unsigned i = 0; i < 12; i++)
        fixture_add(&f, i, 100.0 * i, 50, 20, 10);
    fixture_summarise(&f, NULL, &s);
    o = json_of_summary(&s);
    assert_true(json_is_null(at(o, "changes/tpot_ms")));
    json_decref(o);
    summary_release(&s);
    fixture_close(&f);
}

static void in_virtual_time_the_instrument_is_null(void **state)
{
    static const char *const NONE[] = {"rx_stamped_fraction", "censored_fraction",
                                       "censored_ours_fraction", "schedule_lag_ms/p99",
                                       "schedule_lag_ms/max"};
    (void)state;
    for (int virtual = 0; virtual < 2; virtual ++) {
        struct fixture f;
        struct summary s;
        fixture_open(&f);
        fixture_fill_good(&f);
        if (virtual)
            f.run.context_json = "{\"simulated\":\"in virtual time\"}";
        fixture_summarise(&f, NULL, &s);
        json_t *o = json_of_summary(&s), *instrument = at(o, "instrument");
        assert_int_equal(json_is_true(at(instrument, "virtual_time")), virtual);
        for (size_t i = 0; i < sizeof NONE / sizeof *NONE; i++)
            assert_int_equal(json_is_null(at(instrument, NONE[i])), virtual);
        json_decref(o);
        summary_release(&s);
        fixture_close(&f);
    }
}

static void a_series_holds_its_runs(void **state)
{
    struct fixture f;
    struct summary s;
    struct buf b = {0};
    struct err e = {0};
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f);
    fixture_summarise(&f, NULL, &s);
    struct summary runs[2] = {s, s};
    assert_int_equal(report_json_series(runs, 2, &b, &e), OK);
    json_t *o = parsed(&b);
    assert_string_equal(json_string_value(at(o, "schema")), "loadline.series/1");
    assert_int_equal(json_array_size(at(o, "runs")), 2);
    assert_string_equal(json_string_value(at(json_array_get(at(o, "runs"), 1), "schema")),
                        "loadline.summary/1");
    SAME(at(at(o, "metrics"), "ttft_ms p50"), "median", 50);
    SAME(at(at(o, "metrics"), "ttft_ms p50"), "n", 2);
    json_decref(o);
    summary_release(&s);
    fixture_close(&f);
}

struct gathered {
    struct buf text;
    int refuse; /* returned instead of taking anything, when not 0 */
};

static int gather(void *context, struct slice text)
{
    struct gathered *g = context;
    return g->refuse ? g->refuse : buf_put(&g->text, text);
}

static void csv_has_a_line_for_every_request_and_quotes_what_needs_it(void **state)
{
    struct fixture f;
    struct gathered g = {0};
    struct report_sink sink = {gather, &g};
    struct err e = {0};
    (void)state;
    fixture_open(&f);
    fixture_add(&f, 0, 0, 50, 20, 3);
    fixture_fail(fixture_add(&f, 1, 100, 50, 20, 3), OUTCOME_HTTP_ERROR,
                 "say \"no\", twice\nor more");
    f.list[1].first_answer_ns = RECORD_NONE;
    fixture_write(&f);
    assert_int_equal(report_csv_requests(f.reader, f.run.id, &sink, &e), OK);
    const char *text = buf_cstr(&g.text);
    assert_memory_equal(text, "index,phase,session,rung,thread,outcome,http_status,error,", 57);
    assert_non_null(strstr(text, "\r\n0,measure,0,,0,ok,200,,length,0,1000,1000000,50000000,"));
    assert_non_null(strstr(
        text, "\r\n1,measure,1,,0,http_error,200,\"say \"\"no\"\", twice\nor more\",length,"));
    assert_non_null(strstr(text, ",150000000,150000000,,190000000,191000000,,,,100,3,0,,"));
    buf_release(&g.text);
    g.refuse = -77;
    assert_int_equal(report_csv_requests(f.reader, f.run.id, &sink, &e), -77);
    buf_release(&g.text);
    fixture_close(&f);
}

static void csv_of_gaps_has_a_line_for_every_event(void **state)
{
    struct fixture f;
    struct gathered g = {0};
    struct report_sink sink = {gather, &g};
    struct err e = {0};
    (void)state;
    fixture_open(&f);
    struct request_record *q = fixture_add(&f, 0, 0, 50, 20, 3);
    fixture_gaps(&f, q, 3, (double[]){0, 20, 0}, (uint64_t[]){1, 2, 1}, (double[]){0, 0, 0.5});
    fixture_write(&f);
    assert_int_equal(report_csv_gaps(f.reader, f.run.id, &sink, &e), OK);
    assert_string_equal(buf_cstr(&g.text),
                        "index,phase,event,time_ns,gap_ns,tokens,censored_width_ns\r\n"
                        "0,measure,0,50000000,0,1,0\r\n"
                        "0,measure,1,70000000,20000000,2,0\r\n"
                        "0,measure,2,70000000,0,1,500000\r\n");
    buf_release(&g.text);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_holds_what_the_summary_holds),
        cmocka_unit_test(changes_are_told_and_null_where_none_could_be_seen),
        cmocka_unit_test(in_virtual_time_the_instrument_is_null),
        cmocka_unit_test(a_series_holds_its_runs),
        cmocka_unit_test(csv_has_a_line_for_every_request_and_quotes_what_needs_it),
        cmocka_unit_test(csv_of_gaps_has_a_line_for_every_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
