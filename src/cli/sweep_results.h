#ifndef LOADLINE_CLI_SWEEP_RESULTS_H
#define LOADLINE_CLI_SWEEP_RESULTS_H

/* Prints what a run file of a sweep says: the same for `sweep` and `report`. */

#include "cli/results.h"
#include "decide/sweep_file.h"

/* Returns the exit code: 0, 3 (the floor's run is INVALID), 4 (an SLO was given and even the lowest level misses it), or 1
 * with a message. */
int sweep_results_print(struct record_reader *r, const struct results_style *style);

#endif
