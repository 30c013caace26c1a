#include "measure/objectives.h"

#include <math.h>

#include "stats/early.h"

static const double certify_confidence = 0.99; /* MLPerf LoadGen's */

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

void objectives_slo(const struct sample_set *set, const struct window *w, const struct bound *b,
                    struct slo_result *out)
{
    *out = (struct slo_result){.bound = *b, .allowed_share = 1 - b->p};
    for (size_t i = 0; i < set->n; i++) {
        if (!offered_within(w, &set->list[i]))
            continue;
        out->offered++;
        out->misses += !meets(&set->list[i], b);
    }
    if (out->offered == 0) {
        out->miss_share = NAN;
        return;
    }
    out->miss_share = (double)out->misses / (double)out->offered;
    /* 1 − p carries p's rounding; a share of exactly 1 − p is allowed. */
    out->met = out->miss_share <= out->allowed_share * (1 + 1e-12);
    out->certified = out->met && out->offered >= early_total(b->p, certify_confidence, out->misses);
}
