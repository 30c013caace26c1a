#ifndef LOADLINE_MEASURE_VERDICT_H
#define LOADLINE_MEASURE_VERDICT_H

/* The checks of docs/metrics.md and the verdict they add up to: INVALID when the figures may be wrong, PROVISIONAL when they are
 * true of this run and too little to generalise. */

#include "measure/claim.h"
#include "measure/pacing.h"
#include "measure/shifts.h"
#include "measure/summary.h"

struct evidence { /* what the checks need besides the summary itself */
    const struct sample_set *set;
    const struct window *window;
    const struct concurrency *concurrency;
    const struct overload *overload;
    const struct pacing *pacing;
    const struct claim_ground *ground;
    const struct shifts *shifts; /* of SHIFT_SERIES */
    double ttft_p50_ms;     /* whatever percentiles the summary shows */
};

/* Fills s->checks and s->verdict. s holds every other figure already. */
void verdict_reach(struct summary *s, const struct evidence *v);

#endif
