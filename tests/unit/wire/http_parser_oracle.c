#include "http_parser_oracle.h"

#include <http_parser.h>

struct reader {
    struct oracle *o;
    struct buf url, reason, name, value;
    bool in_body, started, in_value, head_done;
};

static struct reader *reader_of(http_parser *p)
{
    return p->data;
}

static void flush_header(struct reader *r)
{
    if (r->in_value && !r->head_done) {
        struct slice value = buf_slice(&r->value); /* http_parser keeps blanks at its end */
        while (value.n > 0 && (value.p[value.n - 1] == ' ' || value.p[value.n - 1] == '\t'))
            value.n--;
        trace_line(&r->o->text, &r->in_body, "HEADER '%.*s': '%.*s'",
                   SLICE_ARG(buf_slice(&r->name)), SLICE_ARG(value));
    }
    buf_clear(&r->name);
    buf_clear(&r->value);
    r->in_value = false;
}

/* Interim answers are messages of their own to http_parser; here they are not reported. */
static bool is_interim(const http_parser *p)
{
    return p->type == HTTP_RESPONSE && p->status_code < 200;
}

static void flush_start(http_parser *p)
{
    struct reader *r = reader_of(p);
    if (r->started)
        return;
    r->started = true;
    r->head_done = is_interim(p);
    if (r->head_done)
        return;
    if (p->type == HTTP_RESPONSE)
        trace_line(&r->o->text, &r->in_body, "START %u '%.*s' 1.%u", (unsigned)p->status_code,
                   SLICE_ARG(buf_slice(&r->reason)), (unsigned)p->http_minor);
    else
        trace_line(&r->o->text, &r->in_body, "START '%s' '%.*s' 1.%u",
                   http_method_str((enum http_method)p->method), SLICE_ARG(buf_slice(&r->url)),
                   (unsigned)p->http_minor);
}

static int on_message_begin(http_parser *p)
{
    struct reader *r = reader_of(p);
    r->started = r->head_done = r->in_value = false;
    buf_clear(&r->url);
    buf_clear(&r->reason);
    return 0;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
    buf_append(&reader_of(p)->url, at, n);
    return 0;
}

static int on_status(http_parser *p, const char *at, size_t n)
{
    buf_append(&reader_of(p)->reason, at, n);
    return 0;
}

static int on_header_field(http_parser *p, const char *at, size_t n)
{
    struct reader *r = reader_of(p);
    flush_start(p);
    if (r->in_value)
        flush_header(r);
    buf_append(&r->name, at, n);
    return 0;
}

static int on_header_value(http_parser *p, const char *at, size_t n)
{
    struct reader *r = reader_of(p);
    r->in_value = true;
    buf_append(&r->value, at, n);
    return 0;
}

static int on_headers_complete(http_parser *p)
{
    struct reader *r = reader_of(p);
    flush_start(p);
    flush_header(r);
    r->head_done = true;
    if (!is_interim(p))
        trace_line(&r->o->text, &r->in_body, "HEAD_END %s",
                   http_should_keep_alive(p) ? "keep" : "close");
    return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
    struct reader *r = reader_of(p);
    trace_body(&r->o->text, &r->in_body, slice_make(at, n));
    return 0;
}

static int on_message_complete(http_parser *p)
{
    struct reader *r = reader_of(p);
    flush_header(r);
    if (!is_interim(p))
        trace_line(&r->o->text, &r->in_body, "END");
    return 0;
}

void oracle_run(struct oracle *o, enum http1_kind kind, struct slice bytes)
{
    *o = (struct oracle){.failed = false};
    struct reader r = {.o = o};
    http_parser p;
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_message_begin = on_message_begin;
    settings.on_url = on_url;
    settings.on_status = on_status;
    settings.on_header_field = on_header_field;
    settings.on_header_value = on_header_value;
    settings.on_headers_complete = on_headers_complete;
    settings.on_body = on_body;
    settings.on_message_complete = on_message_complete;
    http_parser_init(&p, kind == HTTP1_RESPONSE ? HTTP_RESPONSE : HTTP_REQUEST);
    p.data = &r;
    http_parser_execute(&p, &settings, bytes.p, bytes.n);
    enum http_errno e = HTTP_PARSER_ERRNO(&p);
    o->failed = e != HPE_OK;
    o->error = http_errno_name(e);
    buf_release(&r.url);
    buf_release(&r.reason);
    buf_release(&r.name);
    buf_release(&r.value);
}

void oracle_release(struct oracle *o)
{
    buf_release(&o->text);
}
