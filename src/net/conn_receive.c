#include "net/conn_receive.h"

#include <errno.h>
#include <string.h>

#include "net/conn_open.h"
#include "net/conn_send.h"
#include "net/sock.h"

enum delivered {
    DELIVERED_ALL,  /* the exchange wants more */
    DELIVERED_END,  /* the response is complete */
    DELIVERED_GONE, /* the exchange has ended; the connection is not to be touched */
};

/* First bytes of a TLS alert and of a TLS handshake record (RFC 8446, 5.1). */
enum { TLS_ALERT = 0x15, TLS_HANDSHAKE = 0x16, TLS_MAJOR = 3 };

/* ---- ends ---- */

static void end_protocol(struct conn *c, const char *what)
{
    struct err why;
    err_set(&why, ERR_PROTOCOL, "the server at %s does not speak HTTP/1.1: %s", conn_address(c),
            what);
    conn_finish(c, EXCHANGE_PROTOCOL, &why, false);
}

static void end_tls_answer(struct conn *c)
{
    struct err why;
    err_set(&why, ERR_PROTOCOL, "the server at %s answers with TLS; did you mean https://?",
            conn_address(c));
    conn_finish(c, EXCHANGE_PROTOCOL, &why, false);
}

static void end_reset(struct conn *c, int error)
{
    struct err why;
    const char *reason = error ? strerror(error) : "closed";
    if (c->answered)
        err_set(&why, ERR_NET, "the server at %s broke off its answer: %s", conn_address(c),
                reason);
    else
        err_set(&why, ERR_NET, "the server at %s gave no answer: %s; is it an HTTP server%s?",
                conn_address(c), reason, c->tls ? "" : ", or does it want https://");
    conn_finish(c, EXCHANGE_RESET, &why, false);
}

static void end_truncated(struct conn *c)
{
    struct err why;
    err_set(&why, ERR_NET, "the server at %s closed the connection in the middle of its answer",
            conn_address(c));
    conn_finish(c, EXCHANGE_TRUNCATED, &why, false);
}

static void send_again(struct conn *c)
{
    struct exchanger *xr = c->xr;
    struct exchange *x = c->x;
    c->x = NULL;
    conn_close(c);
    x->resends++;
    xr->stats.resends++;
    xr->broken_promises++;
    conn_open(xr, x);
}

/* A server may close a kept-alive connection at the moment a request sets out on it. Such a request
 * was not seen and may be sent again; any other may have been. */
static bool may_send_again(const struct conn *c, int error)
{
    return !c->answered && c->pooled && c->x->resends == 0 &&
           (error == 0 || error == ECONNRESET || error == EPIPE);
}

/* The stream is over: error is errno, 0 when the peer closed it; `clean` when TLS said so, too. */
static void conn_lost(struct conn *c, int error, bool clean)
{
    if (c->state == CONN_HANDSHAKING) {
        conn_handshake_lost(c, error);
    } else if (!c->x) {
        conn_close(c);
    } else if (may_send_again(c, error)) {
        send_again(c);
    } else if (error == 0 && c->head_done && (clean || !c->tls) && http1_eof(&c->parser) == OK) {
        conn_finish(c, EXCHANGE_OK, NULL, false);
    } else if (error == 0 && c->head_done) {
        end_truncated(c);
    } else {
        end_reset(c, error);
    }
}

/* ---- heads ---- */

static void keep_value(struct conn *c, struct head_value *to, struct slice value)
{
    to->at = (uint32_t)c->head_text.n;
    to->n = buf_put(&c->head_text, value) == OK ? (uint32_t)value.n : 0;
}

static void read_header(struct conn *c, struct slice name, struct slice value)
{
    if (slice_is_nocase(name, "content-type"))
        keep_value(c, &c->content_type, value);
    else if (slice_is_nocase(name, "retry-after"))
        keep_value(c, &c->retry_after, value);
    else if (slice_is_nocase(name, "server"))
        keep_value(c, &c->server, value);
}

static struct slice kept(const struct conn *c, struct head_value v)
{
    return v.n > 0 ? slice_make(c->head_text.p + v.at, v.n) : slice_make(NULL, 0);
}

/* The values live in a buffer that must outlast the handler, which may end the connection's part.
 */
static void tell_head(struct conn *c)
{
    struct exchange *x = c->x;
    struct buf text = c->head_text;
    const struct exchange_head head = {.status = x->status,
                                       .content_type = kept(c, c->content_type),
                                       .retry_after = kept(c, c->retry_after),
                                       .server = kept(c, c->server)};
    buf_init(&c->head_text, 0);
    c->content_type = c->retry_after = c->server = (struct head_value){0};
    c->head_done = true;
    if (x->handler->head)
        x->handler->head(x, &head);
    buf_release(&text);
}

/* ---- delivery ---- */

/* One event of the parser. DELIVERED_ALL: go on. */
static enum delivered deliver_event(struct conn *c, const struct http1_event *ev,
                                    const struct stamp *stamp, bool *body)
{
    struct exchange *x = c->x;
    switch (ev->type) {
    case HTTP1_START:
        x->status = ev->status;
        return DELIVERED_ALL;
    case HTTP1_HEADER:
        read_header(c, ev->name, ev->value);
        return DELIVERED_ALL;
    case HTTP1_HEAD_END:
        tell_head(c);
        break;
    case HTTP1_BODY:
        *body = true;
        if (x->handler->body)
            x->handler->body(x, ev->data, stamp);
        break;
    case HTTP1_END:
        return DELIVERED_END;
    case HTTP1_MORE:
        break;
    }
    return c->state == CONN_DEAD ? DELIVERED_GONE : DELIVERED_ALL;
}

static void note_first_byte(struct conn *c, const struct stamp *stamp)
{
    if (c->answered)
        return;
    c->answered = true;
    if (c->pooled)
        c->xr->broken_promises = 0;
    c->x->times.first_byte_ns = stamp->at_ns;
}

static bool is_tls_record(struct slice in)
{
    return (in.p[0] == TLS_ALERT || in.p[0] == TLS_HANDSHAKE) && (in.n < 2 || in.p[1] == TLS_MAJOR);
}

/* Gives the bytes of one read (or one stretch of its plaintext) to the exchange. *in keeps what
 * lies behind the response's end. */
static enum delivered deliver(struct conn *c, struct slice *in, const struct stamp *stamp,
                              bool *body)
{
    if (!c->answered && !c->tls && is_tls_record(*in)) {
        end_tls_answer(c);
        return DELIVERED_GONE;
    }
    note_first_byte(c, stamp);
    for (;;) {
        struct http1_event ev = {0};
        int64_t n = http1_parse(&c->parser, *in, &ev);
        if (n < 0) {
            end_protocol(c, http1_error(&c->parser));
            return DELIVERED_GONE;
        }
        in->p += n;
        in->n -= (size_t)n;
        enum delivered d = deliver_event(c, &ev, stamp, body);
        if (d != DELIVERED_ALL || ev.type == HTTP1_MORE)
            return d;
    }
}

/* Calls read_end where body was delivered. False when the handler ended the exchange. */
static bool tell_read_end(struct conn *c, const struct stamp *stamp, bool body)
{
    if (body && c->x->handler->read_end)
        c->x->handler->read_end(c->x, stamp);
    return c->state != CONN_DEAD;
}

static void complete(struct conn *c, const struct stamp *stamp, bool body, bool nothing_behind)
{
    if (!tell_read_end(c, stamp, body))
        return;
    bool reusable = c->parser.keep_alive && nothing_behind && c->request_sent && !c->send_broken;
    conn_finish(c, EXCHANGE_OK, NULL, reusable);
}

static void receive_plain(struct conn *c, struct slice in, const struct stamp *stamp)
{
    bool body = false;
    if (!c->x) {
        conn_close(c); /* an idle connection has nothing to say */
        return;
    }
    enum delivered d = deliver(c, &in, stamp, &body);
    if (d == DELIVERED_ALL)
        tell_read_end(c, stamp, body);
    else if (d == DELIVERED_END)
        complete(c, stamp, body, in.n == 0);
}

static void tls_broke(struct conn *c, const struct err *why)
{
    struct err told = *why;
    err_prefix(&told, "lost the connection to %s: ", conn_address(c));
    conn_finish(c, EXCHANGE_PROTOCOL, &told, false);
}

/* All plaintext the read completed, under the read's stamp. */
static void decrypt_all(struct conn *c, const struct stamp *stamp)
{
    struct exchanger *xr = c->xr;
    struct err why = {0};
    bool body = false, closed = false;
    enum delivered d = DELIVERED_ALL;
    struct slice in = {0};
    long n = 0;
    while (d == DELIVERED_ALL && in.n == 0 &&
           (n = tls_read(c->tls, xr->plain, TLS_RECORD_BYTES, &closed, &c->out, &why)) > 0) {
        in = slice_make(xr->plain, (size_t)n);
        if (!c->x)
            break;
        d = deliver(c, &in, stamp, &body);
    }
    if (d == DELIVERED_GONE)
        return;
    if (d == DELIVERED_END) { /* look for bytes behind the end, and let tickets in */
        if (in.n == 0)
            n = tls_read(c->tls, xr->plain, TLS_RECORD_BYTES, &closed, &c->out, &why);
        bool flushed = c->out.n == 0 || conn_flush(c);
        complete(c, stamp, body, in.n == 0 && n == 0 && !closed && flushed);
        return;
    }
    if (!c->x && in.n > 0) {
        conn_close(c);
        return;
    }
    if (c->x && !tell_read_end(c, stamp, body))
        return;
    if (n < 0)
        tls_broke(c, &why);
    else if (closed)
        conn_lost(c, 0, true);
    else if (c->x && !c->request_sent)
        conn_send(c);
    else if (c->out.n > 0)
        conn_flush(c); /* an answer to a key update */
}

static void receive_tls(struct conn *c, struct slice cipher, const struct stamp *stamp)
{
    tls_feed(c->tls, cipher);
    if (c->state == CONN_HANDSHAKING) {
        conn_handshake(c);
        if (c->state != CONN_ACTIVE && c->state != CONN_IDLE)
            return;
    }
    decrypt_all(c, stamp);
}

/* ---- reads ---- */

static void take_stamp(struct conn *c, int64_t real_ns, bool full, struct stamp *stamp)
{
    struct exchanger *xr = c->xr;
    *stamp = (struct stamp){
        .after_ns = c->bound_ns, .read_ns = xr->now_ns, .read_id = ++xr->read_id, .full = full};
    stampclock_apply(&xr->clock, real_ns, stamp);
    c->last_at_ns = stamp->at_ns;
    xr->stats.reads++;
    xr->stats.full_reads += full;
    xr->stats.stamped_reads += stamp->kernel;
    if (stamp->kernel && xr->stats.read_lag)
        hist_add(xr->stats.read_lag, stamp->read_ns - stamp->at_ns);
    /* A read that did not fill the buffer emptied the queue, and did so after the wait that led to
     * it: what the next read brings came later than that. */
    if (!full && xr->wait_ns > c->bound_ns)
        c->bound_ns = xr->wait_ns;
}

void conn_receive(struct conn *c)
{
    struct exchanger *xr = c->xr;
    size_t room = xr->options.read_buffer_bytes;
    int64_t real_ns;
    struct stamp stamp;
    long n = sock_receive(c->fd, xr->buffer, room, &real_ns);
    xr->now_ns = clock_mono_ns();
    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        conn_lost(c, (int)-n, false);
        return;
    }
    take_stamp(c, real_ns, (size_t)n == room, &stamp);
    if (c->x)
        c->x->received_bytes += (uint64_t)n;
    struct slice in = slice_make(xr->buffer, (size_t)n);
    if (c->tls)
        receive_tls(c, in, &stamp);
    else
        receive_plain(c, in, &stamp);
}
