#ifndef LOADLINE_MEASURE_SHIFTS_H
#define LOADLINE_MEASURE_SHIFTS_H

/* Changes within the window: does the server do the same all along? The two series that find the window, the in-flight
 * count and the decode pace (TPOT), are cut into batches that hardly depend on each other (stats/decorrelate.h) and
 * searched by E-divisive (stats/changes.h). */

#include "measure/window.h"

enum shift_of { SHIFT_IN_FLIGHT, SHIFT_TPOT, SHIFT_SERIES };
enum { SHIFTS_PARTS = 1000, SHIFTS_MOST = SUMMARY_MAX_CHANGES, SHIFTS_LEAST_BATCHES = 5 };

struct shift {
    int64_t at_ns;
    double before, after; /* means of the batches up to the change before and the next one: requests, or ns */
};

struct shifts {
    bool judged; /* false: too few values, or so slow that no batches are independent */
    size_t n;
    struct shift list[SHIFTS_MOST];
};

/* set in the order of its intended times. Where the load fills up within the window that is a change, and nothing is
 * judged. Either series alone fires on about 1 % of windows in which nothing changes. */
void shifts_find(const struct sample_set *set, const struct window *w,
                 struct shifts out[SHIFT_SERIES]);

#endif
