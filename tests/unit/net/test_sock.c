#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/deadlines.h"
#include "net/sock.h"
#include "net/stampclock.h"
#include "support.h"

static struct address at(const char *where)
{
    struct url u = {.is_unix = where[0] == '/'};
    struct addresses found;
    snprintf(u.host, sizeof u.host, "%s", where);
    assert_int_equal(resolve_url(&u, &found, NULL), OK);
    return found.list[0];
}

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    assert_int_equal(poll(&p, 1, 30000), 1);
}

static void connect_pair(const char *where, int pair[2], bool stamps)
{
    struct address to = at(where);
    bool connected;
    int listener = sock_listen(&to, NULL);
    assert_true(listener >= 0);
    assert_true(sock_local_address(listener, &to));
    pair[0] = sock_connect(&to, stamps, &connected);
    assert_true(pair[0] >= 0);
    wait_for(pair[0], POLLOUT);
    assert_int_equal(sock_connect_error(pair[0]), 0);
    wait_for(listener, POLLIN);
    pair[1] = sock_accept(listener);
    assert_true(pair[1] >= 0);
    assert_int_equal(sock_accept(listener), -EAGAIN);
    close(listener);
}

static void stamps_lie_between_the_send_and_the_read(void **state)
{
    (void)state;
    struct stampclock clock;
    int pair[2];
    char byte = 'x';
    stampclock_init(&clock);
    if (!clock.stamping) {
        print_message("this kernel gives no receive stamps\n");
        stampclock_release(&clock);
        skip();
    }
    connect_pair("127.0.0.1", pair, true);
    for (int i = 0; i < 20; i++) {
        struct stamp stamp = {.after_ns = clock_mono_ns()};
        struct iovec part = {&byte, 1};
        int64_t real_ns, sent_ns = stamp.after_ns;
        assert_int_equal(sock_send(pair[1], &part, 1), 1);
        wait_for(pair[0], POLLIN);
        assert_int_equal(sock_receive(pair[0], &byte, 1, &real_ns), 1);
        stamp.read_ns = clock_mono_ns();
        assert_true(real_ns != 0);
        int64_t at_ns = clock_bridge_mono(&clock.bridge, real_ns);
        assert_true(at_ns > sent_ns - clock.bridge.bracket_ns);
        assert_true(at_ns < stamp.read_ns + clock.bridge.bracket_ns);
        stampclock_apply(&clock, real_ns, &stamp);
        assert_true(stamp.kernel);
        assert_true(stamp.after_ns <= stamp.at_ns && stamp.at_ns <= stamp.read_ns);
    }
    struct sock_path path;
    assert_true(sock_path(pair[0], &path));
    assert_int_equal(path.retransmits, 0);
    close(pair[0]);
    close(pair[1]);
    stampclock_release(&clock);
}

static void stamps_that_cannot_be_are_not_believed(void **state)
{
    (void)state;
    struct stampclock clock;
    stampclock_init_idle(&clock);
    clock.stamping = true;
    clock.bridge.offset_ns = 1000;
    const struct stamp bounds = {.after_ns = 50 * NS_PER_S, .read_ns = 51 * NS_PER_S};
    const struct {
        int64_t real_ns, at_ns, after_ns;
        bool kernel;
    } cases[] = {
        {0, 51 * NS_PER_S, 50 * NS_PER_S, false},                         /* no stamp */
        {50 * NS_PER_S + 500, 50 * NS_PER_S + 1500, 50 * NS_PER_S, true}, /* as it should be */
        {51 * NS_PER_S, 51 * NS_PER_S, 50 * NS_PER_S, true},              /* the bridge's error */
        {50 * NS_PER_S - 2000, 50 * NS_PER_S - 1000, 50 * NS_PER_S - 1000,
         true},                                               /* a late return */
        {20 * NS_PER_S, 51 * NS_PER_S, 50 * NS_PER_S, false}, /* another epoch */
        {52 * NS_PER_S, 51 * NS_PER_S, 50 * NS_PER_S, false}, /* the future */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stamp s = bounds;
        stampclock_apply(&clock, cases[i].real_ns, &s);
        assert_int_equal(s.at_ns, cases[i].at_ns);
        assert_int_equal(s.after_ns, cases[i].after_ns);
        assert_int_equal(s.kernel, cases[i].kernel);
    }
    stampclock_release(&clock);
}

static void a_dead_unix_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    (void)state;
    struct scratch s;
    char path[128];
    struct err e;
    scratch_make(&s);
    struct address where = at(scratch_path(&s, "a.sock", path));
    int first = sock_listen(&where, &e);
    assert_true(first >= 0);
    assert_true(sock_listen(&where, &e) < 0);
    assert_non_null(strstr(e.text, "another server listens there"));
    close(first);
    int second = sock_listen(&where, &e);
    assert_true(second >= 0);
    close(second);
    scratch_remove(&s);
}

static void unix_sockets_carry_bytes_without_stamps(void **state)
{
    (void)state;
    struct scratch s;
    char path[128], byte = 'x';
    int pair[2];
    int64_t real_ns = 7;
    struct sock_path p;
    scratch_make(&s);
    connect_pair(scratch_path(&s, "b.sock", path), pair, true);
    struct iovec part = {&byte, 1};
    assert_int_equal(sock_send(pair[1], &part, 1), 1);
    assert_int_equal(sock_receive(pair[0], &byte, 1, &real_ns), 1);
    assert_int_equal(real_ns, 0);
    assert_false(sock_path(pair[0], &p));
    close(pair[1]);
    assert_int_equal(sock_receive(pair[0], &byte, 1, &real_ns), 0);
    assert_int_equal(sock_send(pair[0], &part, 1), -EPIPE);
    close(pair[0]);
    scratch_remove(&s);
}

static void deadlines_come_out_in_order_whatever_is_taken_away(void **state)
{
    (void)state;
    enum { N = 500 };
    static struct deadline entries[N];
    struct deadlines d = {0};
    uint32_t random = 12345;
    for (int i = 0; i < N; i++) {
        random = random * 1664525 + 1013904223;
        entries[i] = (struct deadline){.at_ns = random >> 12};
        deadlines_add(&d, &entries[i]);
    }
    for (int i = 0; i < N; i += 3) {
        deadlines_remove(&d, &entries[i]);
        deadlines_remove(&d, &entries[i]);
    }
    int64_t last = -1;
    int left = 0;
    for (struct deadline *first; (first = deadlines_first(&d)); left++) {
        assert_true(first->at_ns >= last);
        assert_true((first - entries) % 3 != 0);
        last = first->at_ns;
        deadlines_remove(&d, first);
    }
    assert_int_equal(left, N - (N + 2) / 3);
    deadlines_release(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamps_lie_between_the_send_and_the_read),
        cmocka_unit_test(stamps_that_cannot_be_are_not_believed),
        cmocka_unit_test(a_dead_unix_socket_is_replaced_and_a_live_one_is_not),
        cmocka_unit_test(unix_sockets_carry_bytes_without_stamps),
        cmocka_unit_test(deadlines_come_out_in_order_whatever_is_taken_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
