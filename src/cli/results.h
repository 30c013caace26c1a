#ifndef LOADLINE_CLI_RESULTS_H
#define LOADLINE_CLI_RESULTS_H

/* Prints what a run file says, and turns it into an exit code: the same for `run` and `report`. */

#include <stdbool.h>
#include <stdint.h>

#include "measure/summary.h"
#include "record/reader.h"
#include "report/report.h"

struct results_style {
    const char *json;      /* --json FILE; NULL none; "-" standard output, the table then goes to standard error */
    const char *run_file;
    bool all_checks;
    unsigned metrics;      /* rows; 0 default */
    int64_t only_run;      /* 0: all, as a series */
};

/* Returns the exit code: 0, 2 (no request succeeded), 3 (INVALID), 4 (an SLO was given and is not met), 130
 * (interrupted), or 1 with a message when the file cannot be read or the JSON not written. */
int results_print(struct record_reader *r, const struct summary_options *options,
                  const struct results_style *style);

/* How a table is to look on the stream it goes to. */
struct report_style results_report_style(const struct results_style *style);

/* The table to standard output, or to standard error where that has the JSON; the JSON to its path. */
int results_write_table(const struct buf *text, const struct results_style *style, struct err *e);
int results_write_json(const struct buf *text, const char *path, struct err *e);

/* Whether a summary can be written to `path`, asked before a load that would be lost otherwise; NULL is no summary. A run
 * file is never written over, here and above. */
int results_check_json(const char *path, struct err *e);

#endif
