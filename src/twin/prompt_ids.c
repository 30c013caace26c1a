#include "twin/prompt_ids.h"

#include "base/json.h"
#include "sim/text.h"

struct maker {
    struct buf *out;
    int vocabulary;
    int64_t count;
    struct buf plain; /* a string with its escapes undone */
};

static void add_id(struct maker *m, uint32_t id)
{
    buf_append(m->out, &id, sizeof id);
    m->count++;
}

static void add_mark(struct maker *m, enum text_mark mark)
{
    add_id(m, (uint32_t)(m->vocabulary - (int)mark));
}

static void add_text(struct maker *m, struct slice text)
{
    while (text.n > 0) {
        size_t n = text_piece(text);
        add_id(m, text_token(slice_make(text.p, n), m->vocabulary));
        text.p += n;
        text.n -= n;
    }
}

static void add_string(struct maker *m, struct json *j)
{
    struct slice raw;
    if (!json_string(j, &raw))
        return;
    buf_clear(&m->plain);
    json_unescape(raw, &m->plain);
    add_text(m, buf_slice(&m->plain));
}

/* A string, or a list of parts of which those count that have a text. */
static void add_content(struct maker *m, struct json *j)
{
    struct slice key;
    if (json_peek(j) == JSON_STRING) {
        add_string(m, j);
    } else if (json_peek(j) == JSON_ARRAY) {
        for (json_enter_array(j); json_next_item(j);)
            for (json_enter_object(j); json_next_key(j, &key);)
                if (slice_is(key, "text") && json_peek(j) == JSON_STRING)
                    add_string(m, j);
                else
                    json_skip(j);
    } else {
        json_skip(j);
    }
}

static void add_message(struct maker *m, struct json *j)
{
    struct slice key;
    add_mark(m, TEXT_MARK_BEGIN);
    for (json_enter_object(j); json_next_key(j, &key);) {
        if (slice_is(key, "role")) {
            add_string(m, j);
            add_mark(m, TEXT_MARK_BODY);
        } else if (slice_is(key, "content")) {
            add_content(m, j);
        } else {
            json_skip(j);
        }
    }
    add_mark(m, TEXT_MARK_END);
}

int64_t prompt_ids(const struct prompt *p, int vocabulary, struct buf *out)
{
    struct maker m = {.out = out, .vocabulary = vocabulary};
    if (p->kind == PROMPT_TOKENS) {
        buf_append(out, p->tokens, p->token_count * sizeof *p->tokens);
        return (int64_t)p->token_count;
    }
    if (p->kind == PROMPT_TEXT) {
        add_text(&m, p->text);
        return m.count;
    }
    struct json j = json_of(p->text);
    for (json_enter_array(&j); json_next_item(&j);)
        add_message(&m, &j);
    add_mark(&m, TEXT_MARK_BEGIN);
    add_text(&m, slice_of("assistant"));
    add_mark(&m, TEXT_MARK_BODY);
    buf_release(&m.plain);
    return m.count;
}
