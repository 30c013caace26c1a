#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "decide/crossing.h"
#include "decide/sweep.h"
#include "stats/kneedle.h"
#include "stats/special.h"

static size_t looks(const struct sweep *s)
{
    return s->spec.given_count > 0         ? s->spec.given_count
           : s->spec.kind == LOAD_OF_USERS ? SWEEP_DOUBLINGS
                                           : SWEEP_LOOKS;
}

enum slo_decision sweep_decide(const struct sweep *s, const struct level *l)
{
    if (s->spec.slo.n == 0 || l->stage == LEVEL_BURST || l->stage == LEVEL_SINGLE)
        return SLO_UNDECIDED;
    double shared = SWEEP_ALPHA / (double)looks(s);
    double pass = l->stage == LEVEL_GIVEN ? shared : l->stage == LEVEL_CONFIRM ? SWEEP_ALPHA : 0;
    return objectives_decide(l->slo, s->spec.slo.n, pass, shared);
}

/* ---- floor and ceiling ---- */

static void place(const struct sweep *s, struct sweep_result *out)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct level *l = &s->levels[i];
        double load = level_load(l);
        enum slo_decision d = sweep_decide(s, l);
        if (d == SLO_PASS && (out->floor < 0 || load > level_load(&s->levels[out->floor])))
            out->floor = (int)i;
        if (d == SLO_FAIL && (out->ceiling < 0 || load < level_load(&s->levels[out->ceiling])))
            out->ceiling = (int)i;
    }
}

/* The lowest level from which on every one overloads the server: among steps of seconds a queue may
 * seem to grow that would not have gone on. */
static int find_saturation(const struct sweep *s)
{
    double carried = 0;
    int lowest = -1;
    for (size_t i = 0; i < s->count; i++)
        if (level_on_curve(&s->levels[i]) && !s->levels[i].overloaded)
            carried = fmax(carried, level_load(&s->levels[i]));
    for (size_t i = 0; i < s->count; i++) {
        const struct level *l = &s->levels[i];
        if (level_on_curve(l) && level_load(l) > carried &&
            (lowest < 0 || level_load(l) < level_load(&s->levels[lowest])))
            lowest = (int)i;
    }
    return lowest;
}

static bool ceiling_is_lowest(const struct sweep *s, const struct sweep_result *r)
{
    if (r->floor >= 0 || r->ceiling < 0)
        return false;
    for (size_t i = 0; i < s->count; i++)
        if (level_on_curve(&s->levels[i]) &&
            level_load(&s->levels[i]) < level_load(&s->levels[r->ceiling]))
            return false;
    return true;
}

/* ---- the curve ---- */

/* Where the tail turns up: that of the objective that binds, else p99 TTFT. Of equal loads the
 * later one stands. */
static int find_knee(const struct sweep *s, int binding)
{
    struct tail_point *p = MEM_ARRAY(struct tail_point, s->count + 1);
    double x[SWEEP_MAX_LEVELS], y[SWEEP_MAX_LEVELS];
    size_t at[SWEEP_MAX_LEVELS], n = 0, points = 0, knee;
    if (binding >= 0)
        points = crossing_line(s->levels, s->count, (size_t)binding, p);
    else
        points = crossing_line_of_ttft(s->levels, s->count, p);
    for (size_t i = 0; i < points; i++) {
        n -= n > 0 && x[n - 1] >= p[i].load;
        x[n] = p[i].load;
        y[n] = exp(p[i].risen);
        at[n++] = (size_t)(p[i].level - s->levels);
    }
    free(p);
    return kneedle_find(x, y, n, KNEEDLE_CONVEX, 1, &knee) ? (int)at[knee] : -1;
}

/* The standard error of a log-normal's p-quantile, in its logarithm, from so many independent
 * values. */
static double tail_error(const struct level *l, size_t j)
{
    double z = special_normal_quantile(l->slo[j].objective.p);
    return l->spread[j] * sqrt((1 + z * z / 2) / fmax(l->slo[j].test.n_eff, 1));
}

/* A tail is taken to fall with the load where it lies so many standard errors from the rising line,
 * and has halved besides: a step of a climb sees little of the rare slow moments that a long level
 * has. */
static const double falling_errors = 3;
static const double falling_least = 0.69314718055994530942; /* ln 2 */

static bool is_monotone(const struct sweep *s)
{
    struct tail_point *p = MEM_ARRAY(struct tail_point, s->count + 1);
    bool monotone = true;
    for (size_t j = 0; j < s->spec.slo.n; j++) {
        size_t n = crossing_line(s->levels, s->count, j, p);
        for (size_t i = 0; i < n; i++) {
            double off = fabs(p[i].measured - p[i].risen);
            bool both_beyond = p[i].measured > 0 && p[i].risen > 0; /* how far says nothing */
            if (!both_beyond && off > falling_least &&
                off > falling_errors * tail_error(p[i].level, j))
                monotone = false;
        }
    }
    free(p);
    return monotone;
}

/* ---- what more certainty costs ---- */

static const double near_gap = 0.05;  /* a floor so far below the crossing */
static const double sustained = 0.65; /* of a long budget, for the confirmation */

/* The level that the answer rests on: the floor, else the confirmation that has shown nothing. */
static const struct level *longest_look(const struct sweep *s, const struct sweep_result *r)
{
    if (r->floor >= 0)
        return &s->levels[r->floor];
    for (size_t i = 0; i < s->count; i++)
        if (s->levels[i].stage == LEVEL_CONFIRM)
            return &s->levels[i];
    return NULL;
}

/* The time it takes to tell a load from the limit goes with the inverse square of the distance
 * between them, as for any two means. */
static double more_certainty_s(const struct sweep *s, const struct sweep_result *r)
{
    const struct level *l = longest_look(s, r);
    if (!l || !isfinite(r->crossing) || !(level_load(l) < r->crossing))
        return NAN;
    double gap = (1 - level_load(l) / r->crossing) / near_gap;
    return gap > 1 ? window_s(&l->window) * gap * gap / sustained : NAN;
}

/* ---- all of it ---- */

void sweep_judge(const struct sweep *s, struct sweep_result *out)
{
    struct load_point next[RUNNER_MAX_CLIMB];
    struct crossing c;
    enum level_stage stage;
    *out = (struct sweep_result){.floor = -1, .ceiling = -1};
    place(s, out);
    out->saturated = find_saturation(s);
    crossing_find(s->levels, s->count, s->spec.slo.n, &c);
    out->crossing = c.load;
    out->binding = c.binding;
    out->knee = find_knee(s, c.binding);
    out->monotone = is_monotone(s);
    out->more_s = more_certainty_s(s, out);
    out->end = sweep_next(s, next, &stage) > 0        ? SWEEP_UNFINISHED
               : s->spec.slo.n == 0                   ? SWEEP_NO_SLO
               : ceiling_is_lowest(s, out)            ? SWEEP_NEVER_MET
               : out->floor >= 0 || out->ceiling >= 0 ? SWEEP_FOUND
                                                      : SWEEP_UNDECIDED;
}
