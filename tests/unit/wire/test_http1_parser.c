/* HTTP/1.1 parsing against Debian's http_parser, on generated streams of messages, cut at random,
 * and on mutations of them. Valid streams: the same events. Mutated ones: the same events as far as
 * both go, and where only one refuses, the reason is one of the known differences listed below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/rng.h"
#include "http_parser_oracle.h"

#define PICK(r, table) ((table)[rng_below((r), sizeof(table) / sizeof(table)[0])])

/* Not generated for HTTP/1.0: "close" beside "keep-alive", and chunks; the two then differ on
 * whether the connection is kept (ours closes, as RFC 9112 §6.1 and §9.6 say). */
static void put_headers(struct rng *r, struct buf *out, bool old)
{
    static const char *const header[] = {
        "Server: uvicorn",
        "Content-Type:text/event-stream; charset=utf-8",
        "X-Empty:",
        "x:  padded \t",
        "Date: Tue, 01 Jan 2030 00:00:00 GMT",
        "A-b_c.d!e~: \xc3\xa9",
        "Cache-Control: no-cache, no-store",
        "Connection: keep-alive",
        "connection: close",
    };
    for (uint64_t n = rng_below(r, 6); n > 0; n--) {
        buf_puts(out, header[rng_below(r, sizeof header / sizeof header[0] - old)]);
        buf_puts(out, "\r\n");
    }
}

static void put_bytes(struct rng *r, struct buf *out, uint64_t n)
{
    static const char bytes[] = "data: {}\r\n\n:[],0123456789abcdef";
    for (; n > 0; n--)
        buf_putc(out, bytes[rng_below(r, sizeof bytes - 1)]);
}

static void put_chunks(struct rng *r, struct buf *out)
{
    static const char *const extension[] = {"", "", "", ";a=b", ";q=\"x y\"", ";"};
    for (uint64_t n = rng_below(r, 5); n > 0; n--) {
        uint64_t size = 1 + rng_below(r, 40);
        buf_printf(out, rng_below(r, 2) ? "%x%s\r\n" : "00%X%s\r\n", (unsigned)size,
                   PICK(r, extension));
        put_bytes(r, out, size);
        buf_puts(out, "\r\n");
    }
    buf_puts(out, rng_below(r, 4) ? "0\r\n\r\n" : "0\r\nX-Trailer: sum\r\n\r\n");
}

static void put_framed_body(struct rng *r, struct buf *out, bool old)
{
    if (!old && rng_below(r, 2)) {
        buf_puts(out, "Transfer-Encoding: chunked\r\n");
        put_headers(r, out, old);
        buf_puts(out, "\r\n");
        put_chunks(r, out);
    } else {
        uint64_t n = rng_below(r, 60);
        buf_printf(out, "content-length: %u\r\n", (unsigned)n);
        put_headers(r, out, old);
        buf_puts(out, "\r\n");
        put_bytes(r, out, n);
    }
}

static void put_response(struct rng *r, struct buf *out, bool last)
{
    static const char *const line[] = {"HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found", "HTTP/1.1 503",
                                       "HTTP/1.1 429 ", "HTTP/1.0 200 OK"};
    static const char *const bare[] = {"HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified",
                                       "HTTP/1.1 100 Continue", "HTTP/1.1 103 Early Hints"};
    if (rng_below(r, 4) == 0) {
        buf_puts(out, PICK(r, bare));
        buf_puts(out, "\r\nX-Y: z\r\n\r\n");
        return;
    }
    const char *first = PICK(r, line);
    bool old = strstr(first, "/1.0") != NULL;
    buf_puts(out, first);
    buf_puts(out, "\r\n");
    if (last && rng_below(r, 3) == 0) {
        put_headers(r, out, old);
        buf_puts(out, "\r\n");
        put_bytes(r, out, rng_below(r, 60)); /* until the peer closes */
        return;
    }
    put_headers(r, out, old);
    put_framed_body(r, out, old);
}

static void put_request(struct rng *r, struct buf *out)
{
    static const char *const get[] = {"GET / HTTP/1.1", "DELETE /a/b?c=d HTTP/1.1",
                                      "HEAD * HTTP/1.0"};
    static const char *const post[] = {"POST /v1/completions HTTP/1.1", "PUT /x HTTP/1.1"};
    bool has_body = rng_below(r, 2);
    const char *first = has_body ? PICK(r, post) : PICK(r, get);
    bool old = strstr(first, "/1.0") != NULL;
    buf_puts(out, first);
    buf_puts(out, "\r\nHost: localhost\r\n");
    put_headers(r, out, old);
    if (has_body)
        put_framed_body(r, out, old);
    else
        buf_puts(out, "\r\n");
}

static void put_stream(struct rng *r, struct buf *out, enum http1_kind kind)
{
    buf_clear(out);
    for (uint64_t n = 1 + rng_below(r, 3); n > 0; n--) {
        if (kind == HTTP1_RESPONSE)
            put_response(r, out, n == 1);
        else
            put_request(r, out);
    }
}

static void mutate(struct rng *r, struct buf *b)
{
    static const char interesting[] = "\r\n\r\n :;,\t0123456789aAfFgx\x01\x7f\x80/.HT-";
    static const char *const line[] = {"Content-Length: 3\r\n",
                                       "Content-Length: 30\r\n",
                                       "\r\n",
                                       "\n",
                                       "Transfer-Encoding: chunked\r\n",
                                       " folded\r\n",
                                       "5\r\n",
                                       "Transfer-Encoding: gzip\r\n",
                                       "Connection: close\r\n"};
    for (uint64_t n = 1 + rng_below(r, 2); n > 0 && b->n > 1; n--) {
        size_t at = (size_t)rng_below(r, b->n);
        struct buf copy = {0};
        switch (rng_below(r, 4)) {
        case 0:
            b->p[at] = interesting[rng_below(r, sizeof interesting - 1)];
            break;
        case 1:
            memmove(b->p + at, b->p + at + 1, b->n - at - 1);
            b->n--;
            break;
        case 2:
            buf_putc(b, 0);
            memmove(b->p + at + 1, b->p + at, b->n - 1 - at);
            break;
        default: /* a line put in at a line's begin */
            while (at > 0 && b->p[at - 1] != '\n')
                at--;
            buf_append(&copy, b->p, at);
            buf_puts(&copy, PICK(r, line));
            buf_append(&copy, b->p + at, b->n - at);
            buf_clear(b);
            buf_put(b, buf_slice(&copy));
        }
        buf_release(&copy);
    }
}

static void run_ours(struct trace *t, struct rng *r, enum http1_kind kind, struct slice bytes)
{
    uint64_t longest = 1 + rng_below(r, 64);
    trace_init(t, kind);
    while (bytes.n > 0) {
        size_t n = 1 + (size_t)rng_below(r, longest);
        n = n < bytes.n ? n : bytes.n;
        trace_feed(t, slice_make(bytes.p, n));
        bytes = slice_make(bytes.p + n, bytes.n - n);
    }
}

static void generated_streams_give_the_same_events(void **state)
{
    (void)state;
    struct buf b = {0};
    for (uint64_t i = 0; i < 3000; i++) {
        struct rng r = rng_at(11, RNG_PROMPT, i);
        enum http1_kind kind = i % 2 ? HTTP1_RESPONSE : HTTP1_REQUEST;
        struct trace t;
        struct oracle o;
        put_stream(&r, &b, kind);
        run_ours(&t, &r, kind, buf_slice(&b));
        oracle_run(&o, kind, buf_slice(&b));
        if (t.failed || o.failed || !slice_eq(buf_slice(&t.text), buf_slice(&o.text)))
            fail_msg("%d: %s\nours:\n%s\nhttp_parser (%s):\n%s", (int)i, buf_cstr(&b),
                     buf_cstr(&t.text), o.error, buf_cstr(&o.text));
        trace_release(&t);
        oracle_release(&o);
    }
    buf_release(&b);
}

/* We refuse, http_parser (as Debian builds it) takes: */
static const char *const stricter[] = {
    "a header line is folded",                    /* it joins the lines */
    "a Transfer-Encoding other than chunked",     /* it reads such a body until the peer closes */
    "a control character in the head",            /* it lets most stand in values */
    "the first line is not HTTP/1",               /* it skips empty lines before answers too */
    "the HTTP version is not 1.0 or 1.1",         /* it takes any two digits */
    "the status is not a number of three digits", /* it takes any digits up to 999 */
    "a header line is not \"name: value\"",       /* it takes a name alone, and blanks in names */
    "a chunk size that is not one",               /* it takes anything behind the digits */
    "a chunk does not end where its size says",   /* it takes any two bytes there */
};

/* We take, http_parser refuses: */
static const char *const laxer[] = {
    "HPE_INVALID_METHOD",   /* to us any token is a method; and we judge whole lines, so the */
    "HPE_INVALID_CONSTANT", /* beginning of a first line that is no HTTP is not yet an error */
    "HPE_INVALID_URL",      /* to us a target is any visible text */
    "HPE_UNEXPECTED_CONTENT_LENGTH", /* the same length said twice */
};

static bool listed(const char *const *list, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

/* The text without an error at its end, and without what is said about keeping the connections of
 * HTTP/1.0 messages. */
static struct slice comparable(struct buf *text, struct buf *out)
{
    bool old = false;
    for (char *line = (char *)(uintptr_t)buf_cstr(text); *line;) {
        size_t n = strcspn(line, "\n");
        struct slice l = slice_make(line, n);
        line += line[n] ? n + 1 : n;
        if (slice_starts(l, "ERROR "))
            break;
        if (slice_starts(l, "START "))
            old = memcmp(l.p + l.n - 4, " 1.0", 4) == 0;
        if (slice_starts(l, "HEAD_END") && old)
            l.n = strlen("HEAD_END");
        buf_put(out, l);
        buf_putc(out, '\n');
    }
    while (out->n > 0 && out->p[out->n - 1] == '\n') /* a body may go on in the other */
        out->n--;
    return buf_slice(out);
}

/* The two report fields at different times (at the line's end, at the next one's begin), and the
 * refusals come at different places: so one must be the beginning of the other. */
static bool agree_as_far_as_both_go(struct trace *t, struct oracle *o)
{
    struct buf a = {0}, b = {0};
    struct slice ours = comparable(&t->text, &a), theirs = comparable(&o->text, &b);
    size_t n = ours.n < theirs.n ? ours.n : theirs.n;
    bool agree = n == 0 || memcmp(ours.p, theirs.p, n) == 0;
    buf_release(&a);
    buf_release(&b);
    return agree;
}

/* http_parser waits for a body behind 204 and 304 where they have a length; they never have one
 * (RFC 9112 §6.3). And a folded line is part of the value to it. */
static bool beyond_comparison(struct trace *t)
{
    const char *text = buf_cstr(&t->text);
    for (const char *at = text; (at = strstr(at, "START ")); at++) {
        const char *end = strstr(at, "HEAD_END");
        const char *length = strcasestr(at, "HEADER 'content-length");
        if ((slice_starts(slice_of(at), "START 204") || slice_starts(slice_of(at), "START 304")) &&
            length && (!end || length < end))
            return true;
    }
    return t->failed && strcmp(http1_error(&t->h), "a header line is folded") == 0;
}

static void check_mutant(uint64_t i, struct trace *t, struct oracle *o, const struct buf *b)
{
    const char *why = http1_error(&t->h);
    const char *complaint = NULL;
    bool skip = beyond_comparison(t);
    if (!skip && !agree_as_far_as_both_go(t, o))
        complaint = "different events";
    else if (t->failed && !o->failed && !listed(stricter, sizeof stricter / sizeof *stricter, why))
        complaint = "only we refuse";
    else if (!skip && !t->failed && o->failed &&
             !listed(laxer, sizeof laxer / sizeof *laxer, o->error))
        complaint = "only http_parser refuses";
    if (complaint)
        fail_msg("%d: %s (%s, %s)\n%.*s\nours:\n%s\nhttp_parser:\n%s", (int)i, complaint, why,
                 o->error, (int)b->n, b->p, buf_cstr(&t->text), buf_cstr(&o->text));
}

static void mutated_streams_differ_only_where_known(void **state)
{
    (void)state;
    struct buf b = {0};
    int refused = 0, taken = 0;
    for (uint64_t i = 0; i < 8000; i++) {
        struct rng r = rng_at(12, RNG_PROMPT, i);
        enum http1_kind kind = i % 2 ? HTTP1_RESPONSE : HTTP1_REQUEST;
        struct trace t;
        struct oracle o;
        put_stream(&r, &b, kind);
        mutate(&r, &b);
        run_ours(&t, &r, kind, buf_slice(&b));
        oracle_run(&o, kind, buf_slice(&b));
        check_mutant(i, &t, &o, &b);
        refused += t.failed;
        taken += !t.failed;
        trace_release(&t);
        oracle_release(&o);
    }
    assert_true(refused > 1000 && taken > 1000);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generated_streams_give_the_same_events),
        cmocka_unit_test(mutated_streams_differ_only_where_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
