#include "measure/objectives.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

static const enum latency_metric value_of[BOUND_METRICS] = {
    [BOUND_TTFT] = LATENCY_TTFT, [BOUND_TTFT_SERVICE] = LATENCY_TTFT_SERVICE,
    [BOUND_TTFA] = LATENCY_TTFA, [BOUND_TPOT] = LATENCY_TPOT,
    [BOUND_E2E] = LATENCY_E2E,
};

static bool offered_within(const struct window *w, const struct sample *q)
{
    return q->phase == 1 && window_holds(w, q->intended_ns);
}

static bool meets(const struct sample *q, const struct bound *b)
{
    double v = q->value_ns[value_of[b->metric]];
    if (q->outcome != OUTCOME_OK)
        return false;
    if (isnan(v))
        return b->metric == BOUND_TPOT && q->output_tokens <= 1;
    return v < (double)b->limit_ns;
}

static bool meets_all(const struct sample *q, const struct bounds *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (!meets(q, &b->list[i]))
            return false;
    return true;
}

struct goodput objectives_goodput(const struct sample_set *set, const struct window *w,
                                  const struct bounds *b)
{
    uint64_t offered = 0, good = 0;
    for (size_t i = 0; i < set->n; i++) {
        if (!offered_within(w, &set->list[i]))
            continue;
        offered++;
        good += meets_all(&set->list[i], b);
    }
    return (struct goodput){(double)good / window_s(w),
                            offered > 0 ? (double)good / (double)offered : NAN};
}

/* How near a request came to missing: its value over the limit, the largest of several; a miss from
 * 1 on. */
static double nearness(const struct sample *q, const struct bounds *b)
{
    double worst = 0;
    for (size_t i = 0; i < b->n; i++) {
        double v = q->value_ns[value_of[b->list[i].metric]];
        if (q->outcome != OUTCOME_OK || (isnan(v) && !meets(q, &b->list[i])))
            return INFINITY;
        if (!isnan(v))
            worst = fmax(worst, v / (double)b->list[i].limit_ns);
    }
    return worst;
}

/* Tokens from which on the pace of an unfinished answer is taken for what it would have been: the
 * first few say little, as one long step weighs heavily among them. */
enum { PACE_MIN_TOKENS = 32 };

/* NAN: nothing is known of that metric yet. */
static double seen_until_cut(const struct sample *q, enum bound_metric m)
{
    double v = q->value_ns[value_of[m]];
    bool waits = m == BOUND_TTFT || m == BOUND_TTFT_SERVICE;
    if (waits)
        return isnan(v) ? (double)(q->end_ns - q->intended_ns) : v;
    return m == BOUND_TPOT && q->output_tokens >= PACE_MIN_TOKENS ? v : NAN;
}

static bool was_cut(const struct sample *q)
{
    return q->phase != 1 && q->outcome == OUTCOME_CANCELLED;
}

bool objectives_nearness(const struct sample *q, const struct bounds *b, double *out)
{
    double worst = 0;
    if (!was_cut(q)) {
        *out = nearness(q, b);
        return true;
    }
    for (size_t i = 0; i < b->n; i++)
        worst = fmax(worst, seen_until_cut(q, b->list[i].metric) / (double)b->list[i].limit_ns);
    *out = worst;
    return worst > 0;
}

void objectives_slo(const struct sample_set *set, const struct window *w, const struct objective *o,
                    struct slo_result *out)
{
    double *x = MEM_ARRAY(double, set->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) { /* in the order of time */
        const struct sample *q = &set->list[i];
        if (!window_holds(w, q->intended_ns) || (q->phase != 1 && !was_cut(q)))
            continue;
        if (!objectives_nearness(q, &o->bounds, &x[n]))
            x[n] = 0; /* of who was cut before it showed anything nothing bad is said */
        n++;
    }
    *out = (struct slo_result){.objective = *o, .allowed_share = 1 - o->p};
    missrate_test(x, n, 1, o->p, &out->test);
    /* 1 − p carries p's rounding; a share of exactly 1 − p is allowed. */
    out->met = n > 0 && out->test.share <= out->allowed_share * (1 + 1e-12);
    free(x);
}

enum slo_decision objectives_decide(const struct slo_result *results, size_t n, double alpha_pass,
                                    double alpha_fail)
{
    bool pass = n > 0, fail = false;
    for (size_t i = 0; i < n; i++) {
        pass = pass && results[i].test.p_bad <= alpha_pass;
        fail = fail || results[i].test.p_good <= alpha_fail / (double)n; /* Holm's first step */
    }
    return fail ? SLO_FAIL : pass ? SLO_PASS : SLO_UNDECIDED;
}
