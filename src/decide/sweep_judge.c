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
        if (l->overloaded && level_on_curve(l) &&
            (out->saturated < 0 || load < level_load(&s->levels[out->saturated])))
            out->saturated = (int)i;
    }
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

/* A falling tail is noise while it is within so many standard errors of the rising line. */
static const double falling_errors = 3;

static bool is_monotone(const struct sweep *s)
{
    struct tail_point *p = MEM_ARRAY(struct tail_point, s->count + 1);
    bool monotone = true;
    for (size_t j = 0; j < s->spec.slo.n; j++) {
        size_t n = crossing_line(s->levels, s->count, j, p);
        for (size_t i = 0; i < n; i++) {
            double e = tail_error(p[i].level, j);
            if (fabs(p[i].measured - p[i].risen) > falling_errors * e)
                monotone = false;
        }
    }
    free(p);
    return monotone;
}

/* ---- what more certainty costs ---- */

static const double near_share = 0.95; /* of the crossing: a floor there */
static const double power = 0.8;       /* of being shown in one go */
static const double sustained = 0.65;  /* of a long budget, for the confirmation */

/* The level nearest to the crossing of those whose time has been seen to tell something. */
static const struct level *nearest(const struct sweep *s, const struct crossing *c)
{
    const struct level *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const struct level *l = &s->levels[i];
        if (level_on_curve(l) && l->slo[c->binding].test.bound && l->spread[c->binding] > 0 &&
            (!best || fabs(log(level_load(l) / c->load)) < fabs(log(level_load(best) / c->load))))
            best = l;
    }
    return best;
}

/* So many independent requests are enough to show a share q of misses to be below the allowed one a
 * (normal approximation of the binomial test), and come at the pace of the nearest level. With
 * logarithms of standard deviation σ, q at 95 % of the crossing is that of a tail which lies slope
 * × ln 0.95 below its limit there. */
static double more_certainty_s(const struct sweep *s, const struct crossing *c)
{
    if (!isfinite(c->load) || !(c->slope > 0))
        return NAN;
    const struct level *l = nearest(s, c);
    if (!l)
        return NAN;
    const struct slo_result *r = &l->slo[c->binding];
    double z = special_normal_quantile(r->objective.p);
    double a = r->allowed_share;
    double q = special_normal_cdf(c->slope * log(near_share) / l->spread[c->binding] - z);
    double n = (special_normal_quantile(1 - SWEEP_ALPHA) * sqrt(a * (1 - a)) +
                special_normal_quantile(power) * sqrt(q * (1 - q))) /
               (a - q);
    n = fmax(n * n, log(SWEEP_ALPHA) / log(1 - a)); /* without a miss it takes so many */
    double per_s = r->test.n_eff / window_s(&l->window);
    return per_s > 0 ? n / per_s / sustained : NAN;
}

/* ---- all of it ---- */

void sweep_judge(const struct sweep *s, struct sweep_result *out)
{
    struct load_point next[RUNNER_MAX_CLIMB];
    struct crossing c;
    enum level_stage stage;
    *out = (struct sweep_result){.floor = -1, .ceiling = -1, .saturated = -1};
    place(s, out);
    crossing_find(s->levels, s->count, s->spec.slo.n, &c);
    out->crossing = c.load;
    out->binding = c.binding;
    out->knee = find_knee(s, c.binding);
    out->monotone = is_monotone(s);
    out->more_s = s->spec.slo.n > 0 ? more_certainty_s(s, &c) : NAN;
    out->end = sweep_next(s, next, &stage) > 0        ? SWEEP_UNFINISHED
               : s->spec.slo.n == 0                   ? SWEEP_NO_SLO
               : ceiling_is_lowest(s, out)            ? SWEEP_NEVER_MET
               : out->floor >= 0 || out->ceiling >= 0 ? SWEEP_FOUND
                                                      : SWEEP_UNDECIDED;
}
