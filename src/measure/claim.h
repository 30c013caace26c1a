#ifndef LOADLINE_MEASURE_CLAIM_H
#define LOADLINE_MEASURE_CLAIM_H

/* When the interval of a percentile may be claimed, and between which ranks it lies. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/blockci.h"

/* As many independent values as a percentile needs before it is bounded: of n of them, one may lie
 * above it and it is still below that one with confidence 0.95 (stats/early.h; 64 → 46 for p90, 473
 * for p99). */
uint64_t claim_least(double p);

/* Takes the bound away where n_eff is below claim_least(p). */
void claim_judge(struct blockci *b, double p);

/* Ranks (from 1) of the interval's ends among n values at 95 %: n p ± t n √V, the lower one rounded
 * down and the upper one up; 0 and n + 1 where there is no bound on that side. */
void claim_ranks(const struct blockci *b, size_t n, double p, size_t *low, size_t *high);

#endif
