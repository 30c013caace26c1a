#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/openai.h"

static struct delta read_one(struct api_stream *s, const char *event)
{
    struct delta d;
    assert_int_equal(openai_chat.event(s, slice_of(event), &d), OK);
    return d;
}

static void assert_slice(struct slice s, const char *text)
{
    assert_int_equal(s.n, strlen(text));
    assert_memory_equal(s.p, text, s.n);
}

static void a_role_only_chunk_is_no_token(void **state)
{
    (void)state;
    struct api_stream s = {0};
    struct delta d = read_one(
        &s, "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}");
    assert_false(d.token);
    d = read_one(&s, "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}");
    assert_false(d.token);
}

static void a_role_with_text_is_a_token(void **state)
{
    (void)state;
    struct api_stream s = {0};
    struct delta d =
        read_one(&s, "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"}}]}");
    assert_true(d.token);
    assert_true(d.answer);
    assert_int_equal(d.tokens, 1);
    assert_slice(d.text, "Hi");
}

static void empty_text_alone_is_a_token_but_a_finish_is_none(void **state)
{
    (void)state;
    struct api_stream s = {0};
    assert_true(read_one(&s, "{\"choices\":[{\"delta\":{\"content\":\"\"}}]}").token);
    struct delta d =
        read_one(&s, "{\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"length\"}]}");
    assert_false(d.token);
    assert_slice(d.finish_reason, "length");
    d = read_one(&s, "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}");
    assert_false(d.token);
}

static void reasoning_counts_as_token_but_not_as_answer(void **state)
{
    (void)state;
    struct api_stream s = {0};
    struct delta d = read_one(&s, "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}");
    assert_true(d.token);
    assert_false(d.answer);
    assert_slice(d.reasoning, "hm");
    d = read_one(&s, "{\"choices\":[{\"delta\":{\"reasoning\":\"hm\",\"content\":null}}]}");
    assert_true(d.token);
    assert_false(d.answer);
    d = read_one(&s, "{\"choices\":[{\"delta\":{\"content\":\"so\"}}]}");
    assert_true(d.answer);
}

static void tool_calls_and_refusals_count_as_tokens(void **state)
{
    (void)state;
    struct api_stream s = {0};
    struct delta d = read_one(
        &s, "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":"
            "\"f\"}}]}}]}");
    assert_true(d.token);
    assert_true(d.answer);
    assert_true(read_one(&s, "{\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}").token);
    assert_false(read_one(&s, "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\","
                              "\"tool_calls\":[],\"refusal\":null}}]}")
                     .token);
}

static void a_usage_chunk_with_no_choices_is_read_and_is_no_token(void **state)
{
    (void)state;
    struct api_stream s = {0};
    struct delta d =
        read_one(&s, "{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,"
                     "\"prompt_tokens_details\":{\"cached_tokens\":4},"
                     "\"completion_tokens_details\":{\"reasoning_tokens\":2}}}");
    assert_false(d.token);
    assert_int_equal(d.prompt_tokens, 7);
    assert_int_equal(d.output_tokens, 3);
    assert_int_equal(d.cached_tokens, 4);
    assert_int_equal(d.reasoning_tokens, 2);
}

static void continuous_usage_gives_the_tokens_of_each_event(void **state)
{
    (void)state;
    struct api_stream s = {0};
    assert_false(read_one(&s,
                          "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],"
                          "\"usage\":{\"completion_tokens\":0}}")
                     .token);
    struct delta d = read_one(&s, "{\"choices\":[{\"delta\":{\"content\":\"a b c\"}}],"
                                  "\"usage\":{\"completion_tokens\":3}}");
    assert_int_equal(d.tokens, 3);
    /* Empty text can carry a token: half a character, a special token. */
    d = read_one(&s, "{\"choices\":[{\"delta\":{\"content\":\"\"}}],"
                     "\"usage\":{\"completion_tokens\":4}}");
    assert_true(d.token);
    assert_int_equal(d.tokens, 1);
    d = read_one(&s, "{\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}],"
                     "\"usage\":{\"completion_tokens\":4}}");
    assert_false(d.token);
}

static void usage_that_comes_only_with_the_finish_does_not_change_the_count(void **state)
{
    (void)state;
    struct api_stream s = {0};
    assert_int_equal(read_one(&s, "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}").tokens, 1);
    struct delta d = read_one(&s, "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],"
                                  "\"usage\":{\"completion_tokens\":9}}");
    assert_false(d.token);
    assert_int_equal(d.output_tokens, 9);
}

static void an_error_in_the_stream_is_seen(void **state)
{
    (void)state;
    struct api_stream s = {0};
    assert_slice(read_one(&s, "{\"error\":{\"message\":\"out of memory\",\"code\":500}}").error,
                 "out of memory");
    assert_slice(read_one(&s, "{\"error\":\"boom\"}").error, "boom");
    assert_int_equal(read_one(&s, "{\"error\":null,\"choices\":[]}").error.n, 0);
    assert_true(read_one(&s, "{\"error\":{\"code\":3}}").error.n > 0);
}

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    struct api_stream s = {0};
    struct delta d;
    assert_int_equal(openai_chat.event(&s, slice_of("{\"choices\":["), &d), ERR_PROTOCOL);
    assert_int_equal(openai_chat.event(&s, slice_of("hello"), &d), ERR_PROTOCOL);
    assert_int_equal(openai_chat.event(&s, slice_of("[1]"), &d), ERR_PROTOCOL);
}

static void a_whole_answer_gives_text_and_usage(void **state)
{
    (void)state;
    struct delta d;
    assert_int_equal(openai_completions.whole(
                         slice_of("{\"choices\":[{\"text\":\" a b\",\"finish_reason\":\"length\"}],"
                                  "\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":2}}"),
                         &d),
                     OK);
    assert_true(d.token);
    assert_int_equal(d.tokens, 2);
    assert_slice(d.text, " a b");
    assert_int_equal(openai_completions.whole(slice_of("{}"), &d), ERR_PROTOCOL);
}

static void assert_body(const struct protocol *p, const struct api_options *o,
                        const struct prompt *prompt, const char *expected)
{
    struct buf b = {0};
    p->request(o, prompt, &b);
    assert_string_equal(buf_cstr(&b), expected);
    buf_release(&b);
}

static const unsigned ALL = API_IGNORE_EOS | API_MIN_TOKENS | API_STREAM_OPTIONS |
                            API_CONTINUOUS_USAGE | API_TEMPERATURE | API_TOP_P | API_MAX_TOKENS;

static void bodies_hold_what_was_asked(void **state)
{
    (void)state;
    static const uint32_t ids[] = {5, 70000};
    struct api_options o = {.model = "m", .stream = true, .fields = ALL, .top_p = 1};
    struct prompt tokens = {.kind = PROMPT_TOKENS,
                            .tokens = ids,
                            .token_count = 2,
                            .output_tokens = 8,
                            .exact_output = true};
    assert_body(&openai_completions, &o, &tokens,
                "{\"model\":\"m\",\"prompt\":[5,70000],\"max_tokens\":8,\"min_tokens\":8,"
                "\"ignore_eos\":true,\"temperature\":0,\"top_p\":1,\"stream\":true,"
                "\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}}");
    struct prompt text = {
        .kind = PROMPT_TEXT, .text = slice_of("say \"hi\"\n"), .output_tokens = 8};
    o.fields = API_STREAM_OPTIONS;
    assert_body(
        &openai_chat, &o, &text,
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"say \\\"hi\\\"\\n\"}],"
        "\"max_completion_tokens\":8,\"stream\":true,"
        "\"stream_options\":{\"include_usage\":true}}");
}

static void members_of_extra_body_replace_ours(void **state)
{
    (void)state;
    struct api_options o = {
        .model = "m", .fields = ALL, .extra_body = " {\"top_k\":1, \"top_p\": 0.5} "};
    struct prompt messages = {.kind = PROMPT_MESSAGES,
                              .text = slice_of("[{\"role\":\"user\",\"content\":\"x\"}]")};
    assert_int_equal(api_check_extra_body(o.extra_body, &o.overridden, NULL), OK);
    assert_body(&openai_chat, &o, &messages,
                "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
                "\"temperature\":0,\"stream\":false,\"top_k\":1, \"top_p\": 0.5}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_role_only_chunk_is_no_token),
        cmocka_unit_test(a_role_with_text_is_a_token),
        cmocka_unit_test(empty_text_alone_is_a_token_but_a_finish_is_none),
        cmocka_unit_test(reasoning_counts_as_token_but_not_as_answer),
        cmocka_unit_test(tool_calls_and_refusals_count_as_tokens),
        cmocka_unit_test(a_usage_chunk_with_no_choices_is_read_and_is_no_token),
        cmocka_unit_test(continuous_usage_gives_the_tokens_of_each_event),
        cmocka_unit_test(usage_that_comes_only_with_the_finish_does_not_change_the_count),
        cmocka_unit_test(an_error_in_the_stream_is_seen),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(a_whole_answer_gives_text_and_usage),
        cmocka_unit_test(bodies_hold_what_was_asked),
        cmocka_unit_test(members_of_extra_body_replace_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
