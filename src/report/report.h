#ifndef LOADLINE_REPORT_REPORT_H
#define LOADLINE_REPORT_REPORT_H

/* One report model (struct summary) in several forms. */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "measure/summary.h"

struct report_style {
    bool color;
    unsigned columns;           /* 80 */
    bool all_checks;            /* also the ones that passed */
    const char *run_file;       /* named in the closing line; NULL for none */
    unsigned metrics;           /* bit set of 1 << enum latency_metric; 0: ttft, tpot, itl, e2e */
};

/* The terminal table: opens with the verdict. */
void report_text(const struct summary *s, const struct report_style *style, struct buf *out);

/* Table over a series of runs. */
void report_text_series(const struct summary *runs, size_t count, const struct report_style *style,
                        struct buf *out);

/* JSON, schema "loadline.summary/1"; for a series "loadline.series/1" with the summaries in "runs". */
int report_json(const struct summary *s, struct buf *out, struct err *e);
int report_json_series(const struct summary *runs, size_t count, struct buf *out, struct err *e);

/* CSV straight from the run file: one line a request, or one a token gap. Written through `write` in pieces. */
struct report_sink {
    int (*write)(void *context, struct slice text); /* 0 to go on */
    void *context;
};
int report_csv_requests(struct record_reader *r, int64_t run_id, struct report_sink *to, struct err *e);
int report_csv_gaps(struct record_reader *r, int64_t run_id, struct report_sink *to, struct err *e);

#endif
