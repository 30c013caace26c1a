#ifndef LOADLINE_MEASURE_PACING_H
#define LOADLINE_MEASURE_PACING_H

/* Did we offer the load as it was to be offered? Over the measured requests of the whole run. */

#include "measure/samples.h"

struct pacing {
    /* started − intended of requests that found a free slot: our lateness alone. What a cap held back waited for the
     * server, on the record. NAN when nothing started. */
    double lag_p50_ms, lag_p99_ms, lag_max_ms;
    uint64_t waited; /* requests that found the cap full, or others queued before it */

    /* (n − 1)/(last − first), of intended times (of what was dropped, too) and of started ones; NAN under two requests
     * or at one moment. */
    double scheduled_per_s, started_per_s;
};

void pacing_judge(const struct run_record *run, const struct sample_set *set, struct pacing *out);

#endif
