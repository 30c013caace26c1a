#ifndef LOADLINE_WIRE_SSE_H
#define LOADLINE_WIRE_SSE_H

/* Server-sent events (WHATWG HTML, §9.2) as a pure incremental parser: any split of the bytes gives the
 * same events. LF, CR and CRLF end lines; a leading byte order mark is skipped; several data lines are
 * joined by LF; comment lines (pings) give no event. An event that lies whole in one feed and has one
 * data line is a view into the input; otherwise it is joined in a buffer that grows up to max_event_bytes
 * and is given back when it stood idle. An unfinished event at the end of the stream is not dispatched
 * (the standard's rule); sse_pending tells whether there was one. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum { SSE_DEFAULT_MAX_EVENT_BYTES = 64 * 1024 * 1024 };

struct sse_event {
    struct slice data; /* valid until the next call with this parser or the input changes */
    struct slice name; /* of the "event:" field; empty when none */
};

struct sse {
    int state;
    bool has_data;     /* the event being read has at least one data line */
    bool skip_lf;
    bool at_start;
    uint64_t comments;
    struct buf line;   /* line split between feeds */
    struct buf data;   /* joined data of the event being read */
    struct buf name;
};

void sse_init(struct sse *s, size_t max_event_bytes);
void sse_reset(struct sse *s);
void sse_release(struct sse *s);

/* Takes bytes off the front of in until an event is complete. Returns how many were used; *got says whether
 * out holds an event (call again with the rest) or the input is used up. ERR_TOO_BIG past the maximum. */
int64_t sse_parse(struct sse *s, struct slice in, struct sse_event *out, bool *got);

/* True when bytes of an unfinished event have been read. */
bool sse_pending(const struct sse *s);

#endif
