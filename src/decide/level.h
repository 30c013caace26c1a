#ifndef LOADLINE_DECIDE_LEVEL_H
#define LOADLINE_DECIDE_LEVEL_H

/* What a search keeps of one load point. */

#include "decide/runner.h"
#include "measure/objectives.h"
#include "measure/window.h"

enum level_stage { LEVEL_SINGLE, LEVEL_BURST, LEVEL_CLIMB, LEVEL_NARROW, LEVEL_CONFIRM, LEVEL_GIVEN };

/* The kind of its row in the run file: "single", "burst", "climb", "narrow", "confirm", "level". */
const char *level_stage_name(enum level_stage s);
int level_stage_of(const char *name); /* −1 when it is none */

struct level {
    enum level_stage stage;
    struct load_point point;
    int64_t run_id;
    struct window window;
    uint64_t offered, completed, failed; /* of the window */
    double completed_per_s;              /* a burst's: until nine of ten had ended */
    double e2e_mean_ns;                  /* NAN when nothing completed */
    double ttft_mean_ns, pace_ns;        /* mean wait, and decode time per token of all of them together; NAN: none */
    int64_t longest_output;              /* tokens that a request asked for or got, of all that were offered */
    bool overloaded;                     /* what is in flight grew beyond doubt (measure/concurrency.h), and the median wait
                                          * by half or pace by a quarter within the window; of one that is cut: the
                                          * median wait trebled */
    struct slo_result slo[BOUNDS_MAX];
    double tail[BOUNDS_MAX];             /* for each objective: its quantile over its limit, smoothed (below) */
    double spread[BOUNDS_MAX];           /* standard deviation of the logarithms that it was fitted to */
    double ttft_p99_s;                   /* smoothed too */
};

/* The window of a level that is cut leaves out its first third, while it still holds the step before. That of one which
 * follows another straight away begins when it has been going for two mean E2Es and MSER-5 (measure/window.h) sees no more
 * of the load before; that of any other is window_find's, but for users, whose first mean E2E is left out at the least.
 * tail: a window of seconds holds few values beyond a 99th percentile, and a slow moment more or less decides which; so
 * the quantile is that of a log-normal fitted to all of them. INFINITY where more than 1 − p failed. */
void level_measure(struct level *l, const struct probed *p, const struct objectives *slo);

/* On the curve of load and latency; one user and the burst are not. */
bool level_on_curve(const struct level *l);

/* Requests per second, or users. */
static inline double level_load(const struct level *l)
{
    return l->point.kind == LOAD_OF_USERS ? (double)l->point.users : l->point.rate;
}

#endif
