#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "serve/metronome.h"

static int owners[3];

/* Takes an instant's tokens: how many, and the sum of the owners' places. */
static unsigned take_all(struct metronome *m, unsigned *last)
{
    struct engine_token t;
    unsigned n = 0;
    metronome_begin(m);
    while (metronome_take(m, &t)) {
        n++;
        *last += t.last;
    }
    return n;
}

static void every_stream_is_due_at_the_next_multiple(void **state)
{
    (void)state;
    struct metronome m = {.interval_ns = 100};
    metronome_start(&m, 1234);
    assert_false(m.running);
    struct beat *b = metronome_join(&m, 5, &owners[0]);
    metronome_start(&m, 1234);
    assert_true(m.running);
    assert_int_equal(m.due_ns, 1300);
    metronome_start(&m, 1299);
    assert_int_equal(m.due_ns, 1300);
    metronome_leave(&m, b);
}

static void an_instant_gives_each_stream_one_token(void **state)
{
    (void)state;
    struct metronome m = {.interval_ns = 100};
    unsigned last = 0;
    metronome_join(&m, 2, &owners[0]);
    metronome_join(&m, 1, &owners[1]);
    metronome_start(&m, 0);
    assert_int_equal(take_all(&m, &last), 2);
    assert_int_equal(last, 1);
    metronome_end(&m, 150);
    assert_int_equal(m.due_ns, 200);
    assert_int_equal(take_all(&m, &last), 1);
    assert_int_equal(last, 2);
    metronome_end(&m, 250);
    assert_false(m.running);
    assert_int_equal(m.tokens, 3);
    assert_int_equal(m.count, 0);
}

static void who_joins_during_an_instant_waits_for_the_next(void **state)
{
    (void)state;
    struct metronome m = {.interval_ns = 100};
    struct engine_token t;
    unsigned last = 0;
    metronome_join(&m, 1, &owners[0]);
    metronome_start(&m, 0);
    metronome_begin(&m);
    assert_true(metronome_take(&m, &t));
    assert_ptr_equal(t.owner, &owners[0]);
    assert_true(t.last);
    metronome_join(&m, 1, &owners[1]);
    assert_false(metronome_take(&m, &t));
    metronome_end(&m, 100);
    assert_true(m.running);
    assert_int_equal(take_all(&m, &last), 1);
}

static void who_leaves_during_an_instant_has_no_token(void **state)
{
    (void)state;
    struct metronome m = {.interval_ns = 100};
    struct engine_token t;
    struct beat *a = metronome_join(&m, 9, &owners[0]);
    struct beat *b = metronome_join(&m, 9, &owners[1]);
    struct beat *c = metronome_join(&m, 9, &owners[2]);
    metronome_begin(&m);
    assert_true(metronome_take(&m, &t));
    assert_ptr_equal(t.owner, &owners[2]);
    metronome_leave(&m, b);
    metronome_leave(&m, c);
    assert_true(metronome_take(&m, &t));
    assert_ptr_equal(t.owner, &owners[0]);
    assert_false(metronome_take(&m, &t));
    metronome_leave(&m, a);
    assert_null(m.members);
}

static void instants_that_were_missed_are_left_out(void **state)
{
    (void)state;
    struct metronome m = {.interval_ns = 100};
    struct beat *b = metronome_join(&m, 9, &owners[0]);
    metronome_start(&m, 0);
    metronome_begin(&m);
    metronome_end(&m, 260); /* late for 200 by less than an interval: that one is made up for */
    assert_int_equal(m.due_ns, 200);
    metronome_begin(&m);
    metronome_end(&m, 777);
    assert_int_equal(m.due_ns, 800);
    metronome_leave(&m, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stream_is_due_at_the_next_multiple),
        cmocka_unit_test(an_instant_gives_each_stream_one_token),
        cmocka_unit_test(who_joins_during_an_instant_waits_for_the_next),
        cmocka_unit_test(who_leaves_during_an_instant_has_no_token),
        cmocka_unit_test(instants_that_were_missed_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
