#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/poller.h"

static void lists_a_socket_for_as_long_as_it_is_readable(void **state)
{
    (void)state;
    struct poller p;
    struct poller_event events[POLLER_MAX_EVENTS];
    int pair[2], mark;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(poller_init(&p, NULL), OK);
    assert_int_equal(poller_add(&p, pair[0], POLLER_READ, &mark), OK);
    assert_int_equal(poller_wait(&p, 0, events), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(poller_wait(&p, NS_PER_S, events), 1);
        assert_ptr_equal(events[0].owner, &mark);
        assert_true(events[0].readable);
        assert_false(events[0].writable);
    }
    assert_int_equal(poller_change(&p, pair[0], POLLER_READ | POLLER_WRITE, &mark), OK);
    assert_int_equal(poller_wait(&p, -1, events), 1);
    assert_true(events[0].writable);
    poller_remove(&p, pair[0]);
    assert_int_equal(poller_wait(&p, 0, events), 0);
    close(pair[0]);
    close(pair[1]);
    poller_release(&p);
}

static void reports_a_hang_up_as_readable(void **state)
{
    (void)state;
    struct poller p;
    struct poller_event events[POLLER_MAX_EVENTS];
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    poller_init(&p, NULL);
    poller_add(&p, pair[0], POLLER_READ, NULL);
    close(pair[1]);
    assert_int_equal(poller_wait(&p, -1, events), 1);
    assert_true(events[0].readable);
    close(pair[0]);
    poller_release(&p);
}

static void gives_at_most_its_maximum_a_wait(void **state)
{
    (void)state;
    struct poller p;
    struct poller_event events[POLLER_MAX_EVENTS];
    int pairs[POLLER_MAX_EVENTS + 6][2];
    poller_init(&p, NULL);
    for (int i = 0; i < POLLER_MAX_EVENTS + 6; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        poller_add(&p, pairs[i][0], POLLER_WRITE, pairs[i]);
    }
    assert_int_equal(poller_wait(&p, 0, events), POLLER_MAX_EVENTS);
    for (int i = 0; i < POLLER_MAX_EVENTS + 6; i++) {
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    poller_release(&p);
}

static void sleeps_at_least_as_long_as_asked(void **state)
{
    (void)state;
    struct poller p;
    struct poller_event events[POLLER_MAX_EVENTS];
    poller_init(&p, NULL);
    int64_t before = clock_mono_ns();
    assert_int_equal(poller_wait(&p, 2 * NS_PER_MS, events), 0);
    assert_true(clock_mono_ns() - before >= 2 * NS_PER_MS);
    poller_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_a_socket_for_as_long_as_it_is_readable),
        cmocka_unit_test(reports_a_hang_up_as_readable),
        cmocka_unit_test(gives_at_most_its_maximum_a_wait),
        cmocka_unit_test(sleeps_at_least_as_long_as_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
