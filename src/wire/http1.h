#ifndef LOADLINE_WIRE_HTTP1_H
#define LOADLINE_WIRE_HTTP1_H

/* HTTP/1.1 messages (RFC 9112) as a pure incremental parser: fed any split of the bytes, it gives the
 * same events. It reads no clock, does no I/O and allocates only to join a header line that was split
 * between two feeds; that buffer is freed when the head is complete. Body bytes are views into the
 * input, chunk framing removed.
 *
 *     while ((n = http1_parse(&h, in, &ev)) >= 0) {
 *         in.p += n; in.n -= n;
 *         switch (ev.type) { case HTTP1_MORE: return; … }
 *     }
 *
 * Strict where laxness lets messages be smuggled: a bad chunk size, a Content-Length that disagrees,
 * both Content-Length and chunked, bare CR, control characters in a head are errors. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    HTTP1_MAX_HEAD_BYTES = 64 * 1024, /* all header lines together */
    HTTP1_MAX_HEADERS = 256,
};

enum http1_kind { HTTP1_RESPONSE, HTTP1_REQUEST };

enum http1_event_type {
    HTTP1_MORE = 0, /* input used up; nothing to report */
    HTTP1_START,    /* response: status, reason · request: method, target */
    HTTP1_HEADER,   /* name, value (trimmed) */
    HTTP1_HEAD_END, /* the head is complete; 1xx responses are swallowed whole and never reported */
    HTTP1_BODY,     /* data: body bytes */
    HTTP1_END,      /* message complete; input behind it is left alone (pipelining); said again, taking
                       nothing, until http1_reset */
};

struct http1_event {
    enum http1_event_type type;
    int status;                     /* START of a response */
    struct slice reason;            /* START of a response; may be empty */
    struct slice method, target;    /* START of a request */
    struct slice name, value;       /* HEADER */
    struct slice data;              /* BODY */
};

struct http1 {
    enum http1_kind kind;
    int state;
    int status;
    bool no_body;          /* set by http1_expect_no_body (the answer to HEAD) */
    bool keep_alive;       /* valid from HEAD_END on: may the connection carry another message? */
    bool chunked;
    bool has_length;
    bool expect_continue;  /* request asks for 100-continue */
    int minor;             /* HTTP/1.minor */
    uint64_t left;         /* body or chunk bytes still to come */
    bool saw_close;        /* "Connection: close": no later field takes it back */
    bool line_done;        /* the event last given may look into `line`: cleared at the next call */
    uint32_t head_bytes, headers;
    struct buf line;       /* a line split between feeds */
};

void http1_init(struct http1 *h, enum http1_kind kind);
void http1_release(struct http1 *h);
void http1_reset(struct http1 *h); /* for the next message on the same connection */
void http1_expect_no_body(struct http1 *h);

/* Takes bytes off the front of in. Returns how many were used (≥ 0) and fills ev; ERR_PROTOCOL for bytes
 * that are not HTTP, ERR_TOO_BIG past the bounds above. HTTP1_MORE uses all of in. The slices of an event
 * hold until the next call; only the fields named above for its type are set. After HEAD_END and after the
 * last BODY call once more, if need be with nothing: END may be due. Trailer fields are checked and dropped. */
int64_t http1_parse(struct http1 *h, struct slice in, struct http1_event *ev);

/* The peer closed. OK if that ends the message properly (a response without length or chunks: the
 * caller treats it as HTTP1_END), ERR_PROTOCOL if it was cut short or had not begun. */
int http1_eof(struct http1 *h);

/* A short text for what http1_parse disliked. */
const char *http1_error(const struct http1 *h);

#endif
