#ifndef LOADLINE_REPORT_SWEEP_REPORT_H
#define LOADLINE_REPORT_SWEEP_REPORT_H

/* A sweep for people and for programs. */

#include "decide/sweep_file.h"
#include "report/report.h"

struct sweep_report {
    const struct sweep_read *sweep;
    struct sweep_result result;
    const struct sweep_read *closed; /* the closed loop beside it; NULL without */
    const struct summary *floor;     /* of the run that the floor rests on; NULL without one */
    const struct run_record *run;    /* of a level, for what all have in common; strings valid */
};

/* Whether what the floor rests on was measured well enough to stand. */
bool sweep_report_invalid(const struct sweep_report *r);

/* Whether a check of the floor's run failed that touches the floor. It rests on counts of misses, so what a percentile of the
 * same run may claim does not. */
bool sweep_report_doubts_floor(const struct check *c);

void sweep_report_text(const struct sweep_report *r, const struct report_style *style,
                       struct buf *out);

/* Schema "loadline.sweep/1". */
int sweep_report_json(const struct sweep_report *r, struct buf *out, struct err *e);

#endif
