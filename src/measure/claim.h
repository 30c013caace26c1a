#ifndef LOADLINE_MEASURE_CLAIM_H
#define LOADLINE_MEASURE_CLAIM_H

/* When a percentile's interval may be claimed, and between which ranks it lies. docs/validation.md shows how often such
 * claims hold.
 *
 * Batch means alone (stats/blockci.h) claim too much. A window that happened to stay calm makes its own percentiles look
 * certain, the more so the rarer what it missed is. So the load itself is looked at first, the same for all metrics:
 *
 *   turnovers   window/T, T = E[S²]/E[S] over the end-to-end latencies S. T is the correlation time of the in-flight count
 *               where nobody waits (2∫R dt of an M/G/∞ queue, whose R(t) is the residual-life distribution of S). Near the
 *               limit it is longer, but T can be had exactly, and what is left of chance in it does not side with calm
 *               windows.
 *   memory      how alike the TTFTs of requests are that come some places apart: the lagged correlation of their normal
 *               scores. While each waits for what happens at that moment it is nil. Where requests begin to wait for
 *               room, whole stretches wait.
 *   rho         of neighbouring batches of the in-flight count, which every latency follows more or less. Of twenty batches
 *               it is known badly, and calm windows show too little of it: it is taken to be no less than that of a process
 *               whose correlation falls as e^(−t/T) (claim_rho_least), twice the memory that an M/G/∞ queue has. It is measured
 *               better than that of an indicator, and the greater one of the two widens the interval.
 *
 * Then each percentile: one in the tail is made of few excursions, and its own batches say little. It is taken to be no
 * more certain than that of a Gaussian process would be whose median is as certain as this one's (claim_tail). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure/concurrency.h"
#include "stats/blockci.h"

enum { CLAIM_LEAST_REQUESTS = 400, CLAIM_LAG = 10, CLAIM_LAG_TTFTS = 5 };

#define CLAIM_LEAST_TURNOVERS 15.0
#define CLAIM_MOST_MEMORY     0.065 /* with one standard error, 1/√n, added */
#define CLAIM_MOST_RHO        0.7

enum claim_bar { /* why no percentile of the window is bounded */
    CLAIM_MAY,
    CLAIM_OVERLOAD,
    CLAIM_UNSTEADY, /* no steady window, or a burst */
    CLAIM_FEW,     /* fewer requests than CLAIM_LEAST_REQUESTS */
    CLAIM_SHORT,   /* fewer turnovers than CLAIM_LEAST_TURNOVERS */
    CLAIM_WAITING, /* too much memory: requests wait for each other */
    CLAIM_DRIFT,   /* in-flight moves too slowly for the length of the window */
};

const char *claim_bar_name(enum claim_bar bar); /* "none", "unsteady", "overload", … */

struct claim_ground {
    uint64_t n;        /* completed requests of the window that tell their TTFT (E2E where none does) */
    double turnover_s; /* T; NAN when nothing completed */
    double turnovers;
    size_t lag;        /* CLAIM_LAG, or as many requests as come in CLAIM_LAG_TTFTS median TTFTs where they are more */
    double memory;     /* NAN when n ≤ lag */
    double rho;        /* the larger of that measured and claim_rho_least; 0 where the batches are within 1 % (one standard
                        * deviation) of their mean: nothing moves there */
    enum claim_bar bar;
};

/* set in the order of its intended times. */
void claim_survey(const struct sample_set *set, const struct window *w, const struct concurrency *c,
                  const struct overload *o, struct claim_ground *out);

/* Correlation of the means of neighbouring intervals x long of a process whose own is e^(−t):
 * (1 − e^(−x))²/(2(x − 1 + e^(−x))). x > 0. */
double claim_rho_least(double x);

/* As many independent values as a percentile needs to be bounded: of so many all but one are at or below it with
 * confidence 0.95 of being right (stats/early.h): 8, 46, 93 and 473 for p50, p90, p95 and p99. */
uint64_t claim_least(double p);

/* How many times as many independent values the p-quantile of an Ornstein–Uhlenbeck process is worth as its median: the
 * ratio of the integrated autocorrelations of 1{X ≤ q}. That of a standard Gaussian pair, correlation e^{−t}, integrated
 * over t, is ∫₀^{π/2} −ln(sin θ) exp(−z²/(1 + sin θ)) dθ / 2π, z the quantile's normal score (from Sheppard 1899, as
 * Plackett 1954 has it); ln 2/4 for the median. 1 for p50, 1.32 for p90, 2.33 for p99. */
double claim_tail(double p);

/* Widens what batch means found: by rho, and to claim_tail. `median` is that of the same values, widened already, or
 * the same as b. Sets b->bound. */
void claim_judge(const struct claim_ground *g, const struct blockci *median, double p,
                 struct blockci *b);

/* Ranks (from 1) of the interval's ends among n values at 95 %: n p ± t n √V, the lower one rounded down and the upper
 * one up; 0 and n + 1 where there is no bound on that side. */
void claim_ranks(const struct blockci *b, size_t n, double p, size_t *low, size_t *high);

#endif
