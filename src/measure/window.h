#ifndef LOADLINE_MEASURE_WINDOW_H
#define LOADLINE_MEASURE_WINDOW_H

/* The part of a run that its figures are of. Open and closed loops: from 5 × the mean E2E after the start, when the load
 * has filled up, to the end of offering. Where that leaves less than half of the run or a mere handful of requests, the
 * window begins at 0 and is not steady. Offline: the whole run until it had drained; a burst has no steady state. */

#include "measure/samples.h"

enum { WINDOW_FILL_E2ES = 5, WINDOW_MIN_REQUESTS = 10 };

struct window {
    int64_t start_ns, end_ns; /* both ends belong to it; end > start */
    int64_t wanted_start_ns;  /* 5 × mean E2E */
    uint64_t completed;       /* measured requests intended within it that completed */
    bool steady;
};

void window_find(const struct run_record *run, const struct sample_set *set, struct window *out);

static inline bool window_holds(const struct window *w, int64_t at_ns)
{
    return at_ns >= w->start_ns && at_ns <= w->end_ns;
}

static inline double window_s(const struct window *w)
{
    return (double)(w->end_ns - w->start_ns) / 1e9;
}

/* In a latency sample: measured, completed, intended within the window. */
static inline bool window_samples(const struct window *w, const struct sample *q)
{
    return q->phase == 1 && q->outcome == OUTCOME_OK && window_holds(w, q->intended_ns);
}

#endif
