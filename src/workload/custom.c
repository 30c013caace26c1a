#include "workload/custom.h"

#include <inttypes.h>
#include <math.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

/* Times further off than three years are a mistake of unit, and would not fit in nanoseconds for
 * ever. */
#define AT_MAX_MS 1e11

struct place {
    const char *name;
    size_t line;
};

struct fields {
    struct slice prompt;   /* raw, between its quotes */
    struct slice messages; /* raw, brackets included */
    bool has_prompt, has_messages, has_at;
    int64_t output_tokens;
    double at_ms;
};

struct message_facts {
    size_t nonce_at; /* in the array's text; ITEM_NO_NONCE when no user message has text */
    size_t content_bytes;
};

#define COMPLAIN(e, at, ...) err_prefix_place((e), (at), err_set((e), ERR_INPUT, __VA_ARGS__))

static int err_prefix_place(struct err *e, const struct place *at, int code)
{
    return e ? err_prefix(e, "%s:%zu: ", at->name, at->line) : code;
}

static int not_json(const struct place *at, const struct json *j, struct err *e)
{
    return COMPLAIN(
        e, at,
        "not a JSON object, as seen at column %zu (write one object a line, for example "
        "{\"prompt\": \"Tell me a story\", \"output_tokens\": 128})",
        json_offset(j) + 1);
}

static int take_prompt(struct json *j, const struct place *at, struct fields *f, struct err *e)
{
    enum json_type type = json_peek(j);
    if (type == JSON_INVALID)
        return not_json(at, j, e);
    if (type != JSON_STRING)
        return COMPLAIN(e, at,
                        "\"prompt\" is not a string (write \"prompt\": \"text\", or "
                        "\"messages\": […] for a conversation)");
    f->has_prompt = json_string(j, &f->prompt);
    return f->has_prompt ? OK : not_json(at, j, e);
}

static int take_messages(struct json *j, const struct place *at, struct fields *f, struct err *e)
{
    enum json_type type = json_peek(j);
    if (type == JSON_INVALID)
        return not_json(at, j, e);
    if (type != JSON_ARRAY)
        return COMPLAIN(e, at,
                        "\"messages\" is not an array (write \"messages\": "
                        "[{\"role\": \"user\", \"content\": \"text\"}])");
    f->has_messages = json_raw(j, &f->messages);
    return f->has_messages ? OK : not_json(at, j, e);
}

static int take_output(struct json *j, const struct place *at, struct fields *f, struct err *e)
{
    bool number = json_peek(j) == JSON_NUMBER;
    if (number && json_int(j, &f->output_tokens) && f->output_tokens > 0 &&
        f->output_tokens <= INT32_MAX)
        return OK;
    return COMPLAIN(e, at,
                    "\"output_tokens\" is not a whole number of at least 1 (write "
                    "\"output_tokens\": 128, or leave it out and the server decides)");
}

static int take_at(struct json *j, const struct place *at, struct fields *f, struct err *e)
{
    bool number = json_peek(j) == JSON_NUMBER;
    f->has_at = number && json_double(j, &f->at_ms) && f->at_ms >= 0 && f->at_ms <= AT_MAX_MS;
    if (f->has_at)
        return OK;
    return COMPLAIN(e, at,
                    "\"at_ms\" is not a number from 0 to %.0f (write the milliseconds from "
                    "the start at which the request is sent, \"at_ms\": 1500)",
                    AT_MAX_MS);
}

static int take_field(struct json *j, struct slice key, const struct place *at, struct fields *f,
                      struct err *e)
{
    if (slice_is(key, "prompt"))
        return take_prompt(j, at, f, e);
    if (slice_is(key, "messages"))
        return take_messages(j, at, f, e);
    if (slice_is(key, "output_tokens"))
        return take_output(j, at, f, e);
    if (slice_is(key, "at_ms"))
        return take_at(j, at, f, e);
    return json_skip(j) ? OK : not_json(at, j, e);
}

static int read_line(struct slice line, const struct place *at, struct fields *f, struct err *e)
{
    struct json j = json_of(line);
    struct slice key;
    *f = (struct fields){0};
    for (json_enter_object(&j); json_next_key(&j, &key);) {
        int rc = take_field(&j, key, at, f, e);
        if (rc < 0)
            return rc;
    }
    return json_end(&j) < 0 ? not_json(at, &j, e) : OK;
}

/* The first text among the parts of a message's content. */
static void look_at_parts(struct json *j, const char *base, struct message_facts *m)
{
    struct slice key, text;
    for (json_enter_array(j); json_next_item(j);) {
        if (json_peek(j) != JSON_OBJECT) {
            json_skip(j);
            continue;
        }
        for (json_enter_object(j); json_next_key(j, &key);) {
            if (!slice_is(key, "text") || json_peek(j) != JSON_STRING) {
                json_skip(j);
                continue;
            }
            if (!json_string(j, &text))
                return;
            m->content_bytes += text.n;
            if (m->nonce_at == ITEM_NO_NONCE)
                m->nonce_at = (size_t)(text.p - base);
        }
    }
}

static void look_at_content(struct json *j, const char *base, struct message_facts *m)
{
    struct slice text;
    switch (json_peek(j)) {
    case JSON_STRING:
        if (!json_string(j, &text))
            return;
        m->content_bytes += text.n;
        m->nonce_at = (size_t)(text.p - base);
        return;
    case JSON_ARRAY:
        look_at_parts(j, base, m);
        return;
    default: /* null beside tool calls */
        json_skip(j);
    }
}

/* Role and content of the message ahead. The nonce goes into the first user's message. */
static int look_at_message(struct json *j, const struct place *at, const char *base,
                           struct message_facts *all, struct err *e)
{
    struct message_facts m = {.nonce_at = ITEM_NO_NONCE};
    struct slice key, role = {0};
    if (json_peek(j) == JSON_OBJECT) {
        for (json_enter_object(j); json_next_key(j, &key);) {
            if (slice_is(key, "role") && json_peek(j) == JSON_STRING)
                json_string(j, &role);
            else if (slice_is(key, "content"))
                look_at_content(j, base, &m);
            else
                json_skip(j);
        }
    }
    if (role.n == 0)
        return COMPLAIN(e, at,
                        "an entry of \"messages\" has no role (write each as "
                        "{\"role\": \"user\", \"content\": \"text\"})");
    all->content_bytes += m.content_bytes;
    if (slice_is(role, "user") && all->nonce_at == ITEM_NO_NONCE)
        all->nonce_at = m.nonce_at;
    return OK;
}

static int look_at_messages(struct slice raw, const struct place *at, struct message_facts *m,
                            struct err *e)
{
    struct json j = json_of(raw);
    size_t messages = 0;
    *m = (struct message_facts){.nonce_at = ITEM_NO_NONCE};
    for (json_enter_array(&j); json_next_item(&j); messages++) {
        int rc = look_at_message(&j, at, raw.p, m, e);
        if (rc < 0)
            return rc;
    }
    if (messages == 0)
        return COMPLAIN(e, at,
                        "\"messages\" is empty (write at least "
                        "[{\"role\": \"user\", \"content\": \"text\"}])");
    return OK;
}

static int add_prompt(const struct fields *f, const struct place *at, struct items *out,
                      struct err *e)
{
    struct buf text = {0};
    int rc = f->prompt.n > 0 ? json_unescape(f->prompt, &text) : OK;
    if (rc == OK && text.n == 0)
        rc = COMPLAIN(e, at, "\"prompt\" is empty (write the text to send, or delete the line)");
    if (rc == OK) {
        struct item *i = items_add(out);
        i->kind = PROMPT_TEXT;
        i->text = arena_copy(&out->arena, buf_slice(&text));
        i->input_tokens = items_estimate_tokens(text.n);
    }
    buf_release(&text);
    return rc;
}

static int add_messages(const struct fields *f, const struct place *at, bool chat,
                        struct items *out, struct err *e)
{
    struct message_facts m;
    if (!chat)
        return COMPLAIN(e, at,
                        "\"messages\" needs a chat endpoint (add --backend openai-chat, or "
                        "write \"prompt\": \"text\" instead)");
    int rc = look_at_messages(f->messages, at, &m, e);
    if (rc < 0)
        return rc;
    struct item *i = items_add(out);
    i->kind = PROMPT_MESSAGES;
    i->text = arena_copy(&out->arena, f->messages);
    i->nonce_at = m.nonce_at;
    i->input_tokens = items_estimate_tokens(m.content_bytes);
    return OK;
}

static int add_item(const struct fields *f, const struct place *at, bool chat, struct items *out,
                    struct err *e)
{
    int rc;
    if (f->has_prompt && f->has_messages)
        return COMPLAIN(e, at, "both \"prompt\" and \"messages\" are given (keep one of them)");
    if (f->has_prompt)
        rc = add_prompt(f, at, out, e);
    else if (f->has_messages)
        rc = add_messages(f, at, chat, out, e);
    else
        rc = COMPLAIN(e, at,
                      "neither \"prompt\" nor \"messages\" is given (write "
                      "{\"prompt\": \"text\"})");
    if (rc < 0)
        return rc;
    struct item *i = &out->v[out->n - 1];
    i->output_tokens = f->output_tokens;
    i->source = out->n - 1;
    return OK;
}

/* Puts the item's time behind the times so far, which all lines have or none. */
static int add_time(const struct fields *f, const struct place *at, struct items *out, size_t *room,
                    struct err *e)
{
    size_t i = out->n - 1;
    if (i > 0 && f->has_at != (out->at_ns != NULL))
        return COMPLAIN(e, at,
                        "\"at_ms\" is %s here and %s on the lines before (write it on every "
                        "line or on none)",
                        f->has_at ? "given" : "missing", f->has_at ? "missing" : "given");
    if (!f->has_at)
        return OK;
    int64_t at_ns = llround(f->at_ms * (double)NS_PER_MS);
    if (i > 0 && at_ns < out->at_ns[i - 1])
        return COMPLAIN(e, at, "\"at_ms\" %g is before the line above (sort the lines by at_ms)",
                        f->at_ms);
    if (i == *room) {
        *room = out->cap;
        out->at_ns = mem_resize(out->at_ns, *room * sizeof *out->at_ns);
    }
    out->at_ns[i] = at_ns;
    return OK;
}

int custom_parse(struct slice text, const char *name, bool chat, struct items *out, struct err *e)
{
    struct place at = {.name = name};
    size_t room = 0;
    out->estimated = true;
    while (text.n > 0) {
        const char *newline = memchr(text.p, '\n', text.n);
        size_t n = newline ? (size_t)(newline - text.p) : text.n;
        struct slice line = slice_trim(slice_make(text.p, n));
        size_t used = newline ? n + 1 : n;
        text = slice_make(text.p + used, text.n - used);
        at.line++;
        if (line.n == 0)
            continue;
        struct fields f;
        size_t bad;
        int rc = read_line(line, &at, &f, e);
        if (rc == OK && !json_is_utf8(line, &bad))
            rc = COMPLAIN(e, &at, "column %zu is not UTF-8 text (convert the file, see iconv)",
                          bad + 1);
        if (rc == OK)
            rc = add_item(&f, &at, chat, out, e);
        if (rc == OK)
            rc = add_time(&f, &at, out, &room, e);
        if (rc < 0)
            return rc;
    }
    if (out->n == 0)
        return err_set(e, ERR_INPUT,
                       "%s has no items (write one JSON object a line, for example "
                       "{\"prompt\": \"Tell me a story\"})",
                       name);
    return OK;
}
