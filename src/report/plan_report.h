#ifndef LOADLINE_REPORT_PLAN_REPORT_H
#define LOADLINE_REPORT_PLAN_REPORT_H

/* A capacity plan for people and for programs. */

#include "decide/capacity.h"
#include "measure/summary.h"
#include "report/report.h"

enum { PLAN_MAX_DEMANDS = 32 };

enum plan_gpus { PLAN_GPUS_GIVEN, PLAN_GPUS_OF_RUN, PLAN_GPUS_ASSUMED };

struct plan_report {
    const struct sweep *sweep;
    struct sweep_result result;    /* with a floor */
    const struct summary *floor;   /* of the run it rests on; not INVALID */

    struct capacity_unit unit;
    enum plan_gpus gpus_from;
    int64_t engines;               /* in the target as it was measured; 1 unless it said otherwise */
    bool simulated;

    struct capacity_terms terms;
    struct capacity_headroom headroom;
    bool headroom_given;           /* else it is the default */
    struct capacity_growth growth;
    int64_t startup_ns;

    struct capacity_plan asked[PLAN_MAX_DEMANDS];
    size_t asked_count;            /* ≥ 1 */
    struct capacity_plan around[PLAN_MAX_DEMANDS]; /* multiples of a single demand, itself left out */
    size_t around_count;
};

/* What the plan rests on was not shown beyond doubt: a check of the floor's run failed that touches the floor
 * (sweep_report.h), or a level at or below the floor was shown to miss the SLO. */
bool plan_report_provisional(const struct plan_report *r);

void plan_report_text(const struct plan_report *r, const struct report_style *style,
                      struct buf *out);

/* Schema "loadline.plan/1". */
int plan_report_json(const struct plan_report *r, struct buf *out, struct err *e);

#endif
