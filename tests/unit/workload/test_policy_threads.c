/* The policy under real threads; time is a shared counter that every turn moves on, so the order of
 * things is the scheduler's but the counts must be exact. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "workload/policy.h"

enum { THREADS = 4, MAX_INDEX = 200000, FLYING = 512 };

struct shared {
    struct policy *policy;
    _Atomic int64_t clock_ns;
    int64_t end_ns;      /* of the duration; INT64_MAX without */
    uint64_t stop_after; /* offers seen by one thread until it stops the policy; 0: never */
    _Atomic uint8_t outcomes[MAX_INDEX]; /* how often each index came to an outcome */
    _Atomic int64_t flying, most_flying;
    _Atomic uint64_t wrong_phase, measured_too_early, after_exhausted;
    _Atomic bool measured;
};

struct driver {
    struct shared *s;
    unsigned number;
    struct offer flying[FLYING];
    size_t n, most;
    uint64_t measured, tail, dropped, queued, voided, cancelled, random;
};

static uint32_t any(struct driver *d)
{
    d->random = d->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(d->random >> 33);
}

static void outcome(struct driver *d, const struct offer *o)
{
    bool late = o->intended_ns >= d->s->end_ns;
    if (o->phase != PHASE_WARMUP && (o->phase == PHASE_TAIL) != late)
        d->s->wrong_phase++;
    if (o->index < MAX_INDEX)
        d->s->outcomes[o->index]++;
    if (o->phase == PHASE_TAIL)
        d->tail++;
    else
        d->measured++;
}

static void start(struct driver *d, const struct offer *o)
{
    outcome(d, o);
    if (o->phase != PHASE_TAIL && d->s->measured)
        d->s->measured_too_early++;
    int64_t n = ++d->s->flying;
    for (int64_t most = d->s->most_flying;
         n > most && !atomic_compare_exchange_weak(&d->s->most_flying, &most, n);)
        ;
    d->flying[d->n++] = *o;
    if (d->n > d->most)
        d->most = d->n;
}

static void end_some(struct driver *d, int64_t now)
{
    for (size_t i = 0; i < d->n;) {
        if (any(d) % 3) {
            i++;
            continue;
        }
        struct offer o = d->flying[i];
        d->flying[i] = d->flying[--d->n];
        d->s->flying--; /* before the policy knows, so that our count never exceeds the true one */
        policy_end(d->s->policy, &o, now);
    }
}

static void admit(struct driver *d, const struct offer *o, int64_t now)
{
    switch (policy_admit(d->s->policy, o, now)) {
    case ADMIT_START:
        start(d, o);
        break;
    case ADMIT_DROPPED:
        outcome(d, o);
        d->dropped++;
        break;
    case ADMIT_QUEUED:
        d->queued++;
        break;
    case ADMIT_VOID:
        d->voided++;
        break;
    }
}

static void *drive(void *context)
{
    struct driver *d = context;
    struct shared *s = d->s;
    struct offer held, o;
    bool holding = false;
    for (;;) {
        int64_t now = ++s->clock_ns;
        bool exhausted = policy_exhausted(s->policy);
        while (d->n < FLYING && policy_refill(s->policy, d->number, now, &o)) {
            s->after_exhausted += exhausted;
            if (o.cancelled) {
                outcome(d, &o);
                d->cancelled++;
            } else {
                start(d, &o);
            }
        }
        if (!holding)
            holding = policy_reserve(s->policy, &held);
        if (any(d) % 8 == 0)
            sched_yield(); /* hold it while others go on */
        if (holding && d->n < FLYING && now >= held.intended_ns) {
            holding = false;
            admit(d, &held, now);
        }
        end_some(d, now);
        if (s->stop_after && d->number == 0 && d->measured >= s->stop_after)
            policy_stop(s->policy);
        bool measured = policy_measured(s->policy);
        if (measured)
            s->measured = true;
        if (measured && policy_exhausted(s->policy) && d->n == 0)
            return NULL;
    }
}

static struct driver drivers[THREADS];
static struct shared shared;

struct sums {
    uint64_t measured, tail, dropped, queued, cancelled;
};

static struct sums run(const struct load_spec *spec, uint64_t stop_after, struct policy_counts *c)
{
    pthread_t id[THREADS];
    memset(&shared, 0, sizeof shared);
    memset(drivers, 0, sizeof drivers);
    shared.policy = policy_new(spec, THREADS, 0);
    shared.end_ns = spec->duration_ns > 0 ? spec->duration_ns : INT64_MAX;
    shared.stop_after = stop_after;
    for (unsigned t = 0; t < THREADS; t++) {
        drivers[t] = (struct driver){.s = &shared, .number = t, .random = t + 1};
        assert_int_equal(pthread_create(&id[t], NULL, drive, &drivers[t]), 0);
    }
    struct sums sum = {0};
    for (unsigned t = 0; t < THREADS; t++) {
        pthread_join(id[t], NULL);
        sum.measured += drivers[t].measured;
        sum.tail += drivers[t].tail;
        sum.dropped += drivers[t].dropped;
        sum.queued += drivers[t].queued;
        sum.cancelled += drivers[t].cancelled;
    }
    *c = policy_counts(shared.policy);
    policy_free(shared.policy);
    assert_int_equal(c->offered, sum.measured);
    assert_int_equal(c->offered, c->dropped + c->ended);
    assert_int_equal(c->in_flight, 0);
    assert_int_equal(c->queued, 0);
    assert_int_equal(shared.wrong_phase, 0);
    assert_int_equal(shared.measured_too_early, 0);
    assert_int_equal(shared.after_exhausted, 0);
    for (size_t i = 0; i < MAX_INDEX; i++)
        assert_true(shared.outcomes[i] <= 1);
    return sum;
}

static void check_first(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(shared.outcomes[i], 1);
}

/* A mean gap of half a tick of the clock: threads are late all the time. */
static struct load_spec open_load(void)
{
    return (struct load_spec){.mode = LOAD_OPEN,
                              .arrivals = {.rate = 2e9, .burstiness = 1, .seed = 1}};
}

static void open_load_gives_every_index_to_exactly_one_thread(void **state)
{
    (void)state;
    struct load_spec spec = open_load();
    struct policy_counts c;
    spec.num_prompts = 20000;
    struct sums sum = run(&spec, 0, &c);
    assert_int_equal(sum.measured, 20000);
    assert_int_equal(sum.tail, 0);
    check_first(20000);
}

static void the_cap_holds_and_every_queued_request_is_handed_out_once(void **state)
{
    (void)state;
    struct load_spec spec = open_load();
    struct policy_counts c;
    spec.num_prompts = 20000;
    spec.max_concurrency = 5;
    struct sums sum = run(&spec, 0, &c);
    assert_int_equal(sum.measured, 20000);
    assert_int_equal(sum.cancelled, 0);
    assert_true(sum.queued > 0);
    assert_true(shared.most_flying <= 5);
    assert_int_equal(c.peak_in_flight, 5);
    check_first(20000);
    spec.on_cap = ON_CAP_DROP;
    sum = run(&spec, 0, &c);
    assert_int_equal(sum.measured, 20000);
    assert_int_equal(sum.dropped, c.dropped);
    assert_true(shared.most_flying <= 5);
    check_first(20000);
}

static void closed_load_holds_its_users_and_its_number(void **state)
{
    (void)state;
    struct load_spec spec = {.mode = LOAD_CLOSED, .max_concurrency = 10, .num_prompts = 20000};
    struct policy_counts c;
    struct sums sum = run(&spec, 0, &c);
    assert_int_equal(sum.measured, 20000);
    assert_true(shared.most_flying <= 10);
    for (unsigned t = 0; t < THREADS; t++)
        assert_true(drivers[t].most <= (t < 2 ? 3 : 2)); /* 10 = 3 + 3 + 2 + 2 */
    check_first(20000);
}

static void offline_load_is_handed_out_exactly(void **state)
{
    (void)state;
    struct load_spec spec = {.mode = LOAD_OFFLINE, .num_prompts = 10000};
    struct policy_counts c;
    assert_int_equal(run(&spec, 0, &c).measured, 10000);
    check_first(10000);
}

static void the_measured_phase_is_never_declared_over_too_early(void **state)
{
    (void)state;
    struct load_spec specs[] = {
        open_load(), open_load(), open_load(), {.mode = LOAD_CLOSED, .max_concurrency = 9}};
    specs[1].max_concurrency = 3;
    specs[2].max_concurrency = 3;
    specs[2].on_cap = ON_CAP_DROP;
    for (size_t i = 0; i < 4; i++) {
        struct policy_counts c;
        specs[i].duration_ns = 3000;
        struct sums sum = run(&specs[i], 0, &c);
        assert_true(sum.measured > 0);
        check_first(1);
    }
}

static void stopping_from_one_thread_ends_all(void **state)
{
    (void)state;
    struct load_spec specs[] = {
        open_load(), open_load(), {.mode = LOAD_CLOSED, .max_concurrency = 9}};
    specs[1].max_concurrency = 3;
    for (size_t i = 0; i < 3; i++) {
        struct policy_counts c;
        struct sums sum = run(&specs[i], 500, &c);
        assert_true(sum.measured >= 500);
        assert_int_equal(sum.tail, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_load_gives_every_index_to_exactly_one_thread),
        cmocka_unit_test(the_cap_holds_and_every_queued_request_is_handed_out_once),
        cmocka_unit_test(closed_load_holds_its_users_and_its_number),
        cmocka_unit_test(offline_load_is_handed_out_exactly),
        cmocka_unit_test(the_measured_phase_is_never_declared_over_too_early),
        cmocka_unit_test(stopping_from_one_thread_ends_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
