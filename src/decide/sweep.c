#include "decide/sweep.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "decide/crossing.h"

/* How the budget is divided. */
static const double single_share = 0.01, burst_share = 0.03, climb_share = 0.12;
static const double extend_share = 0.02; /* of one step */
static const double narrow_share = 0.08; /* of one level */
static const double lowest_share = 0.3;  /* where even the lowest level misses */
static const double double_share = 0.1;  /* of one number of users */
static const double curve_share = 0.6,
                    curve_extend_share = 0.1; /* without an SLO: the climb, and a step beyond it */

/* A short search knows the crossing badly and must show more in less time: it confirms farther
 * below, for a larger part of the budget. Between short and long in proportion to log(budget);
 * beyond long the distance from the crossing shrinks with the square root of the budget, as the
 * error of any mean does. */
#define SHORT_NS (1200 * NS_PER_S)
#define LONG_NS  (3600 * NS_PER_S)
static const double confirm_share_short = 0.70, confirm_share_long = 0.60;
static const double gap_short = 0.245, gap_long = 0.11;
static const double gap_most = 0.5;
static const double gap_rate =
    6.5; /* requests/s that gap_short is for: where more come in the same time, they show more */

enum {
    CLIMB_STEPS = 8,
    CLIMB_PARTS = CLIMB_STEPS / 2 + 2 * (CLIMB_STEPS - CLIMB_STEPS / 2),
    EXTEND_MOST = 4,
    NARROW_MOST = 6,
    MIN_STEP_S = 5,
    BURST_MIN = 64,
    BURST_MAX = 4096,
    BURST_USERS = 40, /* of whom a server is taken to serve so many as fast as one */
};

_Static_assert(CLIMB_STEPS + EXTEND_MOST + NARROW_MOST + 1 == SWEEP_LOOKS,
               "alpha is shared by all looks");

#define ABOVE_FROM_NS (900 * NS_PER_S) /* a shorter search spends no time on showing a miss */

static const double climb_from = 0.1, climb_to = 1.1; /* of the burst's rate */
static const double extend_by = 1.25;                 /* where the climb has shown no miss */
static const double narrow_below = 0.95, narrow_above = 1.15; /* of the crossing */
static const double growth_least = 1.05; /* of throughput, for twice the users */

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

static struct load_point step(double rate, int64_t duration_ns, uint64_t seed_index)
{
    return (struct load_point){.kind = LOAD_AT_RATE,
                               .rate = rate,
                               .duration_ns = whole_seconds((double)duration_ns),
                               .seed_index = seed_index,
                               .cut = true};
}

/* Steps in equal ratios. The upper half is twice as long as the lower: there the limit is looked
 * for, and a busy server takes longer to settle. */
static size_t climb(const struct sweep *s, double burst_rate, struct load_point *out)
{
    double share = s->spec.slo.n > 0 ? climb_share : curve_share;
    double part_ns = share * (double)s->spec.budget_ns / CLIMB_PARTS;
    for (size_t i = 0; i < CLIMB_STEPS; i++) {
        double x = (double)i / (CLIMB_STEPS - 1);
        out[i] = step(log_between(climb_from, climb_to, x) * burst_rate,
                      (int64_t)((i < CLIMB_STEPS / 2 ? 1 : 2) * part_ns), s->count + 1);
    }
    out[0].from_idle = true;
    return CLIMB_STEPS;
}

static struct load_point of_users(const struct sweep *s, int64_t users, int64_t duration_ns)
{
    return (struct load_point){.kind = LOAD_OF_USERS,
                               .users = users,
                               .duration_ns = whole_seconds((double)duration_ns),
                               .seed_index = s->count + 1,
                               .from_idle = s->count == 0};
}

/* Until the last request that was offered within the duration has ended: the longest answer seen,
 * at the slowest pace that was not beyond the load. The levels themselves were cut, so how long
 * their requests took is not known. */
static int64_t drain_ns(const struct sweep *s, double rate)
{
    double pace_ns = 0, wait_ns = 0;
    int64_t longest = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct level *l = &s->levels[i];
        if (l->longest_output > longest)
            longest = l->longest_output;
        if (!level_on_curve(l) || level_load(l) > rate)
            continue;
        pace_ns = fmax(pace_ns, l->pace_ns); /* either may be NAN: then the other */
        wait_ns = fmax(wait_ns, l->ttft_mean_ns);
    }
    return (int64_t)(wait_ns + (double)longest * pace_ns);
}

static double by_budget(const struct sweep *s, double of_short, double of_long)
{
    double x =
        log((double)s->spec.budget_ns / (double)SHORT_NS) / log((double)LONG_NS / (double)SHORT_NS);
    return of_short + fmin(fmax(x, 0), 1) * (of_long - of_short);
}

static int64_t left_ns(const struct sweep *s)
{
    return s->spec.budget_ns - s->spent_ns;
}

static bool wants_a_miss(const struct sweep *s)
{
    if (s->spec.budget_ns <= ABOVE_FROM_NS)
        return false;
    for (size_t i = 0; i < s->count; i++)
        if (sweep_decide(s, &s->levels[i]) == SLO_FAIL)
            return false;
    return true;
}

static double highest_load(const struct sweep *s, bool of_carried)
{
    double highest = 0;
    for (size_t i = 0; i < s->count; i++)
        if (level_on_curve(&s->levels[i]) && !(of_carried && s->levels[i].overloaded))
            highest = fmax(highest, level_load(&s->levels[i]));
    return highest;
}

/* One or two steps above the highest level, which the server has not drained from. */
static size_t extend(const struct sweep *s, size_t n, double share, struct load_point *out)
{
    double highest = highest_load(s, false);
    for (size_t i = 0; i < n; i++)
        out[i] = step(highest *= extend_by, share_ns(s, share), s->count + 1);
    return n;
}

static struct load_point at_rate(const struct sweep *s, double rate, int64_t duration_ns)
{
    return (struct load_point){.kind = LOAD_AT_RATE,
                               .rate = rate,
                               .duration_ns = whole_seconds((double)duration_ns),
                               .seed_index = s->count + 1};
}

/* Around the crossing first from above, where there is time for it, then from below, as long as the
 * confirmation keeps its share. Each begins anew, but for the later ones below: these, like the
 * confirmation, find the server at about their own load. */
static bool next_narrow(const struct sweep *s, double crossing, struct load_point *out)
{
    size_t narrowed = of_stage(s, LEVEL_NARROW), above = s->spec.budget_ns > ABOVE_FROM_NS;
    double keep = by_budget(s, confirm_share_short, confirm_share_long) + narrow_share;
    bool again = narrowed < NARROW_MOST && left_ns(s) > share_ns(s, keep);
    if (narrowed > above && !again)
        return false;
    *out = at_rate(s, (narrowed < above ? narrow_above : narrow_below) * crossing,
                   share_ns(s, narrow_share));
    out->from_idle = narrowed <= above;
    out->cut = true;
    return true;
}

static struct load_point confirmation(const struct sweep *s, double crossing)
{
    double in_short = gap_short * cbrt(gap_rate / ((1 - gap_short) * crossing));
    double gap = by_budget(s, fmin(in_short, gap_most), gap_long);
    if (s->spec.budget_ns > LONG_NS)
        gap *= sqrt((double)LONG_NS / (double)s->spec.budget_ns);
    double rate = (1 - gap) * crossing;
    return at_rate(s, rate, left_ns(s) - drain_ns(s, rate));
}

/* Whether even so little load misses the SLO. */
static struct load_point lowest(const struct sweep *s)
{
    struct load_point p =
        at_rate(s, first_of(s, LEVEL_CLIMB)->point.rate, share_ns(s, lowest_share));
    p.from_idle = true;
    return p;
}

/* The curve alone: until a step overloads the server. */
static size_t next_of_curve(const struct sweep *s, struct load_point *out, enum level_stage *stage)
{
    size_t climbed = of_stage(s, LEVEL_CLIMB);
    bool saturated = highest_load(s, true) < highest_load(s, false);
    if (saturated || left_ns(s) < share_ns(s, curve_extend_share) ||
        climbed >= CLIMB_STEPS + EXTEND_MOST)
        return 0;
    *stage = LEVEL_CLIMB;
    return extend(s, 1, curve_extend_share, out);
}

/* Behind the climb. */
static size_t next_near(const struct sweep *s, struct load_point *out, enum level_stage *stage)
{
    struct crossing c;
    size_t climbed = of_stage(s, LEVEL_CLIMB);
    crossing_find(s->levels, s->count, s->spec.slo.n, &c);
    if (isnan(c.load) || of_stage(s, LEVEL_CONFIRM) > 0)
        return 0;
    *stage = LEVEL_CONFIRM;
    if (c.load <= 0) {
        out[0] = lowest(s);
        return 1;
    }
    if (of_stage(s, LEVEL_NARROW) == 0 && climbed < CLIMB_STEPS + EXTEND_MOST &&
        (isinf(c.load) || wants_a_miss(s))) {
        *stage = LEVEL_CLIMB;
        size_t most = CLIMB_STEPS + EXTEND_MOST - climbed;
        return extend(s, isinf(c.load) && most > 1 ? 2 : 1, extend_share, out);
    }
    if (isinf(c.load))
        c.load = s->levels[s->count - 1].point.rate;
    if (next_narrow(s, c.load, out))
        *stage = LEVEL_NARROW;
    else
        out[0] = confirmation(s, c.load);
    return 1;
}

static size_t next_found(const struct sweep *s, struct load_point *out, enum level_stage *stage)
{
    const struct level *burst = first_of(s, LEVEL_BURST);
    if (of_stage(s, LEVEL_SINGLE) == 0) {
        *stage = LEVEL_SINGLE;
        out[0] = of_users(s, 1, share_ns(s, single_share));
        return 1;
    }
    if (!burst) {
        *stage = LEVEL_BURST;
        out[0] = (struct load_point){.kind = LOAD_AT_ONCE,
                                     .requests = burst_size(s),
                                     .seed_index = s->count + 1,
                                     .from_idle = true};
        return 1;
    }
    if (!(burst->completed_per_s > 0))
        return 0;
    if (of_stage(s, LEVEL_CLIMB) == 0) {
        *stage = LEVEL_CLIMB;
        return climb(s, burst->completed_per_s, out);
    }
    return s->spec.slo.n == 0 ? next_of_curve(s, out, stage) : next_near(s, out, stage);
}

/* Twice the users each time, until throughput hardly grows or the budget is used up. */
static size_t next_doubled(const struct sweep *s, struct load_point *out, enum level_stage *stage)
{
    int64_t users = 1;
    if (s->count > 0) {
        const struct level *last = &s->levels[s->count - 1];
        double grown = s->count > 1 ? last->completed_per_s / last[-1].completed_per_s : INFINITY;
        users = 2 * last->point.users;
        if (s->count == SWEEP_DOUBLINGS || !(grown >= growth_least) ||
            left_ns(s) < share_ns(s, double_share))
            return 0;
    }
    *stage = LEVEL_GIVEN;
    out[0] = of_users(s, users, share_ns(s, double_share));
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
                                 .seed_index = done + 1,
                                 .from_idle = done == 0};
    return 1;
}

size_t sweep_next(const struct sweep *s, struct load_point out[RUNNER_MAX_CLIMB],
                  enum level_stage *stage)
{
    size_t n = s->spec.given_count > 0         ? next_given(s, out, stage)
               : s->spec.kind == LOAD_OF_USERS ? next_doubled(s, out, stage)
                                               : next_found(s, out, stage);
    for (size_t i = 0; i < n; i++)
        out[i].purpose = level_stage_name(*stage);
    return n;
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
