/* Prompts of data sets, text and messages: virtual time reads them as the served engine reads their
 * bodies, or refuses what that refuses. */

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "serve/ask.h"
#include "twin/prompt_ids.h"

enum { VOCABULARY = 1000, KINDS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_body(const struct prompt *p, bool chat, struct buf *body)
{
    if (p->kind == PROMPT_MESSAGES) {
        buf_puts(body, "{\"messages\":");
        buf_put(body, p->text);
        buf_puts(body, "}");
        return;
    }
    buf_puts(body, chat ? "{\"messages\":[{\"role\":\"user\",\"content\":" : "{\"prompt\":");
    json_put_string(body, p->text);
    buf_puts(body, chat ? "}]}" : "}");
}

/* Without one whole value the body would be another than meant. */
static bool is_json(struct slice text)
{
    struct json j = json_of(text);
    json_skip(&j);
    return json_end(&j) == OK;
}

static void check(const struct prompt *p, bool chat)
{
    struct buf body = {0}, ids = {0};
    struct ask a;
    struct ask_fault fault;
    uint64_t hash;
    int64_t n = prompt_ids(p, chat, VOCABULARY, &ids, &hash);
    if (n >= 0 && ids.n != (size_t)n * sizeof(uint32_t))
        abort();
    if (p->kind == PROMPT_MESSAGES && !is_json(p->text)) {
        if (n >= 0)
            abort();
        buf_release(&ids);
        return;
    }
    put_body(p, chat, &body);
    int rc = ask_parse(chat ? ASK_CHAT : ASK_COMPLETION, buf_slice(&body), VOCABULARY, &a, &fault);
    if (rc == OK && (n != a.prompt_tokens || hash != a.prompt_hash ||
                     !slice_eq(buf_slice(&ids), buf_slice(&a.ids))))
        abort();
    if (rc == ERR_INPUT && n >= 0) /* ERR_PROTOCOL: too deep by the body's own level */
        abort();
    ask_release(&a);
    buf_release(&body);
    buf_release(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t bad;
    if (size < 2)
        return 0;
    struct slice text = slice_make((const char *)data + 1, size - 1);
    struct prompt p = {.kind = data[0] % KINDS == 2 ? PROMPT_MESSAGES : PROMPT_TEXT, .text = text};
    if (p.kind == PROMPT_TEXT && !json_is_utf8(text, &bad))
        return 0; /* refused when the file is read */
    check(&p, data[0] % KINDS > 0);
    return 0;
}
