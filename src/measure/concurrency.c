#include "measure/concurrency.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/special.h"

__extension__ typedef __int128 wide; /* requests × nanoseconds can pass 2^63 */

static const double overload_ended_share = 0.98; /* below it the queue grows, not just the batch */
static const double growth_level = 0.975;
static const double fill_growth = 0.5; /* of the mean E2E, while the load fills up */

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct edges { /* sorted */
    int64_t *begin, *end;
    size_t n;
};

static struct edges edges_of(const struct sample_set *set)
{
    struct edges g = {MEM_ARRAY(int64_t, set->n + 1), MEM_ARRAY(int64_t, set->n + 1), 0};
    for (size_t i = 0; i < set->n; i++) {
        if (set->list[i].end_ns == RECORD_NONE)
            continue;
        g.begin[g.n] = set->list[i].intended_ns;
        g.end[g.n++] = set->list[i].end_ns;
    }
    qsort(g.begin, g.n, sizeof *g.begin, by_time);
    qsort(g.end, g.n, sizeof *g.end, by_time);
    return g;
}

static void edges_release(struct edges *g)
{
    free(g->begin);
    free(g->end);
}

static int64_t clip(int64_t t, const struct window *w)
{
    return t < w->start_ns ? w->start_ns : t > w->end_ns ? w->end_ns : t;
}

/* What the integral must be, counted request by request. */
static wide area_of_requests(const struct sample_set *set, const struct window *w)
{
    wide area = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        if (q->end_ns != RECORD_NONE && q->end_ns > q->intended_ns)
            area += clip(q->end_ns, w) - clip(q->intended_ns, w);
    }
    return area;
}

/* Where part k of n equal ones begins. */
static int64_t part_start(int64_t from_ns, int64_t to_ns, size_t k, size_t n)
{
    return from_ns + (int64_t)((wide)(to_ns - from_ns) * (wide)k / (wide)n);
}

struct sweep {
    struct edges g;
    size_t i, j; /* next begin, next end */
    int64_t in_flight;
    int64_t peak;
};

static int64_t next_edge(const struct sweep *s)
{
    int64_t b = s->i < s->g.n ? s->g.begin[s->i] : INT64_MAX;
    int64_t e = s->j < s->g.n ? s->g.end[s->j] : INT64_MAX;
    return b < e ? b : e;
}

/* Passes every edge at or before t. What ends at a moment has left before what begins at it. */
static void pass_edges(struct sweep *s, int64_t t)
{
    while (s->j < s->g.n && s->g.end[s->j] <= t) {
        s->j++;
        s->in_flight--;
    }
    while (s->i < s->g.n && s->g.begin[s->i] <= t) {
        s->i++;
        s->in_flight++;
    }
}

static wide area_between(struct sweep *s, int64_t from, int64_t to)
{
    wide area = 0;
    while (from < to) {
        int64_t edge = next_edge(s);
        int64_t until = edge < to ? edge : to;
        area += (wide)s->in_flight * (until - from);
        from = until;
        pass_edges(s, from);
        if (s->in_flight > s->peak)
            s->peak = s->in_flight;
    }
    return area;
}

void concurrency_sweep(const struct sample_set *set, const struct window *w,
                       struct concurrency *out)
{
    struct sweep s = {.g = edges_of(set)};
    wide total = 0;
    *out = (struct concurrency){0};
    pass_edges(&s, w->start_ns);
    s.peak = s.in_flight;
    for (unsigned k = 0; k < CONCURRENCY_BATCHES; k++) {
        int64_t from = part_start(w->start_ns, w->end_ns, k, CONCURRENCY_BATCHES);
        int64_t to = part_start(w->start_ns, w->end_ns, k + 1, CONCURRENCY_BATCHES);
        wide area = area_between(&s, from, to);
        total += area;
        out->batch[k] = to > from ? (double)area / (double)(to - from) : 0;
    }
    out->mean = (double)total / (double)(w->end_ns - w->start_ns);
    out->peak = s.peak > 0 ? (uint64_t)s.peak : 0;
    out->identity = total == area_of_requests(set, w);
    edges_release(&s.g);
}

void concurrency_levels(const struct sample_set *set, int64_t from_ns, int64_t to_ns, size_t n,
                        double *level)
{
    struct sweep s = {.g = edges_of(set)};
    pass_edges(&s, from_ns);
    for (size_t k = 0; k < n; k++) {
        int64_t from = part_start(from_ns, to_ns, k, n), to = part_start(from_ns, to_ns, k + 1, n);
        level[k] = to > from ? (double)area_between(&s, from, to) / (double)(to - from) : 0;
    }
    edges_release(&s.g);
}

/* Least squares of y on x as the points come. */
struct line {
    double n, mx, my, sxx, sxy, syy;
};

static void line_add(struct line *l, double x, double y)
{
    l->n += 1;
    double dx = x - l->mx, dy = y - l->my;
    l->mx += dx / l->n;
    l->my += dy / l->n;
    l->sxx += dx * (x - l->mx);
    l->sxy += dx * (y - l->my);
    l->syy += dy * (y - l->my);
}

static double line_slope(const struct line *l)
{
    return l->sxx > 0 ? l->sxy / l->sxx : 0;
}

/* Slope over its standard error; an exact line has an infinite one. */
static double line_t(const struct line *l)
{
    double slope = line_slope(l);
    if (l->n < 3 || l->sxx <= 0 || slope == 0)
        return 0;
    double rest = (l->syy - slope * l->sxy) / (l->n - 2);
    return rest > 0 ? slope / sqrt(rest / l->sxx) : copysign(INFINITY, slope);
}

static double ended_share(const struct sample_set *set, const struct window *w)
{
    uint64_t offered = 0, ended = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        if (q->outcome == OUTCOME_DROPPED)
            continue;
        offered += window_holds(w, q->intended_ns);
        ended += q->end_ns != RECORD_NONE && window_holds(w, q->end_ns);
    }
    return offered > 0 ? (double)ended / (double)offered : NAN;
}

static bool latency_grows(const struct sample_set *set, const struct window *w)
{
    struct line l = {0};
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        if (window_samples(w, q) && !isnan(q->value_ns[LATENCY_E2E]))
            line_add(&l, (double)q->intended_ns, q->value_ns[LATENCY_E2E]);
    }
    double growth = line_slope(&l) * (double)(w->end_ns - w->start_ns);
    return l.n >= 3 && growth > fill_growth * l.my &&
           line_t(&l) > special_t_quantile(growth_level, l.n - 2);
}

void overload_judge(const struct sample_set *set, const struct window *w,
                    const struct concurrency *c, struct overload *out)
{
    struct line l = {0};
    for (unsigned k = 0; k < CONCURRENCY_BATCHES; k++)
        line_add(&l, (k + 0.5) / CONCURRENCY_BATCHES, c->batch[k]);
    *out = (struct overload){line_slope(&l), line_t(&l), ended_share(set, w), false, false};
    out->growing = out->growth_t > special_t_quantile(growth_level, CONCURRENCY_BATCHES - 2);
    if (out->growing && !w->filled)
        out->growing = latency_grows(set, w);
    out->overloaded = out->growing && out->ended_share < overload_ended_share;
}
