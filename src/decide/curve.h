#ifndef LOADLINE_DECIDE_CURVE_H
#define LOADLINE_DECIDE_CURVE_H

/* What a level looks like on the curve: figures for people, of the level's window. Of requests that were cut off, what was
 * known of them counts too, as the quick ones alone would flatter. NAN where there is no value. */

#include "decide/level.h"

struct curve_point {
    double requests_per_s, output_tokens_per_s; /* of requests that ended in the window */
    double in_flight;                           /* mean; NAN for steps of a climb, which inherit requests */
    double ttft_p50_ms, ttft_p99_ms, tpot_p50_ms, tpot_p99_ms, e2e_p50_ms;
    uint64_t n;                                 /* requests offered in the window */
};

void curve_measure(const struct level *l, const struct probed *p, struct curve_point *out);

#endif
