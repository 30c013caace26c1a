#ifndef LOADLINE_MEASURE_EVENTS_H
#define LOADLINE_MEASURE_EVENTS_H

/* Everything that needs the token events: one pass over the file with its gaps. */

#include "measure/window.h"

__extension__ typedef unsigned __int128 gap_square; /* no sum of squares of what fits a run overflows it */

struct gap_span { /* the gaps of one request */
    int64_t intended_ns;
    size_t from, n;
};

struct gap_pool { /* the gaps of the latency sample, ns */
    uint64_t *list;
    size_t n, capacity;
    struct gap_span *spans; /* in the order of the requests' intended times; none is empty */
    size_t span_count, span_capacity;
    uint64_t sum_ns;
    gap_square square_sum;
    uint64_t min_ns, max_ns;
};

struct events {
    struct gap_pool gaps;
    uint64_t left_out;        /* gaps with an end that is censored wide */
    uint64_t judged, stalled; /* requests with at least two gaps; of them with one > 10 × their median */
    uint64_t longest_ns;

    /* Within the window, of completed requests of every phase but warm-up. */
    double output_tokens;  /* by the stamp of their event */
    double prompt_tokens;  /* when the first token came */
    uint64_t completions;  /* requests that ended */
};

/* per_token: a gap for every token after the first, 0 between the tokens of one event; ERR_USAGE unless every request's
 * tokens were told event by event (continuous usage). */
int events_read(struct record_reader *r, int64_t run_id, const struct window *w, bool per_token,
                struct events *out, struct err *e);
void events_release(struct events *ev);

#endif
