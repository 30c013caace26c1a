#include "singles.h"

#include <math.h>
#include <stdio.h>

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
    for (size_t i = 0; i < single_count; i++) {
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
        for (size_t k = 0; k < single_count; k++)
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
    summarise_spoilt(spoil_one_dropped, &s);
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
    spoil_half_as_many(&f);
    fixture_summarise(&f, &o, &s);
    assert_int_equal(fixture_check(&s, "sample-size")->status, CHECK_PASS); /* 64 suffice for p90 */
    summary_release(&s);
    o = (struct summary_options){.percentiles = {99.9}, .percentile_count = 1};
    fixture_summarise(&f, &o, &s);
    assert_non_null(strstr(fixture_check(&s, "sample-size")->threshold, "6636"));
    summary_release(&s);
    fixture_close(&f);
}

static void assert_passes(const struct summary *s, const char *id)
{
    const struct check *c = fixture_check(s, id);
    if (c->status != CHECK_PASS)
        fail_msg("%s: %s", id, c->value);
}

/* As many requests as any percentile needs, and each as good as independent by its batches: yet
 * whole stretches wait, which a calm window would not show. */
static void waiting_in_stretches_leaves_no_bound_and_says_so(void **state)
{
    struct summary s;
    (void)state;
    summarise_spoilt(spoil_first_tokens_wait_in_stretches, &s);
    assert_passes(&s, "sample-size");
    assert_passes(&s, "change-point");
    assert_passes(&s, "steady-window");
    assert_string_equal(s.ground.bar, "waiting");
    const struct check *c = fixture_check(&s, "intervals");
    assert_non_null(strstr(c->value, "no bound on ttft, tpot: ttft 10 apart correlates 0.2"));
    assert_false(s.latency[LATENCY_TPOT].ci95[0].has_low);
    summary_release(&s);
}

static void only_the_metrics_of_the_slo_need_bounds(void **state)
{
    struct fixture f;
    struct summary s;
    struct summary_options o = {.slo = "p99 ttft < 60ms"};
    (void)state;
    fixture_open(&f);
    fixture_fill_good(&f);
    spoil_pace_wanders(&f);
    fixture_summarise(&f, &o, &s);
    assert_passes(&s, "sample-size");
    assert_passes(&s, "intervals");
    assert_string_equal(fixture_check(&s, "intervals")->threshold, "p99 of ttft bounded");
    summary_release(&s);
    o.slo = "p99 tpot < 60ms";
    fixture_summarise(&f, &o, &s);
    const struct check *c = fixture_check(&s, "intervals");
    assert_int_equal(c->status, CHECK_FAIL);
    assert_string_equal(c->value, "no bound on tpot");
    summary_release(&s);
    fixture_close(&f);
}

static void a_change_is_told_with_its_time_and_its_levels(void **state)
{
    struct summary s;
    double at, before, after;
    (void)state;
    summarise_spoilt(spoil_decode_slows_down_late, &s);
    const struct check *c = fixture_check(&s, "change-point");
    assert_int_equal(sscanf(c->value, "tpot at %lf s, from %lf to %lf ms", &at, &before, &after),
                     3);
    assert_true(fabs(at - 70) < 2);
    assert_true(before == 20);
    assert_true(fabs(after - 22.2) < 0.1); /* 20 ms over nine gaps */
    summary_release(&s);
}

static void a_burst_claims_nothing_of_other_runs(void **state)
{
    struct summary s;
    (void)state;
    summarise_spoilt(spoil_most_of_a_burst_without_descriptor, &s);
    for (size_t i = 0; i < s.check_count; i++) {
        assert_string_not_equal(s.checks[i].id, "sample-size");
        assert_string_not_equal(s.checks[i].id, "intervals");
        assert_string_not_equal(s.checks[i].id, "change-point");
    }
    summary_release(&s);
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
        cmocka_unit_test(waiting_in_stretches_leaves_no_bound_and_says_so),
        cmocka_unit_test(only_the_metrics_of_the_slo_need_bounds),
        cmocka_unit_test(a_change_is_told_with_its_time_and_its_levels),
        cmocka_unit_test(a_burst_claims_nothing_of_other_runs),
        cmocka_unit_test(unstamped_tokens_pass_when_the_loop_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
