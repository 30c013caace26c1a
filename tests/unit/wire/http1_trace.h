#ifndef LOADLINE_TESTS_HTTP1_TRACE_H
#define LOADLINE_TESTS_HTTP1_TRACE_H

/* The events of a stream of messages as text, one a line, body bytes joined: what must not depend on how the
 * bytes were cut. */

#include "base/buf.h"
#include "wire/http1.h"

struct trace {
    struct http1 h;
    struct buf text;
    bool in_body;
    bool failed;  /* the text ends in ERROR */
    bool no_body; /* answers to HEAD */
};

void trace_init(struct trace *t, enum http1_kind kind);
void trace_release(struct trace *t);

/* Feeds bytes (from memory of exactly their size) and writes down the events. After a message the next one
 * is begun, as on a connection that is kept. */
void trace_feed(struct trace *t, struct slice bytes);

/* The peer closes: "EOF ok" or "EOF cut". */
void trace_eof(struct trace *t);

/* Writers of lines, for an oracle that makes the same text. */
void trace_line(struct buf *text, bool *in_body, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void trace_body(struct buf *text, bool *in_body, struct slice data);

#endif
