#ifndef LOADLINE_MEASURE_GAPCI_H
#define LOADLINE_MEASURE_GAPCI_H

/* How certain the quantiles of pooled gaps are. The gaps of one request, and those of requests that were decoded together,
 * are alike, so a gap is no observation of its own: requests are.
 *
 * With k of a request's n gaps at or below q̂, the share at or below it is the ratio R = Σk/Σn of two sums over requests.
 * Its error is, to the first order, the mean of d = (k − R·n)/n̄ over the requests (Cochran, Sampling Techniques, 1977,
 * § 2.11), and the batch means of the d in time order (stats/blockci.h) say how large it is. The gaps are counted where
 * they lie: none is moved or sorted. */

#include "measure/events.h"
#include "stats/blockci.h"

/* For each of m levels p[i], with quantile[i] its value in the pool: variance, n_eff (in gaps, never more than there are),
 * rho1 and df of out[i] are filled as blockci_quantile fills them, the rest is not. df is 0 under 40 requests. Where more
 * than one gap equals the quantile, gaps below it are judged too, and the less certain counts. */
void gapci_quantiles(const struct gap_pool *g, const double *p, const uint64_t *quantile, size_t m,
                     struct blockci *out);

#endif
