#include "fixture.h"

#include <math.h>

/* Each check alone: the good run passes it, one change to the run makes it fail with the severity
 * named. */
struct single {
    const char *id;
    void (*spoil)(struct fixture *f);
    enum severity severity;
};

static void one_missing(struct fixture *f)
{
    f->list[500] = f->list[f->n - 1];
    f->n--;
}

static void too_few_offered(struct fixture *f)
{
    f->run.num_prompts = 1001;
}

static void without_end(struct fixture *f)
{
    f->list[500].end_ns = RECORD_NONE;
}

static void ends_before_it_begins(struct fixture *f)
{
    f->list[500].end_ns = f->list[500].intended_ns - 5 * MS;
}

static void interrupted(struct fixture *f)
{
    f->run.interrupted = true;
}

static void killed(struct fixture *f)
{
    f->killed = true;
}

static void fail_requests(struct fixture *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fixture_fail(&f->list[i], OUTCOME_HTTP_ERROR, "503");
}

static void two_errors(struct fixture *f)
{
    fail_requests(f, 2);
}

static void twenty_errors(struct fixture *f)
{
    fail_requests(f, 20);
}

static void two_hundred_errors(struct fixture *f)
{
    fail_requests(f, 200);
}

static void nothing_but_errors(struct fixture *f)
{
    fail_requests(f, 1000);
}

static void one_dropped(struct fixture *f)
{
    fixture_fail(&f->list[500], OUTCOME_DROPPED, "");
}

static void without_descriptor(struct fixture *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fixture_fail(&f->list[i], OUTCOME_DROPPED, "no file descriptor was left");
        f->list[i].started_ns = f->list[i].intended_ns + 1000;
    }
}

static void one_without_descriptor(struct fixture *f)
{
    without_descriptor(f, 1);
}

static void twenty_without_descriptor(struct fixture *f)
{
    without_descriptor(f, 20);
}

static void most_of_a_burst_without_descriptor(struct fixture *f)
{
    f->run.mode = "offline";
    without_descriptor(f, 700);
}

static void capped(struct fixture *f) /* three are in flight when the fourth comes */
{
    f->run.max_concurrency = 2;
}

static void start_at(struct fixture *f, double factor)
{
    for (size_t i = 0; i < 1000; i++)
        f->list[i].started_ns = (int64_t)((double)f->list[i].intended_ns * factor);
}

static void starts_three_percent_slow(struct fixture *f)
{
    start_at(f, 1.03);
}

static void starts_ten_percent_slow(struct fixture *f)
{
    start_at(f, 1.1);
}

static void
schedule_three_percent_off(struct fixture *f) /* constant gaps leave nothing to chance */
{
    f->run.request_rate = 10.3;
}

static void slow_decode(struct fixture *f)
{
    for (size_t i = 0; i < 1000; i++)
        fixture_gaps(f, &f->list[i], 10,
                     (double[]){0, 1200, 1200, 1200, 1200, 1200, 1200, 1200, 1200, 1200}, NULL,
                     NULL);
}

static void squeeze(struct fixture *f) /* 1,000 requests in 10 s */
{
    f->run.request_rate = 100;
    f->run.offered_end_ns = 9990 * MS;
    f->n = 0;
    for (unsigned i = 0; i < 1000; i++)
        fixture_add(f, i, 10.0 * i, 50, 20, 10);
    fixture_add(f, 0, -5000, 50, 20, 10)->phase = 0;
}

static void half_as_many(struct fixture *f)
{
    f->run.request_rate = 5;
    f->run.num_prompts = 500;
    f->n = 0;
    for (unsigned i = 0; i < 500; i++)
        fixture_add(f, i, 200.0 * i, 50, 20, 10);
    fixture_add(f, 0, -5000, 50, 20, 10)->phase = 0;
}

static void longer_prompts(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].prompt_tokens = 102;
}

static void shorter_outputs(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].asked_output = 11;
}

static void closed(struct fixture *f)
{
    f->run.mode = "closed";
    f->run.max_concurrency = 3;
    f->run.request_rate = 0;
}

static void fixed(struct fixture *f)
{
    f->run.fixed_output = true;
}

static void no_warmup(struct fixture *f)
{
    f->n--; /* the last added */
}

static void no_context(struct fixture *f)
{
    f->run.context_json = "{\"gpu\":\"A100\"}";
}

static void server_slower_than_demand(struct fixture *f) /* eight a second of ten */
{
    f->n = 0;
    for (unsigned i = 0; i < 1000; i++)
        fixture_add(f, i, 100.0 * i, 50 + 25.0 * i, 20, 10);
    fixture_add(f, 0, -5000, 50, 20, 10)->phase = 0;
}

static void counted_by_events(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].output_source = TOKENS_EVENTS;
}

static void two_tokens_an_event(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].output_tokens = f->list[i].asked_output = 20;
}

static void cached_unasked(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].cached_tokens = 2;
}

static void cached_as_asked(struct fixture *f)
{
    f->run.prefix_len = 50;
    for (size_t i = 0; i < f->n; i++)
        f->list[i].cached_tokens = 50;
}

static void cache_bust_off(struct fixture *f)
{
    f->run.workload_json = "{\"cache_bust\":\"off\"}";
    cached_unasked(f);
}

static void hits_by_counters(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].cached_tokens = -1;
    const char *hits = "vllm:prefix_cache_hits_total", *queries = "vllm:prefix_cache_queries_total";
    const struct sample_record rows[] = {
        {0, "/metrics", hits, "engine=\"0\"", 100},
        {0, "/metrics", hits, "engine=\"1\"", 50},
        {0, "/metrics", queries, "", 1000},
        {500 * MS, "/metrics", hits, "", 7},
        {1000 * MS, "/metrics", hits, "engine=\"0\"", 300},
        {1000 * MS, "/metrics", hits, "engine=\"1\"", 50},
        {1000 * MS, "/metrics", queries, "", 2000},
    };
    memcpy(f->samples, rows, sizeof rows);
    f->sample_count = sizeof rows / sizeof rows[0];
}

static void repeated(struct fixture *f)
{
    f->list[7].repeated = true;
}

static void buffered_stream(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        fixture_gaps(f, &f->list[i], 10,
                     (double[]){0, .001, .001, .001, .001, .001, .001, .001, .001, .001}, NULL,
                     NULL);
}

static void start_late(struct fixture *f, int64_t by_ns)
{
    for (size_t i = 0; i < 1000; i++)
        f->list[i].started_ns = f->list[i].intended_ns + by_ns;
}

static void starts_five_ms_late(struct fixture *f)
{
    start_late(f, 5 * MS);
}

static void starts_twenty_ms_late(struct fixture *f)
{
    start_late(f, 20 * MS);
}

static void unstamped_and_slow(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].unstamped = f->list[i].events;
    start_late(f, 2 * MS);
}

static void two_percent_censored(struct fixture *f)
{
    for (size_t i = 0; i < 200; i++)
        f->list[i].censored = f->list[i].censored_ours = 1;
}

static void a_fifth_censored(struct fixture *f)
{
    for (size_t i = 0; i < 1000; i++)
        f->list[i].censored = f->list[i].censored_ours = 2;
}

static void underrun(struct fixture *f)
{
    f->run.body_underruns = 1;
}

static void clock_step(struct fixture *f)
{
    f->run.clock_steps = 1;
}

static void busy(struct fixture *f)
{
    f->second.busy_ns = 800 * MS;
    f->second.wait_ns = 200 * MS;
    f->second.spin_ns = 0;
}

static void stolen(struct fixture *f)
{
    f->run.steal_fraction = 0.06;
}

static void grave_finding(struct fixture *f)
{
    f->findings[0] = (struct finding_record){"disk-full", "invalid", "the disk filled up"};
    f->finding_count = 1;
}

static const struct single singles[] = {
    {"outcomes", one_missing, SEVERITY_INVALID},
    {"outcomes", too_few_offered, SEVERITY_INVALID},
    {"outcomes", without_end, SEVERITY_INVALID},
    {"in-flight-identity", ends_before_it_begins, SEVERITY_INVALID},
    {"interrupted", interrupted, SEVERITY_INVALID},
    {"interrupted", killed, SEVERITY_INVALID},
    {"errors", two_errors, SEVERITY_NOTE},
    {"errors", twenty_errors, SEVERITY_PROVISIONAL},
    {"errors", two_hundred_errors, SEVERITY_INVALID},
    {"completed", nothing_but_errors, SEVERITY_INVALID},
    {"dropped", one_dropped, SEVERITY_NOTE},
    {"descriptors", one_without_descriptor, SEVERITY_NOTE},
    {"descriptors", twenty_without_descriptor, SEVERITY_PROVISIONAL},
    {"descriptors", most_of_a_burst_without_descriptor, SEVERITY_INVALID},
    {"cap-queued", capped, SEVERITY_NOTE},
    {"achieved-rate", starts_three_percent_slow, SEVERITY_PROVISIONAL},
    {"achieved-rate", starts_ten_percent_slow, SEVERITY_INVALID},
    {"achieved-rate", schedule_three_percent_off, SEVERITY_PROVISIONAL},
    {"steady-window", slow_decode, SEVERITY_PROVISIONAL},
    {"window-length", squeeze, SEVERITY_PROVISIONAL},
    {"sample-size", half_as_many, SEVERITY_PROVISIONAL},
    {"input-length", longer_prompts, SEVERITY_PROVISIONAL},
    {"output-length", shorter_outputs, SEVERITY_PROVISIONAL},
    {"closed-loop", closed, SEVERITY_NOTE},
    {"fixed-length", fixed, SEVERITY_NOTE},
    {"warmup", no_warmup, SEVERITY_NOTE},
    {"context", no_context, SEVERITY_NOTE},
    {"overload", server_slower_than_demand, SEVERITY_NOTE},
    {"overload-latency", server_slower_than_demand, SEVERITY_PROVISIONAL},
    {"token-source", counted_by_events, SEVERITY_NOTE},
    {"tokens-per-event", two_tokens_an_event, SEVERITY_NOTE},
    {"cache", cached_unasked, SEVERITY_PROVISIONAL},
    {"cache", cached_as_asked, SEVERITY_NOTE},
    {"cache", cache_bust_off, SEVERITY_NOTE},
    {"cache", hits_by_counters, SEVERITY_PROVISIONAL},
    {"repeated-prompts", repeated, SEVERITY_NOTE},
    {"streaming", buffered_stream, SEVERITY_NOTE},
    {"schedule-lag", starts_five_ms_late, SEVERITY_PROVISIONAL},
    {"schedule-lag", starts_twenty_ms_late, SEVERITY_INVALID},
    {"receive-stamps", unstamped_and_slow, SEVERITY_PROVISIONAL},
    {"censored", two_percent_censored, SEVERITY_PROVISIONAL},
    {"censored", a_fifth_censored, SEVERITY_INVALID},
    {"body-underruns", underrun, SEVERITY_PROVISIONAL},
    {"clock-steps", clock_step, SEVERITY_PROVISIONAL},
    {"driver-busy", busy, SEVERITY_NOTE},
    {"steal", stolen, SEVERITY_NOTE},
    {"findings", grave_finding, SEVERITY_INVALID},
};

static void summarise_spoilt(void (*spoil)(struct fixture *), struct summary *s)
{
    struct fixture f;
    fixture_open(&f);
    fixture_fill_good(&f);
    if (spoil)
        spoil(&f);
    fixture_summarise(&f, NULL, s);
    fixture_close(&f);
}

static void a_run_with_everything_in_order_is_valid(void **state)
{
    struct summary s;
    (void)state;
    summarise_spoilt(NULL, &s);
    for (size_t i = 0; i < s.check_count; i++) {
        if (s.checks[i].status == CHECK_FAIL)
            fail_msg("%s: %s", s.checks[i].id, s.checks[i].value);
        assert_string_equal(s.checks[i].advice, "");
    }
    assert_int_equal(s.verdict, VERDICT_VALID);
    summary_release(&s);
}

static void every_check_fails_alone_with_its_severity_and_advice(void **state)
{
    struct summary s;
    (void)state;
    for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++) {
        const struct single *t = &singles[i];
        summarise_spoilt(t->spoil, &s);
        const struct check *c = fixture_check(&s, t->id);
        if (c->status != CHECK_FAIL || c->severity != t->severity)
            fail_msg("%s (case %zu): status %d, severity %d, value %s", t->id, i, c->status,
                     c->severity, c->value);
        assert_string_not_equal(c->value, "");
        assert_string_not_equal(c->threshold, "");
        assert_string_not_equal(c->advice, "");
        if (t->severity == SEVERITY_INVALID)
            assert_int_equal(s.verdict, VERDICT_INVALID);
        else if (t->severity == SEVERITY_PROVISIONAL)
            assert_int_not_equal(s.verdict, VERDICT_VALID);
        summary_release(&s);
    }
}

static void every_check_of_an_open_run_has_a_failing_case(void **state)
{
    struct summary s;
    (void)state;
    summarise_spoilt(NULL, &s);
    for (size_t i = 0; i < s.check_count; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof singles / sizeof singles[0]; k++)
            found = found || strcmp(singles[k].id, s.checks[i].id) == 0;
        if (!found)
            fail_msg("%s is never made to fail", s.checks[i].id);
    }
    summary_release(&s);
}

static void notes_leave_a_run_valid(void **state)
{
    struct summary s;
    (void)state;
    summarise_spoilt(one_dropped, &s);
    assert_int_equal(s.verdict, VERDICT_VALID);
    summary_release(&s);
}

static void drop_four_of_five_at_a_cap(struct fixture *f)
{
    f->run.max_concurrency = 4;
    f->run.on_cap = "drop";
    for (size_t i = 0; i < f->n; i++) {
        if (i % 5 == 0)
            continue;
        fixture_fail(&f->list[i], OUTCOME_DROPPED, "over the cap");
        f->list[i].started_ns = f->list[i].sent_ns = RECORD_NONE;
    }
}

static void what_a_cap_drops_was_scheduled_all_the_same(void **state)
{
    struct summary s;
    (void)state;
    summarise_spoilt(drop_four_of_five_at_a_cap, &s);
    assert_int_equal(fixture_check(&s, "achieved-rate")->status, CHECK_PASS);
    assert_int_equal(s.dropped, 800);
    summary_release(&s);
}

static void waiting_for_a_cap_is_not_our_lateness(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f);
    f.run.max_concurrency = 2;
    for (size_t i = 2; i < 1000; i++)
        f.list[i].started_ns = f.list[i].intended_ns + 31 * MS;
    fixture_summarise(&f, NULL, &s);
    assert_int_equal(fixture_check(&s, "schedule-lag")->status, CHECK_PASS);
    assert_true(s.instrument.schedule_lag_p99_ms < 1);
    assert_true(s.cap_waited > 900);
    summary_release(&s);
    fixture_close(&f);
}

/* One slot, a second for each request, ten arrivals a second, and a millisecond between an end and
 * the next start: every tenth request arrives in it. */
static void who_comes_while_a_slot_changes_hands_queues_for_the_cap_too(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f);
    f.run.max_concurrency = 1;
    for (size_t i = 0; i < 1000; i++) {
        struct request_record *q = &f.list[i];
        q->started_ns = (int64_t)i * 1000 * MS + MS / 2;
        q->first_token_ns = q->last_token_ns = q->started_ns + 500 * MS;
        q->end_ns = (int64_t)(i + 1) * 1000 * MS - MS / 2;
    }
    fixture_summarise(&f, NULL, &s);
    assert_int_equal(s.cap_waited, 999);
    assert_true(s.instrument.schedule_lag_max_ms < 1);
    assert_int_equal(fixture_check(&s, "schedule-lag")->status, CHECK_PASS);
    summary_release(&s);
    fixture_close(&f);
}

/* Two gaps that are a tenth of what was asked on average: one Poisson schedule in sixty is so. */
static void a_handful_of_arrivals_says_little_about_the_rate(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    f.run.burstiness = 1;
    f.run.num_prompts = 3;
    for (unsigned i = 0; i < 3; i++)
        fixture_add(&f, i, 10.0 * i, 50, 20, 10);
    fixture_summarise(&f, NULL, &s);
    assert_int_equal(fixture_check(&s, "achieved-rate")->status, CHECK_PASS);
    summary_release(&s);
    fixture_close(&f);
}

static void the_claim_is_the_slos_highest_percentile(void **state)
{
    struct fixture f;
    struct summary s;
    struct summary_options o = {.slo = "p90 ttft < 60ms"};
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f);
    half_as_many(&f);
    fixture_summarise(&f, &o, &s);
    assert_int_equal(fixture_check(&s, "sample-size")->status, CHECK_PASS); /* 64 suffice for p90 */
    summary_release(&s);
    o = (struct summary_options){.percentiles = {99.9}, .percentile_count = 1};
    fixture_summarise(&f, &o, &s);
    assert_non_null(strstr(fixture_check(&s, "sample-size")->threshold, "6636"));
    summary_release(&s);
    fixture_close(&f);
}

static void unstamped_tokens_pass_when_the_loop_is_quick(void **state)
{
    struct fixture f;
    struct summary s;
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f);
    for (size_t i = 0; i < f.n; i++)
        f.list[i].unstamped = f.list[i].events;
    fixture_summarise(&f, NULL, &s);
    assert_int_equal(fixture_check(&s, "receive-stamps")->status, CHECK_PASS);
    assert_true(s.instrument.rx_stamped_fraction == 0);
    summary_release(&s);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_with_everything_in_order_is_valid),
        cmocka_unit_test(every_check_fails_alone_with_its_severity_and_advice),
        cmocka_unit_test(every_check_of_an_open_run_has_a_failing_case),
        cmocka_unit_test(notes_leave_a_run_valid),
        cmocka_unit_test(what_a_cap_drops_was_scheduled_all_the_same),
        cmocka_unit_test(waiting_for_a_cap_is_not_our_lateness),
        cmocka_unit_test(who_comes_while_a_slot_changes_hands_queues_for_the_cap_too),
        cmocka_unit_test(a_handful_of_arrivals_says_little_about_the_rate),
        cmocka_unit_test(the_claim_is_the_slos_highest_percentile),
        cmocka_unit_test(unstamped_tokens_pass_when_the_loop_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
