#include "decide/curve.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "measure/concurrency.h"
#include "measure/latency.h"
#include "stats/rank.h"

/* Value of a metric as far as it is known; NAN: not at all. */
static double known(const struct sample *q, enum latency_metric m)
{
    static const enum bound_metric bound_of[LATENCY_METRICS] = {
        [LATENCY_TTFT] = BOUND_TTFT, [LATENCY_TPOT] = BOUND_TPOT, [LATENCY_E2E] = BOUND_E2E};
    struct bounds one = {.n = 1, .list = {{.metric = bound_of[m], .limit_ns = 1}}};
    double ns;
    if (q->outcome == OUTCOME_OK)
        return q->value_ns[m];
    return q->phase != 1 && objectives_nearness(q, &one, &ns) && isfinite(ns) ? ns : NAN;
}

static size_t collect(const struct level *l, const struct sample_set *set, enum latency_metric m,
                      double *to)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        if (!window_holds(&l->window, set->list[i].intended_ns))
            continue;
        double ns = known(&set->list[i], m);
        if (!isnan(ns))
            to[n++] = ns;
    }
    rank_sort(to, n);
    return n;
}

void curve_measure(const struct level *l, const struct probed *p, struct curve_point *out)
{
    const struct sample_set *set = &p->set;
    double *ns = MEM_ARRAY(double, set->n + 1);
    double ended = 0, tokens = 0;
    struct concurrency c;
    *out = (struct curve_point){.in_flight = NAN};
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        out->n += window_holds(&l->window, q->intended_ns) &&
                  (q->phase == 1 || (l->point.cut && q->outcome == OUTCOME_CANCELLED));
        if (q->outcome != OUTCOME_OK || !window_holds(&l->window, q->end_ns))
            continue;
        ended++;
        tokens += q->output_tokens > 0 ? (double)q->output_tokens : 0;
    }
    out->requests_per_s = ended / window_s(&l->window);
    out->output_tokens_per_s = tokens / window_s(&l->window);
    if (l->stage != LEVEL_CLIMB) {
        concurrency_sweep(set, &l->window, &c);
        out->in_flight = c.mean;
    }
    size_t n = collect(l, set, LATENCY_TTFT, ns);
    out->ttft_p50_ms = latency_rank_ms(ns, n, 0.5);
    out->ttft_p99_ms = latency_rank_ms(ns, n, 0.99);
    n = collect(l, set, LATENCY_TPOT, ns);
    out->tpot_p50_ms = latency_rank_ms(ns, n, 0.5);
    out->tpot_p99_ms = latency_rank_ms(ns, n, 0.99);
    n = collect(l, set, LATENCY_E2E, ns);
    out->e2e_p50_ms = latency_rank_ms(ns, n, 0.5);
    free(ns);
}
