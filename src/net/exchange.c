#include "net/exchange.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn_open.h"
#include "net/conn_send.h"
#include "net/exchanger.h"
#include "net/sock.h"

/* Servers close idle connections after about five seconds (uvicorn's default), so ours go first. */
static const int64_t DEFAULT_IDLE_RETIRE_NS = 4 * NS_PER_S;
enum { DEFAULT_READ_BUFFER_BYTES = 256 * 1024 };
/* Some servers promise to keep a connection and close it after every answer (llama-server does
 * after a stream). After so many in a row none is believed any more, instead of sending every
 * request twice. */
enum { MAX_BROKEN_PROMISES = 8 };

/* ---- connections ---- */

void conn_move(struct conn *c, struct conn_list *to)
{
    if (c->in) {
        *(c->prev ? &c->prev->next : &c->in->head) = c->next;
        *(c->next ? &c->next->prev : &c->in->tail) = c->prev;
    }
    c->in = to;
    c->prev = c->next = NULL;
    if (!to)
        return;
    c->next = to->head;
    *(to->head ? &to->head->prev : &to->tail) = c;
    to->head = c;
}

int conn_watch(struct conn *c, int interest)
{
    if (c->interest == interest)
        return OK;
    int rc = c->interest == 0 ? poller_add(&c->xr->poller, c->fd, interest, c)
                              : poller_change(&c->xr->poller, c->fd, interest, c);
    if (rc == OK)
        c->interest = interest;
    return rc;
}

void conn_postpone(struct conn *c, enum conn_state state, int error, int64_t until_ns)
{
    struct exchanger *xr = c->xr;
    c->state = state;
    c->error = error;
    c->retry_ns = until_ns;
    conn_move(c, &xr->later);
    if (until_ns < xr->later_ns)
        xr->later_ns = until_ns;
}

void conn_close(struct conn *c)
{
    if (c->fd >= 0)
        close(c->fd); /* which also ends the poller's interest in it */
    c->fd = -1;
    c->state = CONN_DEAD;
    deadlines_remove(&c->xr->deadlines, &c->deadline);
    tls_free(c->tls);
    c->tls = NULL;
    buf_release(&c->out);
    buf_release(&c->head_text);
    http1_release(&c->parser);
    conn_move(c, &c->xr->dead);
}

static void conn_rest(struct conn *c)
{
    deadlines_remove(&c->xr->deadlines, &c->deadline);
    http1_reset(&c->parser);
    c->state = CONN_IDLE;
    c->idle_since_ns = clock_mono_ns();
    c->carried = true;
    conn_move(c, &c->xr->idle);
    conn_watch(c, POLLER_READ);
}

static void fill_path(struct conn *c, struct exchange *x)
{
    struct sock_path path;
    if (c->fd < 0 || c->xr->ep->url.is_unix || !sock_path(c->fd, &path))
        return;
    x->rtt_us = path.rtt_us;
    x->min_rtt_us = path.min_rtt_us;
    x->retransmits = path.retransmits - c->retransmits_before;
    c->retransmits_before = path.retransmits;
}

void conn_finish(struct conn *c, enum exchange_outcome outcome, const struct err *why,
                 bool reusable)
{
    static const struct err none = {0};
    struct exchanger *xr = c->xr;
    struct exchange *x = c->x;
    if (!x) {
        if (c->state < CONN_ACTIVE) {
            xr->preconnecting--;
            xr->preconnect_error = why ? *why : none;
        }
        conn_close(c);
        return;
    }
    x->times.end_ns = outcome == EXCHANGE_OK ? c->last_at_ns : clock_mono_ns();
    fill_path(c, x);
    x->conn = NULL;
    c->x = NULL;
    xr->in_flight--;
    if (reusable && !xr->options.no_reuse && xr->broken_promises < MAX_BROKEN_PROMISES)
        conn_rest(c);
    else
        conn_close(c);
    if (x->handler->end)
        x->handler->end(x, outcome, why ? why : &none);
}

const char *conn_address(const struct conn *c)
{
    return c->xr->ep->addresses.list[c->address].text;
}

/* ---- exchangers ---- */

static struct exchanger *make(const struct endpoint *ep, const struct exchanger_options *o)
{
    struct exchanger *xr = MEM_NEW(struct exchanger);
    xr->ep = ep;
    xr->options = o ? *o : (struct exchanger_options){0};
    if (xr->options.read_buffer_bytes == 0)
        xr->options.read_buffer_bytes = DEFAULT_READ_BUFFER_BYTES;
    xr->retire_ns =
        xr->options.idle_retire_ns > 0 ? xr->options.idle_retire_ns : DEFAULT_IDLE_RETIRE_NS;
    xr->later_ns = INT64_MAX;
    xr->wake_fd = -1;
    xr->buffer = mem_alloc(xr->options.read_buffer_bytes);
    xr->plain = ep->tls ? mem_alloc(TLS_RECORD_BYTES) : NULL;
    xr->now_ns = clock_mono_ns();
    stampclock_init_idle(&xr->clock);
    return xr;
}

int exchanger_new_unstamped(const struct endpoint *ep, const struct exchanger_options *o,
                            struct exchanger **out, struct err *e)
{
    struct exchanger *xr = make(ep, o);
    int rc = poller_init(&xr->poller, e);
    *out = rc == OK ? xr : NULL;
    if (rc < 0)
        exchanger_free(xr);
    return rc;
}

int exchanger_new(const struct endpoint *ep, const struct exchanger_options *o,
                  struct exchanger **out, struct err *e)
{
    int rc = exchanger_new_unstamped(ep, o, out, e);
    if (rc != OK || ep->url.is_unix)
        return rc;
    struct exchanger *xr = *out;
    xr->wants_stamps = true;
    stampclock_init(&xr->clock);
    if (xr->clock.bridge.step_fd >= 0)
        poller_add(&xr->poller, xr->clock.bridge.step_fd, POLLER_READ, &xr->clock);
    return OK;
}

static void cancel_all(struct conn_list *list)
{
    struct err why;
    err_set(&why, ERR_INTERRUPTED, "cancelled");
    while (list->head)
        conn_finish(list->head, EXCHANGE_CANCELLED, &why, false);
}

void exchanger_free(struct exchanger *xr)
{
    if (!xr)
        return;
    cancel_all(&xr->busy);
    cancel_all(&xr->later);
    while (xr->idle.head)
        conn_close(xr->idle.head);
    exchanger_bury(xr);
    deadlines_release(&xr->deadlines);
    stampclock_release(&xr->clock);
    poller_release(&xr->poller);
    free(xr->plain);
    free(xr->buffer);
    free(xr);
}

void exchanger_bury(struct exchanger *xr)
{
    for (struct conn *c; (c = xr->dead.head) != NULL;) {
        conn_move(c, NULL);
        free(c);
    }
}

struct exchanger_stats *exchanger_stats(struct exchanger *xr)
{
    return &xr->stats;
}

size_t exchanger_in_flight(const struct exchanger *xr)
{
    return xr->in_flight;
}

void exchanger_retire(struct exchanger *xr, int64_t now_ns)
{
    while (xr->idle.tail && now_ns - xr->idle.tail->idle_since_ns >= xr->retire_ns) {
        xr->stats.connections_retired++;
        conn_close(xr->idle.tail);
    }
}

/* ---- exchanges ---- */

static void clear_results(struct exchange *x)
{
    *x = (struct exchange){.route = x->route,
                           .handler = x->handler,
                           .body = x->body,
                           .request_id = x->request_id,
                           .deadline_ns = x->deadline_ns,
                           .owner = x->owner,
                           .times.started_ns = clock_mono_ns()};
}

static void use_idle(struct conn *c, struct exchange *x)
{
    struct exchanger *xr = c->xr;
    c->x = x;
    c->pooled = true;
    c->state = CONN_ACTIVE;
    x->conn = c;
    x->reused = c->carried;
    if (x->deadline_ns != 0) {
        c->deadline.at_ns = x->deadline_ns;
        deadlines_add(&xr->deadlines, &c->deadline);
    }
    conn_move(c, &xr->busy);
    conn_begin_request(c);
}

void exchange_start(struct exchanger *xr, struct exchange *x)
{
    if (x->conn)
        BUG("an exchange was started twice");
    clear_results(x);
    xr->in_flight++;
    exchanger_retire(xr, x->times.started_ns);
    if (xr->idle.head)
        use_idle(xr->idle.head, x);
    else
        conn_open(xr, x);
}

void exchange_hurry(struct exchanger *xr, struct exchange *x, int64_t at_ns)
{
    struct conn *c = x->conn;
    if (!c || (x->deadline_ns != 0 && x->deadline_ns <= at_ns))
        return;
    deadlines_remove(&xr->deadlines, &c->deadline);
    x->deadline_ns = c->deadline.at_ns = at_ns;
    deadlines_add(&xr->deadlines, &c->deadline);
}

void exchange_cancel(struct exchanger *xr, struct exchange *x)
{
    (void)xr;
    struct err why;
    if (!x->conn)
        return;
    err_set(&why, ERR_INTERRUPTED, "cancelled");
    conn_finish(x->conn, EXCHANGE_CANCELLED, &why, false);
}

/* ---- connections ahead of need ---- */

static void give_up_preconnecting(struct conn_list *list, const struct err *why)
{
    for (struct conn *c = list->head, *next; c; c = next) {
        next = c->next;
        if (!c->x)
            conn_finish(c, EXCHANGE_CONNECT_FAILED, why, false);
    }
}

int exchanger_preconnect(struct exchanger *xr, unsigned count, int64_t deadline_ns, struct err *e)
{
    xr->preconnected = 0;
    for (unsigned i = 0; i < count; i++)
        conn_open(xr, NULL);
    while (xr->preconnecting > 0 && clock_mono_ns() < deadline_ns)
        exchanger_run(xr, deadline_ns, -1);
    if (xr->preconnecting > 0) {
        struct err late;
        err_set(&late, ERR_NET,
                "no connection to %s stood in time; is the server up and reachable?",
                xr->ep->addresses.list[0].text);
        give_up_preconnecting(&xr->busy, &late);
        give_up_preconnecting(&xr->later, &late);
    }
    if (xr->preconnected > 0 || count == 0)
        return OK;
    return err_set(e, ERR_NET, "%s", xr->preconnect_error.text);
}
