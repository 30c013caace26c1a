/* Prompts become the ids that the served engine makes of their bodies: held against its own reader.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "serve/ask.h"
#include "twin/prompt_ids.h"

enum { VOCABULARY = 128256 };

/* What both say of a prompt; `body` is what it is on the wire. */
static void expect_same(const struct prompt *p, bool chat, struct buf *body)
{
    struct ask a;
    struct ask_fault fault;
    struct buf ids = {0};
    uint64_t hash;
    int rc = ask_parse(chat ? ASK_CHAT : ASK_COMPLETION, buf_slice(body), VOCABULARY, &a, &fault);
    int64_t n = prompt_ids(p, chat, VOCABULARY, &ids, &hash);
    if (rc == OK) {
        assert_int_equal(n, a.prompt_tokens);
        assert_int_equal(hash, a.prompt_hash);
        assert_true(slice_eq(buf_slice(&ids), buf_slice(&a.ids)));
    } else {
        assert_int_equal(n, -1);
    }
    ask_release(&a);
    buf_release(&ids);
    buf_release(body);
}

static void expect_messages(const char *array)
{
    struct buf body = {0};
    struct prompt p = {.kind = PROMPT_MESSAGES, .text = slice_of(array)};
    buf_printf(&body, "{\"messages\":%s}", array);
    expect_same(&p, true, &body);
}

static void expect_text(const char *text, bool chat)
{
    struct buf body = {0};
    struct prompt p = {.kind = PROMPT_TEXT, .text = slice_of(text)};
    buf_puts(&body, chat ? "{\"messages\":[{\"role\":\"user\",\"content\":" : "{\"prompt\":");
    json_put_string(&body, p.text);
    buf_puts(&body, chat ? "}]}" : "}");
    expect_same(&p, chat, &body);
}

static const char *const TEXTS[] = {
    "Hello",
    "Tell me of the sea, 12345 words",
    "\"quoted\" and \\ back\n\ttabs",
    "é ü 漢字 🙂",
    " a",
};

static void a_text_is_read_as_a_completion_and_as_the_only_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        expect_text(TEXTS[i], false);
        expect_text(TEXTS[i], true);
    }
}

static void ids_are_taken_as_they_are(void **state)
{
    (void)state;
    static const uint32_t IDS[] = {5, 0, 128000, 77};
    struct buf body = {0};
    struct prompt p = {.kind = PROMPT_TOKENS, .tokens = IDS, .token_count = 4};
    buf_puts(&body, "{\"prompt\":[5,0,128000,77]}");
    expect_same(&p, false, &body);
}

static void messages_are_read_as_the_server_reads_them(void **state)
{
    (void)state;
    expect_messages("[{\"role\":\"user\",\"content\":\"Hello\"}]");
    expect_messages(" [ {\"content\":\"swapped\", \"role\":\"user\"} ] ");
    expect_messages("[{\"role\":\"system\",\"content\":\"Be brief.\"},"
                    "{\"role\":\"user\",\"content\":\"a\\u00e9\\n\"}]");
    expect_messages("[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"x\":[1,{}]}]},"
                    "{\"role\":\"user\",\"content\":\"\"}]");
    expect_messages("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"one\"},"
                    "{\"text\":\" two\",\"type\":\"text\",\"more\":3}]}]");
    expect_messages("[{\"role\":\"user\",\"content\":[]}]");
    expect_messages("[{\"role\":\"user\"}]");
    expect_messages("[{\"role\":\"user\",\"role\":\"user\",\"content\":\"x\",\"content\":\"y\"}]");
}

static void expect_refused(const char *array)
{
    struct prompt p = {.kind = PROMPT_MESSAGES, .text = slice_of(array)};
    struct buf ids = {0};
    uint64_t hash;
    assert_int_equal(prompt_ids(&p, true, VOCABULARY, &ids, &hash), -1);
    buf_release(&ids);
    expect_messages(array);
}

static void what_the_server_refuses_is_refused(void **state)
{
    (void)state;
    expect_refused("[]");
    expect_refused("[1]");
    expect_refused("[\"text\"]");
    expect_refused("[{\"content\":\"no role\"}]");
    expect_refused("[{\"role\":5,\"content\":\"x\"}]");
    expect_refused("[{\"role\":\"user\",\"content\":7}]");
    expect_refused("[{\"role\":\"user\",\"content\":{}}]");
    expect_refused("[{\"role\":\"user\",\"content\":[\"x\"]}]");
    expect_refused("[{\"role\":\"user\",\"content\":[{\"text\":\"of no type\"}]}]");
    expect_refused("[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}]");
    expect_refused("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":9}]}]");
    expect_refused("[{\"role\":\"user\",\"content\":\"cut");
    expect_refused("{\"role\":\"user\"}");
    expect_refused("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_read_as_a_completion_and_as_the_only_message),
        cmocka_unit_test(ids_are_taken_as_they_are),
        cmocka_unit_test(messages_are_read_as_the_server_reads_them),
        cmocka_unit_test(what_the_server_refuses_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
