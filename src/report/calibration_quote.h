#ifndef LOADLINE_REPORT_CALIBRATION_QUOTE_H
#define LOADLINE_REPORT_CALIBRATION_QUOTE_H

/* The calibration that a run file brings along (its meta "calibration", written at run time), in one sentence. */

#include <stddef.h>

#include "measure/summary.h"

/* Of the level whose number of streams is the least that covers the run's peak, or the largest there is. NULL when the file
 * has none, or none that can be read. Returns out. */
const char *calibration_quote(const struct summary *s, char *out, size_t out_bytes);

#endif
