#include "stats/changes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

/* Sums of the distances within every stretch of a segment: within[end][start] = Σ |x_i − x_j| over
 * start ≤ i < j < end. Those between two neighbouring stretches follow: all of both, less those
 * within each. */
struct search {
    double *x; /* the series, or a permutation of it */
    size_t n;
    size_t least;
    double *within; /* (n + 1) rows of n + 1 */
    double *head;   /* scratch of best_split, n + 1 */
};

struct cut {
    size_t at;
    double statistic; /* −INFINITY: no split fits */
};

static void sum_distances(struct search *s, size_t from, size_t to)
{
    size_t width = s->n + 1;
    s->within[from * width + from] = 0;
    for (size_t j = from; j < to; j++) {
        const double *row = s->within + j * width;
        double *next = s->within + (j + 1) * width;
        double to_j = 0;
        next[j + 1] = 0;
        next[j] = 0;
        for (size_t i = j; i-- > from;) {
            to_j += fabs(s->x[i] - s->x[j]);
            next[i] = row[i] + to_j;
        }
    }
}

/* Q̂ of a values against the b that follow: a·b/(a + b) times twice the mean distance
 * between them less the mean distances within. */
static double divergence(double a, double b, double within_a, double within_b, double within_both)
{
    double between = within_both - within_a - within_b;
    double e = 2 * between / (a * b) - 2 * within_a / (a * (a - 1)) - 2 * within_b / (b * (b - 1));
    return a * b / (a + b) * e;
}

/* The best of all [from, at) against [at, end) within [from, to). The second stretch may end
 * before `to`: what comes after another change would blur the first. */
static struct cut best_split(struct search *s, size_t from, size_t to)
{
    struct cut best = {from, -INFINITY};
    size_t width = s->n + 1;
    if (to - from < 2 * s->least)
        return best;
    sum_distances(s, from, to);
    for (size_t at = from; at <= to; at++)
        s->head[at] = s->within[at * width + from];
    for (size_t end = from + 2 * s->least; end <= to; end++) {
        const double *tail = s->within + end * width;
        for (size_t at = from + s->least; at + s->least <= end; at++) {
            double q = divergence((double)(at - from), (double)(end - at), s->head[at], tail[at],
                                  tail[from]);
            if (q > best.statistic)
                best = (struct cut){at, q};
        }
    }
    return best;
}

/* Of all segments between the `count` ordered bounds. */
static struct cut best_of_segments(struct search *s, const size_t *bounds, size_t count)
{
    struct cut best = {0, -INFINITY};
    for (size_t k = 0; k + 1 < count; k++) {
        struct cut c = best_split(s, bounds[k], bounds[k + 1]);
        if (c.statistic > best.statistic)
            best = c;
    }
    return best;
}

static void shuffle(double *x, size_t n, struct rng *r)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)rng_below(r, i);
        double t = x[i - 1];
        x[i - 1] = x[j];
        x[j] = t;
    }
}

/* p of a best split. Stops when it can only come out above the level. */
static double permutation_p(struct search *s, const size_t *bounds, size_t count, double statistic,
                            const struct changes_options *o)
{
    double all = (double)o->permutations + 1;
    unsigned reached = 0;
    for (unsigned k = 0; k < o->permutations && (reached + 1) / all <= o->level; k++) {
        struct rng r = rng_at(o->seed, RNG_PERMUTATION, (uint64_t)count << 32 | k);
        for (size_t b = 0; b + 1 < count; b++)
            shuffle(s->x + bounds[b], bounds[b + 1] - bounds[b], &r);
        reached += best_of_segments(s, bounds, count).statistic >= statistic;
    }
    return (reached + 1) / all;
}

static void insert_bound(size_t *bounds, size_t *count, size_t at)
{
    size_t k = (*count)++;
    for (; k > 0 && bounds[k - 1] > at; k--)
        bounds[k] = bounds[k - 1];
    bounds[k] = at;
}

static int by_place(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* Appends changes as long as they stand. */
static size_t find_all(struct search *s, const double *x, const struct changes_options *o,
                       struct change *out, size_t room)
{
    double rho = fmax(o->rho1, 0);
    size_t *bounds = MEM_ARRAY(size_t, room + 2), count = 2, found = 0;
    bounds[1] = s->n;
    while (found < room) {
        memcpy(s->x, x, s->n * sizeof *x);
        struct cut best = best_of_segments(s, bounds, count);
        if (!(best.statistic > 0))
            break;
        double p = permutation_p(s, bounds, count, best.statistic * (1 - rho) / (1 + rho), o);
        if (p > o->level)
            break;
        out[found++] = (struct change){best.at, best.statistic, p};
        insert_bound(bounds, &count, best.at);
    }
    free(bounds);
    return found;
}

size_t changes_find(const double *x, size_t n, const struct changes_options *o, struct change *out,
                    size_t room)
{
    struct search s = {.n = n, .least = o->least < 2 ? 2 : o->least};
    if (n / 2 < s.least)
        return 0;
    s.x = mem_alloc(n * sizeof *s.x);
    s.within = MEM_ARRAY(double, (n + 1) * (n + 1));
    s.head = MEM_ARRAY(double, n + 1);
    size_t found = find_all(&s, x, o, out, room);
    qsort(out, found, sizeof *out, by_place);
    free(s.head);
    free(s.within);
    free(s.x);
    return found;
}
