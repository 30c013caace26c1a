#ifndef LOADLINE_SERVE_REPLY_H
#define LOADLINE_SERVE_REPLY_H

/* Texts the server answers with. Everything appends to a buffer; nothing is sent here. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct reply_head {
    int status;
    const char *content_type;  /* NULL for none */
    const char *allow;         /* methods, with 405; NULL for none */
    int retry_after_s;         /* 0 for none */
    struct slice request_id;   /* echoed; empty for none */
    struct slice date;
    bool chunked;              /* else length_bytes; a body that ends with the connection has neither */
    bool until_close;
    uint64_t length_bytes;
    bool keep_alive;
};

void reply_head(struct buf *out, const struct reply_head *h);

/* {"error":{…}} as OpenAI writes it; param may be NULL. */
void reply_error(struct buf *out, int status, const char *message, const char *param);

/* {"prompt_tokens":…}: the value of "usage". */
struct reply_usage {
    int64_t prompt_tokens, output_tokens;
    int64_t cached_tokens; /* of the prompt */
};

void reply_usage(struct buf *out, const struct reply_usage *u);

/* What all events and bodies of one answer have in common. */
struct reply_answer {
    const char *id;
    const char *model;
    int64_t created_s;
    bool chat;
};

/* An event of a stream up to its text, and behind its text up to the finish reason's value: pieces that stay the
 * same for all of its tokens. Behind the value comes "}]", then ,"usage":… if wanted, then "}\n\n". */
void reply_event_front(struct buf *out, const struct reply_answer *a);
void reply_event_back(struct buf *out, const struct reply_answer *a);

/* Whole events: the role that begins a chat, the usage behind the last token, an error. */
void reply_role_event(struct buf *out, const struct reply_answer *a);
void reply_usage_event(struct buf *out, const struct reply_answer *a, const struct reply_usage *u);
void reply_error_event(struct buf *out, int status, const char *message);

/* The body of an answer that is not streamed. */
void reply_body(struct buf *out, const struct reply_answer *a, struct slice text,
                const char *finish_reason, const struct reply_usage *u);

/* A chunk of chunked coding around what is appended between the calls (at least a byte). Room is kept for
 * the longest size: the chunk begins at the place that reply_chunk_end returns. */
size_t reply_chunk_begin(struct buf *out);
size_t reply_chunk_end(struct buf *out, size_t begin);

/* Decimal digits of v ≥ 0, without printf. */
void reply_put_count(struct buf *out, int64_t v);

#endif
