#ifndef LOADLINE_REPORT_SWEEP_CURVE_H
#define LOADLINE_REPORT_SWEEP_CURVE_H

/* The levels of a sweep as tables and as a picture; parts of sweep_report_text. */

#include "report/layout.h"
#include "report/sweep_report.h"

struct sweep_row {
    const struct level *level;
    const struct curve_point *point;
};

enum { SWEEP_LOAD_TEXT = 48 };

/* "8.12 requests/s", "32 users"; returns out. */
const char *sweep_load_text(const struct level *l, char out[SWEEP_LOAD_TEXT]);

/* All levels but bursts, by load; what one user did comes first where the others are rates. rows has room for
 * SWEEP_MAX_LEVELS. */
size_t sweep_rows(const struct sweep_read *s, struct sweep_row *rows);

void sweep_put_table(struct layout *l, const struct sweep_read *s);

/* p99 TTFT and TPOT over the load, both axes logarithmic, with the limits of objectives that bound one of them. The
 * closed loop beside it stands at its throughput. Nothing where there are fewer than three points. */
void sweep_put_picture(struct layout *l, const struct sweep_report *r);

/* The open and the closed loop in one table, levels of about the same throughput in one line, and what that shows. */
void sweep_put_both(struct layout *l, const struct sweep_report *r);

#endif
