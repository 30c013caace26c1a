#ifndef LOADLINE_DECIDE_CROSSING_H
#define LOADLINE_DECIDE_CROSSING_H

/* Where the levels measured so far cross their SLO, by point estimates: the tails of each objective over the load, made to
 * rise, and read off between the two levels around the limit, both axes logarithmic. It places levels; it is no result. */

#include "decide/level.h"

struct tail_point {
    double load;
    double measured, risen; /* ln(tail/limit): as measured, cut off at CROSSING_MOST, and on the rising line */
    const struct level *level;
};

#define CROSSING_MOST 3.0 /* twenty times the limit: how far beyond it a level is says nothing of where it lies */

/* The line of objective j through the levels of the curve that tell it, by load; out has room for n. Weights are the
 * numbers of requests (stats/isotonic.h). Returns how many. */
size_t crossing_line(const struct level *levels, size_t n, size_t j, struct tail_point *out);

/* The same of p99 TTFT, whose limit is 1 s: the shape of the curve where there is no SLO. */
size_t crossing_line_of_ttft(const struct level *levels, size_t n, struct tail_point *out);

struct crossing {
    double load;  /* NAN unknown, 0 when the lowest level misses, INFINITY when none does */
    int binding;  /* the objective that crosses first; −1 without */
    double slope; /* d ln tail/d ln load of that objective there; NAN where load is not finite or 0 */
};
void crossing_find(const struct level *levels, size_t n, size_t objectives, struct crossing *out);

#endif
