#include "api/openai.h"

#include "base/json.h"

/* --- requests --- */

static bool wanted(const struct api_options *o, enum api_field f)
{
    return (o->fields & f) && !(o->overridden & f);
}

static int put_prompt(const struct prompt *p, struct buf *out)
{
    if (p->kind != PROMPT_TOKENS)
        return json_put_string(out, p->text);
    buf_putc(out, '[');
    for (size_t i = 0; i < p->token_count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        json_put_int(out, p->tokens[i]);
    }
    return buf_putc(out, ']');
}

static int put_messages(const struct prompt *p, struct buf *out)
{
    if (p->kind == PROMPT_MESSAGES)
        return buf_put(out, p->text);
    buf_puts(out, "[{\"role\":\"user\",\"content\":");
    json_put_string(out, p->text);
    return buf_puts(out, "}]");
}

static void put_lengths(const struct api_options *o, const struct prompt *p, bool chat,
                        struct buf *out)
{
    if (p->output_tokens <= 0)
        return;
    if (!(o->overridden & API_MAX_TOKENS))
        buf_printf(out, ",\"%s\":%lld",
                   chat && !(o->fields & API_MAX_TOKENS) ? "max_completion_tokens" : "max_tokens",
                   (long long)p->output_tokens);
    if (!p->exact_output && !o->exact_output)
        return;
    if (wanted(o, API_MIN_TOKENS))
        buf_printf(out, ",\"min_tokens\":%lld", (long long)p->output_tokens);
    if (wanted(o, API_IGNORE_EOS))
        buf_puts(out, ",\"ignore_eos\":true");
}

static int finish_request(const struct api_options *o, const struct prompt *p, bool chat,
                          struct buf *out)
{
    put_lengths(o, p, chat, out);
    if (wanted(o, API_TEMPERATURE)) {
        buf_puts(out, ",\"temperature\":");
        json_put_double(out, o->temperature);
    }
    if (wanted(o, API_TOP_P)) {
        buf_puts(out, ",\"top_p\":");
        json_put_double(out, o->top_p);
    }
    buf_puts(out, o->stream ? ",\"stream\":true" : ",\"stream\":false");
    if (o->stream && wanted(o, API_STREAM_OPTIONS))
        buf_puts(out, wanted(o, API_CONTINUOUS_USAGE)
                          ? ",\"stream_options\":{\"include_usage\":true,"
                            "\"continuous_usage_stats\":true}"
                          : ",\"stream_options\":{\"include_usage\":true}");
    if (o->extra_body) {
        struct slice inside = slice_trim(slice_of(o->extra_body));
        inside = slice_trim(slice_make(inside.p + 1, inside.n - 2)); /* without the braces */
        if (inside.n > 0) {
            buf_putc(out, ',');
            buf_put(out, inside);
        }
    }
    return buf_putc(out, '}');
}

static void begin_request(const struct api_options *o, struct buf *out)
{
    buf_puts(out, "{\"model\":");
    json_put_string(out, slice_of(o->model));
}

static int completions_request(const struct api_options *o, const struct prompt *p, struct buf *out)
{
    begin_request(o, out);
    buf_puts(out, ",\"prompt\":");
    put_prompt(p, out);
    return finish_request(o, p, false, out);
}

static int chat_request(const struct api_options *o, const struct prompt *p, struct buf *out)
{
    begin_request(o, out);
    buf_puts(out, ",\"messages\":");
    put_messages(p, out);
    return finish_request(o, p, true, out);
}

/* --- answers --- */

/* What the parts of one choice said, before it is decided whether that makes a token event. */
struct choice {
    bool present;    /* choices was not empty */
    bool role;       /* a role was given */
    bool empty_text; /* a text field was there, with nothing in it */
    bool other; /* tool calls or a refusal: generated, though neither answer text nor reasoning */
};

static void take_string(struct json *j, struct slice *into, struct choice *c)
{
    struct slice s;
    if (json_peek(j) != JSON_STRING) {
        json_skip(j);
        return;
    }
    if (!json_string(j, &s))
        return;
    if (s.n > 0)
        *into = s;
    else
        c->empty_text = true;
}

/* Anything but null, "" and [] counts: tool calls come as arrays, refusals as strings. */
static void take_other(struct json *j, struct choice *c)
{
    struct slice raw;
    if (json_raw(j, &raw) && !slice_is(raw, "null") && !slice_is(raw, "\"\"") &&
        !slice_is(raw, "[]"))
        c->other = true;
}

/* The object under "delta" or "message". */
static void read_message(struct json *j, struct choice *c, struct delta *out)
{
    struct slice key;
    if (json_peek(j) != JSON_OBJECT) {
        json_skip(j);
        return;
    }
    for (json_enter_object(j); json_next_key(j, &key);) {
        if (slice_is(key, "content")) {
            take_string(j, &out->text, c);
        } else if (slice_is(key, "role")) {
            c->role = true;
            json_skip(j);
        } else if (slice_is(key, "reasoning_content") || slice_is(key, "reasoning")) {
            take_string(j, &out->reasoning, c);
        } else if (slice_is(key, "tool_calls") || slice_is(key, "refusal") ||
                   slice_is(key, "function_call")) {
            take_other(j, c);
        } else {
            json_skip(j);
        }
    }
}

static void read_choices(struct json *j, struct choice *c, struct delta *out)
{
    struct slice key;
    if (json_peek(j) != JSON_ARRAY) {
        json_skip(j);
        return;
    }
    for (json_enter_array(j); json_next_item(j);) {
        if (c->present || json_peek(j) != JSON_OBJECT) { /* n is 1: there is one choice */
            json_skip(j);
            continue;
        }
        c->present = true;
        for (json_enter_object(j); json_next_key(j, &key);) {
            if (slice_is(key, "delta") || slice_is(key, "message"))
                read_message(j, c, out);
            else if (slice_is(key, "text"))
                take_string(j, &out->text, c);
            else if (slice_is(key, "finish_reason") && json_peek(j) == JSON_STRING)
                json_string(j, &out->finish_reason);
            else
                json_skip(j);
        }
    }
}

static void take_count(struct json *j, int64_t *into)
{
    if (json_peek(j) == JSON_NUMBER)
        json_int(j, into);
    else
        json_skip(j);
}

static void take_detail(struct json *j, const char *name, int64_t *into)
{
    struct slice key;
    if (json_peek(j) != JSON_OBJECT) {
        json_skip(j);
        return;
    }
    for (json_enter_object(j); json_next_key(j, &key);) {
        if (slice_is(key, name))
            take_count(j, into);
        else
            json_skip(j);
    }
}

static void read_usage(struct json *j, struct delta *out)
{
    struct slice key;
    if (json_peek(j) != JSON_OBJECT) {
        json_skip(j);
        return;
    }
    for (json_enter_object(j); json_next_key(j, &key);) {
        if (slice_is(key, "prompt_tokens"))
            take_count(j, &out->prompt_tokens);
        else if (slice_is(key, "completion_tokens"))
            take_count(j, &out->output_tokens);
        else if (slice_is(key, "prompt_tokens_details"))
            take_detail(j, "cached_tokens", &out->cached_tokens);
        else if (slice_is(key, "completion_tokens_details"))
            take_detail(j, "reasoning_tokens", &out->reasoning_tokens);
        else
            json_skip(j);
    }
}

static void read_error(struct json *j, struct delta *out)
{
    struct slice raw, key;
    switch (json_peek(j)) {
    case JSON_NULL:
        json_skip(j);
        return;
    case JSON_STRING:
        json_string(j, &out->error);
        break;
    case JSON_OBJECT:
        for (json_enter_object(j); json_next_key(j, &key);) {
            if (slice_is(key, "message") && json_peek(j) == JSON_STRING)
                json_string(j, &out->error);
            else
                json_skip(j);
        }
        break;
    default:
        if (json_raw(j, &raw))
            out->error = raw;
    }
    if (out->error.n == 0)
        out->error = slice_of("the server reported an error without a message");
}

static int read_object(struct slice data, struct choice *c, struct delta *out)
{
    struct json j = json_of(data);
    struct slice key;
    *c = (struct choice){0};
    *out = (struct delta){
        .prompt_tokens = -1, .output_tokens = -1, .cached_tokens = -1, .reasoning_tokens = -1};
    for (json_enter_object(&j); json_next_key(&j, &key);) {
        if (slice_is(key, "choices"))
            read_choices(&j, c, out);
        else if (slice_is(key, "usage"))
            read_usage(&j, out);
        else if (slice_is(key, "error"))
            read_error(&j, out);
        else
            json_skip(&j);
    }
    if (json_end(&j) < 0)
        return ERR_PROTOCOL;
    return OK;
}

/* Is this a token event, and of how many tokens? With continuous usage the increment says; a server
 * that sends it does so from the first event with choices on. Without, every event counts one but
 * the role-only, the usage-only and the finish-only: an event with empty text and neither role nor
 * finish is a token too (half a UTF-8 character, a special token). */
static void count_tokens(struct api_stream *s, const struct choice *c, struct delta *out)
{
    bool has_answer = out->text.n > 0 || c->other;
    bool has_text = has_answer || out->reasoning.n > 0;
    out->answer = has_answer;
    if (!c->present)
        return;
    if (!s->decided) {
        s->decided = true;
        s->continuous = out->output_tokens >= 0;
    }
    if (s->continuous && out->output_tokens >= 0) {
        out->tokens =
            out->output_tokens > s->counted ? (uint64_t)(out->output_tokens - s->counted) : 0;
        if (out->output_tokens > s->counted)
            s->counted = out->output_tokens;
        out->token = out->tokens > 0 || has_text;
        return;
    }
    out->token = has_text || (c->empty_text && !c->role && out->finish_reason.n == 0);
    out->tokens = out->token ? 1 : 0;
}

static int openai_event(struct api_stream *s, struct slice data, struct delta *out)
{
    struct choice c;
    int rc = read_object(data, &c, out);
    if (rc < 0)
        return rc;
    count_tokens(s, &c, out);
    return OK;
}

static int openai_whole(struct slice body, struct delta *out)
{
    struct choice c;
    int rc = read_object(body, &c, out);
    if (rc < 0)
        return rc;
    if (!c.present && out->error.n == 0)
        return ERR_PROTOCOL;
    out->token = out->answer = c.present;
    out->tokens = out->output_tokens > 0 ? (uint64_t)out->output_tokens : 1;
    out->done = true;
    return OK;
}

const struct protocol openai_completions = {
    .name = "openai",
    .path = "/v1/completions",
    .what = "OpenAI completions: POST /v1/completions",
    .framing = FRAMING_SSE,
    .done_text = "[DONE]",
    .request = completions_request,
    .event = openai_event,
    .whole = openai_whole,
};

const struct protocol openai_chat = {
    .name = "openai-chat",
    .path = "/v1/chat/completions",
    .what = "OpenAI chat completions: POST /v1/chat/completions",
    .framing = FRAMING_SSE,
    .chat = true,
    .done_text = "[DONE]",
    .request = chat_request,
    .event = openai_event,
    .whole = openai_whole,
};
