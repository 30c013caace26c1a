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

/* What the window's requests say of an objective, and how far that goes beyond them (stats/missrate.h). */
void objectives_slo(const struct sample_set *set, const struct window *w, const struct objective *o,
                    struct slo_result *out);

/* How near a request came to missing: its value over the limit, the largest of several; a miss from 1 on, INFINITY when it
 * failed. Of one that was cut off in the tail what it had shown until then: the wait for a token that had not come, the
 * pace of those that had. False when that is nothing. */
bool objectives_nearness(const struct sample *q, const struct bounds *b, double *out);

/* Of all objectives together: each is tested at alpha; PASS when all pass (an intersection–union test needs no
 * correction), FAIL when one fails by Holm's rule. */
enum slo_decision objectives_decide(const struct slo_result *results, size_t n, double alpha_pass,
                                    double alpha_fail);

#endif
