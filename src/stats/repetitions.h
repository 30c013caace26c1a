#ifndef LOADLINE_STATS_REPETITIONS_H
#define LOADLINE_STATS_REPETITIONS_H

/* How often to repeat what: blocks in a run, runs of a server, starts of a server (Kalibera & Jones, Rigorous
 * Benchmarking in Reasonable Time, ISMM 2013). Levels count from the innermost, 1 in the paper and 0 in the arrays
 * here. */

#include <stddef.h>
#include <stdint.h>

/* From a pilot that is balanced: y holds Π reps values, reps[0] in a row belong to one repetition of level 2,
 * reps[0]·reps[1] to one of level 3, and so on; every reps is at least 2. Of each level:
 * s2: S_i², the variance of the means of its repetitions around those of the level above, pooled.
 * t2: T_i² = S_i² − S_{i−1}²/r_{i−1}, T_1² = S_1², the unbiased estimate of the variance that the level adds by itself.
 * It can come out below 0 by chance where the level adds none. */
void repetitions_variances(const double *y, const size_t *reps, size_t levels, double *s2,
                           double *t2);

/* r_i = ⌈√((c_{i+1}/c_i)·(T_i²/T_{i+1}²))⌉ for all levels but the highest, whose number follows from the precision
 * wanted: the cheapest for any precision. cost[i] > 0: what one repetition of level i costs by itself, in any unit;
 * of level 2, say, starting a run, not its blocks. A level that adds no variance (T² ≤ 0) is repeated once; one
 * below it is weighed against the next that adds some, at what the levels up to that cost together. With none above,
 * it alone needs repeating, and its r is SIZE_MAX. */
void repetitions_best(const double *cost, const double *t2, size_t levels, size_t *reps);

/* How often to repeat the highest level so that the interval of the mean at `level` is ± half_width: the least r ≥ 2
 * with t_{r−1}·√(S²/r) ≤ half_width, S² = Σ_i T_i²/Π_{j=i}^{n−1} r_j over all levels, T_i² ≤ 0 as 0. reps[i] for all
 * levels but the highest. SIZE_MAX when half_width is not above 0; 2 when there is no variance. */
size_t repetitions_needed(const double *t2, const size_t *reps, size_t levels, double half_width,
                          double level);

#endif
