#include "serve/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/sock.h"
#include "serve/endpoints.h"
#include "serve/generation.h"
#include "serve/reply.h"

enum {
    READ_BYTES = 256 * 1024,    /* the server's read_buffer */
    MAX_BODY_BYTES = 256 << 20, /* a prompt of a hundred million tokens has no use */
    MAX_WAITING_BYTES =
        1024 * 1024, /* of later requests, and of answers to them that are not read */
    IDLE_S = 60,
    RETRY_AFTER_S = 1,
    LINGER_S = 5,
};

/* A slow head of about 200 bytes takes a second. */
#define DRIP_NS (5 * NS_PER_MS)

void client_new(struct server *s, int fd)
{
    struct client *c = MEM_NEW(struct client);
    c->server = s;
    c->tls = s->tls ? tls_new(s->tls, NULL) : NULL;
    c->fd = fd;
    c->interest = POLLER_READ;
    if ((s->tls && !c->tls) || poller_add(&s->poller, fd, c->interest, c) < 0) {
        close(fd);
        tls_free(c->tls);
        free(c);
        return;
    }
    http1_init(&c->http, HTTP1_REQUEST);
    buf_init(&c->body, MAX_BODY_BYTES);
    c->active_ns = clock_mono_ns();
    c->next = s->clients;
    if (c->next)
        c->next->prev = c;
    s->clients = c;
    if (!s->read_buffer)
        s->read_buffer = mem_alloc(READ_BYTES);
    if (s->tls && !s->plain_buffer)
        s->plain_buffer = mem_alloc(READ_BYTES);
}

void client_close(struct client *c)
{
    struct server *s = c->server;
    if (c->fd < 0)
        return;
    if (c->generation)
        generation_free(c->generation);
    c->generation = NULL;
    poller_remove(&s->poller, c->fd);
    close(c->fd);
    c->fd = -1;
    *(c->prev ? &c->prev->next : &s->clients) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->next = s->dead;
    s->dead = c;
    if (!s->accepting && s->listener.fd >= 0) {
        s->accepting = true; /* a descriptor is free again */
        poller_change(&s->poller, s->listener.fd, POLLER_READ, s);
    }
}

/* Under TLS, an end that is not announced may be an attacker's (RFC 8446, 6.1). One small record,
 * which the kernel takes unless the client has long ceased to read. */
static void announce_end(struct client *c)
{
    struct buf *wire = &c->server->wire;
    if (!c->tls || c->out.n > 0)
        return;
    buf_clear(wire);
    tls_end(c->tls, wire);
    if (wire->n > 0)
        (void)send(c->fd, wire->p, wire->n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void client_end(struct client *c)
{
    if (c->fd >= 0)
        announce_end(c);
    client_close(c);
}

void client_reset(struct client *c)
{
    struct linger at_once = {.l_onoff = 1};
    if (c->fd >= 0)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    client_close(c);
}

void client_sweep(struct server *s)
{
    while (s->dead) {
        struct client *c = s->dead;
        s->dead = c->next;
        http1_release(&c->http);
        buf_release(&c->body);
        buf_release(&c->in);
        buf_release(&c->out);
        buf_release(&c->marks);
        tls_free(c->tls);
        buf_release(&c->held);
        free(c);
    }
}

void client_expire(struct server *s, int64_t now_ns)
{
    for (struct client *c = s->clients, *next; c; c = next) {
        next = c->next;
        int64_t allowed_s = c->lingering ? LINGER_S : IDLE_S;
        if (!c->generation && now_ns - c->active_ns > allowed_s * NS_PER_S)
            client_end(c);
    }
}

static void watch(struct client *c)
{
    bool read = c->lingering || c->in.n < MAX_WAITING_BYTES;
    int want = (read ? POLLER_READ : 0) | (c->out.n && !c->drip ? POLLER_WRITE : 0);
    if (c->fd < 0 || want == c->interest)
        return;
    c->interest = want;
    if (poller_change(&c->server->poller, c->fd, want, c) < 0)
        client_close(c);
}

/* ---- bytes out ---- */

/* The tokens whose last byte has gone out by now. */
static void settle_marks(struct client *c, int64_t before_ns, int64_t after_ns)
{
    struct client_mark m;
    while (c->marks.n > 0) {
        memcpy(&m, c->marks.p, sizeof m);
        if (m.end > c->sent_bytes)
            return;
        buf_consume(&c->marks, sizeof m);
        for (uint32_t i = 0; i < m.count; i++)
            truth_add_token(c->server->truth, &(struct truth_token){.request = m.request,
                                                                    .token = m.token + i,
                                                                    .step = m.step,
                                                                    .before_ns = before_ns,
                                                                    .after_ns = after_ns});
    }
}

static long send_now(struct client *c, const char *p, size_t n)
{
    struct burst *burst = &c->server->burst;
    int64_t before_ns;
    ssize_t sent;
    do {
        before_ns = clock_mono_ns();
        sent = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EAGAIN ? 0 : -1;
    int64_t after_ns = clock_mono_ns();
    c->sent_bytes += (uint64_t)sent;
    if (burst->open) {
        if (burst->sends++ == 0)
            burst->first_ns = before_ns;
        burst->last_ns = after_ns;
    }
    settle_marks(c, before_ns, after_ns);
    return sent;
}

static bool put_wire(struct client *c, const char *p, size_t n, size_t bound,
                     const struct client_mark *mark)
{
    c->queued_bytes += n;
    if (mark) {
        struct client_mark m = *mark;
        m.end = c->queued_bytes;
        buf_append(&c->marks, &m, sizeof m);
    }
    long sent = c->out.n || c->drip ? 0 : send_now(c, p, n);
    if (sent < 0 || (bound && c->out.n + n - (size_t)sent > bound)) {
        client_close(c);
        return false;
    }
    if ((size_t)sent < n) {
        buf_append(&c->out, p + sent, n - (size_t)sent);
        watch(c);
    }
    return c->fd >= 0;
}

static bool put_bytes(struct client *c, const char *p, size_t n, size_t bound,
                      const struct client_mark *mark)
{
    struct buf *wire = &c->server->wire;
    if (!c->tls)
        return put_wire(c, p, n, bound, mark);
    buf_clear(wire);
    if (tls_write(c->tls, slice_make(p, n), wire, NULL) == OK)
        return put_wire(c, wire->p, wire->n, bound, mark);
    client_close(c);
    return false;
}

bool client_send(struct client *c, const char *p, size_t n, size_t bound)
{
    return c->fd >= 0 && put_bytes(c, p, n, bound, NULL);
}

bool client_send_tokens(struct client *c, const char *p, size_t n, size_t bound,
                        const struct client_mark *mark)
{
    return c->fd >= 0 && put_bytes(c, p, n, bound, c->server->truth ? mark : NULL);
}

/* Nothing more will be sent. A request that is still coming in is read to its end, since closing on
 * unread bytes would destroy the answer on its way. */
static void finish(struct client *c)
{
    announce_end(c);
    if (c->lingering && shutdown(c->fd, SHUT_WR) == 0)
        watch(c);
    else
        client_close(c);
}

void client_answered(struct client *c)
{
    c->active_ns = clock_mono_ns();
    c->request_id[0] = '\0';
    c->ended = c->close_after;
    if (c->ended && c->out.n == 0)
        finish(c);
}

static void feed(struct client *c, struct slice in);

void client_resume(struct client *c)
{
    if (c->fd < 0 || c->ended)
        return;
    struct buf in = c->in;
    c->in = (struct buf){0};
    feed(c, buf_slice(&in));
    buf_release(&in);
    watch(c);
}

void client_drip(struct client *c, const char *p, size_t n)
{
    c->drip = n;
    client_send(c, p, n, 0);
    if (c->server->drip_ns == 0)
        c->server->drip_ns = clock_mono_ns() + DRIP_NS;
}

void client_drip_all(struct server *s, int64_t now_ns)
{
    bool more = false;
    if (s->drip_ns == 0 || s->drip_ns > now_ns)
        return;
    for (struct client *c = s->clients, *next; c; c = next) {
        next = c->next;
        if (c->drip == 0)
            continue;
        if (send_now(c, c->out.p, 1) != 1) {
            client_close(c);
            continue;
        }
        buf_consume(&c->out, 1);
        if (--c->drip == 0)
            watch(c);
        more |= c->drip > 0;
    }
    s->drip_ns = more ? now_ns + DRIP_NS : 0;
}

void client_writable(struct client *c)
{
    if (c->fd < 0 || c->out.n == 0 || c->drip)
        return;
    long sent = send_now(c, c->out.p, c->out.n);
    if (sent < 0) {
        client_close(c);
        return;
    }
    c->active_ns = clock_mono_ns();
    buf_consume(&c->out, (size_t)sent);
    if (c->out.n == 0) {
        buf_release(&c->out);
        if (c->ended)
            finish(c);
        else
            client_resume(c);
    }
}

static void respond(struct client *c, struct reply_head *head, struct slice body,
                    const struct client_mark *mark)
{
    struct buf *out = &c->server->scratch;
    head->request_id = slice_of(c->request_id);
    head->date = server_date(c->server);
    head->length_bytes = body.n;
    head->keep_alive = !c->close_after;
    buf_clear(out);
    reply_head(out, head);
    buf_put(out, body);
    bool sent =
        mark ? client_send_tokens(c, out->p, out->n, 0, mark) : client_send(c, out->p, out->n, 0);
    if (sent)
        client_answered(c);
}

void client_respond(struct client *c, int status, const char *content_type, struct slice body)
{
    respond(c, &(struct reply_head){.status = status, .content_type = content_type}, body, NULL);
}

void client_respond_tokens(struct client *c, struct slice body, const struct client_mark *mark)
{
    respond(c, &(struct reply_head){.status = 200, .content_type = "application/json"}, body, mark);
}

void client_refuse(struct client *c, int status, const char *message, const char *param,
                   const char *allow)
{
    struct buf body = {0};
    reply_error(&body, status, message, param);
    struct reply_head head = {.status = status,
                              .content_type = "application/json",
                              .allow = allow,
                              .retry_after_s = status == 429 ? RETRY_AFTER_S : 0};
    respond(c, &head, buf_slice(&body), NULL);
    buf_release(&body);
}

/* ---- bytes in ---- */

/* The connection cannot go on behind this: what follows is no request, or not wanted. */
static void refuse_and_close(struct client *c, int status, const char *message)
{
    c->close_after = true;
    c->lingering = true;
    client_refuse(c, status, message, NULL, NULL);
}

static void refuse_bytes(struct client *c, int64_t code)
{
    if (code == ERR_TOO_BIG)
        refuse_and_close(c, 431, "the request's head is too long");
    else
        refuse_and_close(c, 400, http1_error(&c->http));
}

static void copy_text(char *to, size_t room, struct slice from)
{
    size_t n = from.n < room ? from.n : room - 1;
    memcpy(to, from.p, n);
    to[n] = '\0';
}

static void take_head_end(struct client *c)
{
    c->close_after = !c->http.keep_alive;
    if (c->server->options->faults.rate[FAULT_REFUSE] > 0)
        c->close_after = true; /* every request shall need a connection of its own */
    if (c->http.has_length && c->http.left > MAX_BODY_BYTES)
        refuse_and_close(c, 413, "the body is longer than the 256 MiB this server takes");
    else if (c->http.expect_continue)
        client_send(c, "HTTP/1.1 100 Continue\r\n\r\n", 25, 0);
}

static void take_request(struct client *c)
{
    endpoints_answer(c);
    buf_clear(&c->body);
    buf_shrink(&c->body, READ_BYTES);
    if (c->fd >= 0)
        http1_reset(&c->http);
}

static void take_event(struct client *c, const struct http1_event *ev)
{
    switch (ev->type) {
    case HTTP1_START:
        copy_text(c->method, sizeof c->method, ev->method);
        copy_text(c->target, sizeof c->target, ev->target);
        break;
    case HTTP1_HEADER:
        if (slice_is_nocase(ev->name, "X-Request-Id"))
            copy_text(c->request_id, sizeof c->request_id, ev->value);
        break;
    case HTTP1_HEAD_END:
        take_head_end(c);
        break;
    case HTTP1_BODY:
        if (buf_put(&c->body, ev->data) < 0)
            refuse_and_close(c, 413, "the body is longer than the 256 MiB this server takes");
        break;
    case HTTP1_END:
        take_request(c);
        break;
    case HTTP1_MORE:
        break;
    }
}

/* Takes requests from bytes until one must wait for its answer; the rest is kept. */
static void feed(struct client *c, struct slice in)
{
    struct http1_event ev = {.type = HTTP1_START};
    while (ev.type != HTTP1_MORE && c->fd >= 0 && !c->generation && !c->ended &&
           c->out.n < MAX_WAITING_BYTES) {
        int64_t n = http1_parse(&c->http, in, &ev);
        if (n < 0) {
            refuse_bytes(c, n);
            return;
        }
        if (n > 0) /* of no bytes there may be no address to move */
            in = slice_make(in.p + n, in.n - (size_t)n);
        take_event(c, &ev);
    }
    if (c->fd >= 0 && !c->ended)
        buf_put(&c->in, in);
}

static void take_plain(struct client *c, struct slice bytes)
{
    if (c->ended)
        return;
    c->active_ns = clock_mono_ns();
    if (c->generation || c->in.n)
        buf_put(&c->in, bytes);
    else
        feed(c, bytes);
}

/* Sends what TLS itself has to say. False when the client was closed. */
static bool send_tls(struct client *c)
{
    struct buf *wire = &c->server->wire;
    return c->fd >= 0 && (wire->n == 0 || put_wire(c, wire->p, wire->n, 0, NULL));
}

static void take_cipher(struct client *c, struct slice bytes)
{
    struct server *s = c->server;
    bool closed = false;
    long n = 1;
    tls_feed(c->tls, bytes);
    buf_clear(&s->wire);
    if (!c->tls_stands) {
        int rc = tls_handshake(c->tls, &s->wire, NULL);
        bool open = send_tls(c); /* an alert too */
        if (rc < 0 && open)
            client_close(c);
        if (rc != 1)
            return;
        c->tls_stands = true;
    }
    while (n > 0 && c->fd >= 0) {
        buf_clear(&s->wire);
        n = tls_read(c->tls, s->plain_buffer, READ_BYTES, &closed, &s->wire, NULL);
        if (!send_tls(c))
            return;
        if (n > 0)
            take_plain(c, slice_make(s->plain_buffer, (size_t)n));
    }
    if (closed)
        client_end(c);
    else if (n < 0)
        client_close(c);
}

void client_readable(struct client *c)
{
    struct server *s = c->server;
    if (c->fd < 0)
        return;
    ssize_t n = recv(c->fd, s->read_buffer, READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_close(c);
        return;
    }
    struct slice bytes = slice_make(s->read_buffer, (size_t)n);
    if (c->tls)
        take_cipher(c, bytes);
    else
        take_plain(c, bytes);
    watch(c);
}
