/* The policy driven by virtual time: T make-believe threads, each with at most one held arrival,
 * and a service time per request. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/rng.h"
#include "workload/policy.h"

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

enum { MAX_THREADS = 8, MAX_SEEN = 20000, MAX_FLYING = 20000 };

struct seen {
    struct offer offer;
    int64_t started_ns, ended_ns;
    bool started, dropped;
};

struct world {
    struct policy *policy;
    unsigned threads;
    int64_t service_ns; /* of every request, unless … */
    bool varied;        /* … exponential with that mean */
    int64_t stop_at_ns; /* 0: never */
    int64_t now_ns;

    struct offer held[MAX_THREADS];
    bool holding[MAX_THREADS];
    size_t in_thread[MAX_THREADS];
    size_t most_in_thread[MAX_THREADS];

    struct {
        size_t seen;
        unsigned thread;
    } flying[MAX_FLYING];
    size_t flying_n;
    struct seen seen[MAX_SEEN];
    size_t seen_n;
    size_t voided, cut_off;
};

static struct world world;

static int64_t service_ns(const struct world *w, uint64_t index)
{
    if (!w->varied)
        return w->service_ns;
    struct rng r = rng_at(99, RNG_THINK, index);
    return (int64_t)(rng_exponential(&r) * (double)w->service_ns);
}

static void note(struct world *w, const struct offer *o, bool started, bool dropped, unsigned t)
{
    assert_true(w->seen_n < MAX_SEEN && w->flying_n < MAX_FLYING);
    struct seen *s = &w->seen[w->seen_n];
    *s =
        (struct seen){.offer = *o, .started_ns = w->now_ns, .started = started, .dropped = dropped};
    if (started) {
        s->ended_ns = w->now_ns + service_ns(w, o->index);
        w->flying[w->flying_n].seen = w->seen_n;
        w->flying[w->flying_n++].thread = t;
        if (++w->in_thread[t] > w->most_in_thread[t])
            w->most_in_thread[t] = w->in_thread[t];
    }
    w->seen_n++;
}

/* One turn of thread t's loop; true if anything happened. */
static bool turn(struct world *w, unsigned t)
{
    bool did = false;
    struct offer o;
    while (policy_refill(w->policy, t, w->now_ns, &o)) {
        note(w, &o, !o.cancelled, false, t);
        did = true;
    }
    if (!w->holding[t])
        w->holding[t] = policy_reserve(w->policy, &w->held[t]);
    if (!w->holding[t] || w->held[t].intended_ns > w->now_ns)
        return did;
    w->holding[t] = false;
    switch (policy_admit(w->policy, &w->held[t], w->now_ns)) {
    case ADMIT_START:
        note(w, &w->held[t], true, false, t);
        break;
    case ADMIT_DROPPED:
        note(w, &w->held[t], false, true, t);
        break;
    case ADMIT_VOID:
        w->voided++;
        break;
    case ADMIT_QUEUED:
        break;
    }
    return true;
}

static void end_due(struct world *w)
{
    for (size_t i = 0; i < w->flying_n;) {
        struct seen *s = &w->seen[w->flying[i].seen];
        if (s->ended_ns > w->now_ns) {
            i++;
            continue;
        }
        policy_end(w->policy, &s->offer, w->now_ns);
        w->in_thread[w->flying[i].thread]--;
        w->flying[i] = w->flying[--w->flying_n];
    }
}

static int64_t next_moment(const struct world *w)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < w->flying_n; i++)
        if (w->seen[w->flying[i].seen].ended_ns < next)
            next = w->seen[w->flying[i].seen].ended_ns;
    for (unsigned t = 0; t < w->threads; t++)
        if (w->holding[t] && w->held[t].intended_ns < next)
            next = w->held[t].intended_ns;
    if (w->stop_at_ns > w->now_ns && w->stop_at_ns < next)
        next = w->stop_at_ns;
    return next;
}

static struct policy_counts run(struct world *w, const struct load_spec *spec, unsigned threads,
                                int64_t start_ns)
{
    w->policy = policy_new(spec, threads, start_ns);
    w->threads = threads;
    w->now_ns = start_ns;
    for (;;) {
        for (bool did = true; did;) {
            did = false;
            for (unsigned t = 0; t < threads; t++)
                did |= turn(w, t);
        }
        if (policy_exhausted(w->policy) && policy_measured(w->policy))
            break;
        int64_t next = next_moment(w);
        assert_true(next < INT64_MAX); /* else it would wait for ever */
        assert_true(next >= w->now_ns);
        w->now_ns = next;
        if (w->stop_at_ns && w->now_ns >= w->stop_at_ns)
            policy_stop(w->policy);
        end_due(w);
    }
    w->cut_off = w->flying_n;
    struct policy_counts c = policy_counts(w->policy);
    assert_int_equal(c.in_flight, w->flying_n);
    assert_int_equal(c.queued, 0);
    if (!spec->cut)
        assert_int_equal(c.offered, c.dropped + c.ended);
    policy_free(w->policy);
    return c;
}

static struct world *fresh(int64_t service)
{
    memset(&world, 0, sizeof world);
    world.service_ns = service;
    return &world;
}

static size_t count_phase(const struct world *w, enum phase phase)
{
    size_t n = 0;
    for (size_t i = 0; i < w->seen_n; i++)
        n += w->seen[i].offer.phase == phase;
    return n;
}

/* Every index once, and none left out below the highest. */
static void check_indices(const struct world *w)
{
    static bool taken[MAX_SEEN];
    memset(taken, 0, sizeof taken);
    for (size_t i = 0; i < w->seen_n; i++) {
        uint64_t index = w->seen[i].offer.index;
        assert_true(index < w->seen_n + w->voided);
        assert_false(taken[index]);
        taken[index] = true;
    }
}

static struct load_spec open_load(double rate, double burstiness)
{
    return (struct load_spec){.mode = LOAD_OPEN,
                              .arrivals = {.rate = rate, .burstiness = burstiness, .seed = 5}};
}

static struct load_spec closed_load(int64_t users)
{
    return (struct load_spec){.mode = LOAD_CLOSED, .max_concurrency = users};
}

static void open_load_starts_each_request_at_its_time_and_offers_the_number_asked_for(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct load_spec spec = open_load(100, 1);
        spec.num_prompts = 1000;
        struct world *w = fresh(300 * MS);
        struct policy_counts c = run(w, &spec, threads, 17 * S);
        assert_int_equal(c.offered, 1000);
        assert_int_equal(w->seen_n, 1000);
        check_indices(w);
        struct arrivals a;
        arrivals_init(&a, &spec.arrivals);
        for (size_t i = 0; i < 1000; i++) {
            int64_t at;
            arrivals_next(&a, &at);
            assert_int_equal(w->seen[i].offer.index, i);
            assert_int_equal(w->seen[i].offer.intended_ns, 17 * S + at);
            assert_int_equal(w->seen[i].started_ns, 17 * S + at);
            assert_int_equal(w->seen[i].offer.phase, PHASE_MEASURE);
        }
        assert_int_equal(c.last_offer_ns, w->seen[999].started_ns);
        assert_int_equal(w->cut_off, 0);
    }
}

static void over_the_cap_requests_queue_in_order_and_keep_their_intended_time(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct load_spec spec = open_load(100, INFINITY);
        spec.max_concurrency = 3;
        spec.num_prompts = 200;
        struct world *w = fresh(100 * MS); /* 30 a second at most, 100 asked */
        struct policy_counts c = run(w, &spec, threads, 0);
        assert_int_equal(c.offered, 200);
        assert_int_equal(c.ended, 200);
        assert_int_equal(c.peak_in_flight, 3);
        assert_true(c.peak_queued > 100);
        for (size_t i = 0; i < 200; i++) {
            assert_int_equal(w->seen[i].offer.index, i);
            assert_int_equal(w->seen[i].offer.intended_ns, (int64_t)(i + 1) * 10 * MS);
            /* Three at a time, 100 ms each, from the first three arrivals on. */
            int64_t start = (int64_t)(i % 3 + 1) * 10 * MS + (int64_t)(i / 3) * 100 * MS;
            assert_int_equal(w->seen[i].started_ns, start);
        }
    }
}

static void over_the_cap_requests_are_dropped_and_counted_when_asked_for(void **state)
{
    (void)state;
    struct load_spec spec = open_load(100, INFINITY);
    spec.max_concurrency = 3;
    spec.on_cap = ON_CAP_DROP;
    spec.num_prompts = 200;
    struct world *w = fresh(95 * MS);
    struct policy_counts c = run(w, &spec, 2, 0);
    assert_int_equal(c.offered, 200);
    assert_int_equal(w->seen_n, 200);
    /* Of ten arrivals in 100 ms three find a free slot. */
    assert_int_equal(c.ended, 60);
    assert_int_equal(c.dropped, 140);
    assert_int_equal(c.peak_in_flight, 3);
    assert_int_equal(c.peak_queued, 0);
    check_indices(w);
}

static void closed_load_shares_its_users_out_evenly_and_exactly(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        for (int64_t users = 1; users <= 11; users += 5) {
            struct load_spec spec = closed_load(users);
            spec.num_prompts = 500;
            struct world *w = fresh(20 * MS);
            w->varied = true;
            struct policy_counts c = run(w, &spec, threads, 3 * S);
            assert_int_equal(c.offered, 500);
            assert_int_equal(w->seen_n, 500);
            assert_int_equal(c.peak_in_flight, users);
            size_t all = 0;
            for (unsigned t = 0; t < threads; t++) {
                size_t low = (size_t)users / threads;
                assert_in_range(w->most_in_thread[t], low, low + 1);
                all += w->most_in_thread[t];
            }
            assert_int_equal(all, users);
            check_indices(w);
        }
    }
}

static void a_closed_users_next_request_is_intended_for_the_moment_it_became_free(void **state)
{
    (void)state;
    struct load_spec spec = closed_load(2);
    struct policy *p = policy_new(&spec, 1, 100);
    struct offer a, b, c;
    assert_false(policy_refill(p, 0, 99, &a)); /* not before the start */
    assert_true(policy_refill(p, 0, 150, &a));
    assert_true(policy_refill(p, 0, 160, &b));
    assert_false(policy_refill(p, 0, 170, &c));
    assert_int_equal(a.intended_ns, 100);
    assert_int_equal(b.intended_ns, 100);
    policy_end(p, &b, 200);
    policy_end(p, &a, 210);
    assert_true(policy_refill(p, 0, 300, &c));
    assert_int_equal(c.intended_ns, 200);
    assert_int_equal(c.index, 2);
    assert_true(policy_refill(p, 0, 300, &c));
    assert_int_equal(c.intended_ns, 210);
    assert_false(policy_reserve(p, &c));
    policy_free(p);
}

static void a_users_place_stays_with_its_thread(void **state)
{
    (void)state;
    struct load_spec spec = closed_load(3);
    struct policy *p = policy_new(&spec, 2, 0);
    struct offer a, b, c, d;
    assert_true(policy_refill(p, 0, 0, &a));
    assert_true(policy_refill(p, 0, 0, &b));
    assert_false(policy_refill(p, 0, 0, &d));
    assert_true(policy_refill(p, 1, 0, &c));
    assert_false(policy_refill(p, 1, 0, &d));
    policy_end(p, &a, 10);
    assert_false(policy_refill(p, 1, 10, &d));
    assert_true(policy_refill(p, 0, 10, &d));
    policy_free(p);
}

static void check_duration(struct world *w, struct policy_counts c, int64_t end_ns)
{
    int64_t last_measured_end = 0;
    for (size_t i = 0; i < w->seen_n; i++) {
        const struct seen *s = &w->seen[i];
        bool late = s->offer.intended_ns >= end_ns;
        assert_int_equal(s->offer.phase, late ? PHASE_TAIL : PHASE_MEASURE);
        if (!late && s->started && s->ended_ns > last_measured_end)
            last_measured_end = s->ended_ns;
    }
    assert_int_equal(c.offered, count_phase(w, PHASE_MEASURE));
    /* The tail goes on until the last measured end, and not beyond. */
    assert_int_equal(w->now_ns, last_measured_end);
    assert_true(count_phase(w, PHASE_TAIL) > 0);
}

static void open_load_goes_on_as_tail_until_all_that_was_measured_has_ended(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct load_spec spec = open_load(50, 1);
        spec.duration_ns = 10 * S;
        struct world *w = fresh(2 * S);
        struct policy_counts c = run(w, &spec, threads, 4 * S);
        check_duration(w, c, 14 * S);
        assert_in_range(c.offered, 400, 600);
        assert_in_range(count_phase(w, PHASE_TAIL), 60, 140); /* two more seconds */
        assert_true(w->cut_off > 0);
    }
}

static void closed_load_goes_on_as_tail_until_all_that_was_measured_has_ended(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct load_spec spec = closed_load(10);
        spec.duration_ns = 5 * S;
        struct world *w = fresh(300 * MS);
        w->varied = true;
        struct policy_counts c = run(w, &spec, threads, S);
        check_duration(w, c, 6 * S);
        assert_int_equal(c.peak_in_flight, 10);
    }
}

static void queued_load_goes_on_as_tail_and_what_still_queues_is_handed_out_cancelled(void **state)
{
    (void)state;
    struct load_spec spec = open_load(100, INFINITY);
    spec.max_concurrency = 5;
    spec.duration_ns = 2 * S;
    struct world *w = fresh(100 * MS); /* half of what is asked */
    struct policy_counts c = run(w, &spec, 3, 0);
    assert_int_equal(c.offered, 199); /* at 0.01 … 1.99 s */
    size_t cancelled = 0;
    for (size_t i = 0; i < w->seen_n; i++) {
        cancelled += w->seen[i].offer.cancelled;
        if (w->seen[i].offer.cancelled)
            assert_int_equal(w->seen[i].offer.phase, PHASE_TAIL);
    }
    assert_true(cancelled > 100);
    check_indices(w);
}

static void num_prompts_reached_before_the_duration_leaves_no_tail(void **state)
{
    (void)state;
    struct load_spec specs[] = {open_load(100, INFINITY), closed_load(4)};
    for (size_t i = 0; i < 2; i++) {
        specs[i].num_prompts = 50;
        specs[i].duration_ns = 100 * S;
        struct world *w = fresh(40 * MS);
        struct policy_counts c = run(w, &specs[i], 2, 0);
        assert_int_equal(c.offered, 50);
        assert_int_equal(w->seen_n, 50);
        assert_int_equal(count_phase(w, PHASE_TAIL), 0);
    }
}

static void duration_ending_first_offers_fewer_than_num_prompts(void **state)
{
    (void)state;
    struct load_spec spec = open_load(100, INFINITY);
    spec.num_prompts = 150;
    spec.duration_ns = S;
    struct world *w = fresh(1500 * MS); /* so long that the tail alone would pass 150 */
    struct policy_counts c = run(w, &spec, 2, 0);
    assert_int_equal(c.offered, 99);
    check_duration(w, c, S);
    assert_true(w->seen_n > 200);
}

static void offline_load_offers_everything_at_the_start(void **state)
{
    (void)state;
    struct load_spec spec = {.mode = LOAD_OFFLINE, .num_prompts = 300};
    struct world *w = fresh(S);
    struct policy_counts c = run(w, &spec, 3, 7 * S);
    assert_int_equal(c.offered, 300);
    assert_int_equal(c.peak_in_flight, 300);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(w->seen[i].started_ns, 7 * S);
}

static void a_warm_up_is_all_warm_up_and_drains(void **state)
{
    (void)state;
    struct load_spec spec = closed_load(8);
    spec.warmup = true;
    spec.num_prompts = 50;
    struct world *w = fresh(100 * MS);
    w->varied = true;
    struct policy_counts c = run(w, &spec, 2, 0);
    assert_int_equal(c.offered, 50);
    assert_int_equal(count_phase(w, PHASE_WARMUP), 50);
    assert_int_equal(w->cut_off, 0);
    spec.num_prompts = 0;
    spec.duration_ns = S; /* by time: nothing is offered behind it */
    w = fresh(100 * MS);
    c = run(w, &spec, 2, 0);
    assert_int_equal(c.offered, 80);
    assert_int_equal(count_phase(w, PHASE_WARMUP), 80);
    assert_int_equal(w->cut_off, 0);
    spec = open_load(100, INFINITY);
    spec.warmup = true;
    spec.duration_ns = S;
    w = fresh(100 * MS);
    c = run(w, &spec, 2, 0);
    assert_int_equal(c.offered, 99);
    assert_int_equal(w->seen_n, 99);
    assert_int_equal(w->cut_off, 0);
}

static void an_arrival_exactly_at_the_end_is_not_waited_for(void **state)
{
    (void)state;
    struct load_spec spec = open_load(100, INFINITY);
    spec.duration_ns = 20 * MS;
    struct policy *p = policy_new(&spec, 1, 0);
    struct offer a;
    assert_true(policy_reserve(p, &a));
    assert_int_equal(policy_admit(p, &a, 10 * MS), ADMIT_START);
    assert_false(policy_measured(p));
    policy_end(p, &a, 15 * MS);
    assert_true(policy_measured(p));
    assert_true(policy_exhausted(p));
    assert_false(policy_reserve(p, &a));
    policy_free(p);
}

static void a_trace_ends_the_run_when_it_is_used_up(void **state)
{
    (void)state;
    const int64_t at[] = {0, 10 * MS, 10 * MS, S};
    struct load_spec spec = {.mode = LOAD_OPEN, .arrivals = {.at_ns = at, .at_count = 4}};
    struct world *w = fresh(5 * MS);
    struct policy_counts c = run(w, &spec, 2, S);
    assert_int_equal(c.offered, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(w->seen[i].started_ns, S + at[i]);
}

static void stopping_offers_nothing_more_and_lets_what_flies_end(void **state)
{
    (void)state;
    struct load_spec specs[] = {open_load(100, 1), closed_load(10)};
    for (size_t i = 0; i < 2; i++) {
        struct world *w = fresh(500 * MS);
        w->stop_at_ns = 3 * S + 1;
        struct policy_counts c = run(w, &specs[i], 2, 0);
        assert_true(c.offered > 50);
        assert_int_equal(w->cut_off, 0);
        for (size_t j = 0; j < w->seen_n; j++)
            assert_true(w->seen[j].started_ns <= 3 * S + 1);
        assert_in_range(w->now_ns, 3 * S + 1, 3 * S + 500 * MS);
    }
}

static void stopping_hands_the_queue_out_cancelled(void **state)
{
    (void)state;
    struct load_spec spec = open_load(100, INFINITY);
    spec.max_concurrency = 1;
    struct world *w = fresh(S);
    w->stop_at_ns = 500 * MS + 1;
    struct policy_counts c = run(w, &spec, 2, 0);
    assert_int_equal(c.offered, 50);
    assert_int_equal(c.ended, 50);
    size_t cancelled = 0;
    for (size_t i = 0; i < w->seen_n; i++)
        if (w->seen[i].offer.cancelled) {
            cancelled++;
            assert_int_equal(w->seen[i].started_ns, w->stop_at_ns); /* at once, slot or none */
        }
    assert_int_equal(cancelled, 49);
    check_indices(w);
}

static void a_reserved_request_is_due_until_it_is_admitted(void **state)
{
    (void)state;
    struct load_spec spec = open_load(100, INFINITY);
    spec.num_prompts = 2;
    struct policy *p = policy_new(&spec, 2, 0);
    struct offer a, b, c;
    assert_true(policy_reserve(p, &a));
    assert_int_equal(policy_admit(p, &a, 10 * MS), ADMIT_START);
    assert_true(policy_reserve(p, &b));
    assert_false(policy_reserve(p, &c));
    policy_end(p, &a, 11 * MS);
    assert_false(policy_exhausted(p)); /* nothing in flight, all reserved: but b is to come */
    assert_false(policy_measured(p));
    assert_int_equal(policy_counts(p).offered, 1);
    assert_int_equal(policy_admit(p, &b, 20 * MS), ADMIT_START);
    assert_true(policy_exhausted(p));
    assert_false(policy_measured(p));
    policy_end(p, &b, 30 * MS);
    assert_true(policy_measured(p));
    policy_free(p);
}

static void a_request_held_while_the_run_closes_is_void(void **state)
{
    (void)state;
    struct load_spec spec = open_load(100, INFINITY);
    spec.duration_ns = 15 * MS;
    struct policy *p = policy_new(&spec, 2, 0);
    struct offer a, tail, next;
    assert_true(policy_reserve(p, &a));
    assert_true(policy_reserve(p, &tail));
    assert_int_equal(tail.phase, PHASE_TAIL);
    assert_int_equal(policy_admit(p, &a, 10 * MS), ADMIT_START);
    policy_end(p, &a, 12 * MS);
    assert_true(policy_measured(p));
    assert_true(policy_exhausted(p));
    assert_int_equal(policy_admit(p, &tail, 20 * MS), ADMIT_VOID);
    assert_false(policy_reserve(p, &next));
    assert_int_equal(policy_counts(p).offered, 1);
    policy_free(p);
}

static void a_measured_request_held_late_keeps_the_run_open(void **state)
{
    (void)state;
    struct load_spec spec = open_load(100, INFINITY);
    spec.duration_ns = 15 * MS;
    struct policy *p = policy_new(&spec, 2, 0);
    struct offer a, tail;
    assert_true(policy_reserve(p, &a));
    assert_true(policy_reserve(p, &tail));
    assert_int_equal(policy_admit(p, &tail, 20 * MS), ADMIT_START); /* the other thread is late */
    assert_false(policy_measured(p));
    assert_int_equal(policy_admit(p, &a, 25 * MS), ADMIT_START);
    assert_int_equal(a.phase, PHASE_MEASURE);
    assert_false(policy_measured(p));
    policy_end(p, &a, 40 * MS);
    assert_true(policy_measured(p));
    policy_free(p);
}

static void
the_queue_is_in_the_order_of_the_schedule_though_threads_admit_out_of_order(void **state)
{
    (void)state;
    struct load_spec spec = open_load(100, INFINITY);
    spec.max_concurrency = 1;
    spec.num_prompts = 200;
    struct policy *p = policy_new(&spec, 4, 0);
    struct offer o[200], out;
    for (int i = 0; i < 200; i++)
        assert_true(policy_reserve(p, &o[i]));
    assert_int_equal(policy_admit(p, &o[0], S), ADMIT_START);
    for (int i = 1; i < 199; i += 2) { /* neighbours swapped */
        assert_int_equal(policy_admit(p, &o[i + 1], S), ADMIT_QUEUED);
        assert_int_equal(policy_admit(p, &o[i], S), ADMIT_QUEUED);
    }
    assert_int_equal(policy_admit(p, &o[199], S), ADMIT_QUEUED);
    out = o[0];
    for (uint64_t i = 1; i < 200; i++) {
        assert_false(policy_refill(p, 0, S, &(struct offer){0}));
        policy_end(p, &out, S);
        assert_true(policy_refill(p, i % 4, S, &out));
        assert_int_equal(out.index, i);
        assert_int_equal(out.intended_ns, o[i].intended_ns);
    }
    policy_free(p);
}

static void a_newcomer_does_not_overtake_the_queue_when_a_slot_is_free(void **state)
{
    (void)state;
    struct load_spec spec = open_load(100, INFINITY);
    spec.max_concurrency = 1;
    spec.num_prompts = 3;
    struct policy *p = policy_new(&spec, 2, 0);
    struct offer a, b, c, out;
    policy_reserve(p, &a);
    policy_reserve(p, &b);
    policy_reserve(p, &c);
    assert_int_equal(policy_admit(p, &a, 10 * MS), ADMIT_START);
    assert_int_equal(policy_admit(p, &b, 20 * MS), ADMIT_QUEUED);
    policy_end(p, &a, 25 * MS);
    assert_int_equal(policy_admit(p, &c, 30 * MS), ADMIT_QUEUED);
    assert_true(policy_refill(p, 1, 30 * MS, &out));
    assert_int_equal(out.index, 1);
    assert_false(policy_exhausted(p));
    policy_free(p);
}

static void stopping_does_not_wait_for_what_is_reserved(void **state)
{
    (void)state;
    struct load_spec spec = open_load(0.001, INFINITY);
    struct policy *p = policy_new(&spec, 1, 0);
    struct offer a;
    assert_true(policy_reserve(p, &a));
    policy_stop(p);
    assert_true(policy_exhausted(p));
    assert_true(policy_measured(p));
    assert_int_equal(policy_admit(p, &a, 0), ADMIT_VOID);
    policy_free(p);
}

static void a_user_freed_just_before_the_end_is_still_due(void **state)
{
    (void)state;
    struct load_spec spec = closed_load(1);
    spec.duration_ns = 100;
    struct policy *p = policy_new(&spec, 1, 0);
    struct offer a, b, c;
    assert_true(policy_refill(p, 0, 0, &a));
    policy_end(p, &a, 99);
    assert_false(policy_measured(p));
    assert_false(policy_exhausted(p));
    assert_true(policy_refill(p, 0, 120, &b)); /* handed out late, meant for 99 */
    assert_int_equal(b.phase, PHASE_MEASURE);
    policy_end(p, &b, 130);
    assert_true(policy_measured(p));
    assert_true(policy_exhausted(p));
    assert_false(policy_refill(p, 0, 131, &c));
    policy_free(p);
}

/* ---- a load that is cut ---- */

static void a_load_that_is_cut_waits_for_nothing_when_its_time_is_over(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct load_spec spec = open_load(100, INFINITY);
        spec.duration_ns = 10 * S;
        spec.cut = true;
        struct world *w = fresh(3 * S);
        struct policy_counts c = run(w, &spec, threads, 17 * S);
        /* It is over with its last arrival, up to a gap before its time is. */
        assert_true(w->now_ns >= 27 * S - 20 * MS && w->now_ns <= 27 * S + 20 * MS);
        assert_in_range(c.offered, 999, 1001);
        assert_in_range(w->cut_off, 298, 302); /* three seconds' worth were out */
        assert_true(count_phase(w, PHASE_TAIL) <= threads + 1);
        check_indices(w);
        for (size_t i = 0; i < w->seen_n; i++)
            assert_true(w->seen[i].offer.phase == PHASE_TAIL ||
                        w->seen[i].offer.intended_ns <= 27 * S);
    }
}

static void a_load_that_is_cut_offers_what_the_same_load_offers_uncut(void **state)
{
    (void)state;
    static struct world whole;
    struct load_spec spec = open_load(50, 1);
    spec.duration_ns = 10 * S;
    run(fresh(2 * S), &spec, 1, 0);
    whole = world;
    spec.cut = true;
    struct world *w = fresh(2 * S);
    run(w, &spec, 1, 0);
    assert_int_equal(count_phase(w, PHASE_MEASURE), count_phase(&whole, PHASE_MEASURE));
    for (size_t i = 0; i < count_phase(w, PHASE_MEASURE); i++)
        assert_int_equal(w->seen[i].offer.intended_ns, whole.seen[i].offer.intended_ns);
    assert_true(whole.seen_n > w->seen_n); /* the tail is what it saves */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_load_starts_each_request_at_its_time_and_offers_the_number_asked_for),
        cmocka_unit_test(over_the_cap_requests_queue_in_order_and_keep_their_intended_time),
        cmocka_unit_test(over_the_cap_requests_are_dropped_and_counted_when_asked_for),
        cmocka_unit_test(closed_load_shares_its_users_out_evenly_and_exactly),
        cmocka_unit_test(a_closed_users_next_request_is_intended_for_the_moment_it_became_free),
        cmocka_unit_test(a_users_place_stays_with_its_thread),
        cmocka_unit_test(open_load_goes_on_as_tail_until_all_that_was_measured_has_ended),
        cmocka_unit_test(closed_load_goes_on_as_tail_until_all_that_was_measured_has_ended),
        cmocka_unit_test(queued_load_goes_on_as_tail_and_what_still_queues_is_handed_out_cancelled),
        cmocka_unit_test(num_prompts_reached_before_the_duration_leaves_no_tail),
        cmocka_unit_test(duration_ending_first_offers_fewer_than_num_prompts),
        cmocka_unit_test(offline_load_offers_everything_at_the_start),
        cmocka_unit_test(a_warm_up_is_all_warm_up_and_drains),
        cmocka_unit_test(an_arrival_exactly_at_the_end_is_not_waited_for),
        cmocka_unit_test(a_trace_ends_the_run_when_it_is_used_up),
        cmocka_unit_test(stopping_offers_nothing_more_and_lets_what_flies_end),
        cmocka_unit_test(stopping_hands_the_queue_out_cancelled),
        cmocka_unit_test(a_reserved_request_is_due_until_it_is_admitted),
        cmocka_unit_test(a_request_held_while_the_run_closes_is_void),
        cmocka_unit_test(a_measured_request_held_late_keeps_the_run_open),
        cmocka_unit_test(
            the_queue_is_in_the_order_of_the_schedule_though_threads_admit_out_of_order),
        cmocka_unit_test(a_newcomer_does_not_overtake_the_queue_when_a_slot_is_free),
        cmocka_unit_test(stopping_does_not_wait_for_what_is_reserved),
        cmocka_unit_test(a_user_freed_just_before_the_end_is_still_due),
        cmocka_unit_test(a_load_that_is_cut_waits_for_nothing_when_its_time_is_over),
        cmocka_unit_test(a_load_that_is_cut_offers_what_the_same_load_offers_uncut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
