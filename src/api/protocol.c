#include "api/protocol.h"

#include <stdio.h>

#include "api/openai.h"
#include "base/json.h"

static const struct protocol *const PROTOCOLS[] = {&openai_completions, &openai_chat};

const struct protocol *protocol_at(unsigned i)
{
    return i < sizeof PROTOCOLS / sizeof *PROTOCOLS ? PROTOCOLS[i] : NULL;
}

const struct protocol *protocol_find(const char *name)
{
    for (unsigned i = 0; protocol_at(i); i++)
        if (strcmp(protocol_at(i)->name, name) == 0)
            return protocol_at(i);
    return NULL;
}

static const struct {
    enum api_field field;
    const char *name;
} FIELDS[] = {
    {API_IGNORE_EOS, "ignore_eos"},         {API_MIN_TOKENS, "min_tokens"},
    {API_STREAM_OPTIONS, "stream_options"}, {API_CONTINUOUS_USAGE, "continuous_usage_stats"},
    {API_TEMPERATURE, "temperature"},       {API_TOP_P, "top_p"},
    {API_MAX_TOKENS, "max_tokens"},
};
enum { FIELD_COUNT = sizeof FIELDS / sizeof *FIELDS };

const char *api_field_name(enum api_field f)
{
    for (int i = 0; i < FIELD_COUNT; i++)
        if (FIELDS[i].field == f)
            return FIELDS[i].name;
    return "?";
}

int api_check_extra_body(const char *text, unsigned *overridden, struct err *e)
{
    struct json j = json_of(slice_of(text));
    struct slice key;
    *overridden = 0;
    if (json_peek(&j) != JSON_OBJECT)
        return err_set(e, ERR_USAGE,
                       "--extra-body must be a JSON object, for example '{\"top_k\": 40}'");
    for (json_enter_object(&j); json_next_key(&j, &key);) {
        for (int i = 0; i < FIELD_COUNT; i++)
            if (slice_is(key, FIELDS[i].name))
                *overridden |= (unsigned)FIELDS[i].field;
        if (slice_is(key, "max_completion_tokens"))
            *overridden |= API_MAX_TOKENS;
        if (slice_is(key, "model") || slice_is(key, "prompt") || slice_is(key, "messages") ||
            slice_is(key, "stream"))
            return err_set(e, ERR_USAGE, "--extra-body may not set \"%.*s\": it has its own option",
                           SLICE_ARG(key));
        json_skip(&j);
    }
    if (json_end(&j) < 0)
        return err_set(e, ERR_USAGE, "--extra-body is not valid JSON (near byte %zu)",
                       json_offset(&j));
    return OK;
}

/* Copies raw JSON string contents, escapes undone, control characters as blanks. */
static void copy_line(struct slice text, bool escaped, char *out, size_t room)
{
    struct buf plain = {0};
    if (escaped)
        json_unescape(text, &plain);
    else
        buf_put(&plain, text);
    struct slice s = slice_trim(buf_slice(&plain));
    size_t n = s.n < room - 1 ? s.n : room - 1;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        out[i] = c < ' ' || c == 0x7f ? ' ' : (char)c;
    }
    while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--; /* do not cut a character in half */
    out[n] = '\0';
    buf_release(&plain);
}

static bool message_of(struct json *j, struct slice *out)
{
    struct slice key;
    bool found = false;
    switch (json_peek(j)) {
    case JSON_STRING:
        return json_string(j, out);
    case JSON_OBJECT:
        for (json_enter_object(j); json_next_key(j, &key);) {
            bool wanted = slice_is(key, "message") || slice_is(key, "error") ||
                          slice_is(key, "detail") || slice_is(key, "msg");
            if (!found && wanted)
                found = message_of(j, out);
            else
                json_skip(j);
        }
        return found;
    case JSON_ARRAY: /* pydantic: {"detail": [{"loc": …, "msg": …}]}: the places matter too */
        return json_raw(j, out);
    default:
        json_skip(j);
        return false;
    }
}

void api_error_text(struct slice body, char *out, size_t room)
{
    struct slice found;
    struct json j = json_of(body);
    if (json_peek(&j) == JSON_OBJECT && message_of(&j, &found) && !j.failed)
        copy_line(found, true, out, room);
    else
        copy_line(slice_make(body.p, body.n < 4 * room ? body.n : 4 * room), false, out, room);
}
