/* Where the window begins: what of the start is warm-up, and when the load has not settled. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "measure/window.h"

#define MS INT64_C(1000000)

enum { REQUESTS = 2000, SPACING_MS = 100 }; /* 200 s */

struct made {
    struct sample list[REQUESTS];
    struct sample_set set;
    struct run_record run;
};

static double noise(uint64_t i)
{
    struct rng r = rng_at(3, RNG_SIM_NOISE, i);
    return rng_normal(&r);
}

static void set_pace(struct made *m, size_t from, size_t to, double ms)
{
    for (size_t i = from; i < to; i++)
        m->list[i].value_ns[LATENCY_TPOT] = (ms + 0.5 * noise(i)) * MS;
}

static void set_stay(struct made *m, size_t from, size_t to, int64_t ms)
{
    for (size_t i = from; i < to; i++) {
        struct sample *q = &m->list[i];
        q->end_ns = q->intended_ns + ms * MS;
        m->set.e2e_ns.sum += (double)(ms * MS) - q->value_ns[LATENCY_E2E];
        q->value_ns[LATENCY_E2E] = (double)(ms * MS);
    }
}

/* Ten requests a second, each for a second and at 20 ms a token: settled from the first on. */
static void make(struct made *m)
{
    *m = (struct made){
        .run = {.mode = "open", .finished = true, .offered_end_ns = REQUESTS * SPACING_MS * MS}};
    m->set = (struct sample_set){.list = m->list, .n = REQUESTS, .e2e_ns = {0, REQUESTS}};
    for (size_t i = 0; i < REQUESTS; i++) {
        m->list[i] = (struct sample){.phase = 1, .intended_ns = (int64_t)i * SPACING_MS * MS};
    }
    set_stay(m, 0, REQUESTS, 1000);
    set_pace(m, 0, REQUESTS, 20);
}

static struct window window_of(const struct made *m)
{
    struct window w;
    window_find(&m->run, &m->set, &w);
    return w;
}

static void a_settled_load_loses_five_mean_latencies(void **state)
{
    static struct made m;
    (void)state;
    make(&m);
    struct window w = window_of(&m);
    assert_true(w.steady && w.filled);
    assert_int_equal(w.by, WINDOW_BY_FILL);
    assert_int_equal(w.start_ns, 5000 * MS);
    assert_int_equal(w.end_ns, REQUESTS * SPACING_MS * MS);
    assert_int_equal(w.completed, REQUESTS - 50);
}

static void a_decode_that_grows_slower_at_first_is_cut_off(void **state)
{
    static struct made m;
    (void)state;
    make(&m);
    set_pace(&m, 0, 300, 10);
    struct window w = window_of(&m);
    assert_true(w.steady);
    assert_int_equal(w.by, WINDOW_BY_TPOT);
    assert_int_equal(w.start_ns, 300 * SPACING_MS * MS);
    assert_int_equal(w.tpot.at_ns, w.start_ns);
    assert_true(w.in_flight.settled && w.in_flight.at_ns < w.fill_ns);
}

static void in_flight_that_rises_at_first_is_cut_off(void **state)
{
    static struct made m;
    (void)state;
    make(&m);
    set_stay(&m, 0, 400, 300);
    struct window w = window_of(&m);
    assert_true(w.steady);
    assert_int_equal(w.by, WINDOW_BY_IN_FLIGHT);
    assert_true(llabs(w.start_ns - 400 * SPACING_MS * MS) <=
                1000 * MS); /* in steps of five parts */
    assert_true(w.start_ns == w.in_flight.at_ns);
}

/* A decode twice as fast for the second half: the best cut is at the bound. */
static void what_changes_at_half_time_has_not_settled(void **state)
{
    static struct made m;
    (void)state;
    make(&m);
    set_pace(&m, 0, REQUESTS / 2, 40);
    struct window w = window_of(&m);
    assert_true(w.filled);
    assert_false(w.steady);
    assert_true(w.tpot.judged && !w.tpot.settled);
    assert_true(w.in_flight.settled);
    assert_int_equal(w.start_ns, 5000 * MS); /* it moves the start nowhere */
}

static void a_change_that_nobody_cares_about_is_none(void **state)
{
    static struct made m;
    (void)state;
    make(&m);
    for (size_t i = 0; i < REQUESTS; i++) /* without noise MSER-5 sees any step */
        m.list[i].value_ns[LATENCY_TPOT] = (i < REQUESTS / 2 ? 20 : 20.1) * MS;
    assert_true(window_of(&m).steady);
    for (size_t i = 0; i < REQUESTS; i++)
        m.list[i].value_ns[LATENCY_TPOT] = (i < REQUESTS / 2 ? 20 : 20.4) * MS;
    assert_false(window_of(&m).steady);
}

/* MSER-5 alone would cut behind it, and hide what a user of the server met. */
static void a_stall_in_the_first_half_is_kept(void **state)
{
    static struct made m;
    (void)state;
    make(&m);
    set_pace(&m, 600, 620, 400);
    struct window w = window_of(&m);
    assert_true(w.steady);
    assert_int_equal(w.by, WINDOW_BY_FILL);
    assert_int_equal(w.start_ns, 5000 * MS);
}

/* Requests that fail at once leave the in-flight count low for a while. */
static void a_dip_after_the_load_has_filled_up_is_kept(void **state)
{
    static struct made m;
    (void)state;
    make(&m);
    for (size_t i = 600; i < 650; i++) {
        m.list[i].outcome = OUTCOME_RESET;
        m.list[i].end_ns = m.list[i].intended_ns;
    }
    struct window w = window_of(&m);
    assert_true(w.steady);
    assert_int_equal(w.by, WINDOW_BY_FILL);
    assert_int_equal(w.start_ns, 5000 * MS);
}

static void too_few_paces_have_not_settled_and_none_have_no_say(void **state)
{
    static struct made m;
    (void)state;
    make(&m);
    for (size_t i = 19; i < REQUESTS; i++)
        m.list[i].value_ns[LATENCY_TPOT] = NAN;
    assert_false(window_of(&m).steady);
    for (size_t i = 0; i < 19; i++)
        m.list[i].value_ns[LATENCY_TPOT] = NAN;
    struct window w = window_of(&m);
    assert_true(w.steady);
    assert_false(w.tpot.judged);
}

static void a_load_that_fills_for_half_of_the_run_has_no_window(void **state)
{
    static struct made m;
    (void)state;
    make(&m);
    set_stay(&m, 0, REQUESTS, 20001);
    struct window w = window_of(&m);
    assert_false(w.filled || w.steady);
    assert_int_equal(w.by, WINDOW_WHOLE);
    assert_int_equal(w.start_ns, 0);
    set_stay(&m, 0, REQUESTS, 19999);
    assert_true(window_of(&m).filled);
}

static void a_burst_is_counted_whole(void **state)
{
    static struct made m;
    (void)state;
    make(&m);
    m.run.mode = "offline";
    m.run.drained_ns = 300000 * MS;
    struct window w = window_of(&m);
    assert_int_equal(w.start_ns, 0);
    assert_int_equal(w.end_ns, 300000 * MS);
    assert_false(w.steady || w.in_flight.judged || w.tpot.judged);
}

static void of_nothing_there_is_a_window_all_the_same(void **state)
{
    static struct made m;
    (void)state;
    make(&m);
    m.set = (struct sample_set){0};
    m.run.offered_end_ns = 0;
    struct window w = window_of(&m);
    assert_true(w.end_ns > w.start_ns);
    assert_false(w.steady);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_settled_load_loses_five_mean_latencies),
        cmocka_unit_test(a_decode_that_grows_slower_at_first_is_cut_off),
        cmocka_unit_test(in_flight_that_rises_at_first_is_cut_off),
        cmocka_unit_test(what_changes_at_half_time_has_not_settled),
        cmocka_unit_test(a_change_that_nobody_cares_about_is_none),
        cmocka_unit_test(a_stall_in_the_first_half_is_kept),
        cmocka_unit_test(a_dip_after_the_load_has_filled_up_is_kept),
        cmocka_unit_test(too_few_paces_have_not_settled_and_none_have_no_say),
        cmocka_unit_test(a_load_that_fills_for_half_of_the_run_has_no_window),
        cmocka_unit_test(a_burst_is_counted_whole),
        cmocka_unit_test(of_nothing_there_is_a_window_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
