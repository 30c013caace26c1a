#ifndef LOADLINE_CLI_COMPARE_RESULTS_H
#define LOADLINE_CLI_COMPARE_RESULTS_H

/* Prints a comparison and turns it into an exit code: the same for `compare` and `report`. */

#include "cli/results.h"
#include "decide/compare.h"

/* 0; 2: no request succeeded; 3: INVALID, or a --fail-if could not be judged; 4: one holds; 130: interrupted; 1 with a message
 * when the result cannot be written. Of the style json and run_file count. */
int compare_results_print(const struct comparison *c, const struct results_style *style);

/* Of the comparison in a run file, judged by what it brings or, when that is not NULL, by `given`. */
int compare_results_of_file(struct record_reader *r, const struct compare_spec *given,
                            const struct results_style *style);

#endif
