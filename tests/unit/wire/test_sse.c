#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/rng.h"
#include "wire/sse.h"

enum { MAX_EVENT = 1 << 20 };

/* Feeds a piece from memory of exactly its size; events as "[name|data]". */
static int feed(struct sse *s, struct slice piece, struct buf *trace)
{
    char *copy = malloc(piece.n ? piece.n : 1);
    if (piece.n > 0)
        memcpy(copy, piece.p, piece.n);
    struct slice in = slice_make(copy, piece.n);
    int64_t used;
    bool got;
    do {
        struct sse_event ev;
        used = sse_parse(s, in, &ev, &got);
        if (used < 0)
            break;
        in = slice_make(in.p + used, in.n - (size_t)used);
        if (!got)
            break;
        buf_putc(trace, '[');
        buf_put(trace, ev.name);
        buf_putc(trace, '|');
        buf_put(trace, ev.data);
        buf_putc(trace, ']');
    } while (true);
    if (used >= 0)
        assert_int_equal(in.n, 0);
    free(copy);
    return used < 0 ? (int)used : OK;
}

static void assert_events(const char *stream, const char *want)
{
    struct sse s;
    struct buf trace = {0};
    sse_init(&s, MAX_EVENT);
    assert_int_equal(feed(&s, slice_of(stream), &trace), OK);
    assert_string_equal(buf_cstr(&trace), want);
    sse_release(&s);
    buf_release(&trace);
}

static void a_data_line_and_a_blank_line_make_an_event(void **state)
{
    (void)state;
    assert_events("data: {\"a\":1}\n\ndata: [DONE]\n\n", "[|{\"a\":1}][|[DONE]]");
}

static void one_space_behind_the_colon_is_dropped(void **state)
{
    (void)state;
    assert_events("data:x\n\ndata: x\n\ndata:  x\n\ndata:\tx\n\n", "[|x][|x][| x][|\tx]");
}

static void data_lines_are_joined_by_line_feeds(void **state)
{
    (void)state;
    assert_events("data: a\ndata: b\ndata\ndata: \ndata: c\n\n", "[|a\nb\n\n\nc]");
}

static void empty_data_is_an_event_and_no_data_is_none(void **state)
{
    (void)state;
    assert_events("data\n\n", "[|]");
    assert_events("data:\n\n\n\ndata: \n\n", "[|][|]");
    assert_events("event: x\n\ndata: y\n\n", "[|y]"); /* the name is forgotten with its event */
    assert_events("id: 1\n\nretry: 5\n\n\n", "");
}

static void the_last_event_field_names_the_event(void **state)
{
    (void)state;
    assert_events("event: a\nevent: delta\ndata: x\n\ndata: y\n\n", "[delta|x][|y]");
    assert_events("data: x\nevent:late\n\n", "[late|x]");
    assert_events("event: a\nevent\ndata: x\n\n", "[|x]");
}

static void other_fields_are_ignored(void **state)
{
    (void)state;
    assert_events(
        "id: 7\nretry: 100\ndatas: no\nDATA: no\n data: no\ndat: no\nnothing\ndata: yes\n\n",
        "[|yes]");
}

static void comments_are_counted_and_give_no_event(void **state)
{
    (void)state;
    struct sse s;
    struct buf trace = {0};
    sse_init(&s, MAX_EVENT);
    assert_int_equal(
        feed(&s, slice_of(": ping\n\n:\n\ndata: a\n: in between\ndata: b\n\n"), &trace), OK);
    assert_string_equal(buf_cstr(&trace), "[|a\nb]");
    assert_int_equal(s.comments, 3);
    sse_release(&s);
    buf_release(&trace);
}

static void lf_cr_and_crlf_end_lines(void **state)
{
    (void)state;
    assert_events("data: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\r\n\ndata: e\n\r\n",
                  "[|a][|b][|c][|d][|e]");
}

static void a_leading_byte_order_mark_is_skipped_once(void **state)
{
    (void)state;
    assert_events("\xEF\xBB\xBF"
                  "data: a\n\n\xEF\xBB\xBF"
                  "data: b\n\n",
                  "[|a]");
    assert_events("\xEF\xBB\xBF\n\xEF\xBB\xBF"
                  "data: b\n\ndata: c\n\n",
                  "[|c]");
}

static void an_unfinished_event_is_pending_and_not_dispatched(void **state)
{
    (void)state;
    static const struct {
        const char *stream;
        bool pending;
    } c[] = {
        {"", false},
        {"data: a\n\n", false},
        {"data: a\n\n: ping", false},
        {"data: a\n\n\n\r\n", false},
        {"\xEF\xBB\xBF", false},
        {"data: a\n", true},
        {"data: a", true},
        {"d", true},
        {"event: x\n", true},
        {"data: b\n\ndata: a\r", true},
    };
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        struct sse s;
        struct buf trace = {0};
        sse_init(&s, MAX_EVENT);
        feed(&s, slice_of(c[i].stream), &trace);
        assert_int_equal(sse_pending(&s), c[i].pending);
        if (c[i].pending)
            assert_null(strstr(buf_cstr(&trace), "|a]"));
        sse_reset(&s);
        assert_false(sse_pending(&s));
        sse_release(&s);
        buf_release(&trace);
    }
}

static const char *const streams[] = {
    "data: {\"a\":1}\n\ndata: [DONE]\n\n",
    "\xEF\xBB\xBF"
    "data: first\r\n\r\n: ping\r\n\r\nevent: delta\r\ndata: a\r\ndata: b\r\nid: 3\r\n\r\n"
    "data: \xc3\xa9\xf0\x9f\x98\x80 end\r\n\r\ndata: cut",
    "data: a\r\rdata: b\n\r\ndata\n\nevent: x\n\n\r\rdata:c\rdata:d\r\n\n",
    "event: message_start\ndata: {\"type\":\"message_start\"}\n\nevent: ping\ndata: {}\n\n",
};
enum { STREAMS = sizeof streams / sizeof streams[0] };

static void assert_same(size_t i, struct slice all, const size_t *piece, size_t pieces,
                        const struct buf *whole, const struct sse *after_whole)
{
    struct sse s;
    struct buf trace = {0};
    sse_init(&s, MAX_EVENT);
    for (size_t k = 0, at = 0; k < pieces; at += piece[k++])
        assert_int_equal(feed(&s, slice_make(all.p + at, piece[k]), &trace), OK);
    if (!slice_eq(buf_slice(&trace), buf_slice(whole)))
        fail_msg("stream %zu, first piece %zu: %s", i, piece[0], buf_cstr(&trace));
    assert_int_equal(s.comments, after_whole->comments);
    assert_int_equal(sse_pending(&s), sse_pending(after_whole));
    sse_release(&s);
    buf_release(&trace);
}

static void every_cut_gives_the_same_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < STREAMS; i++) {
        struct slice all = slice_of(streams[i]);
        struct sse s;
        struct buf whole = {0};
        size_t ones[512];
        sse_init(&s, MAX_EVENT);
        assert_int_equal(feed(&s, all, &whole), OK);
        for (size_t cut = 0; cut <= all.n; cut++)
            assert_same(i, all, (size_t[]){cut, all.n - cut}, 2, &whole, &s);
        for (size_t cut = 0; cut + 3 <= all.n; cut++) /* a short piece in the middle */
            assert_same(i, all, (size_t[]){cut, 3, all.n - cut - 3}, 3, &whole, &s);
        for (size_t k = 0; k < all.n; k++)
            ones[k] = 1;
        assert_same(i, all, ones, all.n, &whole, &s);
        sse_release(&s);
        buf_release(&whole);
    }
}

static void an_event_whole_in_one_feed_is_a_view_into_it(void **state)
{
    (void)state;
    struct sse s;
    struct sse_event ev;
    bool got;
    const char bytes[] = "data: hello\n\nrest";
    sse_init(&s, MAX_EVENT);
    assert_int_equal(sse_parse(&s, slice_of(bytes), &ev, &got), 13);
    assert_true(got);
    assert_ptr_equal(ev.data.p, bytes + 6);
    assert_int_equal(s.line.cap + s.data.cap + s.name.cap, 0);
    sse_release(&s);
}

static void events_of_megabytes_pass_and_their_memory_is_given_back(void **state)
{
    (void)state;
    enum { SIZE = 5 * 1000 * 1000, PIECE = 16384 };
    struct sse s;
    struct sse_event ev = {{NULL, 0}, {NULL, 0}};
    bool got = false;
    char *bytes = malloc(SIZE + 8);
    memcpy(bytes, "data: ", 6);
    memset(bytes + 6, 'x', SIZE);
    memcpy(bytes + 6 + SIZE, "\n\n", 2);
    sse_init(&s, 0);
    for (size_t at = 0; at < SIZE + 8; at += PIECE) {
        assert_false(got);
        size_t n = SIZE + 8 - at < PIECE ? SIZE + 8 - at : PIECE;
        assert_int_equal(sse_parse(&s, slice_make(bytes + at, n), &ev, &got), n);
    }
    assert_true(got);
    assert_int_equal(ev.data.n, SIZE);
    assert_memory_equal(ev.data.p, bytes + 6, SIZE);
    sse_parse(&s, slice_of("data: small\n\n"), &ev, &got);
    assert_true(got && slice_is(ev.data, "small"));
    assert_int_equal(s.line.cap + s.data.cap, 0);
    sse_release(&s);
    free(bytes);
}

/* The bound holds alike for one line and for joined lines, whole or cut. */
static void events_past_the_maximum_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *stream;
        int want;
    } c[] = {
        {"data: 12345678\n\n", OK},
        {"data: 123456789\n\n", ERR_TOO_BIG},
        {"data: 123\ndata: 4567\n\n", OK},
        {"data: 123\ndata: 45678\n\n", ERR_TOO_BIG},
        {"data: 12345678\ndata:\n\n", ERR_TOO_BIG},
        {"event: 123456789\ndata: 1\n\n", ERR_TOO_BIG},
        {": a comment of great length without an end", ERR_TOO_BIG},
        {"id: a field of great length\n", ERR_TOO_BIG},
    };
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        struct slice all = slice_of(c[i].stream);
        for (size_t piece = 1; piece <= all.n; piece++) {
            struct sse s;
            struct buf trace = {0};
            int rc = OK;
            sse_init(&s, 8);
            for (size_t at = 0; at < all.n && rc == OK; at += piece)
                rc = feed(&s, slice_make(all.p + at, all.n - at < piece ? all.n - at : piece),
                          &trace);
            if (rc != c[i].want)
                fail_msg("%s in pieces of %zu: %d", c[i].stream, piece, rc);
            sse_release(&s);
            buf_release(&trace);
        }
    }
}

static void a_reset_parser_begins_a_new_stream(void **state)
{
    (void)state;
    struct sse s;
    struct buf trace = {0};
    sse_init(&s, MAX_EVENT);
    feed(&s, slice_of("event: old\ndata: old\r"), &trace);
    sse_reset(&s);
    feed(&s,
         slice_of("\xEF\xBB\xBF"
                  "data: new\n\n"),
         &trace);
    assert_string_equal(buf_cstr(&trace), "[|new]");
    sse_release(&s);
    buf_release(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_data_line_and_a_blank_line_make_an_event),
        cmocka_unit_test(one_space_behind_the_colon_is_dropped),
        cmocka_unit_test(data_lines_are_joined_by_line_feeds),
        cmocka_unit_test(empty_data_is_an_event_and_no_data_is_none),
        cmocka_unit_test(the_last_event_field_names_the_event),
        cmocka_unit_test(other_fields_are_ignored),
        cmocka_unit_test(comments_are_counted_and_give_no_event),
        cmocka_unit_test(lf_cr_and_crlf_end_lines),
        cmocka_unit_test(a_leading_byte_order_mark_is_skipped_once),
        cmocka_unit_test(an_unfinished_event_is_pending_and_not_dispatched),
        cmocka_unit_test(every_cut_gives_the_same_events),
        cmocka_unit_test(an_event_whole_in_one_feed_is_a_view_into_it),
        cmocka_unit_test(events_of_megabytes_pass_and_their_memory_is_given_back),
        cmocka_unit_test(events_past_the_maximum_are_refused),
        cmocka_unit_test(a_reset_parser_begins_a_new_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
