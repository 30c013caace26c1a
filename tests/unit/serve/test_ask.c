#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "serve/ask.h"
#include "sim/text.h"

enum { VOCABULARY = 1000 };

static struct ask accepted(enum ask_kind kind, const char *body)
{
    struct ask a;
    struct ask_fault f;
    if (ask_parse(kind, slice_of(body), VOCABULARY, &a, &f) != OK)
        fail_msg("%s was refused: %s", body, f.err.text);
    return a;
}

static void refused(enum ask_kind kind, const char *body, const char *param)
{
    struct ask a;
    struct ask_fault f;
    int rc = ask_parse(kind, slice_of(body), VOCABULARY, &a, &f);
    ask_release(&a);
    if (param) {
        if (rc != ERR_INPUT || !f.param || strcmp(f.param, param) != 0)
            fail_msg("%s: %d, field %s, %s", body, rc, f.param ? f.param : "none", f.err.text);
    } else {
        assert_int_equal(rc, ERR_PROTOCOL);
    }
    assert_true(f.err.text[0] != '\0');
}

static int64_t prompt_tokens(enum ask_kind kind, const char *body)
{
    struct ask a = accepted(kind, body);
    ask_release(&a);
    return a.prompt_tokens;
}

static void all_forms_of_a_prompt_are_counted(void **state)
{
    (void)state;
    assert_int_equal(prompt_tokens(ASK_COMPLETION, "{\"prompt\":\"one two three\"}"), 3);
    assert_int_equal(prompt_tokens(ASK_COMPLETION, "{\"prompt\":[\"one two\"]}"), 2);
    assert_int_equal(prompt_tokens(ASK_COMPLETION, "{\"prompt\":[5,6,7,8]}"), 4);
    assert_int_equal(prompt_tokens(ASK_COMPLETION, "{\"prompt\":[[5,6]]}"), 2);
    assert_int_equal(prompt_tokens(ASK_COMPLETION, "{\"prompt\":\"a\\u0020b\"}"), 2);
}

static void several_prompts_or_bad_ids_are_refused(void **state)
{
    (void)state;
    refused(ASK_COMPLETION, "{\"prompt\":[\"a\",\"b\"]}", "prompt");
    refused(ASK_COMPLETION, "{\"prompt\":[[1],[2]]}", "prompt");
    refused(ASK_COMPLETION, "{\"prompt\":[1,\"b\"]}", "prompt");
    refused(ASK_COMPLETION, "{\"prompt\":[1,1000]}", "prompt");
    refused(ASK_COMPLETION, "{\"prompt\":[-1]}", "prompt");
    refused(ASK_COMPLETION, "{\"prompt\":[1.5]}", "prompt");
    refused(ASK_COMPLETION, "{\"prompt\":{}}", "prompt");
    refused(ASK_COMPLETION, "{\"prompt\":[]}", "prompt");
    refused(ASK_COMPLETION, "{\"prompt\":\"\"}", "prompt");
    refused(ASK_COMPLETION, "{\"prompt\":null}", "prompt");
    refused(ASK_COMPLETION, "{}", "prompt");
}

static void messages_count_content_role_and_template(void **state)
{
    (void)state;
    /* 3 marks, role, 2 words; then the invitation: 2 marks and "assistant" in two pieces. */
    int64_t plain =
        prompt_tokens(ASK_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"hi you\"}]}");
    assert_int_equal(plain, 6 + 4);
    assert_int_equal(
        prompt_tokens(ASK_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
                                "\"text\":\"hi you\"}]}]}"),
        plain);
    refused(ASK_CHAT, "{\"messages\":[]}", "messages");
    refused(ASK_CHAT, "{\"messages\":\"hi\"}", "messages");
    refused(ASK_CHAT, "{\"messages\":[{\"content\":\"hi\"}]}", "messages");
    refused(ASK_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}",
            "messages");
    refused(ASK_CHAT, "{\"prompt\":\"hi\"}", "messages");
}

static void tokenize_gives_as_many_ids_as_usage_counts(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"prompt\":\"Hello, w\\u00f6rld! 12345\\n the harbour\"}",
        "{\"prompt\":[1,2,3]}",
    };
    for (size_t i = 0; i < 2; i++) {
        struct ask a = accepted(ASK_TOKENIZE, bodies[i]);
        assert_int_equal(a.ids.n / sizeof(uint32_t), a.prompt_tokens);
        assert_int_equal(a.prompt_tokens, prompt_tokens(ASK_COMPLETION, bodies[i]));
        ask_release(&a);
    }
    const char *chat = "{\"messages\":[{\"role\":\"system\",\"content\":\"be "
                       "brief\"},{\"role\":\"user\",\"content\":\"hi\"}]}";
    struct ask a = accepted(ASK_TOKENIZE, chat);
    assert_int_equal(a.ids.n / sizeof(uint32_t), prompt_tokens(ASK_CHAT, chat));
    ask_release(&a);
}

static void options_are_read(void **state)
{
    (void)state;
    struct ask a = accepted(
        ASK_COMPLETION,
        "{\"model\":\"m\",\"prompt\":\"x\",\"max_tokens\":7,\"min_tokens\":3,\"stream\":true,"
        "\"ignore_eos\":true,\"temperature\":0,\"top_p\":0.5,\"n\":1,\"stop\":[\"a\",\"\\n\"],"
        "\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true},"
        "\"unknown\":{\"deep\":[1,2,{}]},\"user\":null}");
    assert_true(slice_is(buf_slice(&a.model), "m"));
    assert_int_equal(a.max_tokens, 7);
    assert_int_equal(a.min_tokens, 3);
    assert_true(a.stream && a.ignore_eos && a.include_usage && a.continuous_usage && a.repeatable);
    assert_int_equal(a.stop_count, 2);
    assert_true(slice_is(ask_stop(&a, 0), "a"));
    assert_true(slice_is(ask_stop(&a, 1), "\n"));
    ask_release(&a);
}

static void newer_max_completion_tokens_wins(void **state)
{
    (void)state;
    struct ask a =
        accepted(ASK_COMPLETION, "{\"prompt\":\"x\",\"max_completion_tokens\":9,\"max_tokens\":7}");
    assert_int_equal(a.max_tokens, 9);
    ask_release(&a);
    a = accepted(ASK_COMPLETION, "{\"prompt\":\"x\",\"max_tokens\":null}");
    assert_int_equal(a.max_tokens, -1);
    assert_false(a.repeatable);
    ask_release(&a);
}

static void values_of_wrong_type_or_range_name_their_field(void **state)
{
    (void)state;
    static const struct {
        const char *field, *value;
    } wrong[] = {
        {"max_tokens", "0"},
        {"max_tokens", "1.5"},
        {"max_tokens", "\"5\""},
        {"min_tokens", "-1"},
        {"n", "2"},
        {"best_of", "3"},
        {"stream", "1"},
        {"ignore_eos", "\"yes\""},
        {"temperature", "-0.1"},
        {"temperature", "[]"},
        {"top_p", "1.5"},
        {"presence_penalty", "3"},
        {"stop", "7"},
        {"stop", "[1]"},
        {"stop", "\"\""},
        {"stream_options", "true"},
        {"model", "5"},
        {"echo", "true"},
        {"seed", "\"a\""},
        {"top_k", "0.5"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct buf body = {0};
        buf_printf(&body, "{\"prompt\":\"x\",\"%s\":%s}", wrong[i].field, wrong[i].value);
        refused(ASK_COMPLETION, buf_cstr(&body), wrong[i].field);
        buf_release(&body);
    }
    refused(ASK_COMPLETION, "{\"prompt\":\"x\",\"max_tokens\":3,\"min_tokens\":4}", "min_tokens");
}

static void what_is_not_json_is_refused_as_a_whole(void **state)
{
    (void)state;
    refused(ASK_COMPLETION, "", NULL);
    refused(ASK_COMPLETION, "hello", NULL);
    refused(ASK_COMPLETION, "[]", NULL);
    refused(ASK_COMPLETION, "{\"prompt\":\"x\"", NULL);
    refused(ASK_COMPLETION, "{\"prompt\":\"x\"} x", NULL);
    refused(ASK_COMPLETION, "{\"prompt\":[1,2", NULL);
    refused(ASK_COMPLETION, "{\"prompt\":", NULL);
    refused(ASK_COMPLETION, "{\"prompt\":\"x\",\"stream\":maybe}", NULL);
    refused(ASK_CHAT, "{\"messages\":}", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_forms_of_a_prompt_are_counted),
        cmocka_unit_test(several_prompts_or_bad_ids_are_refused),
        cmocka_unit_test(messages_count_content_role_and_template),
        cmocka_unit_test(tokenize_gives_as_many_ids_as_usage_counts),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(newer_max_completion_tokens_wins),
        cmocka_unit_test(values_of_wrong_type_or_range_name_their_field),
        cmocka_unit_test(what_is_not_json_is_refused_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
