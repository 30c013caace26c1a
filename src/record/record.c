#include "record/record.h"

static const char *const outcome_names[OUTCOME_COUNT] = {
    [OUTCOME_OK] = "ok",
    [OUTCOME_HTTP_ERROR] = "http_error",
    [OUTCOME_ENGINE_ERROR] = "engine_error",
    [OUTCOME_PROTOCOL_ERROR] = "protocol_error",
    [OUTCOME_CONNECT_FAILED] = "connect_failed",
    [OUTCOME_RESET] = "reset",
    [OUTCOME_TIMEOUT] = "timeout",
    [OUTCOME_TRUNCATED] = "truncated",
    [OUTCOME_CANCELLED] = "cancelled",
    [OUTCOME_DROPPED] = "dropped",
};

static const char *const source_names[] = {
    [TOKENS_NONE] = "none",
    [TOKENS_USAGE] = "usage",
    [TOKENS_CONTINUOUS] = "continuous",
    [TOKENS_TOKENIZER] = "tokenizer",
    [TOKENS_EVENTS] = "events",
};

enum { SOURCE_COUNT = sizeof source_names / sizeof source_names[0] };

static int place_of(const char *const *names, int count, struct slice name)
{
    for (int i = 0; i < count; i++)
        if (slice_is(name, names[i]))
            return i;
    return -1;
}

const char *outcome_name(enum outcome o)
{
    return (unsigned)o < OUTCOME_COUNT ? outcome_names[o] : "unknown";
}

int outcome_of(struct slice name)
{
    return place_of(outcome_names, OUTCOME_COUNT, name);
}

const char *token_source_name(enum token_source s)
{
    return (unsigned)s < SOURCE_COUNT ? source_names[s] : "unknown";
}

int token_source_of(struct slice name)
{
    return place_of(source_names, SOURCE_COUNT, name);
}
