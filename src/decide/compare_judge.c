#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "decide/compare.h"
#include "stats/holm.h"
#include "stats/moments.h"
#include "stats/rank.h"
#include "stats/special.h"
#include "stats/ttest.h"

/* Of all false verdicts together; of one interval; of a gate, and of all of them together. */
static const double alpha = 1 - COMPARE_LEVEL, gate_alpha = (1 - COMPARE_LEVEL) / 2;

/* The chance of a verdict for which rounds are counted, and what the signed-rank test gives away to
 * the t-test where differences are normal: 3/π (Lehmann 1975). */
static const double power = 0.8, rank_efficiency = 3 / 3.14159265358979323846;

/* Tokens of an event that differ by less are the same. */
static const double per_event_off = 0.01;

static bool is_paired(const struct comparison *c)
{
    return c->design == COMPARE_ROUNDS || c->design == COMPARE_PAIRED_RUNS;
}

static bool has_log(double x)
{
    return isfinite(x) && x > 0;
}

/* Logarithms of the values of one side; returns how many of them exist. */
static size_t logs_of(const struct compare_row *r, int side, double *out)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n[side]; i++)
        if (has_log(r->value[side][i]))
            out[n++] = log(r->value[side][i]);
    return n;
}

/* ln(B/A) of the pairs that have one. */
static size_t differences(const struct compare_row *r, double *out)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n[COMPARE_A]; i++)
        if (has_log(r->value[COMPARE_A][i]) && has_log(r->value[COMPARE_B][i]))
            out[n++] = log(r->value[COMPARE_B][i] / r->value[COMPARE_A][i]);
    return n;
}

static double sd_of(const double *x, size_t n)
{
    struct moments m = {0};
    for (size_t i = 0; i < n; i++)
        moments_add(&m, x[i]);
    return n >= 2 ? moments_sd(&m) : NAN;
}

static double median_of(const double *x, size_t n)
{
    double *copy = MEM_ARRAY(double, n + 1);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]))
            copy[kept++] = x[i];
    double m = kept > 0 ? rank_select(copy, kept, rank_of(0.5, kept)) : NAN;
    free(copy);
    return m;
}

static void no_verdict(struct compare_row *r, const char *why)
{
    r->verdict = COMPARE_NO_VERDICT;
    snprintf(r->why, sizeof r->why, "%s", why);
}

static void take_t(struct compare_row *r, const struct ttest *t)
{
    r->t.ratio = t->estimate;
    r->t.p = t->p;
    r->t.df = t->df;
    r->t.ci = t->ci;
}

/* --- one metric --- */

static void test_pairs(struct compare_row *r)
{
    size_t all = r->n[COMPARE_A];
    double *d = MEM_ARRAY(double, all + 1);
    size_t n = differences(r, d);
    if (n > 0) {
        struct signedrank s;
        struct ttest t;
        signedrank_test(d, n, COMPARE_LEVEL, &s);
        ttest_paired(d, n, COMPARE_LEVEL, &t);
        r->ratio = s.estimate;
        r->ci = s.ci;
        r->p = s.p_two;
        r->sd = sd_of(d, n);
        take_t(r, &t);
    }
    if (n == 0)
        no_verdict(r, "there are no values");
    else if (n < all)
        snprintf(r->why, sizeof r->why, "%zu of %zu rounds lack a value above 0", all - n, all);
    if (n > 0 && n < all)
        r->verdict = COMPARE_NO_VERDICT;
    free(d);
}

static void test_unpaired(struct compare_row *r)
{
    double *x[COMPARE_SIDES];
    size_t n[COMPARE_SIDES];
    bool whole = true;
    for (int s = 0; s < COMPARE_SIDES; s++) {
        x[s] = MEM_ARRAY(double, r->n[s] + 1);
        n[s] = logs_of(r, s, x[s]);
        whole = whole && n[s] == r->n[s];
    }
    if (n[COMPARE_A] > 0 && n[COMPARE_B] > 0) {
        struct ttest t;
        ttest_welch(x[COMPARE_B], n[COMPARE_B], x[COMPARE_A], n[COMPARE_A], COMPARE_LEVEL, &t);
        r->ratio = t.estimate;
        r->ci = t.ci;
        r->p = t.p;
        r->sd = hypot(sd_of(x[COMPARE_A], n[COMPARE_A]), sd_of(x[COMPARE_B], n[COMPARE_B]));
        take_t(r, &t);
    }
    if (n[COMPARE_A] == 0 || n[COMPARE_B] == 0)
        no_verdict(r, "there are no values");
    else if (!whole)
        no_verdict(r, "some runs lack a value above 0");
    else if (n[COMPARE_A] < 2 || n[COMPARE_B] < 2)
        no_verdict(r, "one run does not tell how much runs of a server differ");
    for (int s = 0; s < COMPARE_SIDES; s++)
        free(x[s]);
}

static bool per_event_differs(const struct comparison *c)
{
    double a = c->side[COMPARE_A].tokens_per_event, b = c->side[COMPARE_B].tokens_per_event;
    return isfinite(a) && isfinite(b) && fabs(b - a) > per_event_off * fmin(a, b);
}

static void test_row(const struct comparison *c, struct compare_row *r)
{
    for (int s = 0; s < COMPARE_SIDES; s++)
        r->median[s] = median_of(r->value[s], r->n[s]);
    if (is_paired(c))
        test_pairs(r);
    else if (c->design == COMPARE_UNPAIRED_RUNS)
        test_unpaired(r);
    else
        no_verdict(r, isnan(r->ratio) ? "there are no values"
                                      : "one run does not tell how much runs of a server differ");
    bool itl = r->metric.quantity == COMPARE_LATENCY && r->metric.latency == LATENCY_ITL;
    if (itl && r->verdict != COMPARE_NO_VERDICT && per_event_differs(c)) {
        no_verdict(r, "");
        snprintf(r->why, sizeof r->why,
                 "events carry %.3g tokens at A and %.3g at B: tpot compares",
                 c->side[COMPARE_A].tokens_per_event, c->side[COMPARE_B].tokens_per_event);
    }
}

/* --- verdicts --- */

static void adjust(struct comparison *c)
{
    double *p = MEM_ARRAY(double, c->row_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < c->row_count; i++)
        if (c->rows[i].verdict != COMPARE_NO_VERDICT && !isnan(c->rows[i].p))
            p[n++] = c->rows[i].p;
    holm_adjust(p, n, p);
    n = 0;
    for (size_t i = 0; i < c->row_count; i++)
        if (c->rows[i].verdict != COMPARE_NO_VERDICT && !isnan(c->rows[i].p))
            c->rows[i].p_holm = p[n++];
    free(p);
}

/* ± margin is the same factor either way: B/A from 1/1.05 to 1.05. */
static bool is_within(const struct interval *ci, double margin)
{
    double bound = log1p(margin);
    return ci->has_low && ci->has_high && ci->low >= -bound && ci->high <= bound;
}

static void decide(const struct comparison *c, struct compare_row *r)
{
    if (r->verdict == COMPARE_NO_VERDICT)
        return;
    r->within_margin = is_within(&r->ci, c->spec.margin);
    bool grew = r->ratio > 0;
    if (r->p_holm <= alpha && r->ratio != 0)
        r->verdict = grew == compare_more_is_better(&r->metric) ? COMPARE_BETTER : COMPARE_WORSE;
    else
        r->verdict = r->within_margin ? COMPARE_EQUIVALENT : COMPARE_UNDECIDED;
}

/* A mean that is to be shown to lie between two limits, two-sided at this level. */
struct aim {
    double near,
        far; /* limits, so many standard deviations away; INFINITY: there is no such limit */
    double level;
    bool paired;
};

/* How often n rounds show it. */
static double chance(const struct aim *a, size_t n)
{
    double df = a->paired ? (double)n - 1 : 2 * ((double)n - 1), root = sqrt((double)n);
    double wanted = special_t_quantile(1 - a->level / 2, df);
    double missed = special_t_cdf(wanted - a->near * root, df);
    if (isfinite(a->far))
        missed += special_t_cdf(wanted - a->far * root, df);
    return 1 - missed;
}

/* Least number with which it is shown so often as `power` says. */
static double rounds_for(const struct aim *a)
{
    size_t few = 1, enough = COMPARE_MANY_ROUNDS;
    if (!(a->near > 0) || chance(a, enough) < power)
        return INFINITY;
    while (enough - few > 1) {
        size_t n = few + (enough - few) / 2;
        *(chance(a, n) >= power ? &enough : &few) = n;
    }
    return a->paired ? ceil((double)enough / rank_efficiency) : (double)enough;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static void count_rounds(const struct comparison *c, struct compare_row *r)
{
    size_t tests = 0;
    bool paired = is_paired(c);
    if (r->verdict != COMPARE_UNDECIDED || !(r->sd > 0))
        return;
    for (size_t i = 0; i < c->row_count; i++)
        tests += c->rows[i].verdict != COMPARE_NO_VERDICT;
    double size = fabs(r->ratio), bound = log1p(c->spec.margin);
    struct aim other = {size / r->sd, INFINITY, alpha / (double)tests, paired};
    struct aim same = {(bound - size) / r->sd, (bound + size) / r->sd, alpha, paired};
    double differ = rounds_for(&other), agree = rounds_for(&same);
    if (paired) {
        differ = larger(differ, (double)compare_rounds_for_metrics(tests));
        agree = larger(agree, (double)compare_rounds_for_metrics(1));
    }
    double needed = differ < agree ? differ : agree;
    if (needed <= (double)r->n[COMPARE_A]) /* bad luck with the rounds there were */
        needed = (double)r->n[COMPARE_A] + 1;
    r->rounds_needed = needed > COMPARE_MANY_ROUNDS ? INFINITY : needed;
}

/* --- gates --- */

/* Every sign the same: the smallest p there is with n differences, one-sided, is 2⁻ⁿ. */
static size_t rounds_for_level(double level)
{
    size_t n = 1;
    while (ldexp(1, -(int)n) > level)
        n++;
    return n;
}

size_t compare_rounds_for_metrics(size_t metrics)
{
    return rounds_for_level(alpha / 2 / (double)(metrics > 0 ? metrics : 1));
}

static size_t count_shown(const struct compare_gates *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++)
        n += !g->list[i].possibly;
    return n;
}

size_t compare_rounds_for_gates(const struct compare_gates *g)
{
    size_t shown = count_shown(g);
    return g->n == 0 ? 0 : rounds_for_level(gate_alpha / (double)(shown > 0 ? shown : 1));
}

/* How much B is worse than A, less what the gate allows; on the scale of logarithms, above 0 beyond
 * the limit. */
static double beyond(const struct compare_gate *g, double ratio)
{
    return compare_more_is_better(&g->metric) ? -ratio + log1p(-g->limit) : ratio - log1p(g->limit);
}

/* One-sided p values: of being beyond the limit, and of being within it. */
struct sides {
    double beyond, within;
};

static struct sides test_gate_pairs(const struct compare_gate *g, const struct compare_row *r)
{
    double *d = MEM_ARRAY(double, r->n[COMPARE_A] + 1);
    size_t n = differences(r, d);
    struct signedrank s;
    for (size_t i = 0; i < n; i++)
        d[i] = beyond(g, d[i]);
    signedrank_test(d, n, COMPARE_LEVEL, &s);
    free(d);
    return (struct sides){s.p_greater, s.p_less};
}

static struct sides test_gate_welch(const struct compare_gate *g, const struct compare_row *r)
{
    double *x[COMPARE_SIDES];
    size_t n[COMPARE_SIDES];
    struct ttest t;
    for (int s = 0; s < COMPARE_SIDES; s++) {
        x[s] = MEM_ARRAY(double, r->n[s] + 1);
        n[s] = logs_of(r, s, x[s]);
    }
    ttest_welch(x[COMPARE_B], n[COMPARE_B], x[COMPARE_A], n[COMPARE_A], COMPARE_LEVEL, &t);
    for (int s = 0; s < COMPARE_SIDES; s++)
        free(x[s]);
    if (isnan(t.df))
        return (struct sides){1, 1};
    double within = special_t_cdf(beyond(g, t.estimate) / t.error, t.df);
    return (struct sides){1 - within, within};
}

static bool can_tell(const struct comparison *c, const struct compare_row *r)
{
    if (r->verdict == COMPARE_NO_VERDICT)
        return false;
    return !is_paired(c) || r->n[COMPARE_A] >= compare_rounds_for_gates(&c->spec.gates);
}

static void judge_gates(struct comparison *c)
{
    double shown[COMPARE_MAX_GATES] = {0};
    size_t n = 0;
    c->gate_count = c->spec.gates.n;
    for (size_t i = 0; i < c->gate_count; i++) {
        struct compare_gate_result *g = &c->gates[i];
        *g = (struct compare_gate_result){
            .gate = c->spec.gates.list[i], .state = COMPARE_CANNOT_TELL, .p = NAN};
        g->row = compare_metrics_find(&c->spec.metrics, &g->gate.metric);
        const struct compare_row *r = &c->rows[g->row];
        if (!can_tell(c, r))
            continue;
        struct sides p = is_paired(c) ? test_gate_pairs(&g->gate, r) : test_gate_welch(&g->gate, r);
        g->p = g->gate.possibly ? p.within : p.beyond;
        g->state = g->gate.possibly && g->p > gate_alpha ? COMPARE_FAILS : COMPARE_PASSES;
        if (!g->gate.possibly)
            shown[n++] = g->p;
    }
    holm_adjust(shown, n, shown);
    n = 0;
    for (size_t i = 0; i < c->gate_count; i++) {
        struct compare_gate_result *g = &c->gates[i];
        if (g->gate.possibly || isnan(g->p))
            continue;
        g->p = shown[n++];
        g->state = g->p <= gate_alpha ? COMPARE_FAILS : COMPARE_PASSES;
    }
}

void compare_judge(struct comparison *c)
{
    for (size_t i = 0; i < c->row_count; i++)
        test_row(c, &c->rows[i]);
    adjust(c);
    for (size_t i = 0; i < c->row_count; i++)
        decide(c, &c->rows[i]);
    for (size_t i = 0; i < c->row_count; i++)
        count_rounds(c, &c->rows[i]);
    judge_gates(c);
}
