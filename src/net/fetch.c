#include "net/fetch.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "net/exchanger.h"

enum {
    DEFAULT_MAX_BODY_BYTES = 16 * 1024 * 1024,
    FETCH_READ_BYTES = 64 * 1024,
};

struct fetching {
    struct exchange x;
    struct exchanger *xr;
    struct fetch_result *result;
    struct err why;
    bool done;
};

static void copy_text(char *to, size_t to_bytes, struct slice from)
{
    snprintf(to, to_bytes, "%.*s", SLICE_ARG(from));
}

static void on_head(struct exchange *x, const struct exchange_head *head)
{
    struct fetch_result *r = ((struct fetching *)x->owner)->result;
    r->status = head->status;
    copy_text(r->content_type, sizeof r->content_type, head->content_type);
    copy_text(r->server, sizeof r->server, head->server);
}

static void on_body(struct exchange *x, struct slice data, const struct stamp *stamp)
{
    (void)stamp;
    struct fetching *f = x->owner;
    struct buf *body = &f->result->body;
    size_t room = body->max - body->n;
    buf_append(body, data.p, data.n < room ? data.n : room);
    if (data.n <= room)
        return;
    f->result->truncated = true;
    exchange_cancel(f->xr, x); /* the rest would only be thrown away */
}

static void on_end(struct exchange *x, enum exchange_outcome outcome, const struct err *why)
{
    struct fetching *f = x->owner;
    f->result->outcome = f->result->truncated ? EXCHANGE_OK : outcome;
    f->why = *why;
    f->done = true;
}

static const struct exchange_handler HANDLER = {.head = on_head, .body = on_body, .end = on_end};

/* False when it was given up because cancel_fd became readable. */
static bool run(struct fetching *f, int cancel_fd)
{
    struct pollfd p = {.fd = cancel_fd, .events = POLLIN};
    exchange_start(f->xr, &f->x);
    while (!f->done) {
        exchanger_run(f->xr, INT64_MAX, cancel_fd);
        if (cancel_fd >= 0 && !f->done && poll(&p, 1, 0) == 1) {
            exchange_cancel(f->xr, &f->x);
            return false;
        }
    }
    return true;
}

static const char *write_limit(int64_t ns, char *out, size_t out_bytes)
{
    if (ns % NS_PER_S != 0)
        return units_format_ns(ns, out, out_bytes);
    snprintf(out, out_bytes, "%lld s", (long long)(ns / NS_PER_S));
    return out;
}

static int failure(const struct endpoint *ep, const struct fetch_request *q,
                   const struct fetch_result *r, const struct err *why, struct err *e)
{
    char limit[32];
    if (r->outcome == EXCHANGE_TIMEOUT)
        return err_set(e, ERR_TIMEOUT,
                       "no answer from %s within %s; is the server up and not busy?",
                       ep->addresses.list[0].text, write_limit(q->timeout_ns, limit, sizeof limit));
    return err_set(e, why->code, "%s", why->text);
}

int fetch(const struct endpoint *ep, const struct fetch_request *q, struct fetch_result *out,
          struct err *e)
{
    const struct exchanger_options options = {.read_buffer_bytes = FETCH_READ_BYTES,
                                              .no_reuse = true};
    struct fetching f = {.result = out};
    memset(out, 0, sizeof *out);
    buf_init(&out->body, q->max_body_bytes ? q->max_body_bytes : DEFAULT_MAX_BODY_BYTES);
    int rc = exchanger_new_unstamped(ep, &options, &f.xr, e);
    if (rc < 0)
        return rc;
    const char *method = q->method ? q->method : q->body.n > 0 ? "POST" : "GET";
    struct route *route =
        route_new(ep, method, q->path ? q->path : "", q->header_lines, q->header_count);
    f.x = (struct exchange){.route = route,
                            .handler = &HANDLER,
                            .body = q->body,
                            .owner = &f,
                            .deadline_ns = q->timeout_ns > 0 ? clock_mono_ns() + q->timeout_ns : 0};
    bool ran = run(&f, q->cancel_fd > 0 ? q->cancel_fd : -1);
    out->times = f.x.times;
    exchanger_free(f.xr);
    route_free(route);
    if (!ran)
        return err_set(e, ERR_INTERRUPTED, "interrupted while waiting for %s",
                       ep->addresses.list[0].text);
    return out->outcome == EXCHANGE_OK ? OK : failure(ep, q, out, &f.why, e);
}

void fetch_result_release(struct fetch_result *r)
{
    buf_release(&r->body);
}
