#ifndef LOADLINE_SERVE_METRONOME_H
#define LOADLINE_SERVE_METRONOME_H

/* In place of an engine: every stream is due at the same instants, the multiples of an interval on CLOCK_MONOTONIC, and has
 * its first token at the next of them. No queue, no cache, no limit on streams. Reads no clock. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/engine.h"

struct beat; /* a stream's membership */

struct metronome {
    int64_t interval_ns; /* 0: there is none */
    bool running;        /* somebody waits for due_ns */
    int64_t due_ns;
    struct beat *members;
    struct beat *next; /* whose token is next within the instant under way */
    size_t count;
    uint64_t tokens; /* given out */
};

/* `owner` has so many tokens from the next instant on. */
struct beat *metronome_join(struct metronome *m, int64_t tokens, void *owner);
void metronome_leave(struct metronome *m, struct beat *b);

/* Sets the next instant when there is none and somebody waits. */
void metronome_start(struct metronome *m, int64_t now_ns);

/* An instant: begin, then take until false, then end. Members may join (for the next instant) and leave meanwhile; with its
 * last token a membership is over. */
void metronome_begin(struct metronome *m);
bool metronome_take(struct metronome *m, struct engine_token *out);
/* The next instant is the following multiple, unless that has passed too: then the first that is still to come. */
void metronome_end(struct metronome *m, int64_t now_ns);

#endif
