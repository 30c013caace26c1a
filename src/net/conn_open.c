#include "net/conn_open.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn_send.h"
#include "net/sock.h"

/* A unix socket whose backlog is full refuses at once instead of queueing as TCP does. */
static const int64_t RETRY_FULL_BACKLOG_NS = NS_PER_MS;

static bool out_of_descriptors(int error)
{
    return error == EMFILE || error == ENFILE;
}

/* The next address in turn that this connection has not tried: first among those that worked last
 * time (a name with a dead address would otherwise delay every other connection), then among all.
 */
static bool choose_address(struct conn *c)
{
    struct exchanger *xr = c->xr;
    size_t n = xr->ep->addresses.n;
    for (int pass = 0; pass < 2; pass++) {
        uint64_t avoid = c->tried | (pass == 0 ? xr->refused : 0);
        for (size_t i = 0; i < n; i++) {
            size_t candidate = (xr->turn + i) % n;
            if (avoid & UINT64_C(1) << candidate)
                continue;
            c->address = candidate;
            c->tried |= UINT64_C(1) << candidate;
            xr->turn = (candidate + 1) % n;
            return true;
        }
    }
    return false;
}

static void stand(struct conn *c)
{
    struct exchanger *xr = c->xr;
    if (c->x) {
        c->state = CONN_ACTIVE;
        conn_begin_request(c);
        return;
    }
    xr->preconnecting--;
    xr->preconnected++;
    c->state = CONN_IDLE;
    c->idle_since_ns = clock_mono_ns();
    conn_move(c, &xr->idle);
    conn_watch(c, POLLER_READ);
}

static void fail_handshake(struct conn *c, struct err *why)
{
    err_prefix(why, "cannot connect to %s: ", conn_address(c));
    conn_finish(c, EXCHANGE_CONNECT_FAILED, why, false);
}

static void connected(struct conn *c)
{
    struct exchanger *xr = c->xr;
    int64_t now = clock_mono_ns();
    xr->refused &= ~(UINT64_C(1) << c->address);
    xr->stats.connections_opened++;
    c->bound_ns = now;
    c->listed_wait = xr->wait_number;
    if (c->x)
        c->x->times.connect_ns = now - c->began_ns;
    if (!xr->ep->tls) {
        stand(c);
        return;
    }
    c->state = CONN_HANDSHAKING;
    c->began_ns = now;
    c->tls = tls_new(xr->ep->tls, xr->ep->url.host);
    if (!c->tls) {
        conn_postpone(c, CONN_FAILED, ENOMEM, 0);
        return;
    }
    struct err why = {0};
    tls_handshake(c->tls, &c->out, &why); /* the client's first flight: nothing to fail on yet */
    conn_flush(c);
}

static void try_addresses(struct conn *c)
{
    struct exchanger *xr = c->xr;
    while (choose_address(c)) {
        bool stands = false;
        int fd = sock_connect(&xr->ep->addresses.list[c->address], xr->wants_stamps, &stands);
        if (fd == -EAGAIN) {
            c->tried &= ~(UINT64_C(1) << c->address);
            conn_postpone(c, CONN_WAITING, EAGAIN, clock_mono_ns() + RETRY_FULL_BACKLOG_NS);
            return;
        }
        if (fd >= 0) {
            c->fd = fd;
            c->state = CONN_CONNECTING;
            conn_move(c, &xr->busy);
            if (conn_watch(c, POLLER_WRITE) < 0) /* fs.epoll.max_user_watches */
                conn_postpone(c, CONN_FAILED, ENFILE, 0);
            else if (stands)
                connected(c);
            return;
        }
        c->error = -fd;
        if (out_of_descriptors(c->error))
            break;
        xr->refused |= UINT64_C(1) << c->address;
    }
    conn_postpone(c, CONN_FAILED, c->error, 0);
}

void conn_open(struct exchanger *xr, struct exchange *x)
{
    struct conn *c = MEM_NEW(struct conn);
    c->xr = xr;
    c->x = x;
    c->fd = -1;
    c->began_ns = clock_mono_ns();
    http1_init(&c->parser, HTTP1_RESPONSE);
    if (x) {
        x->conn = c;
        x->opened = true;
        x->reused = false;
        x->times.dns_ns = xr->ep->addresses.took_ns;
        if (x->deadline_ns != 0) {
            c->deadline.at_ns = x->deadline_ns;
            deadlines_add(&xr->deadlines, &c->deadline);
        }
    } else {
        xr->preconnecting++;
    }
    try_addresses(c);
}

void conn_connect_event(struct conn *c)
{
    int error = sock_connect_error(c->fd);
    if (error == 0) {
        connected(c);
        return;
    }
    close(c->fd); /* which also ends the poller's interest in it */
    c->fd = -1;
    c->interest = 0;
    c->error = error;
    c->xr->refused |= UINT64_C(1) << c->address;
    try_addresses(c);
}

void conn_handshake(struct conn *c)
{
    struct err why = {0};
    int rc = tls_handshake(c->tls, &c->out, &why);
    conn_flush(c); /* also on failure: the alert tells the server why */
    if (rc < 0) {
        fail_handshake(c, &why);
        return;
    }
    if (rc == 0)
        return;
    if (c->x)
        c->x->times.tls_ns = clock_mono_ns() - c->began_ns;
    stand(c);
}

void conn_handshake_lost(struct conn *c, int error)
{
    struct err why = {0};
    err_set(&why, ERR_TLS,
            "the server closed the connection during the TLS handshake%s%s; does it speak "
            "TLS, or did you mean http://?",
            error ? ": " : "", error ? strerror(error) : "");
    fail_handshake(c, &why);
}

static const char *advice_for(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "connection refused; is the server running there?";
    case ENOENT:
        return "there is no such socket; is the server running?";
    case ENOTSOCK:
        return "that is not a socket";
    case EACCES:
    case EPERM:
        return "permission denied; a firewall or the socket's file mode forbids it";
    case ETIMEDOUT:
        return "no answer; is the address right, and does a firewall stand between?";
    case EHOSTUNREACH:
    case ENETUNREACH:
        return "no route to it; is the address right, and is the network up?";
    case EADDRNOTAVAIL:
        return "no free local port is left; use fewer connections or widen "
               "net.ipv4.ip_local_port_range";
    default:
        return strerror(error);
    }
}

static void report_failure(struct conn *c)
{
    struct err why = {0};
    if (out_of_descriptors(c->error)) {
        err_set(&why, ERR_NET,
                "no descriptor left for a connection to %s; raise the limit with "
                "'ulimit -n'",
                conn_address(c));
        conn_finish(c, EXCHANGE_NO_DESCRIPTOR, &why, false);
        return;
    }
    err_set(&why, ERR_NET, "cannot connect to %s: %s", conn_address(c), advice_for(c->error));
    conn_finish(c, EXCHANGE_CONNECT_FAILED, &why, false);
}

bool conn_tend_later(struct conn *c, int64_t now_ns)
{
    if (c->state == CONN_FAILED) {
        report_failure(c);
        return true;
    }
    if (now_ns >= c->retry_ns)
        try_addresses(c);
    else
        conn_postpone(c, CONN_WAITING, c->error, c->retry_ns);
    return false;
}
