#include "net/conn_send.h"

#include <errno.h>
#include <stdio.h>

#include "net/route.h"
#include "net/sock.h"

enum { REQUEST_PARTS = 5 };

static struct slice request_part(const struct conn *c, int i)
{
    const struct exchange *x = c->x;
    switch (i) {
    case 0:
        return buf_slice(&x->route->head);
    case 1:
        return slice_of(x->request_id.n > 0 ? "X-Request-Id: " : "");
    case 2:
        return x->request_id;
    case 3:
        return slice_of(c->tail);
    default:
        return x->body;
    }
}

/* What is left of the request behind c->sent, as views. Returns their number. */
static size_t left_to_send(const struct conn *c, struct iovec parts[REQUEST_PARTS])
{
    size_t skip = c->sent;
    size_t n = 0;
    for (int i = 0; i < REQUEST_PARTS; i++) {
        struct slice s = request_part(c, i);
        if (skip >= s.n) {
            skip -= s.n;
            continue;
        }
        parts[n++] = (struct iovec){.iov_base = (char *)s.p + skip, .iov_len = s.n - skip};
        skip = 0;
    }
    return n;
}

static void sent_all(struct conn *c, int64_t before_ns)
{
    c->request_sent = true;
    if (c->x->times.sent_ns == 0)
        c->x->times.sent_ns = before_ns;
    conn_watch(c, POLLER_READ);
}

/* EAGAIN waits for room; anything else means that the peer takes no more, and its reasons, if it
 * gave any, are in the receive queue. */
static void send_stopped(struct conn *c, long error)
{
    if (error == -EAGAIN) {
        conn_watch(c, POLLER_READ | POLLER_WRITE);
        return;
    }
    c->send_broken = true;
    conn_watch(c, POLLER_READ);
}

static void send_plain(struct conn *c)
{
    struct iovec parts[REQUEST_PARTS];
    for (size_t n; (n = left_to_send(c, parts)) > 0;) {
        int64_t before = clock_mono_ns();
        size_t offered = 0;
        for (size_t i = 0; i < n; i++)
            offered += parts[i].iov_len;
        long taken = sock_send(c->fd, parts, n);
        if (taken < 0) {
            send_stopped(c, taken);
            return;
        }
        c->sent += (size_t)taken;
        if ((size_t)taken == offered)
            sent_all(c, before);
    }
}

bool conn_flush(struct conn *c)
{
    while (c->out_sent < c->out.n && !c->send_broken) {
        struct iovec part = {.iov_base = c->out.p + c->out_sent, .iov_len = c->out.n - c->out_sent};
        long taken = sock_send(c->fd, &part, 1);
        if (taken < 0) {
            send_stopped(c, taken);
            break;
        }
        c->out_sent += (size_t)taken;
    }
    if (c->out_sent < c->out.n && !c->send_broken)
        return false;
    buf_release(&c->out);
    c->out_sent = 0;
    if (c->state != CONN_CONNECTING && c->state != CONN_DEAD)
        conn_watch(c, POLLER_READ);
    return !c->send_broken;
}

/* Encrypts the next record's worth of the request. False when none is left. */
static bool encrypt_next(struct conn *c)
{
    struct iovec parts[REQUEST_PARTS];
    char record[TLS_RECORD_BYTES];
    size_t filled = 0;
    size_t n = left_to_send(c, parts);
    for (size_t i = 0; i < n && filled < sizeof record; i++) {
        size_t take = sizeof record - filled;
        if (take > parts[i].iov_len)
            take = parts[i].iov_len;
        memcpy(record + filled, parts[i].iov_base, take);
        filled += take;
    }
    if (filled == 0)
        return false;
    if (tls_write(c->tls, slice_make(record, filled), &c->out, NULL) < 0)
        c->send_broken = true; /* the next read of this connection says why */
    c->sent += filled;
    return true;
}

static void send_tls(struct conn *c)
{
    int64_t before;
    do {
        before = clock_mono_ns();
        if (!conn_flush(c))
            return;
    } while (encrypt_next(c));
    sent_all(c, before);
}

void conn_send(struct conn *c)
{
    if (c->request_sent || c->send_broken)
        return;
    if (c->tls)
        send_tls(c);
    else
        send_plain(c);
}

void conn_begin_request(struct conn *c)
{
    const struct exchange *x = c->x;
    c->sent = 0;
    c->request_sent = c->answered = c->head_done = false;
    if (x->body.n == 0 && x->route->bodyless)
        snprintf(c->tail, sizeof c->tail, "%s\r\n", x->request_id.n > 0 ? "\r\n" : "");
    else
        snprintf(c->tail, sizeof c->tail, "%sContent-Length: %zu\r\n\r\n",
                 x->request_id.n > 0 ? "\r\n" : "", x->body.n);
    if (x->route->no_answer_body)
        http1_expect_no_body(&c->parser);
    conn_send(c);
}
