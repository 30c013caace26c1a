#ifndef LOADLINE_SERVE_FAULT_H
#define LOADLINE_SERVE_FAULT_H

/* Faults on demand. Whether a request gets one, which and where follows from the seed and its X-Request-Id alone, so a client
 * that sends the same requests meets the same faults, in whatever order they come. Requests without an id are spared:
 * a client asks them while it sets up. */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum fault_kind {
    FAULT_NONE,
    FAULT_REFUSE,          /* the connection is reset as soon as it stands */
    FAULT_RESET,           /* … before the head of the answer */
    FAULT_429,
    FAULT_500,
    FAULT_RESET_MIDSTREAM, /* from here on of streams only; … after some tokens */
    FAULT_STALL,           /* nothing comes any more, and the connection stays */
    FAULT_TRUNCATE,        /* the connection is closed after some tokens */
    FAULT_MALFORMED_CHUNK, /* a chunk's size is no number */
    FAULT_MALFORMED_JSON,  /* an event is no JSON */
    FAULT_ERROR,           /* an error event ends the stream */
    FAULT_SLOW_HEADERS,    /* the head comes byte by byte, slowly */
    FAULT_SPLIT_UTF8,      /* words have characters of several bytes, torn apart between two writes */
    FAULT_COALESCE,        /* several events in one write */
    FAULT_ONE_BYTE,        /* a write for each byte */
    FAULT_KINDS,
};

struct fault_rates { /* share of requests (FAULT_REFUSE: of connections), together at most 1 */
    double rate[FAULT_KINDS];
};

struct fault {
    enum fault_kind kind;
    double where; /* in (0, 1]: place within the stream */
};

/* "KIND=RATE", added to what was there. ERR_USAGE. */
int fault_rates_add(struct fault_rates *f, struct slice text, struct err *e);

struct fault fault_draw(const struct fault_rates *f, uint64_t seed, struct slice request_id,
                        bool stream);

/* Is the connection with this number refused? */
bool fault_refuses(const struct fault_rates *f, uint64_t seed, uint64_t connection);

/* How many of so many tokens go out before it strikes: at least one, unless there is but one. */
int64_t fault_place(const struct fault *f, int64_t tokens);

#endif
