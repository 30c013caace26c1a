#ifndef LOADLINE_FUZZ_HTTP1_H
#define LOADLINE_FUZZ_HTTP1_H

/* Both kinds of HTTP/1.1 message: the events of a stream fed whole and fed in pieces must be the
 * same. */

#include "base/err.h"
#include "wire/http1.h"

struct http1_record {
    struct http1 h;
    struct buf text;
    enum http1_event_type last;
    int error;
};

static void record_event(struct http1_record *r, const struct http1_event *ev)
{
    if (ev->type == HTTP1_MORE)
        return;
    if (ev->type != HTTP1_BODY || r->last != HTTP1_BODY)
        buf_printf(&r->text, "\n%d ", (int)ev->type);
    r->last = ev->type;
    if (ev->type == HTTP1_START && r->h.kind == HTTP1_RESPONSE) {
        buf_printf(&r->text, "%d ", ev->status);
        buf_put(&r->text, ev->reason);
    } else if (ev->type == HTTP1_START) {
        buf_put(&r->text, ev->method);
        buf_putc(&r->text, ' ');
        buf_put(&r->text, ev->target);
    } else if (ev->type == HTTP1_HEADER) {
        buf_put(&r->text, ev->name);
        buf_putc(&r->text, ':');
        buf_put(&r->text, ev->value);
    } else if (ev->type == HTTP1_HEAD_END) {
        buf_printf(&r->text, "%d%d%d", r->h.keep_alive, r->h.chunked, r->h.expect_continue);
    } else if (ev->type == HTTP1_BODY) {
        buf_put(&r->text, ev->data);
    } else {
        http1_reset(&r->h);
    }
}

static void record_piece(struct http1_record *r, struct slice in)
{
    struct http1_event ev = {.type = HTTP1_START};
    while (r->error == OK && ev.type != HTTP1_MORE) {
        int64_t n = http1_parse(&r->h, in, &ev);
        if (n > (int64_t)in.n)
            BUG("more used than given");
        if (n < 0) {
            r->error = (int)n;
            buf_printf(&r->text, "\nerror %d %s", r->error, http1_error(&r->h));
            return;
        }
        in = slice_make(in.p + n, in.n - (size_t)n);
        if (ev.type == HTTP1_MORE && in.n > 0)
            BUG("MORE left bytes behind");
        record_event(r, &ev);
    }
}

static void record_stream(struct http1_record *r, enum http1_kind kind, struct slice in,
                          size_t piece)
{
    *r = (struct http1_record){.last = HTTP1_MORE};
    http1_init(&r->h, kind);
    for (size_t at = 0; at < in.n; at += piece)
        record_piece(r, slice_make(in.p + at, in.n - at < piece ? in.n - at : piece));
    buf_printf(&r->text, "\neof %d", http1_eof(&r->h));
    http1_release(&r->h);
}

/* The first byte says how long the pieces are. */
static int fuzz_http1(enum http1_kind kind, const uint8_t *data, size_t size)
{
    struct http1_record whole, cut;
    if (size < 2)
        return 0;
    struct slice in = slice_make((const char *)data + 1, size - 1);
    record_stream(&whole, kind, in, in.n);
    record_stream(&cut, kind, in, 1 + data[0] % 32);
    if (!slice_eq(buf_slice(&whole.text), buf_slice(&cut.text)))
        BUG("events depend on how the bytes were cut");
    buf_release(&whole.text);
    buf_release(&cut.text);
    return 0;
}

#endif
