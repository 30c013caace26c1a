#ifndef LOADLINE_STATS_ISOTONIC_H
#define LOADLINE_STATS_ISOTONIC_H

/* The monotone sequence nearest to a given one, in weighted least squares, by pooling adjacent violators (Ayer, Brunk,
 * Ewing, Reid & Silverman 1955; Barlow, Bartholomew, Bremner & Brunk 1972). */

#include <stdbool.h>
#include <stddef.h>

/* w are positive; NULL: all equal. rising: nondecreasing, else nonincreasing. out has room for n and may be y. Linear
 * time. */
void isotonic_fit(const double *y, const double *w, size_t n, bool rising, double *out);

#endif
