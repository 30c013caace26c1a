#include "http1_trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void trace_init(struct trace *t, enum http1_kind kind)
{
    *t = (struct trace){.in_body = false};
    http1_init(&t->h, kind);
}

void trace_release(struct trace *t)
{
    http1_release(&t->h);
    buf_release(&t->text);
}

void trace_line(struct buf *text, bool *in_body, const char *format, ...)
{
    char line[4096];
    va_list args;
    if (*in_body)
        buf_putc(text, '\n');
    *in_body = false;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buf_puts(text, line);
    buf_putc(text, '\n');
}

void trace_body(struct buf *text, bool *in_body, struct slice data)
{
    if (!*in_body)
        buf_puts(text, "BODY ");
    *in_body = true;
    buf_put(text, data);
}

static void write_event(struct trace *t, const struct http1_event *ev)
{
    switch (ev->type) {
    case HTTP1_START:
        if (t->h.kind == HTTP1_RESPONSE)
            trace_line(&t->text, &t->in_body, "START %d '%.*s' 1.%d", ev->status,
                       SLICE_ARG(ev->reason), t->h.minor);
        else
            trace_line(&t->text, &t->in_body, "START '%.*s' '%.*s' 1.%d", SLICE_ARG(ev->method),
                       SLICE_ARG(ev->target), t->h.minor);
        if (t->no_body)
            http1_expect_no_body(&t->h);
        break;
    case HTTP1_HEADER:
        trace_line(&t->text, &t->in_body, "HEADER '%.*s': '%.*s'", SLICE_ARG(ev->name),
                   SLICE_ARG(ev->value));
        break;
    case HTTP1_HEAD_END:
        trace_line(&t->text, &t->in_body, "HEAD_END %s", t->h.keep_alive ? "keep" : "close");
        break;
    case HTTP1_BODY:
        trace_body(&t->text, &t->in_body, ev->data);
        break;
    case HTTP1_END:
        trace_line(&t->text, &t->in_body, "END");
        http1_reset(&t->h);
        break;
    case HTTP1_MORE:
        break;
    }
}

void trace_feed(struct trace *t, struct slice bytes)
{
    char *copy = malloc(bytes.n ? bytes.n : 1);
    if (bytes.n > 0)
        memcpy(copy, bytes.p, bytes.n);
    struct slice in = slice_make(copy, bytes.n);
    while (!t->failed) {
        struct http1_event ev;
        int64_t n = http1_parse(&t->h, in, &ev);
        if (n < 0) {
            trace_line(&t->text, &t->in_body, "ERROR %d %s", (int)n, http1_error(&t->h));
            t->failed = true;
            break;
        }
        in = slice_make(in.p + n, in.n - (size_t)n);
        write_event(t, &ev);
        if (ev.type == HTTP1_MORE) {
            if (in.n > 0)
                trace_line(&t->text, &t->in_body, "LEFT %zu", in.n);
            break;
        }
    }
    free(copy);
}

void trace_eof(struct trace *t)
{
    if (!t->failed)
        trace_line(&t->text, &t->in_body, "EOF %s", http1_eof(&t->h) == OK ? "ok" : "cut");
}
