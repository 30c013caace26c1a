#include "decide/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* How the budget is divided. */
static const double single_share = 0.01, burst_share = 0.04, climb_share = 0.12;
static const double narrow_share = 0.08; /* of one level */
static const double confirm_share = 0.70;
static const double narrow_at = 0.95; /* of the crossing */

enum {
    CLIMB_STEPS = 8,
    NARROW_STEPS = 4,
    MIN_STEP_S = 5,
    BURST_MIN = 64,
    BURST_MAX = 4096,
    BURST_USERS = 40, /* of whom a server is taken to serve so many as fast as one */
    EXTEND_MOST = 4,
};

static const double climb_from = 0.1, climb_to = 1.1; /* of the burst's rate */
static const double extend_by = 1.25;                 /* where the climb has met no limit */

/* Where the search confirms, of the crossing: a short search knows it badly and must show more in
 * less time. */
static const double back_off_short = 0.75, back_off_long = 0.90;
#define SHORT_NS (600 * NS_PER_S)
#define LONG_NS  (3600 * NS_PER_S)

void sweep_init(struct sweep *s, const struct sweep_spec *spec)
{
    memset(s, 0, sizeof *s);
    s->spec = *spec;
}

static size_t of_stage(const struct sweep *s, enum level_stage stage)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += s->levels[i].stage == stage;
    return n;
}

static const struct level *first_of(const struct sweep *s, enum level_stage stage)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->levels[i].stage == stage)
            return &s->levels[i];
    return NULL;
}

static int64_t share_ns(const struct sweep *s, double share)
{
    return (int64_t)(share * (double)s->spec.budget_ns);
}

static int64_t whole_seconds(double ns)
{
    double seconds = floor(ns / 1e9);
    return (int64_t)fmax(seconds, MIN_STEP_S) * NS_PER_S;
}

/* ---- where the SLO is crossed ---- */

struct point { /* a level on the curve */
    double load, tail, weight;
};

static int by_load(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    return (x->load > y->load) - (x->load < y->load);
}

static bool on_curve(const struct level *l)
{
    return l->stage != LEVEL_SINGLE && l->stage != LEVEL_BURST && l->offered > 0;
}

/* Levels of objective j by load, their tails made to rise (pool adjacent violators, weights:
 * requests). */
static size_t curve(const struct sweep *s, size_t j, struct point *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct level *l = &s->levels[i];
        if (!on_curve(l) || isnan(l->tail[j]))
            continue;
        out[n++] = (struct point){level_load(l), fmin(log(l->tail[j]), 3), (double)l->offered};
    }
    qsort(out, n, sizeof *out, by_load);
    for (size_t i = 1; i < n; i++) { /* from the left; a violator pulls those before it along */
        double sum = out[i].tail * out[i].weight, weight = out[i].weight;
        size_t k = i;
        while (k > 0 && out[k - 1].tail > sum / weight) {
            k--;
            sum += out[k].tail * out[k].weight;
            weight += out[k].weight;
        }
        for (size_t m = k; k < i && m <= i; m++)
            out[m].tail = sum / weight;
    }
    return n;
}

/* The load at which the curve of objective j crosses its limit; INFINITY when it does not, 0 when
 * it lies above from the first level on. */
static double crossing_of(const struct sweep *s, size_t j)
{
    struct point p[SWEEP_MAX_LEVELS];
    size_t n = curve(s, j, p);
    for (size_t i = 0; i < n; i++) {
        if (p[i].tail < 0)
            continue;
        if (i == 0)
            return 0;
        double t = -p[i - 1].tail / (p[i].tail - p[i - 1].tail);
        return exp(log(p[i - 1].load) + t * (log(p[i].load) - log(p[i - 1].load)));
    }
    return n > 0 ? INFINITY : NAN;
}

static double crossing(const struct sweep *s, int *binding)
{
    double least = NAN;
    for (size_t j = 0; j < s->spec.slo.n; j++) {
        double x = crossing_of(s, j);
        if (!(x >= least)) {
            least = x;
            if (binding)
                *binding = (int)j;
        }
    }
    return least;
}

/* ---- what comes next ---- */

static double log_between(double from, double to, double x)
{
    return exp(log(from) + x * (log(to) - log(from)));
}

static uint64_t burst_size(const struct sweep *s)
{
    const struct level *one = first_of(s, LEVEL_SINGLE);
    double e2e_s = one && one->e2e_mean_ns > 0 ? one->e2e_mean_ns / 1e9 : 1;
    double n = burst_share * (double)s->spec.budget_ns / 1e9 * BURST_USERS / e2e_s / 2;
    return (uint64_t)fmin(fmax(n, BURST_MIN), BURST_MAX);
}

/* Steps of a climb from one rate to another in equal ratios, so long in all. The upper half is
 * twice as long as the lower: there the limit is looked for, and a busy server takes longer to
 * settle. */
static size_t climb(double from, double to, size_t n, int64_t all_ns, uint64_t seed_index,
                    bool from_idle, struct load_point *out)
{
    double parts = (double)(n / 2 + 2 * (n - n / 2));
    for (size_t i = 0; i < n; i++)
        out[i] = (struct load_point){
            .kind = LOAD_AT_RATE,
            .rate = log_between(from, to, n > 1 ? (double)i / (double)(n - 1) : 0),
            .duration_ns = whole_seconds((i < n / 2 ? 1 : 2) * (double)all_ns / parts),
            .purpose = level_stage_name(LEVEL_CLIMB),
            .seed_index = seed_index,
            .from_idle = from_idle,
            .cut = true};
    return n;
}

/* What measured requests that are still out when offering ends take about, at the load where that
 * matters. */
static int64_t drain_ns(const struct sweep *s)
{
    double longest = 0;
    for (size_t i = 0; i < s->count; i++)
        if (on_curve(&s->levels[i]) && s->levels[i].e2e_longest_ns > longest)
            longest = s->levels[i].e2e_longest_ns;
    return (int64_t)longest;
}

static double back_off(const struct sweep *s)
{
    double x =
        log((double)s->spec.budget_ns / (double)SHORT_NS) / log((double)LONG_NS / (double)SHORT_NS);
    return back_off_short + fmin(fmax(x, 0), 1) * (back_off_long - back_off_short);
}

static int64_t left_ns(const struct sweep *s)
{
    return s->spec.budget_ns - s->spent_ns;
}

static size_t next_found(const struct sweep *s, struct load_point *out, enum level_stage *stage)
{
    const struct level *burst = first_of(s, LEVEL_BURST);
    size_t climbed = of_stage(s, LEVEL_CLIMB), narrowed = of_stage(s, LEVEL_NARROW);
    uint64_t seed_index = s->count + 1;
    if (of_stage(s, LEVEL_SINGLE) == 0) {
        *stage = LEVEL_SINGLE;
        out[0] =
            (struct load_point){.kind = LOAD_OF_USERS,
                                .users = 1,
                                .duration_ns = whole_seconds((double)share_ns(s, single_share)),
                                .purpose = level_stage_name(*stage),
                                .seed_index = seed_index,
                                .from_idle = true};
        return 1;
    }
    if (!burst) {
        *stage = LEVEL_BURST;
        out[0] = (struct load_point){.kind = LOAD_AT_ONCE,
                                     .requests = burst_size(s),
                                     .purpose = level_stage_name(*stage),
                                     .seed_index = seed_index,
                                     .from_idle = true};
        return 1;
    }
    double most = burst->completed_per_s;
    if (!(most > 0))
        return 0;
    if (climbed == 0) {
        *stage = LEVEL_CLIMB;
        return climb(climb_from * most, climb_to * most, CLIMB_STEPS, share_ns(s, climb_share),
                     seed_index, true, out);
    }
    double at = crossing(s, NULL);
    if (isnan(at) || at <= 0 || of_stage(s, LEVEL_CONFIRM) > 0)
        return 0;
    if (isinf(at) && narrowed == 0 && climbed < CLIMB_STEPS + EXTEND_MOST) { /* no limit met yet */
        double highest = 0;
        for (size_t i = 0; i < s->count; i++)
            if (on_curve(&s->levels[i]))
                highest = fmax(highest, level_load(&s->levels[i]));
        *stage = LEVEL_CLIMB;
        return climb(highest * extend_by, highest * extend_by * extend_by, 2,
                     share_ns(s, climb_share) / 3, seed_index, false, out);
    }
    if (isinf(at))
        at = s->levels[s->count - 1].point.rate;
    bool again = left_ns(s) - share_ns(s, narrow_share) > share_ns(s, confirm_share);
    *stage = narrowed == 0 || again ? LEVEL_NARROW : LEVEL_CONFIRM;
    out[0] = (struct load_point){.kind = LOAD_AT_RATE,
                                 .purpose = level_stage_name(*stage),
                                 .seed_index = seed_index,
                                 .from_idle = narrowed == 0,
                                 .cut = *stage == LEVEL_NARROW};
    if (*stage == LEVEL_NARROW) {
        out[0].rate = narrow_at * at;
        out[0].duration_ns = whole_seconds((double)share_ns(s, narrow_share));
    } else {
        out[0].rate = back_off(s) * at;
        out[0].duration_ns = whole_seconds((double)(left_ns(s) - drain_ns(s)));
    }
    return 1;
}

static size_t next_given(const struct sweep *s, struct load_point *out, enum level_stage *stage)
{
    size_t done = s->count;
    if (done == s->spec.given_count)
        return 0;
    if (done > 0 && s->spec.stop_at_saturation && s->levels[done - 1].overloaded)
        return 0;
    int64_t each_ns = s->spec.level_ns > 0
                          ? s->spec.level_ns
                          : whole_seconds((double)s->spec.budget_ns / (double)s->spec.given_count);
    double load = s->spec.given[done];
    *stage = LEVEL_GIVEN;
    out[0] = (struct load_point){.kind = s->spec.kind,
                                 .rate = s->spec.kind == LOAD_AT_RATE ? load : 0,
                                 .users = s->spec.kind == LOAD_OF_USERS ? (int64_t)load : 0,
                                 .duration_ns = each_ns,
                                 .purpose = level_stage_name(*stage),
                                 .seed_index = done + 1,
                                 .from_idle = done == 0};
    return 1;
}

size_t sweep_next(const struct sweep *s, struct load_point out[RUNNER_MAX_CLIMB],
                  enum level_stage *stage)
{
    return s->spec.given_count > 0 ? next_given(s, out, stage) : next_found(s, out, stage);
}

void sweep_take(struct sweep *s, enum level_stage stage, const struct load_point *points,
                const struct probed *got, size_t n, int64_t cost_ns)
{
    for (size_t i = 0; i < n && s->count < SWEEP_MAX_LEVELS; i++) {
        struct level *l = &s->levels[s->count++];
        *l = (struct level){.stage = stage, .point = points[i]};
        level_measure(l, &got[i], &s->spec.slo);
    }
    s->spent_ns += cost_ns;
}

/* ---- what it comes to ---- */

enum slo_decision sweep_decide(const struct sweep *s, const struct level *l)
{
    bool given = l->stage == LEVEL_GIVEN, confirms = l->stage == LEVEL_CONFIRM;
    if (s->spec.slo.n == 0 || l->stage == LEVEL_BURST || l->stage == LEVEL_SINGLE)
        return SLO_UNDECIDED;
    double levels = given ? (double)s->spec.given_count : CLIMB_STEPS + 3 * NARROW_STEPS;
    double pass = given ? SWEEP_ALPHA / levels : confirms ? SWEEP_ALPHA : 0;
    return objectives_decide(l->slo, s->spec.slo.n, pass, SWEEP_ALPHA / levels);
}

void sweep_judge(const struct sweep *s, struct sweep_result *out)
{
    struct load_point next[RUNNER_MAX_CLIMB];
    enum level_stage stage;
    *out = (struct sweep_result){.floor = -1,
                                 .ceiling = -1,
                                 .binding = -1,
                                 .knee = -1,
                                 .saturated = -1,
                                 .monotone = true,
                                 .more_s = NAN};
    for (size_t i = 0; i < s->count; i++) {
        const struct level *l = &s->levels[i];
        double load = level_load(l);
        enum slo_decision d = sweep_decide(s, l);
        if (d == SLO_PASS && (out->floor < 0 || load > level_load(&s->levels[out->floor])))
            out->floor = (int)i;
        if (d == SLO_FAIL && (out->ceiling < 0 || load < level_load(&s->levels[out->ceiling])))
            out->ceiling = (int)i;
        if (l->overloaded && on_curve(l) &&
            (out->saturated < 0 || load < level_load(&s->levels[out->saturated])))
            out->saturated = (int)i;
    }
    out->crossing = crossing(s, &out->binding);
    out->end = sweep_next(s, next, &stage) > 0        ? SWEEP_UNFINISHED
               : s->spec.slo.n == 0                   ? SWEEP_NO_SLO
               : out->floor >= 0 || out->ceiling >= 0 ? SWEEP_FOUND
                                                      : SWEEP_UNDECIDED;
}
