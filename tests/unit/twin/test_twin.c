/* Loads in virtual time: everything is exact, so everything is compared exactly. */

#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- every load ---- */

static void every_offered_request_ends_once_with_the_tokens_asked(void **state)
{
    static const char *const ENGINES[] = {
        "llama-3.1-8b@h100",
        "llama-3.1-8b@h100?engine=sglang",
        "llama-3.1-8b@h100?engine=tgi",
        "llama-3.1-8b@h100?engine=trtllm",
        "llama-3.1-8b@h100?replicas=2&noise=0.1",
        "llama-3.1-8b@h100?replicas=2&prefill_replicas=2",
        "llama-3.1-8b@h100?draft_tokens=4",
        "llama-3.1-8b@h100?max_num_seqs=4",
    };
    struct bench *b = *state;
    for (size_t e = 0; e < sizeof ENGINES / sizeof *ENGINES; e++)
        for (int64_t prefix = 0; prefix < 80; prefix += 64) {
            struct load_spec capped = bench_open(400, 150), loads[] = {
                                                                bench_closed(7, 150),
                                                                bench_open(100, 150),
                                                                bench_offline(150),
                                                            };
            b->engine = ENGINES[e];
            b->prompts.prefix_len = prefix;
            b->warmup = 20;
            for (size_t i = 0; i < 4; i++) {
                capped.max_concurrency = 5;
                bench_load(b, i < 3 ? &loads[i] : &capped);
                bench_check(b);
                assert_true(b->hopeful);
                assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), 150);
                assert_int_equal(bench_count(b, PHASE_WARMUP, OUTCOME_OK), 20);
                assert_int_equal(b->n, 170);
            }
            bench_renew(b);
        }
}

static void the_same_seed_gives_the_same_records_and_another_others(void **state)
{
    static const char *const ENGINES[] = {
        "llama-3.1-8b@h100?noise=0.2&drift=0.1&draft_tokens=2&replicas=2",
        "llama-3.1-8b@h100?engine=sglang&noise=0.2",
    };
    struct bench *b = *state;
    struct load_spec load = bench_open(60, 300);
    b->prompts.prefix_len = 40;
    b->warmup = 10;
    for (size_t i = 0; i < 2; i++) {
        b->engine = ENGINES[i];
        bench_load(b, &load);
        struct buf first = b->image;
        b->image = (struct buf){0};
        bench_renew(b);
        bench_load(b, &load);
        assert_int_equal(first.n, b->image.n);
        assert_memory_equal(first.p, b->image.p, first.n);
        bench_renew(b);
        b->setup.seed++;
        bench_load(b, &load);
        assert_false(slice_eq(buf_slice(&first), buf_slice(&b->image)));
        bench_renew(b);
        b->setup.seed--;
        b->prompts.seed++;
        bench_load(b, &load);
        assert_false(slice_eq(buf_slice(&first), buf_slice(&b->image)));
        b->prompts.seed--;
        bench_renew(b);
        buf_release(&first);
    }
}

static void records_without_gaps_have_the_same_times(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_open(80, 200);
    int64_t ends[200];
    b->engine = "llama-3.1-8b@h100?draft_tokens=3";
    bench_load(b, &load);
    for (size_t i = 0; i < 200; i++)
        ends[i] = b->list[i].end_ns + b->list[i].first_token_ns;
    bench_renew(b);
    b->setup.without_gaps = true;
    bench_load(b, &load);
    bench_check(b);
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(b->list[i].end_ns + b->list[i].first_token_ns, ends[i]);
        assert_int_equal(b->list[i].gaps.n, 0);
    }
}

static void accepted_drafts_leave_together(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_closed(4, 50);
    b->engine = "llama-3.1-8b@h100?draft_tokens=4&acceptance=0.9";
    bench_load(b, &load);
    bench_check(b); /* the events' tokens add up */
    uint64_t events = 0, tokens = 0;
    for (size_t i = 0; i < b->n; i++) {
        events += b->list[i].events;
        tokens += (uint64_t)b->list[i].output_tokens;
    }
    assert_true(2 * events < tokens);
}

/* ---- closed loops ---- */

static bool ended_at(const struct bench *b, int64_t at_ns)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->list[i].phase != PHASE_WARMUP && b->list[i].end_ns == at_ns)
            return true;
    return false;
}

static void a_closed_loop_has_its_users_in_flight_and_no_more(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_closed(6, 120);
    b->warmup = 3;
    bench_load(b, &load);
    assert_int_equal(bench_peak(b), 6);
    assert_int_equal(b->run.peak_in_flight, 6);
    for (uint64_t i = 0; i < 120; i++) {
        const struct request_record *r = bench_find(b, PHASE_MEASURE, i);
        assert_int_equal(r->started_ns, r->intended_ns);
        assert_true(i < 6 ? r->intended_ns == 0 : ended_at(b, r->intended_ns));
    }
}

static void a_closed_loop_ends_with_its_duration(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_closed(6, 0);
    load.duration_ns = 3 * NS_PER_S;
    bench_load(b, &load);
    bench_check(b);
    assert_int_equal(b->run.offered_end_ns, load.duration_ns);
    assert_int_equal(bench_peak(b), 6);
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), bench_count(b, PHASE_MEASURE, -1));
    assert_true(bench_count(b, PHASE_TAIL, OUTCOME_CANCELLED) <= 6);
    for (size_t i = 0; i < b->n; i++)
        assert_int_equal(b->list[i].phase == PHASE_TAIL,
                         b->list[i].intended_ns >= load.duration_ns);
}

/* ---- caps ---- */

static void over_a_cap_requests_queue_in_their_order(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_open(300, 200);
    int64_t before = 0, waited = 0;
    load.max_concurrency = 5;
    bench_load(b, &load);
    bench_check(b);
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), 200);
    assert_int_equal(bench_peak(b), 5);
    struct arrivals schedule;
    arrivals_init(&schedule, &load.arrivals);
    for (uint64_t i = 0; i < 200; i++) {
        const struct request_record *r = bench_find(b, PHASE_MEASURE, i);
        int64_t at_ns;
        assert_true(arrivals_next(&schedule, &at_ns));
        assert_int_equal(r->intended_ns, at_ns);
        assert_true(r->started_ns >= before);
        assert_true(r->started_ns == r->intended_ns || ended_at(b, r->started_ns));
        before = r->started_ns;
        waited += r->started_ns > r->intended_ns;
    }
    assert_true(waited > 100);
}

static void over_a_cap_requests_are_dropped_if_wanted(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_open(300, 200);
    load.max_concurrency = 5;
    load.on_cap = ON_CAP_DROP;
    bench_load(b, &load);
    bench_check(b);
    size_t dropped = bench_count(b, PHASE_MEASURE, OUTCOME_DROPPED);
    assert_true(dropped > 50 && dropped < 200);
    assert_int_equal(dropped + bench_count(b, PHASE_MEASURE, OUTCOME_OK), 200);
    assert_int_equal(bench_peak(b), 5);
    for (size_t i = 0; i < b->n; i++) {
        const struct request_record *r = &b->list[i];
        if (r->outcome != OUTCOME_DROPPED)
            continue;
        assert_int_equal(r->started_ns, RECORD_NONE);
        assert_int_equal(r->end_ns, r->intended_ns);
        assert_true(r->asked_output > 0);
        size_t busy = 0;
        for (size_t k = 0; k < b->n; k++)
            busy += b->list[k].started_ns != RECORD_NONE &&
                    b->list[k].started_ns <= r->intended_ns && b->list[k].end_ns > r->intended_ns;
        assert_int_equal(busy, 5);
    }
}

static void all_at_once_is_one_moment_for_the_engine_too(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_offline(40); /* 4,000 tokens or so: one step holds 8,192 */
    bench_load(b, &load);
    bench_check(b);
    assert_int_equal(bench_peak(b), 40);
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(b->list[i].intended_ns, 0);
        assert_int_equal(b->list[i].first_token_ns, b->list[0].first_token_ns);
    }
}

/* ---- time runs out ---- */

static void check_timeouts(const struct bench *b, size_t wanted)
{
    bench_check(b);
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_TIMEOUT), wanted);
    for (size_t k = 0; k < b->n; k++) {
        const struct request_record *r = &b->list[k];
        if (r->outcome == OUTCOME_TIMEOUT)
            assert_int_equal(r->end_ns, r->intended_ns + b->setup.timeout_ns);
        else
            assert_true(r->end_ns <= r->intended_ns + b->setup.timeout_ns);
    }
}

static void a_request_times_out_at_its_moment(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_offline(100);
    b->engine = "llama-3.1-8b@h100?max_num_seqs=4";
    b->setup.timeout_ns = NS_PER_S + 1;
    bench_load(b, &load);
    size_t late = bench_count(b, PHASE_MEASURE, OUTCOME_TIMEOUT);
    assert_true(late > 20 && late < 96);
    assert_int_equal(late + bench_count(b, PHASE_MEASURE, OUTCOME_OK), 100);
    check_timeouts(b, late);
}

static void a_request_times_out_in_the_queue_of_a_cap_too(void **state)
{
    static const int64_t AT[] = {0, 0, 0, NS_PER_S / 2, NS_PER_S, 3 * NS_PER_S};
    struct bench *b = *state;
    struct load_spec load = {
        .mode = LOAD_OPEN, .arrivals = {.at_ns = AT, .at_count = 6}, .max_concurrency = 1};
    b->prompts.output_len = 1000;
    b->prompts.range_ratio = 0;
    b->setup.timeout_ns = NS_PER_S;
    bench_load(b, &load);
    check_timeouts(b, 6);
    for (uint64_t i = 0; i < 6; i++) {
        const struct request_record *r = bench_find(b, PHASE_MEASURE, i);
        bool sent = i == 0 || i > 2;
        assert_int_equal(r->started_ns != RECORD_NONE, sent);
        assert_int_equal(slice_starts(r->error, "its time was up"), !sent);
    }
}

static void what_was_generated_before_a_timeout_is_kept(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_closed(1, 2);
    b->prompts.output_len = 1000;
    b->prompts.range_ratio = 0;
    b->setup.timeout_ns = NS_PER_S;
    bench_load(b, &load);
    bench_check(b);
    for (size_t i = 0; i < 2; i++) {
        const struct request_record *r = &b->list[i];
        assert_int_equal(r->outcome, OUTCOME_TIMEOUT);
        assert_int_equal(r->intended_ns, (int64_t)i * NS_PER_S);
        assert_true(r->output_tokens > 50 && r->output_tokens < 1000);
        assert_int_equal(r->events, r->output_tokens);
        assert_true(r->last_token_ns <= r->end_ns);
    }
}

/* ---- what the engine does not take ---- */

static void a_prompt_too_long_for_the_context_is_a_400(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_closed(1, 3);
    b->engine = "llama-3.1-8b@h100?max_model_len=1000";
    b->prompts.range_ratio = 0;
    b->prompts.output_len = 100;
    b->prompts.input_len = 901;
    bench_load(b, &load);
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_HTTP_ERROR), 3);
    bench_check(b);
    assert_int_equal(b->list[0].http_status, 400);
    assert_int_equal(b->list[0].events, 0);
    assert_non_null(slice_find(b->list[0].error, slice_of("901 tokens and 100 of output")));
    bench_renew(b);
    b->prompts.input_len = 5000;
    bench_load(b, &load);
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_HTTP_ERROR), 3);
    assert_non_null(slice_find(b->list[0].error, slice_of("has 5000 tokens")));
    bench_renew(b);
    b->prompts.input_len = 900;
    bench_load(b, &load);
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), 3);
}

static void a_load_of_which_nothing_succeeds_is_given_up(void **state)
{
    struct bench *b = *state;
    struct load_spec closed = bench_closed(4, 0), offline = bench_offline(2000);
    closed.duration_ns = 3600 * NS_PER_S; /* in which time never goes on */
    b->prompts.input_len = 1000000;
    bench_load(b, &closed);
    assert_false(b->hopeful);
    assert_false(b->run.interrupted);
    assert_true(b->n >= 500 && b->n < 600);
    bench_load(b, &offline);
    assert_false(b->hopeful);
    assert_true(b->n >= 500 && b->n < 600);
    bench_check(b);
}

static void a_burst_that_begins_with_failures_is_not_given_up(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_offline(3000);
    b->engine = "llama-3.1-8b@h100?max_model_len=1400";
    b->prompts.input_len = 3000;
    b->prompts.range_ratio = 0.6; /* few are short enough */
    bench_load(b, &load);
    bench_check(b);
    assert_true(b->hopeful);
    assert_int_equal(b->n, 3000);
    assert_true(bench_count(b, -1, OUTCOME_HTTP_ERROR) > 2000);
    assert_true(bench_count(b, -1, OUTCOME_OK) > 20);
}

/* ---- prefixes ---- */

static void shared_prefixes_hit_the_cache_and_others_nothing(void **state)
{
    static const char *const ENGINES[] = {"llama-3.1-8b@h100", "llama-3.1-8b@h100?engine=sglang",
                                          "llama-3.1-8b@h100?engine=trtllm",
                                          "llama-3.1-8b@h100?prefix_caching=off"};
    struct bench *b = *state;
    struct load_spec load = bench_open(20, 100);
    for (size_t e = 0; e < sizeof ENGINES / sizeof *ENGINES; e++)
        for (int64_t prefix = 0; prefix < 100; prefix += 64) {
            b->engine = ENGINES[e];
            b->prompts.prefix_len = prefix;
            b->warmup = 5; /* has a prefix of its own */
            bench_load(b, &load);
            bench_check(b);
            bool hits = prefix > 0 && e < 3;
            for (uint64_t i = 0; i < 100; i++) {
                const struct request_record *r = bench_find(b, PHASE_MEASURE, i);
                if (!hits || i == 0)
                    assert_int_equal(r->cached_tokens, 0);
            }
            if (hits)
                assert_int_equal(bench_find(b, PHASE_MEASURE, 99)->cached_tokens, 64);
            bench_renew(b);
        }
}

static void a_load_from_idle_finds_no_cache(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_open(20, 50);
    b->prompts.prefix_len = 64;
    bench_load(b, &load);
    bench_load(b, &load);
    assert_int_equal(bench_find(b, PHASE_MEASURE, 0)->cached_tokens / 16,
                     (bench_find(b, PHASE_MEASURE, 0)->prompt_tokens - 1) / 16);
    b->from_idle = true;
    bench_load(b, &load);
    assert_int_equal(bench_find(b, PHASE_MEASURE, 0)->cached_tokens, 0);
}

/* ---- one load behind the other ---- */

static int64_t first_ttft_ns(const struct bench *b)
{
    const struct request_record *r = bench_find(b, PHASE_MEASURE, 0);
    assert_int_equal(r->outcome, OUTCOME_OK);
    return r->first_token_ns - r->intended_ns;
}

static void a_tail_keeps_the_engine_busy_for_the_next_load(void **state)
{
    struct bench *b = *state;
    struct load_spec flood = bench_open(1000, 0), one = bench_closed(1, 1);
    flood.duration_ns = NS_PER_S;
    b->engine = "llama-3.1-8b@h100?max_num_seqs=32";
    bench_load(b, &one);
    int64_t idle_ns = first_ttft_ns(b);
    bench_renew(b);
    for (int i = 0; i < 3; i++) {
        b->from_idle = i == 2;
        bench_load(b, i == 0 ? &flood : &one);
        if (i == 0) {
            bench_check(b);
            size_t tail = bench_count(b, PHASE_TAIL, -1);
            assert_true(bench_count(b, PHASE_TAIL, OUTCOME_CANCELLED) > 100);
            assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), b->n - tail);
        } else {
            assert_int_equal(b->n, 1); /* nothing of the load before */
        }
        if (i == 1)
            assert_true(first_ttft_ns(b) > 20 * idle_ns);
    }
    assert_int_equal(first_ttft_ns(b), idle_ns);
}

static void an_idle_start_does_not_wait_for_the_step_under_way(void **state)
{
    static const char *const ENGINES[] = {
        "llama-3.1-8b@h100?replicas=2&router=round-robin",
        "llama-3.1-8b@h100?replicas=2&prefill_replicas=2", "llama-3.1-8b@h100?engine=sglang",
        "llama-3.1-8b@h100?engine=tgi", "llama-3.1-8b@h100?engine=trtllm"};
    struct bench *b = *state;
    struct load_spec flood = bench_open(300, 0), few = bench_closed(2, 6);
    flood.duration_ns = NS_PER_S;
    b->from_idle = true;
    for (size_t e = 0; e < sizeof ENGINES / sizeof *ENGINES; e++) {
        int64_t ttft_ns[6];
        b->engine = ENGINES[e];
        bench_load(b, &few);
        for (uint64_t i = 0; i < 6; i++)
            ttft_ns[i] = bench_find(b, PHASE_MEASURE, i)->first_token_ns;
        bench_load(b, &flood);
        assert_true(bench_count(b, PHASE_TAIL, OUTCOME_CANCELLED) > 3);
        bench_load(b, &few);
        bench_check(b);
        for (uint64_t i = 0; i < 6; i++)
            assert_int_equal(bench_find(b, PHASE_MEASURE, i)->first_token_ns, ttft_ns[i]);
        bench_renew(b);
    }
}

static void left_over_requests_time_out_unseen(void **state)
{
    struct bench *b = *state;
    struct load_spec flood = bench_open(1000, 0), after = bench_closed(4, 200);
    flood.duration_ns = NS_PER_S;
    b->engine = "llama-3.1-8b@h100?max_num_seqs=8";
    b->setup.timeout_ns = 2 * NS_PER_S;
    bench_load(b, &flood);
    assert_true(bench_count(b, PHASE_TAIL, OUTCOME_CANCELLED) > 100);
    bench_load(b, &after);
    bench_check(b);
    assert_int_equal(b->n, 200);
    assert_true(bench_count(b, PHASE_MEASURE, OUTCOME_OK) > 100);
}

static void a_cap_with_a_tail_cancels_what_still_queues(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_open(300, 0);
    load.duration_ns = NS_PER_S;
    load.max_concurrency = 5;
    bench_load(b, &load);
    bench_check(b);
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), bench_count(b, PHASE_MEASURE, -1));
    size_t queued = 0;
    for (size_t i = 0; i < b->n; i++)
        queued += slice_starts(b->list[i].error, "still queued when all");
    assert_true(queued > 20);
    assert_int_equal(b->run.offered_end_ns, load.duration_ns);
}

/* ---- the warm-up ---- */

static void the_warm_up_is_apart_from_the_load(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_open(50, 100);
    b->warmup = 33;
    bench_load(b, &load);
    bench_check(b);
    assert_int_equal(bench_count(b, PHASE_WARMUP, OUTCOME_OK), 33);
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), 100);
    assert_int_equal(b->n, 133);
    assert_int_equal(b->run.exchanges, 100);
    const struct request_record *last = bench_find(b, PHASE_MEASURE, 99);
    assert_int_equal(b->run.offered_end_ns, last->intended_ns);
    int64_t end_ns = 0, first_ns = bench_find(b, PHASE_MEASURE, 0)->intended_ns;
    for (size_t i = 0; i < b->n; i++)
        if (b->list[i].phase == PHASE_MEASURE && b->list[i].end_ns > end_ns)
            end_ns = b->list[i].end_ns;
    assert_int_equal(b->run.drained_ns, end_ns);
    struct arrivals schedule; /* from the start of the load, whatever the warm-up took */
    int64_t at_ns;
    arrivals_init(&schedule, &load.arrivals);
    assert_true(arrivals_next(&schedule, &at_ns));
    assert_int_equal(first_ns, at_ns);
}

/* ---- stopping ---- */

static void a_stop_drains_what_is_in_flight(void **state)
{
    struct bench *b = *state;
    struct load_spec closed = bench_closed(8, 1000000), open = bench_open(1000, 1000000);
    b->command = TWIN_STOP;
    b->after_offered = 1;
    for (int i = 0; i < 2; i++) {
        bench_load(b, i == 0 ? &closed : &open);
        bench_check(b);
        assert_true(b->run.interrupted);
        assert_true(b->hopeful);
        assert_true(b->n >= 8 && b->n < 100000);
        assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), b->n);
    }
}

static void a_stop_records_what_was_queued(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_open(1000, 1000000);
    load.max_concurrency = 8;
    b->command = TWIN_STOP;
    b->after_offered = 1;
    bench_load(b, &load);
    bench_check(b);
    assert_true(b->run.interrupted);
    size_t cancelled = bench_count(b, PHASE_MEASURE, OUTCOME_CANCELLED);
    assert_true(cancelled > 8);
    assert_int_equal(cancelled + bench_count(b, PHASE_MEASURE, OUTCOME_OK), b->n);
    assert_int_equal(b->last.offered, b->n);
}

static void an_abort_cuts_off_what_is_in_flight(void **state)
{
    struct bench *b = *state;
    struct load_spec closed = bench_closed(8, 1000000), open = bench_open(1000, 1000000);
    b->command = TWIN_ABORT;
    b->after_offered = 1;
    bench_load(b, &closed);
    bench_check(b);
    assert_true(b->run.interrupted);
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_CANCELLED), 8);
    bench_load(b, &open);
    bench_check(b);
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_CANCELLED), b->last.in_flight);
    for (size_t i = 0; i < b->n; i++)
        if (b->list[i].outcome == OUTCOME_CANCELLED)
            assert_int_equal(b->list[i].end_ns, b->run.drained_ns);
    bench_load(b, &closed); /* and the engine is none the worse */
    bench_check(b);
}

static enum twin_command stop_at_once(void *context, const struct twin_progress *p)
{
    (void)context, (void)p;
    return TWIN_STOP;
}

static void keep_nothing(void *context, const struct request_record *r)
{
    size_t *warmups = context;
    assert_int_equal(r->phase, PHASE_WARMUP);
    (*warmups)++;
}

static void a_stop_in_the_warm_up_measures_nothing(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_closed(2, 4);
    size_t warmups = 0;
    struct twin_observer observer = {keep_nothing, stop_at_once, &warmups};
    struct run_record run = {0};
    bench_load(b, &load);
    struct twin_load l = {.load = load, .workload = b->workload, .warmup_requests = 1000000};
    assert_true(twin_run(b->twin, &l, &observer, &run));
    assert_true(run.interrupted);
    assert_int_equal(run.exchanges, 0);
    assert_int_equal(run.drained_ns, 0);
    assert_true(warmups > 0 && warmups < 1000000);
}

static void progress_tells_the_counts(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_offline(4000);
    b->prompts.range_ratio = 0;
    bench_load(b, &load);
    assert_true(b->ticks > 1);
    assert_int_equal(b->last.total, 4000);
    assert_int_equal(b->last.offered, 4000);
    assert_int_equal(b->last.phase, PHASE_MEASURE);
    assert_true(b->last.tokens > 20000 && b->last.tokens <= 80000);
    assert_int_equal(b->last.ended + b->last.in_flight, 4000);
}

/* ---- time ---- */

static void hours_pass(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_open(2, 0);
    load.duration_ns = 3 * 3600 * NS_PER_S;
    b->prompts.output_len = 5;
    bench_load(b, &load);
    bench_check(b);
    assert_true(b->run.drained_ns >= 10800 * NS_PER_S - 60 * NS_PER_S);
    assert_int_equal(b->run.offered_end_ns, load.duration_ns);
    assert_true(bench_count(b, PHASE_MEASURE, OUTCOME_OK) > 20000);
}

static void nothing_is_offered_before_a_first_arrival_far_off(void **state)
{
    static const int64_t AT[] = {3600 * NS_PER_S, 3600 * NS_PER_S, 9000 * NS_PER_S};
    struct bench *b = *state;
    struct load_spec load = {
        .mode = LOAD_OPEN, .arrivals = {.at_ns = AT, .at_count = 3}, .duration_ns = NS_PER_S};
    bench_load(b, &load);
    assert_int_equal(b->n, 0);
    load.duration_ns = 0;
    bench_load(b, &load);
    bench_check(b);
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), 3);
    assert_int_equal(b->list[0].intended_ns, AT[0]);
    assert_int_equal(b->list[0].first_token_ns, b->list[1].first_token_ns);
    assert_int_equal(b->list[2].intended_ns, AT[2]);
}

/* ---- data sets and chats ---- */

static void use_file(struct bench *b, const char *text, char path[32])
{
    strcpy(path, "/tmp/loadline-twin-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    b->prompts = (struct workload_spec){
        .dataset = DATASET_CUSTOM, .path = path, .seed = 1, .chat = b->setup.chat};
}

static void answers_end_by_themselves_where_the_prompt_says(void **state)
{
    struct bench *b = *state;
    char path[32];
    struct load_spec load = bench_closed(1, 9);
    int64_t lengths[9];
    use_file(b,
             "{\"prompt\": \"Tell me of the sea\"}\n"
             "{\"prompt\": \"Tell me of the sea\", \"output_tokens\": 5000}\n"
             "{\"prompt\": \"Tell me of the land\", \"output_tokens\": 5000}\n",
             path);
    b->prompts.cache_bust = CACHE_BUST_OFF;
    for (int sampled = 0; sampled < 2; sampled++) {
        bool as_before = true;
        b->setup.sampled = sampled;
        bench_load(b, &load);
        assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), 9);
        for (uint64_t i = 0; i < 9; i++) {
            const struct request_record *r = bench_find(b, PHASE_MEASURE, i);
            if (i % 3 == 0) /* a completion that no length was asked for */
                assert_true(r->output_tokens <= 16);
            assert_true(r->output_tokens > 0 && r->output_tokens < 5000);
            if (i % 3 != 0 && sampled == 0)
                assert_true(slice_is(r->finish_reason, "stop"));
            if (i >= 3)
                as_before = as_before && r->output_tokens == lengths[i - 3];
            lengths[i] = r->output_tokens;
        }
        assert_int_equal(as_before, !sampled);
        bench_renew(b);
    }
    b->setup.exact_output = true;
    load.num_prompts = 3;
    bench_load(b, &load);
    assert_int_equal(bench_find(b, PHASE_MEASURE, 2)->output_tokens, 5000);
    unlink(path);
}

static void a_chat_counts_its_template(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_open(50, 60);
    b->setup.chat = b->prompts.chat = true;
    for (int64_t prefix = 0; prefix < 80; prefix += 64) {
        b->prompts.prefix_len = prefix;
        bench_load(b, &load);
        bench_check(b); /* as many tokens as asked, the template's included */
        assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), 60);
        bench_renew(b);
    }
}

static void a_chat_refuses_what_is_not_text(void **state)
{
    struct bench *b = *state;
    char path[32];
    struct load_spec load = bench_closed(1, 2);
    b->setup.chat = true;
    use_file(
        b,
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]}\n"
        "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}], \"output_tokens\": 4}\n",
        path);
    bench_load(b, &load);
    const struct request_record *r = bench_find(b, PHASE_MEASURE, 0);
    assert_int_equal(r->outcome, OUTCOME_HTTP_ERROR);
    assert_int_equal(r->http_status, 400);
    r = bench_find(b, PHASE_MEASURE, 1);
    assert_int_equal(r->outcome, OUTCOME_OK);
    assert_int_equal(r->prompt_tokens, 1 + 1 + 1 + 1 + 1 + 1 + 2 + 1); /* user, Hello, assistan-t */
    unlink(path);
}

static void rungs_are_kept(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_closed(3, 30);
    b->prompts.ladder[0] = 4;
    b->prompts.ladder[1] = 9;
    b->prompts.ladder_count = 2;
    bench_load(b, &load);
    bench_check(b);
    for (size_t i = 0; i < 30; i++) {
        assert_int_equal(b->list[i].rung, i % 2);
        assert_int_equal(b->list[i].output_tokens, i % 2 ? 9 : 4);
    }
}

/* ---- a load that is cut ---- */

static void a_load_that_is_cut_ends_with_its_time_and_leaves_the_engine_busy(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_open(40, 0);
    load.duration_ns = 10 * NS_PER_S;
    load.cut = true;
    bench_load(b, &load);
    size_t measured = bench_count(b, PHASE_MEASURE, -1);
    size_t cut = bench_count(b, PHASE_TAIL, OUTCOME_CANCELLED);
    assert_in_range(measured + cut, 330, 470); /* 400, Poisson */
    assert_true(cut > 0 && cut < 100);
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), measured);
    for (size_t i = 0; i < b->n; i++)
        assert_true(b->list[i].end_ns <= b->run.drained_ns);
    assert_true(b->run.drained_ns <= 10 * NS_PER_S + NS_PER_S / 2);

    struct load_spec next = bench_open(40, 50);
    bench_load(b, &next); /* which finds their answers still going on */
    double busy_ns = (double)bench_find(b, PHASE_MEASURE, 0)->first_token_ns;
    assert_int_equal(bench_count(b, PHASE_MEASURE, OUTCOME_OK), 50);
    bench_load(b, &load);
    b->from_idle = true;
    bench_load(b, &next);
    double idle_ns = (double)bench_find(b, PHASE_MEASURE, 0)->first_token_ns;
    assert_true(idle_ns < busy_ns);
}

static void what_was_cut_off_tells_what_it_had_got(void **state)
{
    struct bench *b = *state;
    struct load_spec load = bench_open(200, 0);
    load.duration_ns = 5 * NS_PER_S;
    load.cut = true;
    bench_load(b, &load);
    size_t with_tokens = 0, cut = 0;
    for (size_t i = 0; i < b->n; i++) {
        const struct request_record *q = &b->list[i];
        if (q->outcome != OUTCOME_CANCELLED)
            continue;
        cut++;
        if (q->first_token_ns == RECORD_NONE)
            continue;
        with_tokens++;
        assert_true(q->first_token_ns >= q->intended_ns && q->last_token_ns <= q->end_ns);
        assert_true(q->events > 0 && q->output_tokens < q->asked_output);
    }
    assert_true(cut > 5 && with_tokens > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_load_that_is_cut_ends_with_its_time_and_leaves_the_engine_busy),
        BENCH_TEST(what_was_cut_off_tells_what_it_had_got),
        BENCH_TEST(every_offered_request_ends_once_with_the_tokens_asked),
        BENCH_TEST(the_same_seed_gives_the_same_records_and_another_others),
        BENCH_TEST(records_without_gaps_have_the_same_times),
        BENCH_TEST(accepted_drafts_leave_together),
        BENCH_TEST(a_closed_loop_has_its_users_in_flight_and_no_more),
        BENCH_TEST(a_closed_loop_ends_with_its_duration),
        BENCH_TEST(over_a_cap_requests_queue_in_their_order),
        BENCH_TEST(over_a_cap_requests_are_dropped_if_wanted),
        BENCH_TEST(all_at_once_is_one_moment_for_the_engine_too),
        BENCH_TEST(a_request_times_out_at_its_moment),
        BENCH_TEST(a_request_times_out_in_the_queue_of_a_cap_too),
        BENCH_TEST(what_was_generated_before_a_timeout_is_kept),
        BENCH_TEST(a_prompt_too_long_for_the_context_is_a_400),
        BENCH_TEST(a_load_of_which_nothing_succeeds_is_given_up),
        BENCH_TEST(a_burst_that_begins_with_failures_is_not_given_up),
        BENCH_TEST(shared_prefixes_hit_the_cache_and_others_nothing),
        BENCH_TEST(a_load_from_idle_finds_no_cache),
        BENCH_TEST(a_tail_keeps_the_engine_busy_for_the_next_load),
        BENCH_TEST(an_idle_start_does_not_wait_for_the_step_under_way),
        BENCH_TEST(left_over_requests_time_out_unseen),
        BENCH_TEST(a_cap_with_a_tail_cancels_what_still_queues),
        BENCH_TEST(the_warm_up_is_apart_from_the_load),
        BENCH_TEST(a_stop_drains_what_is_in_flight),
        BENCH_TEST(a_stop_records_what_was_queued),
        BENCH_TEST(an_abort_cuts_off_what_is_in_flight),
        BENCH_TEST(a_stop_in_the_warm_up_measures_nothing),
        BENCH_TEST(progress_tells_the_counts),
        BENCH_TEST(hours_pass),
        BENCH_TEST(nothing_is_offered_before_a_first_arrival_far_off),
        BENCH_TEST(answers_end_by_themselves_where_the_prompt_says),
        BENCH_TEST(a_chat_counts_its_template),
        BENCH_TEST(a_chat_refuses_what_is_not_text),
        BENCH_TEST(rungs_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
