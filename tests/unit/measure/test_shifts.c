/* Changes within the window are found where they are, and hardly ever where there are none. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "measure/shifts.h"

#define MS 1000000.0

enum { REQUESTS = 3000, SPACING_MS = 100, CHANGE = 1800 };

struct made {
    struct sample list[REQUESTS];
    struct sample_set set;
    struct window window;
};

/* Ten requests a second for 300 s, in time order, each of 20 ms a token and for 1 s, with noise. */
static void make(struct made *m, uint64_t seed)
{
    m->set = (struct sample_set){.list = m->list, .n = REQUESTS};
    m->window = (struct window){
        .end_ns = REQUESTS * (int64_t)(SPACING_MS * MS), .filled = true, .steady = true};
    for (size_t i = 0; i < REQUESTS; i++) {
        struct rng r = rng_at(seed, RNG_SIM_NOISE, i);
        struct sample *q = &m->list[i];
        *q = (struct sample){.phase = 1, .intended_ns = (int64_t)((double)i * SPACING_MS * MS)};
        q->value_ns[LATENCY_TPOT] = (20 + 2 * rng_normal(&r)) * MS;
        q->end_ns = q->intended_ns + (int64_t)(500 * (1 + rng_exponential(&r)) * MS);
    }
}

static void nothing_changes_in_a_series_of_one_kind(void **state)
{
    enum { SEEDS = 100 };
    static struct made m;
    unsigned fired[SHIFT_SERIES] = {0};
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct shifts found[SHIFT_SERIES];
        make(&m, seed);
        shifts_find(&m.set, &m.window, found);
        for (int i = 0; i < SHIFT_SERIES; i++) {
            assert_true(found[i].judged);
            fired[i] += found[i].n > 0;
        }
    }
    for (int i = 0; i < SHIFT_SERIES; i++)
        if (fired[i] > 5 * SEEDS / 100)
            fail_msg("series %d changes in %u of %d", i, fired[i], SEEDS);
}

static void a_slower_decode_is_found_when_it_came(void **state)
{
    static struct made m;
    struct shifts found[SHIFT_SERIES];
    (void)state;
    make(&m, 1);
    for (size_t i = CHANGE; i < REQUESTS; i++)
        m.list[i].value_ns[LATENCY_TPOT] += 5 * MS;
    shifts_find(&m.set, &m.window, found);
    assert_int_equal(found[SHIFT_IN_FLIGHT].n, 0);
    assert_int_equal(found[SHIFT_TPOT].n, 1);
    const struct shift *x = &found[SHIFT_TPOT].list[0];
    assert_true(fabs((double)x->at_ns / 1e9 - 180) < 4);
    assert_true(fabs(x->before / MS - 20) < 0.3);
    assert_true(fabs(x->after / MS - 25) < 0.3);
}

static void more_in_flight_is_found_when_it_came(void **state)
{
    static struct made m;
    struct shifts found[SHIFT_SERIES];
    (void)state;
    make(&m, 2);
    for (size_t i = CHANGE; i < REQUESTS; i++)
        m.list[i].end_ns += (int64_t)(1000 * MS);
    shifts_find(&m.set, &m.window, found);
    assert_int_equal(found[SHIFT_TPOT].n, 0);
    assert_int_equal(found[SHIFT_IN_FLIGHT].n, 1);
    const struct shift *x = &found[SHIFT_IN_FLIGHT].list[0];
    assert_true(fabs((double)x->at_ns / 1e9 - 180) < 4);
    assert_true(fabs(x->before - 10) < 0.5);
    assert_true(fabs(x->after - 20) < 0.5);
}

static void an_episode_has_its_begin_and_its_end_in_order(void **state)
{
    static struct made m;
    struct shifts found[SHIFT_SERIES];
    (void)state;
    make(&m, 3);
    for (size_t i = 1000; i < 2000; i++)
        m.list[i].value_ns[LATENCY_TPOT] += 5 * MS;
    shifts_find(&m.set, &m.window, found);
    const struct shifts *f = &found[SHIFT_TPOT];
    assert_int_equal(f->n, 2);
    assert_true(fabs((double)f->list[0].at_ns / 1e9 - 100) < 4);
    assert_true(fabs((double)f->list[1].at_ns / 1e9 - 200) < 4);
    assert_true(fabs(f->list[0].after / MS - 25) < 0.3);
    assert_true(f->list[1].before == f->list[0].after);
    assert_true(fabs(f->list[1].after / MS - 20) < 0.3);
}

static void what_lies_outside_of_the_window_is_no_change(void **state)
{
    static struct made m;
    struct shifts found[SHIFT_SERIES];
    (void)state;
    make(&m, 1);
    for (size_t i = 0; i < REQUESTS - CHANGE; i++) {
        m.list[i].value_ns[LATENCY_TPOT] -= 5 * MS;
        m.list[i].end_ns -= (int64_t)(400 * MS);
    }
    m.window.start_ns = (REQUESTS - CHANGE + 10) * (int64_t)(SPACING_MS * MS);
    shifts_find(&m.set, &m.window, found);
    assert_int_equal(found[SHIFT_IN_FLIGHT].n + found[SHIFT_TPOT].n, 0);
    assert_true(found[SHIFT_TPOT].judged);
}

static void requests_that_failed_have_no_pace(void **state)
{
    static struct made m;
    struct shifts found[SHIFT_SERIES];
    (void)state;
    make(&m, 1);
    for (size_t i = CHANGE; i < REQUESTS; i++) {
        m.list[i].value_ns[LATENCY_TPOT] += 5 * MS;
        m.list[i].outcome = OUTCOME_HTTP_ERROR;
    }
    shifts_find(&m.set, &m.window, found);
    assert_int_equal(found[SHIFT_TPOT].n, 0);
}

static void a_walk_without_independent_stretches_is_not_judged(void **state)
{
    static struct made m;
    struct shifts found[SHIFT_SERIES];
    struct rng r = rng_at(5, RNG_SIM_NOISE, 0);
    double walk = 20 * MS;
    (void)state;
    make(&m, 1);
    for (size_t i = 0; i < REQUESTS; i++)
        m.list[i].value_ns[LATENCY_TPOT] = walk += 0.1 * MS * rng_normal(&r);
    shifts_find(&m.set, &m.window, found);
    assert_true(found[SHIFT_IN_FLIGHT].judged);
    assert_false(found[SHIFT_TPOT].judged);
    assert_int_equal(found[SHIFT_TPOT].n, 0);
}

static void the_filling_up_of_the_load_is_no_change(void **state)
{
    static struct made m;
    struct shifts found[SHIFT_SERIES];
    (void)state;
    make(&m, 1);
    for (size_t i = CHANGE; i < REQUESTS; i++)
        m.list[i].value_ns[LATENCY_TPOT] += 5 * MS;
    m.window.filled = false;
    shifts_find(&m.set, &m.window, found);
    assert_false(found[SHIFT_IN_FLIGHT].judged || found[SHIFT_TPOT].judged);
    assert_int_equal(found[SHIFT_TPOT].n, 0);
}

static void too_few_values_are_not_judged(void **state)
{
    static struct made m;
    struct shifts found[SHIFT_SERIES];
    (void)state;
    make(&m, 1);
    m.set.n = 19;
    shifts_find(&m.set, &m.window, found);
    assert_false(found[SHIFT_TPOT].judged);
    m.set.n = 0;
    shifts_find(&m.set, &m.window, found);
    assert_false(found[SHIFT_IN_FLIGHT].judged);
    assert_false(found[SHIFT_TPOT].judged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_changes_in_a_series_of_one_kind),
        cmocka_unit_test(a_slower_decode_is_found_when_it_came),
        cmocka_unit_test(more_in_flight_is_found_when_it_came),
        cmocka_unit_test(an_episode_has_its_begin_and_its_end_in_order),
        cmocka_unit_test(what_lies_outside_of_the_window_is_no_change),
        cmocka_unit_test(requests_that_failed_have_no_pace),
        cmocka_unit_test(a_walk_without_independent_stretches_is_not_judged),
        cmocka_unit_test(the_filling_up_of_the_load_is_no_change),
        cmocka_unit_test(too_few_values_are_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
