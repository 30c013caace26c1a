/* Answers from bytes and stamps: what a record says of an answer, however its bytes came. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "api/openai.h"
#include "base/clock.h"
#include "drive/answer.h"

#define TOKEN(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define THOUGHT(text)                                                                              \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"" text "\"}}]}\n\n"
#define COUNTED(text, n)                                                                           \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text                              \
    "\"}}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":" #n "}}\n\n"
#define FINISH "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n"
#define USAGE                                                                                      \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,"                \
    "\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\n"
#define DONE "data: [DONE]\n\n"

#define MS         NS_PER_MS
#define ORIGIN_NS  (50 * MS)
#define STREAMED   "text/event-stream; charset=utf-8"
#define WHOLE_JSON "application/json"

struct feed { /* an answer and the reads that bring it */
    struct answer a;
    struct request_record r;
    uint64_t reads;
    bool decided;
};

static int set_up(void **state)
{
    struct feed *f = test_calloc(1, sizeof *f);
    answer_init(&f->a);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct feed *f = *state;
    answer_release(&f->a);
    test_free(f);
    return 0;
}

static void begin_with(struct feed *f, const struct answer_options *o, int status, const char *type)
{
    f->reads = 0;
    f->r = (struct request_record){0};
    answer_begin(&f->a, o);
    answer_head(&f->a, status, slice_of(type), (struct slice){0});
}

static void begin(struct feed *f)
{
    begin_with(f, &(struct answer_options){.protocol = &openai_chat, .stream = true}, 200,
               STREAMED);
}

static struct stamp stamp_at(struct feed *f, int64_t at_ns, int64_t after_ns)
{
    return (struct stamp){.at_ns = at_ns,
                          .after_ns = after_ns,
                          .read_ns = at_ns + 1000,
                          .read_id = ++f->reads,
                          .kernel = true};
}

static int give(struct feed *f, int64_t at_ns, int64_t after_ns, struct slice bytes)
{
    struct stamp s = stamp_at(f, at_ns, after_ns);
    int rc = answer_body(&f->a, bytes, &s);
    answer_read_end(&f->a, &s);
    return rc;
}

/* One read that brought text, its stamp at_ns, its queue known to have been empty at after_ns. */
static void read_between(struct feed *f, int64_t after_ns, int64_t at_ns, const char *text)
{
    assert_int_equal(give(f, at_ns, after_ns, slice_of(text)), OK);
}

static void read_at(struct feed *f, int64_t at_ns, const char *text)
{
    read_between(f, at_ns - 10, at_ns, text);
}

static const struct request_record *finish(struct feed *f, enum answer_transport t)
{
    f->decided = answer_finish(&f->a, t, 900 * MS, ORIGIN_NS, &f->r);
    return &f->r;
}

static const struct request_record *complete(struct feed *f)
{
    finish(f, TRANSPORT_COMPLETE);
    assert_true(f->decided);
    return &f->r;
}

static void assert_slice(struct slice s, const char *text)
{
    if (!slice_is(s, text))
        fail_msg("\"%.*s\" instead of \"%s\"", SLICE_ARG(s), text);
}

static void assert_says(struct slice s, const char *part)
{
    if (!slice_find(s, slice_of(part)))
        fail_msg("\"%.*s\" does not say \"%s\"", SLICE_ARG(s), part);
}

/* Gap `i` of the record; fails when there are not `events` of them. */
static struct gap gap_of(const struct request_record *r, uint32_t i)
{
    struct slice in = r->gaps;
    struct gap g = {0}, wanted = {-1, 0, 0};
    uint32_t n = 0;
    for (; in.n > 0; n++) {
        assert_int_equal(gaps_take(&in, &g), OK);
        if (n == i)
            wanted = g;
    }
    assert_int_equal(n, r->events);
    assert_true(i < n);
    return wanted;
}

static void assert_gap(const struct request_record *r, uint32_t i, int64_t gap_ns, int64_t width_ns)
{
    struct gap g = gap_of(r, i);
    assert_int_equal(g.gap_ns, gap_ns);
    assert_int_equal(g.width_ns, width_ns);
}

/* --- times and censoring --- */

static void events_in_reads_of_their_own_have_exact_times(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a"));
    read_at(f, 120 * MS, TOKEN("b"));
    read_at(f, 145 * MS, TOKEN("c"));
    read_at(f, 146 * MS, DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->outcome, OUTCOME_OK);
    assert_int_equal(r->http_status, 200);
    assert_int_equal(r->events, 3);
    assert_int_equal(r->censored, 0);
    assert_int_equal(r->unstamped, 0);
    assert_int_equal(r->first_token_ns, 100 * MS - ORIGIN_NS);
    assert_int_equal(r->first_answer_ns, 100 * MS - ORIGIN_NS);
    assert_int_equal(r->last_token_ns, 145 * MS - ORIGIN_NS);
    assert_gap(r, 0, 0, 0);
    assert_gap(r, 1, 20 * MS, 0);
    assert_gap(r, 2, 25 * MS, 0);
}

static void of_two_events_in_one_read_the_first_has_a_bound(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a"));
    read_between(f, 119 * MS, 120 * MS, TOKEN("b") TOKEN("c"));
    read_at(f, 121 * MS, DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->events, 3);
    assert_int_equal(r->censored, 1);
    assert_gap(r, 1, 20 * MS, 1 * MS);
    assert_gap(r, 2, 0, 0);
    assert_int_equal(r->last_token_ns, 120 * MS - ORIGIN_NS);
}

static void a_token_that_the_terminator_follows_in_its_read_has_a_bound(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a"));
    read_between(f, 110 * MS, 120 * MS, TOKEN("b") DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->censored, 1);
    assert_gap(r, 1, 20 * MS, 10 * MS);
}

static void a_token_that_finish_or_usage_follow_in_its_read_has_a_bound(void **state)
{
    struct feed *f = *state;
    static const char *const BEHIND[] = {FINISH, USAGE, ": ping\n\n"};
    for (size_t i = 0; i < sizeof BEHIND / sizeof *BEHIND; i++) {
        char text[512];
        snprintf(text, sizeof text, "%s%s", TOKEN("b"), BEHIND[i]);
        begin(f);
        read_at(f, 100 * MS, TOKEN("a"));
        read_between(f, 110 * MS, 120 * MS, text);
        read_at(f, 130 * MS, DONE);
        assert_int_equal(complete(f)->censored, 1);
        assert_gap(&f->r, 1, 20 * MS, 10 * MS);
    }
}

static void what_came_in_a_later_read_takes_no_time_away(void **state)
{
    struct feed *f = *state;
    static const char *const BEHIND[] = {FINISH, USAGE, ": ping\n\n", DONE};
    for (size_t i = 0; i < sizeof BEHIND / sizeof *BEHIND; i++) {
        begin(f);
        read_at(f, 100 * MS, TOKEN("a"));
        read_at(f, 120 * MS, BEHIND[i]);
        read_at(f, 130 * MS, DONE);
        assert_int_equal(complete(f)->censored, 0);
    }
}

static void what_came_before_a_token_in_its_read_takes_no_time_away(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS,
            ": hello\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}"
            "\n\n" TOKEN("a"));
    read_at(f, 120 * MS, ": ping\n\n" TOKEN("b"));
    read_at(f, 130 * MS, DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->events, 2);
    assert_int_equal(r->censored, 0);
}

static void a_partial_event_behind_a_token_gives_it_a_bound(void **state)
{
    struct feed *f = *state;
    const char *second = TOKEN("b");
    for (size_t cut = 1; cut < strlen(second); cut++) {
        char text[512];
        snprintf(text, sizeof text, "%s%.*s", TOKEN("a"), (int)cut, second);
        begin(f);
        read_between(f, 95 * MS, 100 * MS, text);
        read_between(f, 105 * MS, 120 * MS, second + cut);
        read_at(f, 130 * MS, DONE);
        const struct request_record *r = complete(f);
        assert_int_equal(r->events, 2);
        assert_int_equal(r->censored, 1);
        assert_gap(r, 0, 0, 5 * MS);
        assert_gap(r, 1, 20 * MS, 0);
    }
}

static void an_event_has_the_time_of_the_read_that_completed_it(void **state)
{
    struct feed *f = *state;
    const char *event = TOKEN("a");
    for (size_t cut = 1; cut < strlen(event); cut++) {
        char first[256];
        snprintf(first, sizeof first, "%.*s", (int)cut, event);
        begin(f);
        read_at(f, 100 * MS, first);
        read_at(f, 103 * MS, event + cut);
        read_at(f, 130 * MS, DONE);
        const struct request_record *r = complete(f);
        assert_int_equal(r->events, 1);
        assert_int_equal(r->first_token_ns, 103 * MS - ORIGIN_NS);
        assert_int_equal(r->censored, 0);
    }
}

static void a_bound_is_never_empty(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_between(f, 100 * MS, 100 * MS, TOKEN("a") TOKEN("b"));
    read_at(f, 130 * MS, DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->censored, 1);
    assert_gap(r, 0, 0, 1);
}

/* Twenty tokens gap_ns apart, then two in one read with a bound so wide. */
static uint32_t ours_with(struct feed *f, int64_t gap_ns, int64_t width_ns)
{
    int64_t at = 100 * MS;
    begin(f);
    for (int i = 0; i < 20; i++, at += gap_ns)
        read_at(f, at, TOKEN("a"));
    read_between(f, at - width_ns, at, TOKEN("b") TOKEN("c"));
    read_at(f, at + MS, DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->censored, 1);
    return r->censored_ours;
}

static void a_bound_is_ours_only_above_a_millisecond_and_a_tenth_of_the_median_gap(void **state)
{
    struct feed *f = *state;
    assert_int_equal(ours_with(f, 5 * MS, MS), 0);
    assert_int_equal(ours_with(f, 5 * MS, MS + 1), 1);
    assert_int_equal(ours_with(f, 20 * MS, MS + 1), 0);
    assert_int_equal(ours_with(f, 20 * MS, 2 * MS), 0);
    assert_int_equal(ours_with(f, 20 * MS, 2 * MS + 1), 1);
}

static void times_of_user_space_are_counted(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a"));
    struct stamp s = stamp_at(f, 120 * MS, 119 * MS);
    s.kernel = false;
    assert_int_equal(answer_body(&f->a, slice_of(TOKEN("b") TOKEN("c")), &s), OK);
    answer_read_end(&f->a, &s);
    read_at(f, 130 * MS, DONE);
    assert_int_equal(complete(f)->unstamped, 2);
}

static void times_that_run_backward_keep_gaps_and_times_consistent(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a"));
    read_at(f, 99 * MS, TOKEN("b"));
    read_at(f, 120 * MS, TOKEN("c"));
    read_at(f, 130 * MS, DONE);
    const struct request_record *r = complete(f);
    int64_t sum = r->first_token_ns;
    for (uint32_t i = 0; i < r->events; i++)
        sum += gap_of(r, i).gap_ns;
    assert_int_equal(sum, r->last_token_ns);
    assert_int_equal(r->last_token_ns, 120 * MS - ORIGIN_NS);
}

/* --- the same bytes in other pieces --- */

static const char STREAM[] = ": hi\r\n\r\n" THOUGHT("let me \\u00e9 \\\"see\\\"") TOKEN(" the")
    TOKEN(" t\\u00efde \\ud83d\\ude00") TOKEN("\\n") TOKEN("") FINISH USAGE DONE;

static void feed_pieces(struct feed *f, size_t cut, bool byte_by_byte)
{
    struct slice all = slice_make(STREAM, sizeof STREAM - 1);
    begin_with(
        f, &(struct answer_options){.protocol = &openai_chat, .stream = true, .save_output = true},
        200, STREAMED);
    struct stamp s = stamp_at(f, 100 * MS, 99 * MS);
    for (size_t i = 0; byte_by_byte && i < all.n; i++)
        assert_int_equal(answer_body(&f->a, slice_make(all.p + i, 1), &s), OK);
    if (!byte_by_byte) {
        assert_int_equal(answer_body(&f->a, slice_make(all.p, cut), &s), OK);
        assert_int_equal(answer_body(&f->a, slice_make(all.p + cut, all.n - cut), &s), OK);
    }
    answer_read_end(&f->a, &s);
    complete(f);
}

static void assert_same(const struct request_record *a, const struct request_record *b)
{
    assert_int_equal(a->outcome, b->outcome);
    assert_int_equal(a->first_token_ns, b->first_token_ns);
    assert_int_equal(a->first_answer_ns, b->first_answer_ns);
    assert_int_equal(a->last_token_ns, b->last_token_ns);
    assert_int_equal(a->events, b->events);
    assert_int_equal(a->censored, b->censored);
    assert_int_equal(a->censored_ours, b->censored_ours);
    assert_int_equal(a->prompt_tokens, b->prompt_tokens);
    assert_int_equal(a->output_tokens, b->output_tokens);
    assert_int_equal(a->cached_tokens, b->cached_tokens);
    assert_int_equal(a->output_source, b->output_source);
    assert_int_equal(a->output_hash, b->output_hash);
    assert_int_equal(a->output_bytes, b->output_bytes);
    assert_true(slice_eq(a->output, b->output));
    assert_true(slice_eq(a->gaps, b->gaps));
    assert_true(slice_eq(a->finish_reason, b->finish_reason));
    assert_true(slice_eq(a->error, b->error));
}

static void a_stream_cut_at_any_byte_gives_the_same_record(void **state)
{
    struct feed *f = *state, *g;
    void *other;
    set_up(&other);
    g = other;
    feed_pieces(f, 0, false);
    assert_int_equal(f->r.outcome, OUTCOME_OK);
    assert_int_equal(f->r.events, 5);
    assert_int_equal(f->r.censored, 5);
    assert_slice(f->r.output, "let me é \"see\" the tïde 😀\n");
    for (size_t cut = 1; cut < sizeof STREAM; cut++) {
        feed_pieces(g, cut - 1, false);
        assert_same(&f->r, &g->r);
    }
    feed_pieces(g, 0, true);
    assert_same(&f->r, &g->r);
    tear_down(&other);
}

static uint64_t hash_of(struct feed *f, const char *a, const char *b)
{
    begin(f);
    read_at(f, 100 * MS, a);
    read_at(f, 110 * MS, b);
    read_at(f, 120 * MS, DONE);
    return complete(f)->output_hash;
}

static void the_hash_knows_neither_chunks_nor_escapes(void **state)
{
    struct feed *f = *state;
    uint64_t plain = hash_of(f, TOKEN("caf\xc3\xa9"), TOKEN("/\\n"));
    assert_int_equal(hash_of(f, TOKEN("ca"), TOKEN("f\\u00e9\\/\\u000a")), plain);
    assert_int_equal(hash_of(f, TOKEN(""), TOKEN("caf\xc3\xa9/\\n")), plain);
    assert_int_not_equal(hash_of(f, TOKEN("cafe"), TOKEN("/\\n")), plain);
    /* FNV-1a, 64 bits, of "foobar" (Fowler, Noll, Vo: test vectors) */
    assert_int_equal(hash_of(f, TOKEN("foo"), TOKEN("bar")), UINT64_C(0x85944171f73967e8));
}

static void text_is_kept_only_when_asked_for(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("abc") DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->output.n, 0);
    assert_int_equal(r->output_bytes, 3);
}

/* --- counts --- */

static void what_comes_behind_the_terminator_is_no_part_of_the_answer(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a"));
    read_at(f, 110 * MS, TOKEN("b"));
    read_at(f, 120 * MS, DONE);
    read_at(f, 500 * MS, TOKEN("c"));
    const struct request_record *r = complete(f);
    assert_int_equal(r->outcome, OUTCOME_OK);
    assert_int_equal(r->events, 2);
    assert_int_equal(r->output_tokens, 2);
    assert_int_equal(r->last_token_ns, 110 * MS - ORIGIN_NS);
    assert_int_equal(r->output_bytes, 2);
}

static void an_event_without_data_is_passed_over(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 90 * MS, "data:\n\n");
    read_at(f, 100 * MS, TOKEN("a") "data: \n\n");
    read_at(f, 120 * MS, DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->outcome, OUTCOME_OK);
    assert_int_equal(r->events, 1);
    assert_int_equal(r->censored, 1); /* something followed it in its read */
}

static void usage_of_its_own_gives_the_tokens(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a"));
    read_at(f, 110 * MS, FINISH USAGE DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->output_tokens, 5);
    assert_int_equal(r->output_source, TOKENS_USAGE);
    assert_int_equal(r->prompt_tokens, 7);
    assert_int_equal(r->cached_tokens, 3);
    assert_int_equal(r->reasoning_tokens, -1);
    assert_slice(r->finish_reason, "length");
}

static void continuous_usage_gives_the_tokens_of_each_event(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, COUNTED("a", 1));
    read_at(f, 110 * MS, COUNTED("bcd", 4));
    read_at(f, 120 * MS, DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->output_tokens, 4);
    assert_int_equal(r->output_source, TOKENS_CONTINUOUS);
    assert_int_equal(gap_of(r, 0).tokens, 1);
    assert_int_equal(gap_of(r, 1).tokens, 3);
}

static void a_total_behind_continuous_usage_that_agrees_leaves_it_continuous(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, COUNTED("a", 2));
    read_at(f, 110 * MS, COUNTED("b", 5));
    read_at(f, 120 * MS, USAGE DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->output_tokens, 5);
    assert_int_equal(r->output_source, TOKENS_CONTINUOUS);
}

static void a_total_behind_continuous_usage_that_differs_is_usage(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, COUNTED("a", 1));
    read_at(f, 110 * MS, USAGE DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->output_tokens, 5);
    assert_int_equal(r->output_source, TOKENS_USAGE);
}

static void without_usage_events_are_counted(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a") TOKEN("b") DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->output_tokens, 2);
    assert_int_equal(r->output_source, TOKENS_EVENTS);
    assert_int_equal(r->prompt_tokens, -1);
}

static void the_first_answer_comes_after_the_reasoning(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, THOUGHT("hm"));
    read_at(f, 150 * MS, THOUGHT("aha"));
    read_at(f, 200 * MS, TOKEN("so"));
    read_at(f, 250 * MS, DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->first_token_ns, 100 * MS - ORIGIN_NS);
    assert_int_equal(r->first_answer_ns, 200 * MS - ORIGIN_NS);
    assert_int_equal(r->events, 3);
}

static void a_token_without_text_before_the_reasoning_is_no_answer(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, COUNTED("", 1)); /* the token that opens the reasoning */
    read_at(f, 150 * MS, THOUGHT("hm"));
    read_at(f, 200 * MS, TOKEN("so"));
    read_at(f, 250 * MS, FINISH DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->first_token_ns, 100 * MS - ORIGIN_NS);
    assert_int_equal(r->first_answer_ns, 200 * MS - ORIGIN_NS);
}

static void without_reasoning_a_first_token_without_text_begins_the_answer(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, COUNTED("", 1));
    read_at(f, 150 * MS, COUNTED("so", 2));
    read_at(f, 250 * MS, FINISH DONE);
    assert_int_equal(complete(f)->first_answer_ns, 100 * MS - ORIGIN_NS);
}

static void reasoning_alone_has_no_first_answer(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, THOUGHT("hm"));
    read_at(f, 110 * MS, FINISH DONE);
    assert_int_equal(complete(f)->first_answer_ns, RECORD_NONE);
}

static void no_token_gives_no_times(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, FINISH DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->outcome, OUTCOME_OK);
    assert_int_equal(r->first_token_ns, RECORD_NONE);
    assert_int_equal(r->last_token_ns, RECORD_NONE);
    assert_int_equal(r->output_source, TOKENS_NONE);
    assert_int_equal(r->gaps.n, 0);
}

static void nothing_of_one_answer_is_left_for_the_next(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, COUNTED("a", 9) TOKEN("b") "data: {\"error\":\"bad\"}\n\ndata: {\"cho");
    finish(f, TRANSPORT_CUT);
    assert_int_equal(f->r.outcome, OUTCOME_ENGINE_ERROR);
    begin(f);
    read_at(f, 100 * MS, TOKEN("x"));
    read_at(f, 110 * MS, DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->outcome, OUTCOME_OK);
    assert_int_equal(r->events, 1);
    assert_int_equal(r->output_tokens, 1);
    assert_int_equal(r->output_bytes, 1);
    assert_int_equal(r->error.n, 0);
    assert_int_equal(r->finish_reason.n, 0);
    assert_int_equal(r->prompt_tokens, -1);
}

/* --- ends --- */

static void an_error_in_the_stream_is_never_success(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a"));
    read_at(f, 110 * MS,
            "data: {\"error\":{\"message\":\"out of \\\"memory\\\"\",\"code\":500}}\n\n" DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->outcome, OUTCOME_ENGINE_ERROR);
    assert_slice(r->error, "out of \"memory\"");
    assert_int_equal(r->events, 1);
}

static void a_stream_without_its_terminator_is_truncated(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a") FINISH);
    const struct request_record *r = complete(f);
    assert_int_equal(r->outcome, OUTCOME_TRUNCATED);
    assert_says(r->error, "without its terminator");
    begin(f);
    read_at(f, 100 * MS, TOKEN("a") "data: [DONE]"); /* its blank line never came */
    finish(f, TRANSPORT_CUT);
    assert_true(f->decided);
    assert_int_equal(f->r.outcome, OUTCOME_TRUNCATED);
    assert_says(f->r.error, "in the middle");
}

static void an_answer_is_complete_though_the_connection_broke_behind_it(void **state)
{
    struct feed *f = *state;
    static const enum answer_transport HOW[] = {TRANSPORT_BROKEN, TRANSPORT_CUT};
    for (size_t i = 0; i < 2; i++) {
        begin(f);
        read_at(f, 100 * MS, TOKEN("a"));
        read_at(f, 110 * MS, DONE);
        finish(f, HOW[i]);
        assert_true(f->decided);
        assert_int_equal(f->r.outcome, OUTCOME_OK);
    }
}

static void a_broken_connection_is_for_the_caller_to_name(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a"));
    finish(f, TRANSPORT_BROKEN);
    assert_false(f->decided);
    assert_int_equal(f->r.events, 1); /* what was measured stays */
}

static void an_error_status_says_enough_though_its_body_never_ends(void **state)
{
    struct feed *f = *state;
    begin_with(f, &(struct answer_options){.protocol = &openai_chat, .stream = true}, 503, "");
    finish(f, TRANSPORT_BROKEN);
    assert_true(f->decided);
    assert_int_equal(f->r.outcome, OUTCOME_HTTP_ERROR);
    assert_int_equal(f->r.http_status, 503);
}

static void an_answer_whose_response_nobody_ended_ended_with_its_last_token(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a"));
    read_at(f, 110 * MS, DONE);
    f->r.end_ns = 900 * MS;
    finish(f, TRANSPORT_BROKEN);
    assert_int_equal(f->r.outcome, OUTCOME_OK);
    assert_int_equal(f->r.end_ns, f->r.last_token_ns);
}

static void an_html_page_is_named_for_what_it_is(void **state)
{
    struct feed *f = *state;
    begin_with(f, &(struct answer_options){.protocol = &openai_chat, .stream = true}, 200,
               "text/html; charset=utf-8");
    assert_int_equal(give(f, 100 * MS, 99 * MS, slice_of("<html>")), ERR_PROTOCOL);
    finish(f, TRANSPORT_BROKEN); /* given up */
    assert_true(f->decided);
    assert_int_equal(f->r.outcome, OUTCOME_PROTOCOL_ERROR);
    assert_says(f->r.error, "HTML");
}

static void an_event_that_is_no_json_breaks_the_protocol(void **state)
{
    struct feed *f = *state;
    begin(f);
    read_at(f, 100 * MS, TOKEN("a"));
    assert_int_equal(give(f, 110 * MS, 109 * MS, slice_of("data: {\"choices\":[}\n\n")),
                     ERR_PROTOCOL);
    finish(f, TRANSPORT_BROKEN);
    assert_true(f->decided);
    assert_int_equal(f->r.outcome, OUTCOME_PROTOCOL_ERROR);
    assert_int_equal(f->r.events, 1);
}

#define WHOLE_ANSWER                                                                               \
    "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"whole\"},"                   \
    "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}"

static void assert_whole(struct feed *f)
{
    read_at(f, 100 * MS,
            "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"whole\"},");
    read_at(f, 120 * MS, strstr(WHOLE_ANSWER, "\"finish_reason\""));
    const struct request_record *r = complete(f);
    assert_int_equal(r->outcome, OUTCOME_OK);
    assert_int_equal(r->output_tokens, 3);
    assert_int_equal(r->output_source, TOKENS_USAGE);
    assert_int_equal(r->output_bytes, 5);
    assert_int_equal(r->first_token_ns, RECORD_NONE); /* nobody knows */
    assert_int_equal(r->last_token_ns, 900 * MS - ORIGIN_NS);
    assert_int_equal(r->events, 0);
    assert_slice(r->finish_reason, "stop");
}

static void a_whole_answer_is_read_when_asked_for_and_when_not(void **state)
{
    struct feed *f = *state;
    begin_with(f, &(struct answer_options){.protocol = &openai_chat, .stream = false}, 200,
               WHOLE_JSON);
    assert_whole(f);
    begin_with(f, &(struct answer_options){.protocol = &openai_chat, .stream = true}, 200,
               WHOLE_JSON);
    assert_whole(f);
}

static void a_whole_answer_cut_short_or_malformed_is_no_success(void **state)
{
    struct feed *f = *state;
    struct answer_options whole = {.protocol = &openai_chat, .stream = false};
    begin_with(f, &whole, 200, WHOLE_JSON);
    read_at(f, 100 * MS, "{\"choices\":[{\"mess");
    finish(f, TRANSPORT_CUT);
    assert_int_equal(f->r.outcome, OUTCOME_TRUNCATED);
    begin_with(f, &whole, 200, WHOLE_JSON);
    read_at(f, 100 * MS, "{\"choices\":[{\"mess");
    assert_int_equal(complete(f)->outcome, OUTCOME_PROTOCOL_ERROR);
    begin_with(f, &whole, 200, WHOLE_JSON);
    read_at(f, 100 * MS, "{\"error\":{\"message\":\"no\"}}");
    assert_int_equal(complete(f)->outcome, OUTCOME_ENGINE_ERROR);
}

static void an_error_status_keeps_the_servers_words_and_its_advice(void **state)
{
    struct feed *f = *state;
    struct answer_options o = {.protocol = &openai_chat, .stream = true};
    answer_begin(&f->a, &o);
    f->reads = 0;
    answer_head(&f->a, 429, slice_of(WHOLE_JSON), slice_of("7"));
    read_at(f, 100 * MS, "{\"error\":{\"message\":");
    read_at(f, 101 * MS, "\"slow down\"}}");
    const struct request_record *r = complete(f);
    assert_int_equal(r->outcome, OUTCOME_HTTP_ERROR);
    assert_int_equal(r->http_status, 429);
    assert_slice(r->error, "HTTP 429: slow down (Retry-After: 7)");
    assert_int_equal(r->output_tokens, -1);

    begin_with(f, &o, 500, "");
    assert_slice(complete(f)->error, "HTTP 500: (no message)");
    begin_with(f, &o, 301, "");
    assert_int_equal(complete(f)->outcome, OUTCOME_HTTP_ERROR);
}

static void a_server_that_never_sends_the_terminator_ends_with_its_finish_reason(void **state)
{
    struct feed *f = *state;
    struct answer_options o = {
        .protocol = &openai_chat, .stream = true, .ending = API_ENDS_WITHOUT_DONE};
    begin_with(f, &o, 200, "");
    read_at(f, 100 * MS, TOKEN("a") FINISH);
    assert_int_equal(complete(f)->outcome, OUTCOME_OK);
    begin_with(f, &o, 200, "");
    read_at(f, 100 * MS, TOKEN("a") FINISH);
    finish(f, TRANSPORT_CUT);
    assert_int_equal(f->r.outcome, OUTCOME_TRUNCATED);
    begin_with(f, &o, 200, "");
    read_at(f, 100 * MS, TOKEN("a"));
    assert_int_equal(complete(f)->outcome, OUTCOME_TRUNCATED);
}

static void without_the_finish_reason_its_server_gives_an_answer_was_cut_off(void **state)
{
    struct feed *f = *state;
    struct answer_options o = {
        .protocol = &openai_chat, .stream = true, .ending = API_ENDS_WITH_REASON};
    begin_with(f, &o, 200, "");
    read_at(f, 100 * MS, TOKEN("a") DONE);
    const struct request_record *r = complete(f);
    assert_int_equal(r->outcome, OUTCOME_TRUNCATED);
    assert_says(r->error, "without a finish_reason");
    begin_with(f, &o, 200, "");
    read_at(f, 100 * MS, TOKEN("a") FINISH DONE);
    assert_int_equal(complete(f)->outcome, OUTCOME_OK);
}

static void an_empty_success_is_truncated(void **state)
{
    struct feed *f = *state;
    begin_with(f, &(struct answer_options){.protocol = &openai_chat, .stream = true}, 204, "");
    assert_int_equal(complete(f)->outcome, OUTCOME_TRUNCATED);
}

/* --- bounds --- */

static void a_long_error_body_is_read_but_not_kept(void **state)
{
    struct feed *f = *state;
    enum { PIECE = 10000, PIECES = 100 };
    char *piece = test_malloc(PIECE);
    memset(piece, 'x', PIECE);
    begin_with(f, &(struct answer_options){.protocol = &openai_chat, .stream = true}, 500, "");
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(give(f, 100 * MS, 99 * MS, slice_make(piece, PIECE)), OK);
    assert_int_equal(f->a.whole.n, ANSWER_MAX_ERROR_BYTES);
    assert_true(complete(f)->error.n < 1024);
    test_free(piece);
}

static void a_long_error_in_the_stream_stays_an_error(void **state)
{
    struct feed *f = *state;
    enum { LONG = 3 * ANSWER_MAX_ERROR_BYTES };
    struct buf event = {0};
    buf_puts(&event, "data: {\"error\":\"");
    for (int i = 0; i < LONG; i++)
        buf_putc(&event, 'x');
    buf_puts(&event, "\"}\n\n");
    begin(f);
    assert_int_equal(give(f, 100 * MS, 99 * MS, buf_slice(&event)), OK);
    assert_int_equal(complete(f)->outcome, OUTCOME_ENGINE_ERROR);
    assert_int_equal(f->r.error.n, ANSWER_MAX_ERROR_BYTES);
    buf_release(&event);
}

static void assert_too_big(struct feed *f, const char *text)
{
    assert_int_equal(give(f, 200 * MS, 199 * MS, slice_of(text)), ERR_TOO_BIG);
    finish(f, TRANSPORT_BROKEN);
    assert_true(f->decided);
    assert_int_equal(f->r.outcome, OUTCOME_PROTOCOL_ERROR);
    assert_says(f->r.error, "bound");
    if (f->r.events > 0)
        gap_of(&f->r, 0);
}

static void an_answer_past_a_bound_is_given_up_with_what_was_measured(void **state)
{
    struct feed *f = *state;
    begin_with(f, &(struct answer_options){.protocol = &openai_chat, .stream = false}, 200,
               WHOLE_JSON);
    f->a.whole.max = 16;
    assert_too_big(f, WHOLE_ANSWER);
    begin(f);
    f->a.gaps.max = 5; /* room for the first event and one more */
    read_at(f, 100 * MS, TOKEN("a"));
    read_at(f, 120 * MS, TOKEN("b"));
    read_at(f, 140 * MS, TOKEN("c"));
    assert_too_big(f, TOKEN("d"));
    assert_int_equal(f->r.events, 2);
    begin_with(
        f, &(struct answer_options){.protocol = &openai_chat, .stream = true, .save_output = true},
        200, STREAMED);
    f->a.text.max = 4;
    read_at(f, 100 * MS, TOKEN("abc"));
    assert_too_big(f, TOKEN("def"));
    begin(f);
    f->a.sse.data.max = f->a.sse.line.max = 100;
    read_at(f, 100 * MS, TOKEN("abc"));
    assert_too_big(f, TOKEN("0123456789012345678901234567890123456789012345678901234567890123456789"
                            "0123456789"));
}

static void every_growing_buffer_has_a_maximum(void **state)
{
    struct feed *f = *state;
    assert_true(f->a.whole.max > 0);
    assert_true(f->a.gaps.max > 0);
    assert_true(f->a.text.max > 0);
    assert_true(f->a.error.max > 0);
    assert_true(f->a.finish_reason.max > 0);
    assert_true(f->a.scratch.max > 0);
    assert_true(f->a.sse.data.max > 0);
}

/* --- lines --- */

static int line_event(struct api_stream *s, struct slice data, struct delta *out)
{
    (void)s;
    *out = (struct delta){.prompt_tokens = -1,
                          .output_tokens = -1,
                          .cached_tokens = -1,
                          .reasoning_tokens = -1,
                          .text = data,
                          .token = !slice_is(data, "end"),
                          .answer = true,
                          .done = slice_is(data, "end"),
                          .tokens = 1};
    return OK;
}

static const struct protocol LINES = {
    .name = "lines", .framing = FRAMING_LINES, .event = line_event};

static void lines_are_events_too(void **state)
{
    struct feed *f = *state;
    struct answer_options o = {.protocol = &LINES, .stream = true};
    begin_with(f, &o, 200, "application/x-ndjson");
    read_at(f, 100 * MS, "one\ntw");
    read_at(f, 120 * MS, "o\r\n\n");
    read_at(f, 140 * MS, "three\n");
    read_at(f, 150 * MS, "end");
    const struct request_record *r = complete(f);
    assert_int_equal(r->outcome, OUTCOME_OK); /* the last line may lack its end */
    assert_int_equal(r->events, 3);
    assert_int_equal(r->censored, 1);
    assert_int_equal(r->output_bytes, 11);
    assert_int_equal(r->last_token_ns, 140 * MS - ORIGIN_NS);
    assert_gap(r, 0, 0, 10);
    assert_gap(r, 1, 20 * MS, 0);
}

#define ANSWER_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static void a_calibration_keeps_when_each_event_was_read(void **state)
{
    struct feed *f = *state;
    begin_with(
        f, &(struct answer_options){.protocol = &openai_chat, .stream = true, .keep_reads = true},
        200, STREAMED);
    read_at(f, 60 * MS, TOKEN("a"));
    read_at(f, 70 * MS, TOKEN("b") TOKEN("c") DONE);
    struct slice reads = complete(f)->reads;
    for (int i = 0; i < 3; i++) {
        uint64_t lag_ns;
        assert_int_equal(varint_take(&reads, &lag_ns), OK);
        assert_int_equal(lag_ns, 1000);
    }
    assert_int_equal(reads.n, 0);
    begin(f);
    read_at(f, 60 * MS, TOKEN("a") DONE);
    assert_int_equal(complete(f)->reads.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ANSWER_TEST(events_in_reads_of_their_own_have_exact_times),
        ANSWER_TEST(of_two_events_in_one_read_the_first_has_a_bound),
        ANSWER_TEST(a_token_that_the_terminator_follows_in_its_read_has_a_bound),
        ANSWER_TEST(a_token_that_finish_or_usage_follow_in_its_read_has_a_bound),
        ANSWER_TEST(what_came_in_a_later_read_takes_no_time_away),
        ANSWER_TEST(what_came_before_a_token_in_its_read_takes_no_time_away),
        ANSWER_TEST(a_partial_event_behind_a_token_gives_it_a_bound),
        ANSWER_TEST(an_event_has_the_time_of_the_read_that_completed_it),
        ANSWER_TEST(a_bound_is_never_empty),
        ANSWER_TEST(a_bound_is_ours_only_above_a_millisecond_and_a_tenth_of_the_median_gap),
        ANSWER_TEST(times_of_user_space_are_counted),
        ANSWER_TEST(times_that_run_backward_keep_gaps_and_times_consistent),
        ANSWER_TEST(a_stream_cut_at_any_byte_gives_the_same_record),
        ANSWER_TEST(the_hash_knows_neither_chunks_nor_escapes),
        ANSWER_TEST(text_is_kept_only_when_asked_for),
        ANSWER_TEST(what_comes_behind_the_terminator_is_no_part_of_the_answer),
        ANSWER_TEST(an_event_without_data_is_passed_over),
        ANSWER_TEST(usage_of_its_own_gives_the_tokens),
        ANSWER_TEST(continuous_usage_gives_the_tokens_of_each_event),
        ANSWER_TEST(a_total_behind_continuous_usage_that_agrees_leaves_it_continuous),
        ANSWER_TEST(a_total_behind_continuous_usage_that_differs_is_usage),
        ANSWER_TEST(without_usage_events_are_counted),
        ANSWER_TEST(the_first_answer_comes_after_the_reasoning),
        ANSWER_TEST(a_token_without_text_before_the_reasoning_is_no_answer),
        ANSWER_TEST(without_reasoning_a_first_token_without_text_begins_the_answer),
        ANSWER_TEST(reasoning_alone_has_no_first_answer),
        ANSWER_TEST(no_token_gives_no_times),
        ANSWER_TEST(nothing_of_one_answer_is_left_for_the_next),
        ANSWER_TEST(an_error_in_the_stream_is_never_success),
        ANSWER_TEST(a_stream_without_its_terminator_is_truncated),
        ANSWER_TEST(an_answer_is_complete_though_the_connection_broke_behind_it),
        ANSWER_TEST(a_broken_connection_is_for_the_caller_to_name),
        ANSWER_TEST(an_answer_whose_response_nobody_ended_ended_with_its_last_token),
        ANSWER_TEST(an_error_status_says_enough_though_its_body_never_ends),
        ANSWER_TEST(an_html_page_is_named_for_what_it_is),
        ANSWER_TEST(an_event_that_is_no_json_breaks_the_protocol),
        ANSWER_TEST(a_whole_answer_is_read_when_asked_for_and_when_not),
        ANSWER_TEST(a_whole_answer_cut_short_or_malformed_is_no_success),
        ANSWER_TEST(an_error_status_keeps_the_servers_words_and_its_advice),
        ANSWER_TEST(a_server_that_never_sends_the_terminator_ends_with_its_finish_reason),
        ANSWER_TEST(without_the_finish_reason_its_server_gives_an_answer_was_cut_off),
        ANSWER_TEST(an_empty_success_is_truncated),
        ANSWER_TEST(a_long_error_body_is_read_but_not_kept),
        ANSWER_TEST(a_long_error_in_the_stream_stays_an_error),
        ANSWER_TEST(an_answer_past_a_bound_is_given_up_with_what_was_measured),
        ANSWER_TEST(every_growing_buffer_has_a_maximum),
        ANSWER_TEST(lines_are_events_too),
        ANSWER_TEST(a_calibration_keeps_when_each_event_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
