#ifndef LOADLINE_STATS_RANK_H
#define LOADLINE_STATS_RANK_H

/* Percentiles by rank: the ⌈n·p⌉-th smallest, never interpolated. */

#include <stddef.h>
#include <stdint.h>

/* ⌈n·p⌉ within 1…n, computed so that p = 0.9, n = 10 gives 9 and not 10 (p·n is compared with a relative slack
 * of a few ulp). n > 0, 0 < p ≤ 1. */
size_t rank_of(double p, size_t n);

/* Rearranges x and returns its k-th smallest, k from 1. Expected linear time. */
double rank_select(double *x, size_t n, size_t k);

void rank_sort(double *x, size_t n);

/* The values at several ranks of a large array of non-negative integers without sorting or moving it: radix passes
 * over counts. ranks[0..m) from 1, in any order; out[i] gets the ranks[i]-th smallest. */
void rank_select_many_u64(const uint64_t *x, size_t n, const size_t *ranks, size_t m, uint64_t *out);

#endif
