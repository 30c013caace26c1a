/* Whole load points against a server on the loopback: what is offered, what the run file says of
 * it. */

#include "support.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static struct load_spec closed(int64_t users, uint64_t n)
{
    return (struct load_spec){.mode = LOAD_CLOSED, .max_concurrency = users, .num_prompts = n};
}

static struct load_spec open_load(double rate, uint64_t n)
{
    return (struct load_spec){
        .mode = LOAD_OPEN, .arrivals = {.rate = rate, .burstiness = 1}, .num_prompts = n};
}

static struct load_spec offline(uint64_t n)
{
    return (struct load_spec){
        .mode = LOAD_OFFLINE, .arrivals = {.rate = INFINITY, .burstiness = 1}, .num_prompts = n};
}

static void assert_all_ok(const struct trial *t, uint64_t n)
{
    assert_every_index_once(t, PHASE_MEASURE, n);
    for (size_t i = 0; i < t->n; i++) {
        const struct kept *k = &t->kept[i];
        if (k->outcome != OUTCOME_OK)
            fail_msg("request %llu: %s: %s", (unsigned long long)k->index, outcome_name(k->outcome),
                     k->error);
        assert_int_equal(k->events, ANSWER_TOKENS);
        assert_int_equal(k->output_tokens, 3);
        assert_int_equal(k->prompt_tokens, 11);
        assert_true(k->asked_input >= 6 && k->asked_input <= 18);
        assert_true(k->asked_output >= 4 && k->asked_output <= 12);
        assert_true(k->intended_ns <= k->started_ns);
        assert_true(k->started_ns <= k->sent_ns);
        assert_true(k->sent_ns <= k->first_token_ns);
        assert_true(k->first_token_ns <= k->end_ns);
    }
}

static void a_closed_load_keeps_its_users_busy(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(3, 40);
    t->desk.answer = desk_after_a_moment;
    trial_run(t, &load, 0, NULL);
    assert_all_ok(t, 40);
    assert_int_equal(t->n, 40);
    assert_int_equal(t->desk.runs, 40);
    assert_true(t->desk.most_busy <= 3);
    assert_int_equal(t->run.peak_in_flight, 3);
    assert_int_equal(t->run.token_events, 40 * ANSWER_TOKENS);
    assert_int_equal(t->run.exchanges, 40);
    assert_int_equal(t->run.body_underruns, 0);
    assert_false(t->run.interrupted);
    assert_true(t->run.drained_ns >= t->run.offered_end_ns);
    assert_true(t->run.cpu_user_ns + t->run.cpu_system_ns > 0);
    size_t reused = 0;
    for (size_t i = 0; i < t->n; i++)
        reused += t->kept[i].reused;
    assert_int_equal(reused, 37);
}

static void the_warm_up_is_apart_from_the_run(void **state)
{
    struct trial *t = *state;
    struct load_spec load = open_load(1000, 30);
    trial_run(t, &load, 7, NULL);
    assert_int_equal(t->desk.warmups, 7);
    assert_int_equal(t->desk.runs, 30);
    assert_int_equal(trial_count(t, PHASE_WARMUP, OUTCOME_OK), 7);
    assert_every_index_once(t, PHASE_WARMUP, 7);
    assert_every_index_once(t, PHASE_MEASURE, 30);
    assert_int_equal(t->n, 37);
    assert_int_equal(t->run.exchanges, 30);
    assert_int_equal(t->run.token_events, 30 * ANSWER_TOKENS);
}

static void an_open_load_starts_at_the_times_of_its_schedule(void **state)
{
    struct trial *t = *state;
    struct load_spec load = open_load(2000, 50);
    struct arrivals schedule;
    load.arrivals.seed = 5;
    arrivals_init(&schedule, &load.arrivals);
    trial_run(t, &load, 0, NULL);
    assert_all_ok(t, 50);
    for (size_t i = 0; i < t->n; i++) {
        int64_t at_ns;
        assert_true(arrivals_next(&schedule, &at_ns));
        assert_int_equal(t->kept[i].intended_ns, at_ns);
    }
}

static void under_a_cap_requests_wait_and_none_is_lost(void **state)
{
    struct trial *t = *state;
    struct load_spec load = open_load(5000, 40);
    load.max_concurrency = 2;
    t->desk.answer = desk_after_a_moment;
    t->setup.threads = 2;
    trial_run(t, &load, 0, NULL);
    assert_all_ok(t, 40);
    assert_true(t->desk.most_busy <= 2);
    assert_int_equal(t->run.peak_in_flight, 2);
    int64_t waited_ns = 0;
    for (size_t i = 0; i < t->n; i++)
        waited_ns += t->kept[i].started_ns - t->kept[i].intended_ns;
    assert_true(waited_ns >
                20 * NS_PER_MS); /* 40 answers of 2 ms, two at a time, offered in 8 ms */
}

/* --- what the main thread decides --- */

struct watcher {
    struct trial *trial;
    enum drive_command command;
    uint64_t after_offered; /* acts once so many are offered */
    bool release;           /* lets the server answer then */
    bool acted;
    uint64_t last_ended, last_offered, ticks;
};

static enum drive_command watch(void *context, const struct drive_progress *p)
{
    struct watcher *w = context;
    w->ticks++;
    w->last_ended = p->ended;
    w->last_offered = p->offered;
    if (p->stage == DRIVE_WARMUP || p->offered < w->after_offered)
        return DRIVE_GO_ON;
    w->acted = true;
    if (w->release)
        atomic_store(&w->trial->desk.release, true);
    return w->command;
}

static void over_a_cap_requests_are_dropped_and_counted_if_wanted(void **state)
{
    struct trial *t = *state;
    struct load_spec load = open_load(5000, 30);
    struct watcher w = {.trial = t, .after_offered = 30, .release = true};
    load.max_concurrency = 4;
    load.on_cap = ON_CAP_DROP;
    t->desk.answer = desk_when_released;
    trial_run(t, &load, 0, &(struct drive_observer){watch, &w, -1});
    assert_every_index_once(t, PHASE_MEASURE, 30);
    assert_int_equal(trial_count(t, PHASE_MEASURE, OUTCOME_OK), 4);
    assert_int_equal(trial_count(t, PHASE_MEASURE, OUTCOME_DROPPED), 26);
    assert_int_equal(t->desk.runs, 4);
    for (size_t i = 0; i < t->n; i++) {
        const struct kept *k = &t->kept[i];
        if (k->outcome != OUTCOME_DROPPED)
            continue;
        assert_non_null(strstr(k->error, "--on-cap drop"));
        assert_int_equal(k->sent_ns, RECORD_NONE);
        assert_true(k->asked_output > 0);
    }
}

static void an_offline_load_comes_all_at_once(void **state)
{
    struct trial *t = *state;
    struct load_spec load = offline(60);
    struct watcher w = {.trial = t, .after_offered = 60, .release = true};
    t->desk.answer = desk_when_released;
    trial_run(t, &load, 0, &(struct drive_observer){watch, &w, -1});
    assert_all_ok(t, 60);
    assert_int_equal(t->run.peak_in_flight, 60);
    for (size_t i = 0; i < t->n; i++)
        assert_int_equal(t->kept[i].intended_ns, 0);
}

/* Requests of the first 100 ms wait until some of the tail have come; the tail gets no answer. */
enum { TAIL_FROM = 100, TAIL_WANTED = 5 };

static void answer_but_the_tail(struct desk *d, struct peer *p, bool warmup, uint64_t index)
{
    (void)warmup;
    if (index >= TAIL_FROM) {
        if (index >= TAIL_FROM + TAIL_WANTED - 1)
            atomic_store(&d->release, true);
        peer_hold(p);
        return;
    }
    desk_await(p, &d->release);
    desk_tokens(p);
}

static void load_goes_on_behind_its_duration_and_is_not_counted(void **state)
{
    struct trial *t = *state;
    struct load_spec load = open_load(1000, 0);
    load.arrivals.burstiness = INFINITY;
    load.duration_ns = 100 * NS_PER_MS;
    struct arrivals schedule;
    uint64_t due = 0;
    arrivals_init(&schedule, &load.arrivals);
    for (int64_t at_ns; arrivals_next(&schedule, &at_ns) && at_ns < load.duration_ns;)
        due++;
    assert_true(due >= TAIL_FROM - 1 && due <= TAIL_FROM + 1);
    t->desk.answer = answer_but_the_tail;
    trial_run(t, &load, 0, NULL);
    size_t measured = trial_count(t, PHASE_MEASURE, -1);
    size_t tail = trial_count(t, PHASE_TAIL, -1);
    assert_int_equal(measured, due);
    assert_int_equal(trial_count(t, PHASE_MEASURE, OUTCOME_CANCELLED), 0);
    assert_true(tail >= TAIL_WANTED - 1);
    assert_int_equal(trial_count(t, PHASE_TAIL, OUTCOME_CANCELLED) +
                         trial_count(t, PHASE_TAIL, OUTCOME_OK),
                     tail);
    assert_int_equal(measured + tail, t->n);
    for (size_t i = 0; i < t->n; i++)
        assert_int_equal(t->kept[i].phase == PHASE_TAIL,
                         t->kept[i].intended_ns >= load.duration_ns);
    assert_int_equal(t->run.offered_end_ns, load.duration_ns);
    assert_false(t->run.interrupted);
}

static void a_closed_load_ends_with_its_duration_too(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(4, 0);
    load.duration_ns = 60 * NS_PER_MS;
    t->desk.answer = desk_after_a_moment;
    t->setup.threads = 2;
    trial_run(t, &load, 0, NULL);
    size_t measured = trial_count(t, PHASE_MEASURE, -1);
    assert_true(measured >= 4);
    assert_int_equal(trial_count(t, PHASE_MEASURE, OUTCOME_OK), measured);
    for (size_t i = 0; i < t->n; i++)
        assert_int_equal(t->kept[i].phase == PHASE_TAIL,
                         t->kept[i].intended_ns >= load.duration_ns);
    assert_int_equal(t->run.offered_end_ns, load.duration_ns);
}

static void a_duration_does_not_wait_for_an_arrival_far_off(void **state)
{
    static const int64_t AT[] = {0, 3600 * NS_PER_S, 7200 * NS_PER_S};
    struct trial *t = *state;
    struct load_spec load = {
        .mode = LOAD_OPEN, .arrivals = {.at_ns = AT, .at_count = 3}, .duration_ns = 50 * NS_PER_MS};
    trial_run(t, &load, 0, NULL);
    assert_int_equal(t->n, 1);
    assert_all_ok(t, 1);
}

static void a_stop_drains_what_is_in_flight(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(4, 1000000);
    struct watcher w = {.trial = t, .command = DRIVE_STOP, .after_offered = 8};
    t->desk.answer = desk_after_a_moment;
    trial_run(t, &load, 0, &(struct drive_observer){watch, &w, -1});
    assert_true(w.acted);
    assert_true(t->run.interrupted);
    assert_true(t->n >= 8 && t->n < 1000000);
    assert_all_ok(t, t->n);
    assert_int_equal(t->desk.runs, t->n);
}

static void a_stop_records_what_was_still_queued(void **state)
{
    struct trial *t = *state;
    struct load_spec load = open_load(5000, 1000000);
    struct watcher w = {.trial = t, .command = DRIVE_STOP, .after_offered = 20, .release = true};
    load.max_concurrency = 3;
    t->setup.threads = 2;
    t->desk.answer = desk_when_released;
    trial_run(t, &load, 0, &(struct drive_observer){watch, &w, -1});
    for (size_t i = 1; i < t->n; i++) /* what a thread held at the stop was never offered */
        assert_true(t->kept[i].index > t->kept[i - 1].index);
    assert_int_equal(trial_count(t, -1, OUTCOME_OK), t->desk.runs);
    assert_int_equal(trial_count(t, -1, OUTCOME_OK) + trial_count(t, -1, OUTCOME_CANCELLED), t->n);
    assert_true(trial_count(t, -1, OUTCOME_OK) >= 3);
    assert_true(trial_count(t, -1, OUTCOME_CANCELLED) >= 1);
    assert_true(t->run.interrupted);
    for (size_t i = 0; i < t->n; i++)
        if (t->kept[i].outcome == OUTCOME_CANCELLED)
            assert_non_null(strstr(t->kept[i].error, "queued"));
}

static void an_abort_cuts_off_what_is_in_flight(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(6, 100);
    struct watcher w = {.trial = t, .command = DRIVE_ABORT, .after_offered = 6};
    t->setup.threads = 2;
    t->desk.answer = desk_never;
    trial_run(t, &load, 2, &(struct drive_observer){watch, &w, -1});
    assert_true(t->run.interrupted);
    assert_int_equal(trial_count(t, PHASE_MEASURE, OUTCOME_CANCELLED), 6);
    assert_int_equal(trial_count(t, PHASE_WARMUP, OUTCOME_OK), 2);
    assert_int_equal(t->n, 8);
}

static enum drive_command stop_at_once(void *context, const struct drive_progress *p)
{
    (void)context, (void)p;
    return DRIVE_STOP;
}

static void a_stop_in_the_warm_up_measures_nothing(void **state)
{
    struct trial *t = *state;
    struct load_spec load = open_load(100, 50);
    int signal_fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    trial_run(t, &load, 1000, &(struct drive_observer){stop_at_once, NULL, signal_fd});
    close(signal_fd);
    assert_true(t->run.interrupted);
    assert_int_equal(t->desk.runs, 0);
    assert_int_equal(trial_count(t, PHASE_WARMUP, -1), t->n);
    assert_true(t->n < 1000);
}

static void progress_ends_with_the_exact_counts(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(2, 25);
    struct watcher w = {.trial = t, .after_offered = UINT64_MAX};
    trial_run(t, &load, 3, &(struct drive_observer){watch, &w, -1});
    assert_true(w.ticks >= 2);
    assert_int_equal(w.last_ended, 25);
    assert_int_equal(w.last_offered, 25);
}

/* --- the same load whatever the threads --- */

struct image { /* what must not depend on threads */
    int64_t intended_ns[SEEN_MAX], asked_input[SEEN_MAX], asked_output[SEEN_MAX];
    struct buf body[SEEN_MAX];
};

static void take_image(struct trial *t, uint64_t n, bool times, struct image *out)
{
    for (uint64_t i = 0; i < n; i++) {
        assert_int_equal(t->desk.seen[i].times, 1);
        out->intended_ns[i] = times ? t->kept[i].intended_ns : 0;
        out->asked_input[i] = t->kept[i].asked_input;
        out->asked_output[i] = t->kept[i].asked_output;
        buf_put(&out->body[i], buf_slice(&t->desk.seen[i].body));
        t->desk.seen[i].times = 0;
    }
}

static void assert_same_load(struct trial *t, const struct load_spec *load, bool times)
{
    static const unsigned THREADS[] = {1, 2, 4};
    uint64_t n = load->num_prompts;
    struct image *first = MEM_NEW(struct image);
    for (size_t i = 0; i < 3; i++) {
        struct image *now = MEM_NEW(struct image);
        t->setup.threads = THREADS[i];
        trial_run(t, load, 0, NULL);
        drive_close(t->drive);
        t->drive = NULL;
        assert_all_ok(t, n);
        take_image(t, n, times, now);
        for (uint64_t k = 0; i > 0 && k < n; k++) {
            assert_int_equal(now->intended_ns[k], first->intended_ns[k]);
            assert_int_equal(now->asked_input[k], first->asked_input[k]);
            assert_int_equal(now->asked_output[k], first->asked_output[k]);
            assert_true(slice_eq(buf_slice(&now->body[k]), buf_slice(&first->body[k])));
        }
        for (uint64_t k = 0; i > 0 && k < n; k++)
            buf_release(&now->body[k]);
        if (i == 0)
            first = memcpy(first, now, sizeof *first);
        free(now);
    }
    assert_true(first->body[0].n > 0 &&
                !slice_eq(buf_slice(&first->body[0]), buf_slice(&first->body[1])));
    for (uint64_t k = 0; k < n; k++)
        buf_release(&first->body[k]);
    free(first);
}

static void an_open_load_is_the_same_for_any_number_of_threads(void **state)
{
    struct load_spec load = open_load(2000, 120);
    assert_same_load(*state, &load, true);
}

static void a_closed_load_asks_the_same_for_any_number_of_threads(void **state)
{
    struct load_spec load = closed(8, 100);
    assert_same_load(*state, &load, false);
}

static void work_is_spread_over_threads(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(8, 80);
    bool seen[4] = {false};
    t->setup.threads = 4;
    t->desk.answer = desk_after_a_moment;
    trial_run(t, &load, 0, NULL);
    assert_all_ok(t, 80);
    for (size_t i = 0; i < t->n; i++)
        seen[t->kept[i].thread] = true;
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
}

static void a_drive_takes_one_load_point_after_another(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(2, 20);
    for (int i = 0; i < 3; i++) {
        trial_run(t, &load, 4, NULL);
        assert_every_index_once(t, PHASE_WARMUP, 4);
        assert_every_index_once(t, PHASE_MEASURE, 20);
        assert_int_equal(t->run.exchanges, 20);
        assert_int_equal(t->run.token_events, 20 * ANSWER_TOKENS);
        assert_int_equal(t->run.peak_in_flight, 2);
    }
}

/* --- the tail that a load leaves at the server --- */

static void hold(struct desk *d, struct peer *p)
{
    struct pollfd fd = {.fd = p->fd, .events = POLLIN | POLLRDHUP};
    while (!d->let_go && !p->server->stopping && poll(&fd, 1, 1) == 0)
        ;
    if (d->let_go)
        desk_tokens(p);
}

/* Requests of the first 50 ms wait until some of the tail have come, which is held. */
static void hold_the_tail(struct desk *d, struct peer *p, bool warmup, uint64_t index)
{
    if (warmup || index < d->hold_from) {
        desk_await(p, &d->release);
        desk_tokens(p);
        return;
    }
    if (index >= d->hold_from + TAIL_WANTED - 1)
        atomic_store(&d->release, true);
    hold(d, p);
}

/* Runs a load that leaves a tail; returns how many requests that is. The loads behind it have so
 * few that their numbers are not held. */
static size_t leave_a_tail(struct trial *t)
{
    struct load_spec load = open_load(1000, 0);
    load.arrivals.burstiness = INFINITY;
    load.duration_ns = 50 * NS_PER_MS;
    struct arrivals schedule;
    arrivals_init(&schedule, &load.arrivals);
    for (int64_t at_ns; arrivals_next(&schedule, &at_ns) && at_ns < load.duration_ns;)
        t->desk.hold_from++;
    t->desk.answer = hold_the_tail;
    trial_run(t, &load, 0, NULL);
    size_t tail = trial_count(t, PHASE_TAIL, OUTCOME_CANCELLED);
    assert_true(tail >= TAIL_WANTED - 1);
    assert_every_index_once(t, PHASE_MEASURE, trial_count(t, PHASE_MEASURE, OUTCOME_OK));
    for (size_t i = 0; i < t->n; i++)
        if (t->kept[i].outcome == OUTCOME_CANCELLED) {
            assert_int_equal(t->kept[i].phase, PHASE_TAIL);
            assert_non_null(strstr(t->kept[i].error, "of the tail"));
            assert_true(t->kept[i].end_ns >= t->kept[i].started_ns);
        }
    return tail;
}

/* The requests that the server holds become so many. */
static void expect_busy(struct trial *t, size_t n)
{
    for (int i = 0; i < 20000 && t->desk.busy != n; i++)
        poll(NULL, 0, 1);
    assert_int_equal(t->desk.busy, n);
}

static void a_tail_is_recorded_once_and_stays_at_the_server(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(2, 20);
    t->setup.threads = 2;
    size_t tail = leave_a_tail(t);
    for (int i = 0; i < 2; i++) {
        trial_run(t, &load, 3, NULL);
        assert_int_equal(t->n, 3 + 20);
        assert_int_equal(trial_count(t, -1, OUTCOME_OK), 3 + 20);
        assert_int_equal(t->run.exchanges, 20);
        expect_busy(t, tail);
    }
}

static void a_tail_that_ends_later_is_no_request_of_the_next_load(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(1, 30);
    leave_a_tail(t);
    t->desk.let_go = true;
    trial_run(t, &load, 0, NULL);
    assert_int_equal(t->n, 30);
    assert_all_ok(t, 30);
    expect_busy(t, 0);
}

static void a_load_from_idle_cuts_the_tail_off(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(2, 20);
    t->setup.threads = 2;
    leave_a_tail(t);
    t->from_idle = true;
    trial_run(t, &load, 0, NULL);
    assert_int_equal(t->n, 20);
    assert_all_ok(t, 20);
    expect_busy(t, 0);
}

static void a_drive_may_be_closed_with_a_tail(void **state)
{
    struct trial *t = *state;
    leave_a_tail(t);
    drive_close(t->drive);
    t->drive = NULL;
    expect_busy(t, 0);
}

/* --- things that go wrong --- */

enum { FAULTS = 6 };

static void send_stream(struct peer *p, const char *text, size_t missing)
{
    char head[160];
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %zu\r\n\r\n",
             strlen(text) + missing);
    peer_send(p, head);
    peer_send(p, text);
}

static void fault_by_index(struct desk *d, struct peer *p, bool warmup, uint64_t index)
{
    (void)warmup;
    switch (index % FAULTS) {
    case 0:
        desk_tokens(p);
        break;
    case 1:
        desk_error(d, p, warmup, index);
        break;
    case 2:
        send_stream(p, "data: {\"error\":{\"message\":\"broken\"}}\n\n", 0);
        break;
    case 3:
        send_stream(p, "data: {\"choices\":[{\"index\":0,\"text\":\"a\"}]}\n\n", 0);
        break;
    case 4: /* in the middle of a body */
        send_stream(p, "data: {\"choices\":[{\"index\":0,\"text\":\"a\"}]}\n\n", 100);
        shutdown(p->fd, SHUT_RDWR);
        break;
    default:
        peer_send(p, "SSH-2.0-OpenSSH_9.2\r\n");
        shutdown(p->fd, SHUT_RDWR);
    }
}

static void every_fault_has_its_outcome(void **state)
{
    static const enum outcome WANTED[FAULTS] = {OUTCOME_OK,           OUTCOME_HTTP_ERROR,
                                                OUTCOME_ENGINE_ERROR, OUTCOME_TRUNCATED,
                                                OUTCOME_TRUNCATED,    OUTCOME_PROTOCOL_ERROR};
    struct trial *t = *state;
    struct load_spec load = closed(3, 10 * FAULTS);
    t->desk.answer = fault_by_index;
    t->setup.threads = 2;
    trial_run(t, &load, 0, NULL);
    assert_every_index_once(t, PHASE_MEASURE, 10 * FAULTS);
    for (size_t i = 0; i < t->n; i++) {
        const struct kept *k = &t->kept[i];
        if (k->outcome != WANTED[k->index % FAULTS])
            fail_msg("%llu is %s: %s", (unsigned long long)k->index, outcome_name(k->outcome),
                     k->error);
        assert_int_equal(k->error[0] == '\0', k->outcome == OUTCOME_OK);
    }
}

static void a_request_without_an_answer_times_out_from_its_intended_time(void **state)
{
    struct trial *t = *state;
    struct load_spec load = offline(5);
    t->desk.answer = desk_never;
    t->setup.timeout_ns = 50 * NS_PER_MS;
    trial_run(t, &load, 0, NULL);
    assert_int_equal(trial_count(t, PHASE_MEASURE, OUTCOME_TIMEOUT), 5);
    for (size_t i = 0; i < t->n; i++)
        assert_true(t->kept[i].end_ns - t->kept[i].intended_ns >= 50 * NS_PER_MS);
}

static void texts_are_saved_when_asked_for(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(1, 3);
    t->setup.save_output = true;
    trial_run(t, &load, 0, NULL);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(t->kept[i].output, " a a a");
}

static void a_server_that_only_fails_ends_the_run_early(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(8, 10000000);
    t->desk.answer = desk_error;
    trial_run(t, &load, 0, NULL);
    assert_true(t->n >= 500 && t->n < 10000000);
    assert_int_equal(trial_count(t, -1, OUTCOME_HTTP_ERROR) + trial_count(t, -1, OUTCOME_CANCELLED),
                     t->n);
    assert_false(t->run.interrupted);
    assert_non_null(strstr(t->findings, "hopeless (invalid)"));
}

static void with_nobody_listening_every_request_fails_to_connect(void **state)
{
    struct trial *t = *state;
    struct load_spec load = offline(10);
    struct server gone = {0};
    char url[160];
    assert_true(server_listen(&gone, "127.0.0.1", NULL));
    server_url(&gone, NULL, url);
    close(gone.listener);
    endpoint_close(&t->endpoint);
    assert_int_equal(endpoint_open(slice_of(url), NULL, &t->endpoint, &t->err), OK);
    trial_run(t, &load, 0, NULL);
    assert_int_equal(trial_count(t, PHASE_MEASURE, OUTCOME_CONNECT_FAILED), 10);
    assert_non_null(strstr(t->kept[0].error, "refused"));
    drive_close(t->drive);
    t->drive = NULL;
    t->setup.preconnect = 2;
    assert_int_equal(drive_open(&t->setup, 1, &t->drive, &t->err), ERR_NET);
    assert_null(t->drive);
}

static void connections_are_opened_ahead(void **state)
{
    struct trial *t = *state;
    struct load_spec load = closed(5, 20);
    t->setup.preconnect = 5;
    t->setup.threads = 2;
    trial_run(t, &load, 0, NULL);
    assert_all_ok(t, 20);
    assert_int_equal(t->server.accepted, 5 + 2); /* /metrics is asked before and after */
}

static void more_users_than_descriptors_are_refused_before_the_start(void **state)
{
    struct trial *t = *state;
    struct rlimit old, low;
    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    low.rlim_cur = 200;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int rc = drive_open(&t->setup, 1000, &t->drive, &t->err);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(rc, ERR_USAGE);
    assert_non_null(strstr(t->err.text, "ulimit -n 1064"));
    assert_null(t->drive);
}

/* The server in a process of its own: descriptors are counted by process. */
static pid_t serve_apart(struct trial *t, struct server *s, int *end)
{
    int pipes[2];
    s->context = &t->desk;
    assert_true(server_listen(s, "127.0.0.1", t->server.serve));
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(pipes[1]);
        server_go(s);
        while (read(pipes[0], &byte, 1) > 0)
            ;
        server_stop(s);
        _exit(0);
    }
    close(pipes[0]);
    close(s->listener);
    *end = pipes[1];
    return child;
}

static void without_descriptors_requests_are_dropped_and_say_so(void **state)
{
    enum { REQUESTS = 60, SPARE = 20 };
    struct trial *t = *state;
    struct load_spec load = offline(REQUESTS);
    struct server apart = {0};
    struct rlimit old, low;
    int end;
    char url[160];
    server_stop(&t->server);     /* no thread of ours when the process is doubled */
    t->desk.answer = desk_never; /* so that none is given back while others ask */
    t->setup.timeout_ns = NS_PER_S;
    pid_t child = serve_apart(t, &apart, &end);
    server_url(&apart, NULL, url);
    endpoint_close(&t->endpoint);
    assert_int_equal(endpoint_open(slice_of(url), NULL, &t->endpoint, &t->err), OK);
    trial_open(t, 0);
    trial_begin(t);
    int next = dup(end);
    close(next);
    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    low.rlim_cur = (rlim_t)next + SPARE;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int rc = trial_drive(t, &load, 0, NULL);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(rc, OK);
    trial_read_back(t);
    close(end);
    waitpid(child, NULL, 0);
    server_start(&t->server, "127.0.0.1", t->server.serve); /* for the tear-down */

    size_t dropped = trial_count(t, PHASE_MEASURE, OUTCOME_DROPPED);
    assert_every_index_once(t, PHASE_MEASURE, REQUESTS);
    assert_true(dropped >= REQUESTS - SPARE);
    assert_true(dropped < REQUESTS);
    assert_int_equal(dropped + trial_count(t, PHASE_MEASURE, OUTCOME_TIMEOUT), REQUESTS);
    for (size_t i = 0; i < t->n; i++)
        if (t->kept[i].outcome == OUTCOME_DROPPED)
            assert_non_null(strstr(t->kept[i].error, "(descriptors)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRIVE_TEST(a_closed_load_keeps_its_users_busy),
        DRIVE_TEST(the_warm_up_is_apart_from_the_run),
        DRIVE_TEST(an_open_load_starts_at_the_times_of_its_schedule),
        DRIVE_TEST(under_a_cap_requests_wait_and_none_is_lost),
        DRIVE_TEST(over_a_cap_requests_are_dropped_and_counted_if_wanted),
        DRIVE_TEST(an_offline_load_comes_all_at_once),
        DRIVE_TEST(load_goes_on_behind_its_duration_and_is_not_counted),
        DRIVE_TEST(a_closed_load_ends_with_its_duration_too),
        DRIVE_TEST(a_duration_does_not_wait_for_an_arrival_far_off),
        DRIVE_TEST(a_stop_drains_what_is_in_flight),
        DRIVE_TEST(a_stop_records_what_was_still_queued),
        DRIVE_TEST(an_abort_cuts_off_what_is_in_flight),
        DRIVE_TEST(a_stop_in_the_warm_up_measures_nothing),
        DRIVE_TEST(progress_ends_with_the_exact_counts),
        DRIVE_TEST(an_open_load_is_the_same_for_any_number_of_threads),
        DRIVE_TEST(a_closed_load_asks_the_same_for_any_number_of_threads),
        DRIVE_TEST(work_is_spread_over_threads),
        DRIVE_TEST(a_drive_takes_one_load_point_after_another),
        DRIVE_TEST(a_tail_is_recorded_once_and_stays_at_the_server),
        DRIVE_TEST(a_tail_that_ends_later_is_no_request_of_the_next_load),
        DRIVE_TEST(a_load_from_idle_cuts_the_tail_off),
        DRIVE_TEST(a_drive_may_be_closed_with_a_tail),
        DRIVE_TEST(every_fault_has_its_outcome),
        DRIVE_TEST(a_request_without_an_answer_times_out_from_its_intended_time),
        DRIVE_TEST(texts_are_saved_when_asked_for),
        DRIVE_TEST(a_server_that_only_fails_ends_the_run_early),
        DRIVE_TEST(with_nobody_listening_every_request_fails_to_connect),
        DRIVE_TEST(connections_are_opened_ahead),
        DRIVE_TEST(more_users_than_descriptors_are_refused_before_the_start),
        DRIVE_TEST(without_descriptors_requests_are_dropped_and_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
