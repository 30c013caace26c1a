#ifndef LOADLINE_API_PROTOCOL_H
#define LOADLINE_API_PROTOCOL_H

/* Protocol adapters: a prompt becomes a request body, an event of the answer becomes a delta. One file per
 * protocol, one struct of functions each; the driver knows none of them by name. No I/O, no clock. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "workload/prompt.h"

/* Optional fields of a request body. A server may refuse one; it is then left out of all requests. */
enum api_field {
    API_IGNORE_EOS = 1 << 0,
    API_MIN_TOKENS = 1 << 1,
    API_STREAM_OPTIONS = 1 << 2,   /* {"include_usage": true} */
    API_CONTINUOUS_USAGE = 1 << 3, /* "continuous_usage_stats" within it */
    API_TEMPERATURE = 1 << 4,
    API_TOP_P = 1 << 5,
    API_MAX_TOKENS = 1 << 6,       /* when chat refuses it, max_completion_tokens is sent instead */
};

/* How a server marks the end of a stream, which its first answer tells. */
enum api_ending {
    API_ENDS_ANYHOW = 0,   /* with the protocol's terminator, whatever came before */
    API_ENDS_WITH_REASON,  /* a finish_reason, then the terminator: without the first the answer was cut off */
    API_ENDS_WITHOUT_DONE, /* a finish_reason and no terminator */
};

/* The field's name on the wire, for messages and for finding it in a server's complaint. */
const char *api_field_name(enum api_field f);

struct api_options {
    const char *model;
    bool stream;
    unsigned fields;          /* set of enum api_field to send where the prompt calls for them */
    bool exact_output;        /* min_tokens and ignore_eos for every prompt, not only drawn ones */
    double temperature, top_p;
    const char *extra_body;   /* a JSON object whose members are added; NULL for none */
    enum api_ending ending;
    unsigned overridden;      /* fields that extra_body sets itself (api_check_extra_body) */
};

/* What one event of the answer brought. Slices are views into the event (text still JSON-escaped). */
struct delta {
    bool token;               /* a token event: it carries generated tokens (docs/metrics.md) */
    bool answer;              /* … some of the answer itself; neither reasoning alone nor without any text, which
                                 may belong to either */
    bool done;                /* the stream's terminator */
    uint64_t tokens;          /* tokens it carries; 1 where the server does not count */
    int64_t prompt_tokens, output_tokens, cached_tokens, reasoning_tokens; /* totals so far; −1 not told */
    struct slice text, reasoning; /* raw JSON string contents */
    struct slice finish_reason;
    struct slice error;       /* not empty: the server reports a failure; its message, raw */
};

/* What an adapter remembers of one answer. Zero-initialise. */
struct api_stream {
    int64_t counted;          /* tokens counted by continuous usage */
    bool decided, continuous; /* the first event with choices decides */
};

enum framing { FRAMING_SSE, FRAMING_LINES };

struct protocol {
    const char *name;         /* as in --backend */
    const char *path;         /* default --endpoint */
    const char *what;         /* one line for help */
    enum framing framing;
    bool chat;                /* prompts are messages: no token ids */
    const char *done_text;    /* an event with just this text is the terminator; NULL: event() tells */

    /* Appends the body of one request. ERR_TOO_BIG from the buffer only. */
    int (*request)(const struct api_options *o, const struct prompt *p, struct buf *out);

    /* Reads one event of a stream. ERR_PROTOCOL when it is not what the protocol says. */
    int (*event)(struct api_stream *s, struct slice data, struct delta *out);

    /* Reads a whole answer that was not streamed. */
    int (*whole)(struct slice body, struct delta *out);
};

const struct protocol *protocol_find(const char *name); /* NULL when there is none */
const struct protocol *protocol_at(unsigned i);         /* NULL behind the last */

/* Checks that text is a JSON object and notes which optional fields it sets. ERR_USAGE with a sentence. */
int api_check_extra_body(const char *text, unsigned *overridden, struct err *e);

/* The server's own words out of an error body: {"error": {"message": …}}, {"error": "…"}, {"detail": …},
 * {"message": …}, or the beginning of the text, one line, at most `room` bytes with the terminator. */
void api_error_text(struct slice body, char *out, size_t room);

#endif
