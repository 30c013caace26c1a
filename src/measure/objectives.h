#ifndef LOADLINE_MEASURE_OBJECTIVES_H
#define LOADLINE_MEASURE_OBJECTIVES_H

/* Goodput and SLO over the requests offered in the window. Failed, timed-out and dropped requests miss every bound. A
 * completed request that has no value because one token has no pace (tpot) misses nothing. */

#include "measure/window.h"

struct goodput {
    double per_s, fraction; /* of offered; NAN when nothing was offered */
};

struct goodput objectives_goodput(const struct sample_set *set, const struct window *w,
                                  const struct bounds *b);
void objectives_slo(const struct sample_set *set, const struct window *w, const struct bound *b,
                    struct slo_result *out);

#endif
