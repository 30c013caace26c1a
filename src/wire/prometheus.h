#ifndef LOADLINE_WIRE_PROMETHEUS_H
#define LOADLINE_WIRE_PROMETHEUS_H

/* Samples of the Prometheus text format (0.0.4), one at a time, from a whole page in memory. Lines that
 * are not samples (comments, blanks, malformed) are passed over. */

#include <stdbool.h>

#include "base/slice.h"

struct prometheus_sample {
    struct slice name;
    struct slice labels; /* raw text between the braces; empty when none */
    double value;
};

/* Takes the next sample off the front of *page; false at its end. */
bool prometheus_next(struct slice *page, struct prometheus_sample *out);

/* Sum over all label sets of the metric `name` (a counter may be written with or without "_total").
 * False when the page has none. */
bool prometheus_sum(struct slice page, const char *name, double *sum);

#endif
