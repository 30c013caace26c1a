#include "fixture.h"

#include <math.h>

#define CLOSE(a, b) assert_true(fabs((a) - (b)) <= 1e-9 * (1 + fabs((double)(b))))

/* Offline, so that the window is the whole run: [0, 400 ms].
 *   request  a    ttft  gaps       last   end
 *   0        0    100   10 20 30   160    161
 *   1        0    200   40 40      280    281
 *   2        0    50    –  (one)   50     51      tpot: none
 *   3        0    fails at 300 with two events behind it */
static void tiny_run(struct fixture *f)
{
    fixture_open(f);
    f->run.mode = "offline";
    f->run.request_rate = INFINITY;
    f->run.drained_ns = 400 * MS;
    struct request_record *q = fixture_add(f, 0, 0, 100, 1, 4);
    fixture_gaps(f, q, 4, (double[]){0, 10, 20, 30}, NULL, NULL);
    fixture_add(f, 1, 0, 200, 40, 3);
    fixture_add(f, 2, 0, 50, 0, 1);
    q = fixture_add(f, 3, 0, 250, 30, 2);
    q->end_ns = 300 * MS;
    fixture_fail(q, OUTCOME_TRUNCATED, "the stream ended without [DONE]");
}

static void a_tiny_run_has_the_metrics_worked_out_by_hand(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    tiny_run(&f);
    fixture_summarise(&f, NULL, &s);
    CLOSE(s.window_start_s, 0);
    CLOSE(s.window_end_s, 0.4);
    assert_int_equal(s.offered, 4);
    assert_int_equal(s.completed, 3);
    assert_int_equal(s.failed, 1);
    assert_int_equal(s.errors[OUTCOME_TRUNCATED], 1);
    assert_string_equal(s.first_error, "the stream ended without [DONE]");

    const struct latency *l = &s.latency[LATENCY_TTFT]; /* 50 100 200 */
    assert_int_equal(l->n, 3);
    CLOSE(l->mean, 350.0 / 3);
    CLOSE(l->sd,
          sqrt((66.666666666666667 * 66.666666666666667 + 16.666666666666667 * 16.666666666666667 +
                83.333333333333333 * 83.333333333333333) /
               2));
    CLOSE(l->min, 50);
    CLOSE(l->max, 200);
    CLOSE(l->percentile[0], 100); /* p50: rank ⌈1.5⌉ = 2 */
    CLOSE(l->percentile[1], 200); /* p75: rank ⌈2.25⌉ = 3 */
    CLOSE(l->tail_ratio, 2);
    assert_false(l->ci95[0].has_high); /* three values bound nothing at 95 % */

    l = &s.latency[LATENCY_TTFT_SERVICE]; /* sent 1 ms after a */
    CLOSE(l->percentile[0], 99);
    l = &s.latency[LATENCY_TPOT]; /* 60/3 and 80/2 */
    assert_int_equal(l->n, 2);
    CLOSE(l->percentile[0], 20);
    CLOSE(l->max, 40);
    l = &s.latency[LATENCY_ITL]; /* 10 20 30 40 40 */
    assert_int_equal(l->n, 5);
    CLOSE(l->mean, 28);
    CLOSE(l->sd, sqrt((18 * 18 + 8 * 8 + 2 * 2 + 12 * 12 + 12 * 12) / 4.0));
    CLOSE(l->percentile[0], 30);
    CLOSE(l->percentile[4], 40);
    l = &s.latency[LATENCY_E2E]; /* 160 280 50 */
    CLOSE(l->percentile[0], 160);
    assert_int_equal(s.latency[LATENCY_CONNECT].n, 0);
    assert_true(isnan(s.latency[LATENCY_CONNECT].mean));

    CLOSE(s.requests_per_s, 3 / 0.4);
    CLOSE(s.output_tokens_per_s, 8 / 0.4);
    CLOSE(s.prompt_tokens_per_s, 300 / 0.4);
    CLOSE(s.total_tokens_per_s, 308 / 0.4);
    assert_int_equal(s.output_tokens, 8);
    assert_int_equal(s.prompt_tokens, 300);
    CLOSE(s.tokens_per_event, 1);
    CLOSE(s.concurrency_mean, (161 + 281 + 51 + 300) / 400.0);
    assert_int_equal(s.concurrency_peak, 4);
    assert_int_equal(fixture_check(&s, "in-flight-identity")->status, CHECK_PASS);
    summary_release(&s);
    fixture_close(&f);
}

static void the_window_begins_after_five_mean_latencies(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f); /* e2e 230 ms */
    fixture_summarise(&f, NULL, &s);
    assert_true(s.steady);
    CLOSE(s.window_start_s, 1.15);
    CLOSE(s.window_end_s, 99.9);
    assert_int_equal(s.latency[LATENCY_TTFT].n, 988); /* 1.2 s … 99.9 s, both included */
    assert_int_equal(s.offered, 1000);
    assert_int_equal(s.warmup_requests, 1);
    CLOSE(s.offered_per_s, 988 / 98.75);
    /* In flight: 231 ms of each 100 ms, cut at the window's ends. */
    double area = 0;
    for (int i = 0; i < 1000; i++) {
        double a = 0.1 * i, b = a + 0.231;
        a = a < 1.15 ? 1.15 : a;
        b = b > 99.9 ? 99.9 : b;
        area += b > a ? b - a : 0;
    }
    CLOSE(s.concurrency_mean, area / 98.75);
    assert_int_equal(s.concurrency_peak, 3);
    summary_release(&s);
    fixture_close(&f);
}

static void a_run_of_a_few_latencies_has_no_steady_window(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    for (unsigned i = 0; i < 20; i++)
        fixture_add(&f, i, 250.0 * i, 200, 50, 60);
    f.run.request_rate = 4;
    f.run.offered_end_ns = 4750 * MS;
    fixture_summarise(&f, NULL, &s);
    assert_false(s.steady);
    CLOSE(s.window_start_s, 0);
    CLOSE(s.window_end_s, 4.75);
    /* Filling up is no overload: no request took longer than the first. */
    assert_int_equal(fixture_check(&s, "overload")->status, CHECK_PASS);
    summary_release(&s);
    fixture_close(&f);
}

static void what_the_tail_sent_counts_for_throughput_alone(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    for (unsigned i = 0; i < 20; i++)
        fixture_add(&f, i, 100.0 * i, 10, 1, 2);
    fixture_add(&f, 20, 1890, 5, 1, 2)->phase = 2; /* tokens at 1895 and 1896 ms */
    f.run.duration_ns = 1900 * MS;
    f.run.offered_end_ns = 2500 * MS;
    fixture_summarise(&f, NULL, &s);
    CLOSE(s.window_end_s, 1.9);
    assert_int_equal(s.offered, 20);
    assert_int_equal(s.tail_requests, 1);
    assert_int_equal(s.latency[LATENCY_TTFT].n, 19); /* the first lies before 5 × 11 ms */
    /* Window 55 … 1900 ms: requests 1 … 18 whole (2 tokens), 19 at 1900: tokens later; the tail's
     * two. */
    CLOSE(s.output_tokens_per_s, (2 * 18 + 2) / 1.845);
    CLOSE(s.requests_per_s, 19 / 1.845);
    summary_release(&s);
    fixture_close(&f);
}

static void failed_and_dropped_requests_are_in_no_latency_and_no_throughput(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f);
    fixture_fail(&f.list[500], OUTCOME_TIMEOUT, "no token for 600 s");
    f.list[500].first_token_ns += 5000 * MS;
    fixture_fail(&f.list[501], OUTCOME_DROPPED, "");
    fixture_summarise(&f, NULL, &s);
    assert_int_equal(s.latency[LATENCY_TTFT].n, 986);
    CLOSE(s.latency[LATENCY_TTFT].max, 50);
    assert_int_equal(s.failed, 1);
    assert_int_equal(s.dropped, 1);
    assert_int_equal(s.sent, 999);
    assert_int_equal(s.completed, 998);
    assert_int_equal(s.offered, s.completed + s.failed + s.dropped);
    assert_int_equal(s.output_tokens, 9980);
    summary_release(&s);
    fixture_close(&f);
}

static void tokens_without_usage_are_spread_over_the_events(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    tiny_run(&f);
    f.run.drained_ns = 115 * MS; /* of request 0: events at 100, 110; of 2: at 50 */
    f.list[0].output_source = TOKENS_USAGE;
    f.list[0].output_tokens = 8; /* four events: two tokens each */
    fixture_summarise(&f, NULL, &s);
    CLOSE(s.output_tokens_per_s, (4 + 1) / 0.115);
    CLOSE(s.tokens_per_event, 12 / 8.0);
    summary_release(&s);
    fixture_close(&f);
}

static void gaps_with_a_wide_censored_end_are_left_out(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    tiny_run(&f);
    /* Median gap 20 ms: an end is wide from beyond 2 ms on. The third event is, the last is not. */
    fixture_gaps(&f, &f.list[0], 6, (double[]){0, 10, 20, 30, 20, 20}, NULL,
                 (double[]){0, 0, 2.5, 0, 0, 1.9});
    f.list[0].output_tokens = 6;
    fixture_summarise(&f, NULL, &s);
    assert_int_equal(s.itl_left_out, 2);           /* 20 into it, 30 out of it */
    assert_int_equal(s.latency[LATENCY_ITL].n, 5); /* 10 20 20, and 40 40 */
    CLOSE(s.latency[LATENCY_ITL].mean, 130 / 5.0);
    CLOSE(s.longest_stall_ms, 40);
    summary_release(&s);
    fixture_close(&f);
}

static void a_gap_over_ten_medians_is_a_stall(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    tiny_run(&f);
    fixture_gaps(&f, &f.list[0], 5, (double[]){0, 10, 10, 10, 101}, NULL, NULL);
    f.list[0].output_tokens = 5;
    fixture_summarise(&f, NULL, &s);
    CLOSE(s.stalled_share, 0.5); /* of the two requests with at least two gaps */
    CLOSE(s.longest_stall_ms, 101);
    summary_release(&s);
    fixture_close(&f);
}

static void itl_per_token_adds_a_zero_for_each_further_token_of_an_event(void **state)
{
    struct fixture f;
    struct summary s;
    struct summary_options o = {.itl_per_token = true};
    (void)state;
    tiny_run(&f);
    fixture_gaps(&f, &f.list[0], 4, (double[]){0, 10, 20, 30}, (uint64_t[]){1, 3, 0, 2}, NULL);
    f.list[0].output_tokens = 6;
    fixture_summarise(&f, &o, &s);
    /* 10 0 0 (20 without tokens + 30 =) 50 0, and 40 40 */
    assert_int_equal(s.latency[LATENCY_ITL].n, 7);
    CLOSE(s.latency[LATENCY_ITL].mean, 140 / 7.0);
    CLOSE(s.latency[LATENCY_ITL].max, 50);
    CLOSE(s.latency[LATENCY_ITL].percentile[0], 10);
    summary_release(&s);
    fixture_close(&f);
}

static void itl_per_token_is_refused_without_continuous_usage(void **state)
{
    struct fixture f;
    struct summary s;
    struct err e = {0};
    struct summary_options o = {.itl_per_token = true};
    (void)state;
    tiny_run(&f);
    f.list[1].output_source = TOKENS_USAGE;
    fixture_write(&f);
    assert_int_equal(summary_of_run(f.reader, f.run.id, &o, &s, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "continuous_usage_stats"));
    fixture_close(&f);
}

static void goodput_counts_requests_that_meet_every_bound(void **state)
{
    struct fixture f;
    struct summary s;
    struct summary_options o = {.goodput = "ttft:200ms tpot:30ms"};
    (void)state;
    tiny_run(&f);
    fixture_summarise(&f, &o, &s);
    /* 0 meets both; 1 has ttft 200, not below; 2 has no pace with one token; 3 failed. */
    assert_true(s.has_goodput);
    CLOSE(s.goodput_fraction, 0.5);
    CLOSE(s.goodput_per_s, 2 / 0.4);
    summary_release(&s);
    fixture_close(&f);
}

static void an_slo_is_a_share_of_the_offered_requests(void **state)
{
    struct fixture f;
    struct summary s;
    struct summary_options o = {.slo = "p99 ttft < 60ms and p95 e2e < 1s"};
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f);
    for (int i = 0; i < 9; i++) /* of 988 offered in the window 9.88 may miss */
        fixture_fail(&f.list[200 + i], OUTCOME_RESET, "reset");
    fixture_summarise(&f, &o, &s);
    assert_int_equal(s.slo_count, 2);
    assert_int_equal(s.slo[0].test.n, 988);
    assert_int_equal(s.slo[0].test.misses, 9);
    assert_true(s.slo[0].met);
    assert_true(s.slo[0].test.p_bad > SUMMARY_SLO_ALPHA); /* 9 where 9.88 are allowed */
    assert_true(s.slo[1].met);
    assert_true(s.slo_met);
    assert_int_equal(s.slo_decision, SLO_UNDECIDED);
    summary_release(&s);
    fixture_close(&f);

    fixture_open(&f);
    fixture_fill_good(&f);
    for (int i = 0; i < 10; i++)
        fixture_fail(&f.list[200 + i], OUTCOME_DROPPED, "");
    fixture_summarise(&f, &o, &s);
    assert_int_equal(s.slo[0].test.misses, 10);
    assert_false(s.slo[0].met);
    assert_true(s.slo[1].met);
    assert_false(s.slo_met);
    summary_release(&s);
    fixture_close(&f);
}

static void expressions_stored_in_the_run_are_used(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    tiny_run(&f);
    f.run.goodput = "e2e:200ms";
    f.run.slo = "p50 e2e < 200ms";
    fixture_summarise(&f, NULL, &s);
    CLOSE(s.goodput_fraction, 0.5);
    assert_true(s.slo_met); /* 2 of 4 miss, half may */
    assert_int_equal(s.slo[0].test.misses, 2);
    summary_release(&s);
    fixture_close(&f);
}

static void ladder_rungs_have_their_own_rows(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    tiny_run(&f);
    f.list[0].rung = 1;
    f.list[1].rung = 0;
    f.list[2].rung = 1;
    f.list[3].rung = 0;
    f.list[0].asked_output = f.list[2].asked_output = 64;
    f.list[1].asked_output = f.list[3].asked_output = 8;
    fixture_summarise(&f, NULL, &s);
    assert_int_equal(s.rung_count, 2);
    assert_int_equal(s.rungs[0].output_tokens, 8);
    assert_int_equal(s.rungs[0].n, 1);
    CLOSE(s.rungs[0].ttft_p50_ms, 200);
    CLOSE(s.rungs[0].tpot_p99_ms, 40);
    assert_int_equal(s.rungs[1].output_tokens, 64);
    assert_int_equal(s.rungs[1].n, 2);
    CLOSE(s.rungs[1].ttft_p50_ms, 50);
    CLOSE(s.rungs[1].tpot_p50_ms, 20);
    CLOSE(s.rungs[1].e2e_p99_ms, 160);
    summary_release(&s);
    fixture_close(&f);
}

static void connecting_is_the_sum_of_its_parts(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    tiny_run(&f);
    f.list[0].connect_ns = 2 * MS;
    f.list[0].tls_ns = 3 * MS;
    f.list[1].dns_ns = MS;
    fixture_summarise(&f, NULL, &s);
    assert_int_equal(s.latency[LATENCY_CONNECT].n, 2);
    CLOSE(s.latency[LATENCY_CONNECT].max, 5);
    summary_release(&s);
    fixture_close(&f);
}

static void cpu_per_event_leaves_the_spin_out(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    tiny_run(&f);
    fixture_summarise(&f, NULL, &s);
    /* 30 + 10 ms with 20 of spin over 10,000 events */
    CLOSE(s.instrument.cpu_total_us_per_event, 2);
    CLOSE(s.instrument.cpu_user_us_per_event, 1.5);
    CLOSE(s.instrument.busy_fraction, 0.1);
    CLOSE(s.instrument.spin_fraction, 0.05);
    summary_release(&s);
    fixture_close(&f);
}

static void percentiles_out_of_order_are_refused(void **state)
{
    struct fixture f;
    struct summary s;
    struct err e = {0};
    struct summary_options o = {.percentiles = {99, 50}, .percentile_count = 2};
    (void)state;
    tiny_run(&f);
    fixture_write(&f);
    assert_int_equal(summary_of_run(f.reader, f.run.id, &o, &s, &e), ERR_USAGE);
    o = (struct summary_options){.percentiles = {100}, .percentile_count = 1};
    assert_int_equal(summary_of_run(f.reader, f.run.id, &o, &s, &e), ERR_USAGE);
    assert_int_equal(summary_of_run(f.reader, f.run.id + 7, NULL, &s, &e), ERR_INPUT);
    fixture_close(&f);
}

static void a_series_has_run_level_medians_and_t_intervals(void **state)
{
    struct summary *runs = test_calloc(3, sizeof *runs);
    struct series_metric rows[64];
    (void)state;
    for (int i = 0; i < 3; i++) {
        runs[i].requests_per_s = 10 + i; /* 10 11 12 */
        runs[i].output_tokens_per_s = runs[i].total_tokens_per_s = NAN;
        runs[i].options.percentile_count = 1;
        runs[i].options.percentiles[0] = 50;
        runs[i].latency[LATENCY_TTFT].percentile[0] = 100.0 * (3 - i);
        runs[i].latency[LATENCY_TTFT].mean = NAN;
    }
    size_t n = summary_series(runs, 3, rows, 64);
    assert_true(n >= 2);
    assert_string_equal(rows[0].name, "requests_per_s");
    assert_int_equal(rows[0].n, 3);
    CLOSE(rows[0].median, 11);
    CLOSE(rows[0].mean, 11);
    CLOSE(rows[0].sd, 1);
    CLOSE(rows[0].cv, 1 / 11.0);
    /* t(0.975; 2) = 4.302652729911275 */
    assert_true(fabs(rows[0].ci95.high - (11 + 4.302652729911275 / sqrt(3))) < 1e-6);
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        assert_string_not_equal(rows[i].name, "output_tokens_per_s");
        if (strcmp(rows[i].name, "ttft_ms p50") == 0) {
            found = true;
            CLOSE(rows[i].median, 200);
        }
    }
    assert_true(found);
    assert_int_equal(summary_series(runs, 3, rows, 1), 1);
    test_free(runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tiny_run_has_the_metrics_worked_out_by_hand),
        cmocka_unit_test(the_window_begins_after_five_mean_latencies),
        cmocka_unit_test(a_run_of_a_few_latencies_has_no_steady_window),
        cmocka_unit_test(what_the_tail_sent_counts_for_throughput_alone),
        cmocka_unit_test(failed_and_dropped_requests_are_in_no_latency_and_no_throughput),
        cmocka_unit_test(tokens_without_usage_are_spread_over_the_events),
        cmocka_unit_test(gaps_with_a_wide_censored_end_are_left_out),
        cmocka_unit_test(a_gap_over_ten_medians_is_a_stall),
        cmocka_unit_test(itl_per_token_adds_a_zero_for_each_further_token_of_an_event),
        cmocka_unit_test(itl_per_token_is_refused_without_continuous_usage),
        cmocka_unit_test(goodput_counts_requests_that_meet_every_bound),
        cmocka_unit_test(an_slo_is_a_share_of_the_offered_requests),
        cmocka_unit_test(expressions_stored_in_the_run_are_used),
        cmocka_unit_test(ladder_rungs_have_their_own_rows),
        cmocka_unit_test(connecting_is_the_sum_of_its_parts),
        cmocka_unit_test(cpu_per_event_leaves_the_spin_out),
        cmocka_unit_test(percentiles_out_of_order_are_refused),
        cmocka_unit_test(a_series_has_run_level_medians_and_t_intervals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
