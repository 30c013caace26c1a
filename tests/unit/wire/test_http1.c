#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/rng.h"
#include "http1_trace.h"

static const char *trace_whole(struct trace *t, enum http1_kind kind, struct slice bytes)
{
    trace_init(t, kind);
    trace_feed(t, bytes);
    trace_eof(t);
    return buf_cstr(&t->text);
}

static void assert_trace_bytes(enum http1_kind kind, struct slice bytes, const char *want)
{
    struct trace t;
    assert_string_equal(trace_whole(&t, kind, bytes), want);
    trace_release(&t);
}

static void assert_response(const char *bytes, const char *want)
{
    assert_trace_bytes(HTTP1_RESPONSE, slice_of(bytes), want);
}

static void assert_request(const char *bytes, const char *want)
{
    assert_trace_bytes(HTTP1_REQUEST, slice_of(bytes), want);
}

#define OK_LINE  "HTTP/1.1 200 OK\r\n"
#define OK_START "START 200 'OK' 1.1\n"

static void a_length_delimits_the_body(void **state)
{
    (void)state;
    assert_response(OK_LINE "Content-Length: 5\r\nX-A:  b c \t\r\n\r\nhello",
                    OK_START "HEADER 'Content-Length': '5'\nHEADER 'X-A': 'b c'\nHEAD_END keep\n"
                             "BODY hello\nEND\nEOF cut\n");
}

static void chunk_framing_is_removed(void **state)
{
    (void)state;
    assert_response(OK_LINE
                    "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n001\r\n,\r\nA;x=\"y\"\r\n"
                    "0123456789\r\n0\r\n\r\n",
                    OK_START "HEADER 'Transfer-Encoding': 'Chunked'\nHEAD_END keep\n"
                             "BODY hello,0123456789\nEND\nEOF cut\n");
}

static void trailers_are_checked_and_dropped(void **state)
{
    (void)state;
#define HEAD       OK_LINE "Transfer-Encoding: chunked\r\n\r\n"
#define HEAD_TRACE OK_START "HEADER 'Transfer-Encoding': 'chunked'\nHEAD_END keep\n"
    assert_response(HEAD "0\r\nX-Sum: 5\r\nContent-Length: 7\r\n\r\n", HEAD_TRACE "END\nEOF cut\n");
    assert_response(HEAD "0\r\nbad trailer\r\n\r\n",
                    HEAD_TRACE "ERROR -6 a header line is not \"name: value\"\n");
}

static void bodies_without_length_last_until_the_peer_closes(void **state)
{
    (void)state;
    assert_response(OK_LINE "\r\neverything\r\n\r\n",
                    OK_START "HEAD_END close\nBODY everything\r\n\r\n\nEOF ok\n");
    assert_response("HTTP/1.0 200\r\n\r\n", "START 200 '' 1.0\nHEAD_END close\nEOF ok\n");
}

static void answers_204_304_and_to_head_have_no_body(void **state)
{
    (void)state;
    assert_response("HTTP/1.1 204 No Content\r\n\r\n" OK_LINE "Content-Length: 0\r\n\r\n",
                    "START 204 'No Content' 1.1\nHEAD_END keep\nEND\n" OK_START
                    "HEADER 'Content-Length': '0'\nHEAD_END keep\nEND\nEOF cut\n");
    assert_response(
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
        "START 304 'Not Modified' 1.1\nHEADER 'Content-Length': '10'\nHEAD_END keep\nEND\n"
        "EOF cut\n");
    struct trace t;
    trace_init(&t, HTTP1_RESPONSE);
    t.no_body = true;
    trace_feed(&t, slice_of(HEAD OK_LINE "Content-Length: 5\r\n\r\n"));
    assert_string_equal(buf_cstr(&t.text), HEAD_TRACE
                        "END\n" OK_START "HEADER 'Content-Length': '5'\nHEAD_END keep\nEND\n");
    trace_release(&t);
}

static void interim_answers_are_swallowed(void **state)
{
    (void)state;
    assert_response("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n"
                    "Content-Length: 9\r\nConnection: close\r\n\r\n" OK_LINE
                    "Content-Length: 1\r\n\r\nx",
                    OK_START "HEADER 'Content-Length': '1'\nHEAD_END keep\nBODY x\nEND\nEOF cut\n");
    assert_response("HTTP/1.1 101 Switching Protocols\r\n",
                    "ERROR -6 the server switched protocols unasked\n");
}

static bool keeps_alive(const char *head)
{
    struct trace t;
    const char *text = trace_whole(&t, HTTP1_RESPONSE, slice_of(head));
    bool keep = strstr(text, "HEAD_END keep") != NULL;
    assert_true(keep || strstr(text, "HEAD_END close") != NULL);
    trace_release(&t);
    return keep;
}

static void connections_are_kept_as_version_and_header_say(void **state)
{
    (void)state;
    assert_true(keeps_alive(OK_LINE "Content-Length: 0\r\n\r\n"));
    assert_false(keeps_alive(OK_LINE "Content-Length: 0\r\nConnection: close\r\n\r\n"));
    assert_false(keeps_alive(OK_LINE "Content-Length: 0\r\nConnection: x , CLOSE\r\n"
                                     "Connection: keep-alive\r\n\r\n"));
    assert_false(keeps_alive("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert_true(
        keeps_alive("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n"));
    assert_false(keeps_alive("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"));
    assert_false(keeps_alive("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n"));
    assert_true(keeps_alive(OK_LINE "Connection: closed\r\nContent-Length: 0\r\n\r\n"));
}

static void requests_give_method_target_and_body(void **state)
{
    (void)state;
    assert_request("\r\nPOST /v1/completions?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
                   "GET / HTTP/1.0\r\n\r\n",
                   "START 'POST' '/v1/completions?x=1' 1.1\nHEADER 'Host': 'a'\n"
                   "HEADER 'Content-Length': '2'\nHEAD_END keep\nBODY {}\nEND\n"
                   "START 'GET' '/' 1.0\nHEAD_END close\nEND\nEOF cut\n");
}

static void a_request_may_ask_for_100_continue(void **state)
{
    (void)state;
    struct trace t;
    trace_init(&t, HTTP1_REQUEST);
    trace_feed(&t,
               slice_of("POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n"));
    assert_true(t.h.expect_continue);
    trace_feed(&t, slice_of("abc"));
    assert_false(t.h.expect_continue); /* the next message starts afresh */
    trace_release(&t);
}

static void bare_line_feeds_end_lines_of_a_head(void **state)
{
    (void)state;
    assert_response("HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
                    OK_START "HEADER 'Content-Length': '1'\nHEAD_END keep\nBODY x\nEND\nEOF cut\n");
}

/* Each of these must end in an error; what came before it does not matter. */
static void assert_refused(enum http1_kind kind, const char *bytes, const char *why)
{
    struct trace t;
    const char *text = trace_whole(&t, kind, slice_of(bytes));
    if (!t.failed)
        fail_msg("accepted: %s\n%s", bytes, text);
    if (!strstr(text, why))
        fail_msg("refused for another reason: %s\n%s", bytes, text);
    trace_release(&t);
}

static void laxness_that_lets_messages_be_smuggled_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *why;
    } bad[] = {
        {OK_LINE "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "both"},
        {OK_LINE "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "both"},
        {OK_LINE "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "disagree"},
        {OK_LINE "Content-Length: 5, 5\r\n\r\n", "not a number"},
        {OK_LINE "Content-Length: +5\r\n\r\n", "not a number"},
        {OK_LINE "Content-Length: -1\r\n\r\n", "not a number"},
        {OK_LINE "Content-Length:\r\n\r\n", "not a number"},
        {OK_LINE "Content-Length: 9223372036854775808\r\n\r\n", "not a number"},
        {OK_LINE "Content-Length: 99999999999999999999999\r\n\r\n", "not a number"},
        {OK_LINE "Transfer-Encoding: gzip, chunked\r\n\r\n", "other than chunked"},
        {OK_LINE "Transfer-Encoding: identity\r\n\r\n", "other than chunked"},
        {OK_LINE "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "other than"},
        {OK_LINE "X-A: b\r\n folded\r\n\r\n", "folded"},
        {OK_LINE "X-A : b\r\n\r\n", "name: value"},
        {OK_LINE ": b\r\n\r\n", "name: value"},
        {OK_LINE "no colon\r\n\r\n", "name: value"},
        {OK_LINE "X-A: b\rc\r\n\r\n", "control"},
        {OK_LINE "X-A: b\r\r\n\r\n", "control"},
        {OK_LINE "X-A: \x01\r\n\r\n", "control"},
        {OK_LINE "X-A: \x7f\r\n\r\n", "control"},
        {OK_LINE "\rX: y\r\n\r\n", "control"},
        {HEAD "x\r\n", "chunk size"},
        {HEAD "\r\n", "chunk size"},
        {HEAD "-1\r\n", "chunk size"},
        {HEAD "0x5\r\n", "chunk size"},
        {HEAD "5 5\r\n", "chunk size"},
        {HEAD "5 \r\nhello\r\n", "chunk size"},
        {HEAD "5\nhello\r\n", "chunk size"},
        {HEAD "5\rhello\r\n", "chunk size"},
        {HEAD "5;a\x01\r\n", "chunk size"},
        {HEAD "5;a\nhello\r\n", "chunk size"},
        {HEAD "fffffffffffffffff\r\n", "chunk size"},
        {HEAD "5\r\nhelloX\r\n", "does not end"},
        {HEAD "5\r\nhello\rX", "does not end"},
        {HEAD "5\r\nhello\n", "does not end"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(HTTP1_RESPONSE, bad[i].bytes, bad[i].why);
}

static void first_lines_that_are_not_http_1_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *why;
    } bad[] = {
        {"\r\n", "first line"},
        {"ICY 200 OK\r\n", "first line"},
        {"<html>\r\n", "first line"},
        {"http/1.1 200 OK\r\n", "first line"},
        {"HTTP/2.0 200 OK\r\n", "version"},
        {"HTTP/1.2 200 OK\r\n", "version"},
        {"HTTP/1.1200 OK\r\n", "status"},
        {"HTTP/1.1 20 OK\r\n", "status"},
        {"HTTP/1.1 2000 OK\r\n", "status"},
        {"HTTP/1.1 099 OK\r\n", "status"},
        {"HTTP/1.1 2x0 OK\r\n", "status"},
        {"HTTP/1.1\r\n", "status"},
        {"HTTP/1.1 200 O\x02K\r\n", "control"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(HTTP1_RESPONSE, bad[i].bytes, bad[i].why);
    static const char *const bad_request[] = {
        "GET /\r\n",
        "GET  HTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        " GET / HTTP/1.1\r\n",
        "G(T / HTTP/1.1\r\n",
        "GET /a b HTTP/1.1\r\n",
        "GET /\x01 HTTP/1.1\r\n",
        "GET /HTTP/1.1\r\n",
        "GET\t/ HTTP/1.1\r\n",
        "x\r\n",
    };
    for (size_t i = 0; i < sizeof bad_request / sizeof bad_request[0]; i++)
        assert_refused(HTTP1_REQUEST, bad_request[i], "first line");
    assert_refused(HTTP1_REQUEST, "GET / HTTP/3.0\r\n", "version");
}

static void a_message_cut_short_is_no_message(void **state)
{
    (void)state;
    static const char text[] = OK_LINE "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        struct http1 h;
        struct http1_event ev;
        http1_init(&h, HTTP1_RESPONSE);
        struct slice in = slice_make(text, n);
        do {
            int64_t used = http1_parse(&h, in, &ev);
            assert_true(used >= 0);
            in = slice_make(in.p + used, in.n - (size_t)used);
        } while (ev.type != HTTP1_MORE);
        assert_int_equal(http1_eof(&h), ERR_PROTOCOL);
        http1_release(&h);
    }
}

static void the_end_is_said_again_and_takes_nothing(void **state)
{
    (void)state;
    struct http1 h;
    struct http1_event ev;
    http1_init(&h, HTTP1_RESPONSE);
    struct slice in = slice_of(OK_LINE "Content-Length: 0\r\n\r\nHTTP/1.1 next");
    do {
        int64_t used = http1_parse(&h, in, &ev);
        assert_true(used >= 0);
        in = slice_make(in.p + used, in.n - (size_t)used);
    } while (ev.type != HTTP1_END);
    assert_true(slice_is(in, "HTTP/1.1 next"));
    assert_int_equal(http1_parse(&h, in, &ev), 0);
    assert_int_equal(ev.type, HTTP1_END);
    assert_int_equal(http1_eof(&h), OK);
    http1_release(&h);
}

static void errors_stay(void **state)
{
    (void)state;
    struct http1 h;
    struct http1_event ev;
    http1_init(&h, HTTP1_RESPONSE);
    assert_int_equal(http1_parse(&h, slice_of("nonsense\r\n"), &ev), ERR_PROTOCOL);
    assert_int_equal(http1_parse(&h, slice_of(OK_LINE), &ev), ERR_PROTOCOL);
    assert_int_equal(http1_eof(&h), ERR_PROTOCOL);
    http1_reset(&h);
    assert_true(http1_parse(&h, slice_of(OK_LINE), &ev) > 0);
    http1_release(&h);
}

static void assert_too_big(struct slice bytes, size_t piece)
{
    struct trace t;
    trace_init(&t, HTTP1_RESPONSE);
    for (size_t at = 0; at < bytes.n; at += piece)
        trace_feed(&t, slice_make(bytes.p + at, bytes.n - at < piece ? bytes.n - at : piece));
    assert_non_null(strstr(buf_cstr(&t.text), "ERROR -7"));
    assert_true(t.h.line.cap <= HTTP1_MAX_HEAD_BYTES);
    trace_release(&t);
}

static void heads_are_bounded_in_bytes_and_in_fields(void **state)
{
    (void)state;
    struct buf many = {0}, large = {0}, endless = {0}, extension = {0}, interim = {0};
    buf_puts(&many, OK_LINE);
    for (int i = 0; i <= HTTP1_MAX_HEADERS; i++)
        buf_puts(&many, "a: b\r\n");
    buf_puts(&large, OK_LINE "X: ");
    for (int i = 0; i < HTTP1_MAX_HEAD_BYTES; i++)
        buf_putc(&large, 'x');
    buf_put(&endless, buf_slice(&large));
    buf_puts(&large, "\r\n\r\n");
    buf_puts(&extension, HEAD "5;");
    for (int i = 0; i < 5000; i++)
        buf_putc(&extension, 'x');
    buf_puts(&extension, "\r\nhello\r\n");
    while (interim.n <= HTTP1_MAX_HEAD_BYTES)
        buf_puts(&interim, "HTTP/1.1 100 Continue\r\n\r\n");
    struct buf *all[] = {&many, &large, &endless, &extension, &interim};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_too_big(buf_slice(all[i]), all[i]->n);
        assert_too_big(buf_slice(all[i]), 1000);
        buf_release(all[i]);
    }
}

static void the_joined_line_is_given_back_with_the_head(void **state)
{
    (void)state;
    struct trace t;
    trace_init(&t, HTTP1_RESPONSE);
    trace_feed(&t, slice_of("HTTP/1.1 200 O"));
    trace_feed(&t, slice_of("K\r\nTransfer-Enc"));
    assert_true(t.h.line.cap > 0);
    trace_feed(&t, slice_of("oding: chunked\r\n\r\n"));
    assert_int_equal(t.h.line.cap, 0);
    trace_feed(&t, slice_of("1"));
    trace_feed(&t, slice_of("0\r\n0123456789abcdef\r"));
    assert_int_equal(t.h.line.cap, 0);
    trace_feed(&t, slice_of("\n0\r\nX"));
    trace_feed(&t, slice_of(": y\r\n\r\n"));
    assert_int_equal(t.h.line.cap, 0);
    assert_string_equal(buf_cstr(&t.text), HEAD_TRACE "BODY 0123456789abcdef\nEND\n");
    trace_release(&t);
}

/* Several messages each: every way to cut them in two, every byte alone, and random cuts. */
static const struct {
    enum http1_kind kind;
    const char *bytes;
} streams[] = {
    {HTTP1_RESPONSE, OK_LINE "Content-Length: 5\r\nX-A:  b c \t\r\n\r\nhello" HEAD
                             "5\r\nhello\r\n10;ext=1\r\n0123456789abcdef\r\n0\r\nT: r\r\n\r\n"
                             "HTTP/1.1 204 No Content\r\n\r\n" OK_LINE "Content-Length: 0\r\n\r\n"},
    {HTTP1_RESPONSE,
     "HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 503 \r\nConnection: close\r\n\r\n"
     "until the\r\nend"},
    {HTTP1_RESPONSE,
     "HTTP/1.1 304 N\nContent-Length: 7\n\nHTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab"},
    {HTTP1_REQUEST, "\r\n\r\nPOST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\nPUT /c HTTP/1.0\r\n"
                    "Content-Length: 4\r\nExpect: 100-continue\r\n\r\nbody"},
    {HTTP1_RESPONSE, HEAD "5 \t;x\r\nhello\r\n5\r\nhelloBAD"},
    {HTTP1_RESPONSE, OK_LINE "X: y\r\n fold\r\n"},
    {HTTP1_RESPONSE, HEAD "00000000000000000000005\r\nhello\r\nfffffffffffffffff\r\n"},
    {HTTP1_REQUEST, "GET / HTTP/1.1\r\nA: \x01\r\n\r\n"},
};
enum { STREAMS = sizeof streams / sizeof streams[0] };

static void every_cut_in_two_gives_the_same_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < STREAMS; i++) {
        struct slice all = slice_of(streams[i].bytes);
        struct trace whole;
        trace_whole(&whole, streams[i].kind, all);
        for (size_t cut = 0; cut <= all.n; cut++) {
            struct trace t;
            trace_init(&t, streams[i].kind);
            trace_feed(&t, slice_make(all.p, cut));
            trace_feed(&t, slice_make(all.p + cut, all.n - cut));
            trace_eof(&t);
            if (!slice_eq(buf_slice(&t.text), buf_slice(&whole.text)))
                fail_msg("stream %zu cut at %zu:\n%s", i, cut, buf_cstr(&t.text));
            trace_release(&t);
        }
        trace_release(&whole);
    }
}

static void random_cuts_and_single_bytes_give_the_same_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < STREAMS; i++) {
        struct slice all = slice_of(streams[i].bytes);
        struct trace whole;
        trace_whole(&whole, streams[i].kind, all);
        for (uint64_t round = 0; round < 100; round++) {
            struct rng r = rng_at(1, RNG_FAULT, round);
            struct trace t;
            trace_init(&t, streams[i].kind);
            for (size_t at = 0; at < all.n;) {
                size_t n = round == 0 ? 1 : (size_t)rng_below(&r, round + 2);
                n = n > all.n - at ? all.n - at : n;
                trace_feed(&t, slice_make(all.p + at, n));
                at += n;
            }
            trace_eof(&t);
            if (!slice_eq(buf_slice(&t.text), buf_slice(&whole.text)))
                fail_msg("stream %zu round %d:\n%s", i, (int)round, buf_cstr(&t.text));
            trace_release(&t);
        }
        trace_release(&whole);
    }
}

/* A chunk that lies whole in the input costs one event, its line end included, and is not copied.
 */
static void body_data_are_views_into_the_input(void **state)
{
    (void)state;
    struct http1 h;
    struct http1_event ev;
    http1_init(&h, HTTP1_RESPONSE);
    struct slice in = slice_of(HEAD);
    do {
        int64_t used = http1_parse(&h, in, &ev);
        assert_true(used >= 0);
        in = slice_make(in.p + used, in.n - (size_t)used);
    } while (ev.type != HTTP1_MORE);
    const char bytes[] = "5\r\nhello\r\n";
    assert_int_equal(http1_parse(&h, slice_of(bytes), &ev), sizeof bytes - 1);
    assert_int_equal(ev.type, HTTP1_BODY);
    assert_ptr_equal(ev.data.p, bytes + 3);
    assert_int_equal(ev.data.n, 5);
    assert_int_equal(http1_parse(&h, slice_make(NULL, 0), &ev), 0);
    assert_int_equal(ev.type, HTTP1_MORE);
    http1_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_length_delimits_the_body),
        cmocka_unit_test(chunk_framing_is_removed),
        cmocka_unit_test(trailers_are_checked_and_dropped),
        cmocka_unit_test(bodies_without_length_last_until_the_peer_closes),
        cmocka_unit_test(answers_204_304_and_to_head_have_no_body),
        cmocka_unit_test(interim_answers_are_swallowed),
        cmocka_unit_test(connections_are_kept_as_version_and_header_say),
        cmocka_unit_test(requests_give_method_target_and_body),
        cmocka_unit_test(a_request_may_ask_for_100_continue),
        cmocka_unit_test(bare_line_feeds_end_lines_of_a_head),
        cmocka_unit_test(laxness_that_lets_messages_be_smuggled_is_refused),
        cmocka_unit_test(first_lines_that_are_not_http_1_are_refused),
        cmocka_unit_test(a_message_cut_short_is_no_message),
        cmocka_unit_test(the_end_is_said_again_and_takes_nothing),
        cmocka_unit_test(errors_stay),
        cmocka_unit_test(heads_are_bounded_in_bytes_and_in_fields),
        cmocka_unit_test(the_joined_line_is_given_back_with_the_head),
        cmocka_unit_test(every_cut_in_two_gives_the_same_events),
        cmocka_unit_test(random_cuts_and_single_bytes_give_the_same_events),
        cmocka_unit_test(body_data_are_views_into_the_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
