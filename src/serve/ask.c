#include "serve/ask.h"

#include <math.h>
#include <stddef.h>

#include "base/json.h"
#include "sim/text.h"

struct reader {
    struct json j;
    enum ask_kind kind;
    int vocabulary;
    struct ask *ask;
    struct ask_fault *fault;
    struct buf text; /* a string with its escapes undone */
    bool temperature_zero, has_seed;
    int64_t max_tokens, max_completion_tokens; /* 0: not given */
};

static int refuse(struct reader *r, const char *param, const char *why)
{
    r->fault->param = param;
    return err_set(&r->fault->err, ERR_INPUT, "'%s' %s", param, why);
}

/* ---- prompts into tokens ---- */

static void add_token(struct reader *r, uint32_t id)
{
    r->ask->prompt_tokens++;
    buf_append(&r->ask->ids, &id, sizeof id);
}

static void add_mark(struct reader *r, enum text_mark mark)
{
    add_token(r, (uint32_t)(r->vocabulary - (int)mark));
}

static void add_text(struct reader *r, struct slice text)
{
    r->ask->prompt_hash = text_hash(r->ask->prompt_hash, text.p, text.n);
    while (text.n > 0) {
        size_t n = text_piece(text);
        add_token(r, text_token(slice_make(text.p, n), r->vocabulary));
        text.p += n;
        text.n -= n;
    }
}

/* A JSON string's text; a view that lasts until the next call. */
static struct slice plain_text(struct reader *r, struct slice raw)
{
    if (raw.n == 0 || !memchr(raw.p, '\\', raw.n))
        return raw;
    buf_clear(&r->text);
    json_unescape(raw, &r->text);
    return buf_slice(&r->text);
}

static int read_string(struct reader *r, const char *param, struct slice *text)
{
    struct slice raw = {0};
    if (json_peek(&r->j) != JSON_STRING)
        return refuse(r, param, "must be a string");
    if (!json_string(&r->j, &raw))
        return ERR_PROTOCOL;
    *text = plain_text(r, raw);
    return OK;
}

static int add_id(struct reader *r)
{
    int64_t id;
    if (json_peek(&r->j) != JSON_NUMBER || !json_int(&r->j, &id))
        return refuse(r, "prompt", "must be a string, or a list of token ids (whole numbers)");
    if (id < 0 || id >= r->vocabulary)
        return refuse(r, "prompt", "holds a token id outside the vocabulary");
    r->ask->prompt_hash = text_hash(r->ask->prompt_hash, &id, sizeof id);
    add_token(r, (uint32_t)id);
    return OK;
}

static int read_ids(struct reader *r)
{
    json_enter_array(&r->j);
    while (json_next_item(&r->j)) {
        int rc = add_id(r);
        if (rc < 0)
            return rc;
    }
    return OK;
}

/* A list: of ids, or holding one prompt that is a string or a list of ids. */
static int read_prompt_list(struct reader *r)
{
    json_enter_array(&r->j);
    size_t items = 0;
    enum json_type first = JSON_INVALID;
    while (json_next_item(&r->j)) {
        enum json_type type = json_peek(&r->j);
        struct slice text = {0};
        int rc;
        if (items++ == 0)
            first = type;
        else if (first != JSON_NUMBER)
            return refuse(r, "prompt", "may hold one prompt only: send a request for each");
        if (type == JSON_STRING && first == JSON_STRING) {
            rc = read_string(r, "prompt", &text);
            if (rc == OK)
                add_text(r, text);
        } else if (type == JSON_ARRAY && first == JSON_ARRAY) {
            rc = read_ids(r);
        } else {
            rc = add_id(r);
        }
        if (rc < 0)
            return rc;
    }
    return OK;
}

static int read_prompt(struct reader *r)
{
    if (r->ask->has_prompt)
        return refuse(r, "prompt", "is given twice");
    r->ask->has_prompt = true;
    if (json_peek(&r->j) == JSON_ARRAY)
        return read_prompt_list(r);
    struct slice text = {0};
    int rc = read_string(r, "prompt", &text);
    if (rc == OK)
        add_text(r, text);
    return rc;
}

/* ---- chat messages ---- */

static int read_part(struct reader *r)
{
    if (json_peek(&r->j) != JSON_OBJECT)
        return refuse(r, "messages", "has a content part that is not an object");
    struct slice key;
    bool text_type = false;
    json_enter_object(&r->j);
    while (json_next_key(&r->j, &key)) {
        struct slice text = {0};
        int rc = OK;
        if (slice_is(key, "type")) {
            rc = read_string(r, "messages", &text);
            text_type = rc == OK && slice_is(text, "text");
        } else if (slice_is(key, "text")) {
            rc = read_string(r, "messages", &text);
            if (rc == OK)
                add_text(r, text);
        } else {
            json_skip(&r->j);
        }
        if (rc < 0)
            return rc;
    }
    return text_type || r->j.failed
               ? OK
               : refuse(r, "messages", "may have content parts of type \"text\" only");
}

static int read_content(struct reader *r)
{
    enum json_type type = json_peek(&r->j);
    if (type == JSON_NULL) { /* an assistant's turn that was a tool call */
        json_skip(&r->j);
        return OK;
    }
    if (type == JSON_ARRAY) {
        json_enter_array(&r->j);
        while (json_next_item(&r->j)) {
            int rc = read_part(r);
            if (rc < 0)
                return rc;
        }
        return OK;
    }
    if (type != JSON_STRING)
        return refuse(r, "messages", "must have a string or a list of parts as content");
    struct slice text = {0};
    int rc = read_string(r, "messages", &text);
    if (rc == OK)
        add_text(r, text);
    return rc;
}

/* Role and content may come in either order: their tokens are counted, so order is for ids only. */
static int read_message(struct reader *r)
{
    if (json_peek(&r->j) != JSON_OBJECT)
        return refuse(r, "messages", "must be a list of objects with role and content");
    struct slice key, role = {0};
    bool has_role = false;
    add_mark(r, TEXT_MARK_BEGIN);
    json_enter_object(&r->j);
    while (json_next_key(&r->j, &key)) {
        int rc = OK;
        if (slice_is(key, "role")) {
            rc = read_string(r, "messages", &role);
            if (rc == OK)
                add_text(r, role);
            add_mark(r, TEXT_MARK_BODY);
            has_role = true;
        } else if (slice_is(key, "content")) {
            rc = read_content(r);
        } else {
            json_skip(&r->j);
        }
        if (rc < 0)
            return rc;
    }
    add_mark(r, TEXT_MARK_END);
    return has_role || r->j.failed ? OK : refuse(r, "messages", "has a message without a role");
}

static int read_messages(struct reader *r)
{
    if (r->ask->has_prompt)
        return refuse(r, "messages", "is given twice, or beside a prompt");
    if (json_peek(&r->j) != JSON_ARRAY)
        return refuse(r, "messages", "must be a list of objects with role and content");
    int64_t before = r->ask->prompt_tokens;
    json_enter_array(&r->j);
    while (json_next_item(&r->j)) {
        int rc = read_message(r);
        if (rc < 0)
            return rc;
    }
    if (r->ask->prompt_tokens == before && !r->j.failed)
        return refuse(r, "messages", "must hold at least one message");
    r->ask->has_prompt = true;
    add_mark(r, TEXT_MARK_BEGIN);
    add_text(r, slice_of("assistant"));
    add_mark(r, TEXT_MARK_BODY);
    return OK;
}

/* ---- the other fields ---- */

static int read_stop(struct reader *r)
{
    struct ask *a = r->ask;
    struct slice text = {0};
    if (a->stop_count == ASK_MAX_STOPS)
        return refuse(r, "stop", "may hold 16 strings at most");
    int rc = read_string(r, "stop", &text);
    if (rc < 0)
        return rc;
    if (text.n == 0)
        return refuse(r, "stop", "must not hold an empty string");
    a->stops[a->stop_count++] = (struct ask_range){a->texts.n, text.n};
    buf_put(&a->texts, text);
    return OK;
}

static int read_stops(struct reader *r)
{
    r->ask->stop_count = 0;
    if (json_peek(&r->j) != JSON_ARRAY)
        return read_stop(r);
    json_enter_array(&r->j);
    while (json_next_item(&r->j)) {
        int rc = read_stop(r);
        if (rc < 0)
            return rc;
    }
    return OK;
}

static int read_bool(struct reader *r, const char *param, bool *out)
{
    enum json_type type = json_peek(&r->j);
    if (type != JSON_TRUE && type != JSON_FALSE)
        return refuse(r, param, "must be true or false");
    return json_bool(&r->j, out) ? OK : ERR_PROTOCOL;
}

static int read_stream_options(struct reader *r)
{
    if (json_peek(&r->j) != JSON_OBJECT)
        return refuse(r, "stream_options", "must be an object");
    struct slice key;
    json_enter_object(&r->j);
    while (json_next_key(&r->j, &key)) {
        int rc = OK;
        bool *flag = slice_is(key, "include_usage")            ? &r->ask->include_usage
                     : slice_is(key, "continuous_usage_stats") ? &r->ask->continuous_usage
                                                               : NULL;
        if (flag && json_peek(&r->j) != JSON_NULL)
            rc = read_bool(r, "stream_options", flag);
        else
            json_skip(&r->j);
        if (rc < 0)
            return rc;
    }
    return OK;
}

static int read_model(struct reader *r)
{
    struct slice text = {0};
    int rc = read_string(r, "model", &text);
    if (rc < 0)
        return rc;
    buf_clear(&r->ask->model);
    return buf_put(&r->ask->model, text);
}

/* Whole numbers, with the values OpenAI's and vLLM's references allow. */
struct whole_field {
    const char *name;
    int64_t low, high;
    const char *why;
};

static const struct whole_field whole_fields[] = {
    {"max_tokens", 1, INT64_MAX, "must be a whole number of at least 1"},
    {"max_completion_tokens", 1, INT64_MAX, "must be a whole number of at least 1"},
    {"min_tokens", 0, INT64_MAX, "must be a whole number of at least 0"},
    {"n", 1, 1, "must be 1: one answer a request"},
    {"best_of", 1, 1, "must be 1: one answer a request"},
    {"seed", INT64_MIN, INT64_MAX, "must be a whole number"},
    {"top_k", -1, INT64_MAX, "must be a whole number of at least -1"},
};

struct number_field {
    const char *name;
    double low, high;
    const char *why;
};

static const struct number_field number_fields[] = {
    {"temperature", 0, INFINITY, "must be a number of at least 0"},
    {"top_p", 0, 1, "must be a number from 0 to 1"},
    {"min_p", 0, 1, "must be a number from 0 to 1"},
    {"presence_penalty", -2, 2, "must be a number from -2 to 2"},
    {"frequency_penalty", -2, 2, "must be a number from -2 to 2"},
    {"repetition_penalty", 0, INFINITY, "must be a number of at least 0"},
};

enum {
    WHOLE_FIELDS = sizeof whole_fields / sizeof whole_fields[0],
    NUMBER_FIELDS = sizeof number_fields / sizeof number_fields[0],
};

static int read_whole(struct reader *r, const struct whole_field *f)
{
    int64_t v;
    if (json_peek(&r->j) != JSON_NUMBER || !json_int(&r->j, &v) || v < f->low || v > f->high)
        return refuse(r, f->name, f->why);
    struct slice name = slice_of(f->name);
    if (slice_is(name, "max_tokens")) {
        r->max_tokens = v;
    } else if (slice_is(name, "max_completion_tokens")) {
        r->max_completion_tokens = v;
    } else if (slice_is(name, "min_tokens")) {
        r->ask->min_tokens = v;
    } else if (slice_is(name, "seed")) {
        r->ask->seed = v;
        r->has_seed = true;
    }
    return OK;
}

static int read_number(struct reader *r, const struct number_field *f)
{
    double v;
    if (json_peek(&r->j) != JSON_NUMBER || !json_double(&r->j, &v) || v < f->low || v > f->high)
        return refuse(r, f->name, f->why);
    if (slice_is(slice_of(f->name), "temperature"))
        r->temperature_zero = v == 0;
    return OK;
}

static int read_numeric(struct reader *r, struct slice key)
{
    for (size_t i = 0; i < WHOLE_FIELDS; i++)
        if (slice_is(key, whole_fields[i].name))
            return read_whole(r, &whole_fields[i]);
    for (size_t i = 0; i < NUMBER_FIELDS; i++)
        if (slice_is(key, number_fields[i].name))
            return read_number(r, &number_fields[i]);
    json_skip(&r->j);
    return OK;
}

static int read_field(struct reader *r, struct slice key)
{
    enum json_type type = json_peek(&r->j);
    if (type == JSON_NULL || type == JSON_INVALID) { /* the second is no JSON, and noted as such */
        json_skip(&r->j);
        return OK;
    }
    if (slice_is(key, "model"))
        return read_model(r);
    if (slice_is(key, "prompt") && r->kind != ASK_CHAT)
        return read_prompt(r);
    if (slice_is(key, "messages") && r->kind != ASK_COMPLETION)
        return read_messages(r);
    if (slice_is(key, "stop"))
        return read_stops(r);
    if (slice_is(key, "stream"))
        return read_bool(r, "stream", &r->ask->stream);
    if (slice_is(key, "ignore_eos"))
        return read_bool(r, "ignore_eos", &r->ask->ignore_eos);
    if (slice_is(key, "stream_options"))
        return read_stream_options(r);
    bool echo = false;
    if (slice_is(key, "echo")) {
        int rc = read_bool(r, "echo", &echo);
        return rc == OK && echo ? refuse(r, "echo", "is not supported by this engine") : rc;
    }
    return read_numeric(r, key);
}

static int read_fields(struct reader *r)
{
    struct slice raw;
    json_enter_object(&r->j);
    while (json_next_key(&r->j, &raw)) {
        int rc = read_field(r, raw);
        if (rc < 0 && !r->fault->param)
            break;
        if (rc < 0)
            return rc;
    }
    if (json_end(&r->j) == OK)
        return OK;
    return err_set(&r->fault->err, ERR_PROTOCOL, "the body is not a JSON object: error at byte %zu",
                   json_offset(&r->j));
}

/* What fields mean together. */
static int settle(struct reader *r)
{
    struct ask *a = r->ask;
    a->max_tokens = r->max_completion_tokens ? r->max_completion_tokens
                    : r->max_tokens          ? r->max_tokens
                                             : -1;
    a->repeatable = r->temperature_zero || r->has_seed;
    const char *prompt = r->kind == ASK_CHAT ? "messages" : "prompt";
    if (!a->has_prompt)
        return refuse(r, prompt, "is missing");
    if (a->prompt_tokens == 0 && r->kind != ASK_TOKENIZE)
        return refuse(r, prompt, "must not be empty");
    if (a->max_tokens > 0 && a->min_tokens > a->max_tokens)
        return refuse(r, "min_tokens", "must not exceed max_tokens");
    return OK;
}

int ask_parse(enum ask_kind kind, struct slice body, int vocabulary, struct ask *out,
              struct ask_fault *fault)
{
    *out = (struct ask){.prompt_hash = TEXT_HASH_BEGIN, .max_tokens = -1};
    *fault = (struct ask_fault){0};
    struct reader r = {
        .j = json_of(body), .kind = kind, .vocabulary = vocabulary, .ask = out, .fault = fault};
    int rc = read_fields(&r);
    if (rc == OK)
        rc = settle(&r);
    buf_release(&r.text);
    return rc;
}

void ask_release(struct ask *a)
{
    buf_release(&a->model);
    buf_release(&a->ids);
    buf_release(&a->texts);
}
