/* exchanger_run of net/exchange.h: waiting, serving, and the promises about time. */

#include "net/conn_open.h"
#include "net/conn_receive.h"
#include "net/conn_send.h"
#include "net/exchanger.h"

#include <stddef.h>

/* How long before a due time to stop sleeping: the kernel's timers are late by up to 50 µs of
 * slack, a wake-up takes some tens more, and epoll adds 0.1 % of the time-out whatever the slack.
 */
static const int64_t SPIN_NS = 150 * NS_PER_US;
enum { SPIN_SHARE = 500 }; /* 1/500 = 0.2 % */

/* The longest sleep while answers are awaited. When several events come in one read, the earlier
 * ones arrived after the last wait that found the socket quiet; a sleep that lasts from one burst
 * of tokens to the next would say nothing about them. Waking this often keeps that bound below the
 * millisecond from which on it would count as our lateness, for about 1 % of a processor. */
static const int64_t QUIET_LOOK_NS = 500 * NS_PER_US;

static struct conn *conn_of_deadline(struct deadline *d)
{
    return (struct conn *)(void *)((char *)d - offsetof(struct conn, deadline));
}

/* ---- events ---- */

/* The moment up to which nothing of what is there now can have been there: the return of the last
 * wait that had room to list this socket and did not. One that was listed every time keeps its
 * older bound. */
static void note_listed(struct conn *c)
{
    const struct exchanger *xr = c->xr;
    if (xr->free_before > c->listed_wait && xr->free_before_ns > c->bound_ns)
        c->bound_ns = xr->free_before_ns;
    c->listed_wait = xr->wait_number;
}

static void serve_open(struct conn *c, const struct poller_event *ev)
{
    if (ev->writable) {
        if (c->state == CONN_ACTIVE && !c->request_sent)
            conn_send(c);
        else
            conn_flush(c);
    }
    if (ev->readable && (c->state == CONN_ACTIVE || c->state == CONN_HANDSHAKING))
        conn_receive(c);
}

static void serve_conn(struct conn *c, const struct poller_event *ev)
{
    switch (c->state) {
    case CONN_CONNECTING:
        conn_connect_event(c);
        break;
    case CONN_HANDSHAKING:
    case CONN_ACTIVE:
        note_listed(c);
        serve_open(c, ev);
        break;
    case CONN_IDLE:
        note_listed(c);
        if (ev->readable)
            conn_receive(c);
        break;
    case CONN_FAILED:
    case CONN_WAITING:
    case CONN_DEAD:
        break;
    }
}

/* Serves events of the last wait until none is left or due_ns passes. At least one is served, so
 * that a schedule that is behind does not starve the sockets. True when there was any. */
static bool serve_events(struct exchanger *xr, int64_t due_ns)
{
    bool any = xr->event_next < xr->event_count;
    while (xr->event_next < xr->event_count) {
        const struct poller_event *ev = &xr->events[xr->event_next++];
        if (ev->owner == &xr->clock)
            stampclock_check(&xr->clock);
        else if (ev->owner != &xr->wake_fd)
            serve_conn(ev->owner, ev);
        if (due_ns > 0 && xr->now_ns >= due_ns)
            break;
    }
    return any;
}

/* ---- time ---- */

static const char *stage_of(const struct conn *c)
{
    switch (c->state) {
    case CONN_CONNECTING:
    case CONN_WAITING:
        return "while connecting";
    case CONN_HANDSHAKING:
        return "in the TLS handshake";
    default:
        if (!c->request_sent)
            return "while the request was being sent";
        return c->answered ? "in the middle of its answer" : "before its answer began";
    }
}

static void expire(struct conn *c)
{
    struct err why;
    err_set(&why, ERR_TIMEOUT, "the server at %s ran out of time %s", conn_address(c), stage_of(c));
    conn_finish(c, EXCHANGE_TIMEOUT, &why, false);
}

/* Handlers may start exchanges whose deadline has passed already: those wait for the next round. */
static bool expire_deadlines(struct exchanger *xr)
{
    bool any = false;
    for (size_t most = xr->deadlines.n; most > 0; most--) {
        struct deadline *first = deadlines_first(&xr->deadlines);
        if (!first || first->at_ns > xr->now_ns)
            break;
        expire(conn_of_deadline(first));
        any = true;
    }
    return any;
}

static bool tend_later(struct exchanger *xr)
{
    if (xr->now_ns < xr->later_ns)
        return false;
    bool any = false;
    size_t most = 0;
    for (const struct conn *c = xr->later.head; c; c = c->next)
        most++;
    xr->later_ns = INT64_MAX;
    for (; most > 0 && xr->later.tail; most--)
        any |= conn_tend_later(xr->later.tail, xr->now_ns);
    if (xr->later.tail &&
        xr->later_ns == INT64_MAX) /* a handler took some: look at the rest again */
        xr->later_ns = xr->now_ns;
    return any;
}

/* What is due by the clock. True when a handler was called. */
static bool tend(struct exchanger *xr)
{
    bool any = expire_deadlines(xr);
    any |= tend_later(xr);
    exchanger_retire(xr, xr->now_ns);
    stampclock_refine(&xr->clock, xr->now_ns);
    xr->stats.clock_steps = xr->clock.bridge.steps;
    return any;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_chore_ns(const struct exchanger *xr)
{
    int64_t next = xr->later_ns;
    const struct deadline *first = deadlines_first(&xr->deadlines);
    if (first)
        next = sooner(next, first->at_ns);
    if (xr->idle.tail)
        next = sooner(next, xr->idle.tail->idle_since_ns + xr->retire_ns);
    return next;
}

/* How long the wait may sleep: 0 close before due_ns, −1 when nothing is due at all. */
static int64_t sleep_ns(const struct exchanger *xr, int64_t due_ns)
{
    int64_t until = next_chore_ns(xr);
    if (due_ns != INT64_MAX) {
        int64_t left = due_ns - xr->now_ns;
        until = sooner(until, due_ns - SPIN_NS - left / SPIN_SHARE);
    }
    if (exchanger_in_flight(xr) > 0)
        until = sooner(until, xr->now_ns + QUIET_LOOK_NS);
    if (until == INT64_MAX)
        return -1;
    return until > xr->now_ns ? until - xr->now_ns : 0;
}

static void wait_for_events(struct exchanger *xr, int64_t timeout_ns, bool spinning)
{
    int64_t before = xr->now_ns;
    xr->event_next = 0;
    xr->event_count = poller_wait(&xr->poller, timeout_ns, xr->events);
    xr->now_ns = clock_mono_ns();
    if (timeout_ns != 0)
        xr->stats.wait_ns += xr->now_ns - before;
    else if (spinning)
        xr->stats.spin_ns += xr->now_ns - before;
    xr->wait_number++;
    xr->wait_ns = xr->now_ns;
    xr->free_before = xr->free_wait;
    xr->free_before_ns = xr->free_wait_ns;
    if (xr->event_count < POLLER_MAX_EVENTS) {
        xr->free_wait = xr->wait_number;
        xr->free_wait_ns = xr->wait_ns;
    }
}

static void watch_wake(struct exchanger *xr, int wake_fd)
{
    if (xr->wake_fd == wake_fd)
        return;
    if (xr->wake_fd >= 0)
        poller_remove(&xr->poller, xr->wake_fd);
    xr->wake_fd = wake_fd;
    if (wake_fd >= 0)
        poller_add(&xr->poller, wake_fd, POLLER_READ, &xr->wake_fd);
}

void exchanger_run(struct exchanger *xr, int64_t due_ns, int wake_fd)
{
    watch_wake(xr, wake_fd);
    if (serve_events(xr, due_ns)) /* left over from a wait that a due time cut short */
        return;
    exchanger_bury(xr);
    xr->now_ns = clock_mono_ns();
    for (;;) {
        bool happened = tend(xr);
        int64_t timeout_ns = happened ? 0 : sleep_ns(xr, due_ns);
        wait_for_events(xr, timeout_ns, !happened && xr->now_ns < due_ns);
        happened |= serve_events(xr, due_ns);
        if (happened || xr->now_ns >= due_ns)
            return;
    }
}
