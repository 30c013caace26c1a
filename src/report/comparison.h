#ifndef LOADLINE_REPORT_COMPARISON_H
#define LOADLINE_REPORT_COMPARISON_H

/* A comparison in several forms. */

#include "decide/compare.h"
#include "report/report.h"

/* The terminal table: opens with the verdict. Of the style, color, columns and run_file count. */
void comparison_text(const struct comparison *c, const struct report_style *style, struct buf *out);

/* JSON, schema "loadline.comparison/1" (docs/comparing.md). */
int comparison_json(const struct comparison *c, struct buf *out, struct err *e);

#endif
