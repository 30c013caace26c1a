#include "twin/prompt_ids.h"

#include "base/json.h"
#include "sim/text.h"

struct maker {
    struct json j;
    struct buf *out;
    int vocabulary;
    int64_t count;
    uint64_t hash;
    struct buf plain; /* a string with its escapes undone */
    bool refused;
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
    m->hash = text_hash(m->hash, text.p, text.n);
    while (text.n > 0) {
        size_t n = text_piece(text);
        add_id(m, text_token(slice_make(text.p, n), m->vocabulary));
        text.p += n;
        text.n -= n;
    }
}

static void add_tokens(struct maker *m, const struct prompt *p)
{
    for (size_t i = 0; i < p->token_count; i++) {
        int64_t id = p->tokens[i];
        m->hash = text_hash(m->hash, &id, sizeof id);
    }
    buf_append(m->out, p->tokens, p->token_count * sizeof *p->tokens);
    m->count += (int64_t)p->token_count;
}

/* ---- messages ---- */

static void refuse(struct maker *m)
{
    m->refused = true;
    json_skip(&m->j);
}

/* The string ahead, as text; a view that lasts until the next one. */
static struct slice take_string(struct maker *m)
{
    struct slice raw = {0};
    if (json_peek(&m->j) != JSON_STRING)
        refuse(m);
    else
        json_string(&m->j, &raw);
    if (raw.n == 0 || !memchr(raw.p, '\\', raw.n))
        return raw;
    buf_clear(&m->plain);
    json_unescape(raw, &m->plain);
    return buf_slice(&m->plain);
}

static void add_part(struct maker *m)
{
    struct slice key;
    bool is_text = false;
    if (json_peek(&m->j) != JSON_OBJECT) {
        refuse(m);
        return;
    }
    for (json_enter_object(&m->j); json_next_key(&m->j, &key);) {
        if (slice_is(key, "type"))
            is_text = slice_is(take_string(m), "text");
        else if (slice_is(key, "text"))
            add_text(m, take_string(m));
        else
            json_skip(&m->j);
    }
    m->refused |= !is_text;
}

/* A string, a list of parts, or null beside tool calls. */
static void add_content(struct maker *m)
{
    switch (json_peek(&m->j)) {
    case JSON_ARRAY:
        for (json_enter_array(&m->j); json_next_item(&m->j);)
            add_part(m);
        break;
    case JSON_NULL:
        json_skip(&m->j);
        break;
    default:
        add_text(m, take_string(m));
    }
}

static void add_message(struct maker *m)
{
    struct slice key;
    bool has_role = false;
    if (json_peek(&m->j) != JSON_OBJECT) {
        refuse(m);
        return;
    }
    add_mark(m, TEXT_MARK_BEGIN);
    for (json_enter_object(&m->j); json_next_key(&m->j, &key);) {
        if (slice_is(key, "role")) {
            add_text(m, take_string(m));
            add_mark(m, TEXT_MARK_BODY);
            has_role = true;
        } else if (slice_is(key, "content")) {
            add_content(m);
        } else {
            json_skip(&m->j);
        }
    }
    add_mark(m, TEXT_MARK_END);
    m->refused |= !has_role;
}

static void add_messages(struct maker *m, struct slice array)
{
    m->j = json_of(array);
    for (json_enter_array(&m->j); json_next_item(&m->j);)
        add_message(m);
    m->refused |= m->count == 0 || json_end(&m->j) < 0;
}

static void add_only_message(struct maker *m, struct slice text)
{
    add_mark(m, TEXT_MARK_BEGIN);
    add_text(m, slice_of("user"));
    add_mark(m, TEXT_MARK_BODY);
    add_text(m, text);
    add_mark(m, TEXT_MARK_END);
}

static void invite_answer(struct maker *m)
{
    add_mark(m, TEXT_MARK_BEGIN);
    add_text(m, slice_of("assistant"));
    add_mark(m, TEXT_MARK_BODY);
}

int64_t prompt_ids(const struct prompt *p, bool chat, int vocabulary, struct buf *out,
                   uint64_t *hash)
{
    struct maker m = {.out = out, .vocabulary = vocabulary, .hash = TEXT_HASH_BEGIN};
    if (p->kind == PROMPT_TOKENS)
        add_tokens(&m, p);
    else if (p->kind == PROMPT_MESSAGES)
        add_messages(&m, p->text);
    else if (chat)
        add_only_message(&m, p->text);
    else
        add_text(&m, p->text);
    if (chat)
        invite_answer(&m);
    buf_release(&m.plain);
    *hash = m.hash;
    return m.refused ? -1 : m.count;
}
