#ifndef LOADLINE_MEASURE_WINDOW_H
#define LOADLINE_MEASURE_WINDOW_H

/* The part of a run that its figures are of. Open and closed loops: to the end of offering, from the latest of
 *   - 5 × the mean E2E after the start, when the load has filled up;
 *   - where MSER-5 (stats/mser.h) ends the warm-up of the in-flight count, its means over WINDOW_LEVELS equal parts of
 *     the run;
 *   - where it ends that of the decode pace: the intended time of the first request of the measured phase, in time
 *     order, that is left when it has cut the TPOTs.
 * Where MSER-5 finds no end (its least is at half of the run) the series has not been seen to settle, unless the
 * means of its halves are within 1 % of each other: it moves the start nowhere, and the window is not steady. A
 * stall in the first half is no warm-up, nor is a dip where requests failed: the cut is the smaller one of that of
 * the series and that of the series clipped to the range of its second half, but for what is low before the mean of
 * the second half is reached for the first time. Where 5 mean E2Es leave less than half of the run, or any start a
 * mere handful of requests, the window begins at 0. Offline: the whole run until it had drained; a burst has no
 * steady state. */

#include "measure/samples.h"

enum { WINDOW_FILL_E2ES = 5, WINDOW_MIN_REQUESTS = 10, WINDOW_LEVELS = 1000 };

enum window_rule { WINDOW_WHOLE, WINDOW_BY_FILL, WINDOW_BY_IN_FLIGHT, WINDOW_BY_TPOT };

struct window_cut { /* of one series by MSER-5 */
    int64_t at_ns;
    bool judged;  /* false: no value at all (no request with a pace; offline), which says nothing */
    bool settled; /* false: too few values, or the least is at the bound */
};

struct window {
    int64_t start_ns, end_ns; /* both ends belong to it; end > start */
    int64_t fill_ns;          /* 5 × mean E2E */
    struct window_cut in_flight, tpot;
    enum window_rule by;      /* what its start is by */
    uint64_t completed;       /* measured requests intended within it that completed */
    bool filled;              /* the filling-up is cut off, and something is left */
    bool steady;              /* filled, and both series settled */
};

/* set in the order of its intended times. */
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
