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
    double e2e_mean_ns, e2e_longest_ns;  /* NAN when nothing completed */
    bool overloaded;                     /* the queue grew beyond doubt */
    struct slo_result slo[BOUNDS_MAX];
    double tail[BOUNDS_MAX];             /* for each objective: its quantile over its limit, smoothed (below) */
};

/* The window of a level that is a step of a climb leaves out its first third, while it still holds the step before; that
 * of any other is window_find's.
 * tail: a window of seconds holds few values beyond a 99th percentile, and a slow moment more or less decides which; so
 * the quantile is that of a log-normal fitted to all of them. INFINITY where more than 1 − p failed. */
void level_measure(struct level *l, const struct probed *p, const struct objectives *slo);

#endif
