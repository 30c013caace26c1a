#include "measure/checks.h"

#include <inttypes.h>
#include <math.h>

#include "stats/early.h"

static const double claim_confidence = 0.99; /* MLPerf LoadGen's */

static const enum latency_metric metric_of[BOUND_METRICS] = {
    [BOUND_TTFT] = LATENCY_TTFT, [BOUND_TTFT_SERVICE] = LATENCY_TTFT_SERVICE,
    [BOUND_TTFA] = LATENCY_TTFA, [BOUND_TPOT] = LATENCY_TPOT,
    [BOUND_E2E] = LATENCY_E2E,
};

/* What the run speaks about: the metrics of its SLO, else ttft and tpot. */
static bool claims(const struct summary *s, enum bound_metric m)
{
    if (s->slo_count == 0)
        return m == BOUND_TTFT || m == BOUND_TPOT;
    for (size_t i = 0; i < s->slo_count; i++) {
        const struct bounds *b = &s->slo[i].objective.bounds;
        for (size_t k = 0; k < b->n; k++)
            if (b->list[k].metric == m)
                return true;
    }
    return false;
}

/* Of a metric that the run claims and that has values; NULL otherwise. */
static const struct latency *claimed(const struct summary *s, enum bound_metric m)
{
    const struct latency *l = &s->latency[metric_of[m]];
    return claims(s, m) && l->n > 0 ? l : NULL;
}

static void check_sample_size(struct summary *s, bool overloaded)
{
    uint64_t needed = early_total(s->claimed / 100, claim_confidence, 1), n = 0;
    double worth = INFINITY;
    const char *name = "";
    for (int m = 0; m < BOUND_METRICS; m++) {
        const struct latency *l = claimed(s, m);
        if (!l || l->n_eff_claimed >= worth)
            continue;
        worth = l->n_eff_claimed;
        n = l->n;
        name = bound_metric_name(m);
    }
    if (isinf(worth))
        worth = 0;
    char threshold[96];
    snprintf(threshold, sizeof threshold, "%" PRIu64 " independent ones to claim p%.5g", needed,
             s->claimed);
    check_put(s, "sample-size", SEVERITY_PROVISIONAL, check_when(worth < (double)needed), threshold,
              overloaded
                  ? "In a growing queue each request is like the one before it, however many there "
                    "are: see the check overload."
                  : "Requests near in time are alike, so they count for less. Run longer "
                    "(--duration, --num-prompts), or claim a lower percentile "
                    "(--metric-percentiles).",
              "%" PRIu64 " request%s in the window, worth %.0f%s%s", n, n == 1 ? "" : "s",
              floor(worth), name[0] ? " for " : "", name);
}

/* Names the claimed metrics without a bound, or all of them; returns how many. */
static size_t name_metrics(const struct summary *s, bool unbounded, char *out, size_t room)
{
    size_t n = 0, at = 0;
    out[0] = '\0';
    for (int m = 0; m < BOUND_METRICS; m++) {
        const struct latency *l = claimed(s, m);
        if (!l || (unbounded && l->claimed_bounded))
            continue;
        int k = snprintf(out + at, room - at, "%s%s", n > 0 ? ", " : "", bound_metric_name(m));
        at += k > 0 && (size_t)k < room - at ? (size_t)k : 0;
        n++;
    }
    return n;
}

static const char *advice_of(enum claim_bar bar)
{
    static const char *const advice[] = {
        [CLAIM_MAY] = "Run longer, with --duration or more --num-prompts, or claim a lower "
                      "percentile (--metric-percentiles): too few independent moments lie beyond "
                      "this one.",
        [CLAIM_UNSTEADY] = "Without a steady window no percentile says anything of another run: "
                           "see the check steady-window.",
        [CLAIM_OVERLOAD] = "A growing queue has no percentiles of its own: see the check overload.",
        [CLAIM_FEW] = "Run at least 400 requests, with --duration or more --num-prompts.",
        [CLAIM_SHORT] = "The load rises and falls slowly: in this window it did so too few times. "
                        "Run for 15 turnovers, with --duration or more --num-prompts.",
        [CLAIM_WAITING] = "Requests wait for each other, in stretches: this load is near the "
                          "server's limit, where rare bad stretches make the percentiles. Ask for "
                          "less.",
        [CLAIM_DRIFT] = "The load moved too slowly for the length of the window. Run longer, with "
                        "--duration or more --num-prompts, or ask for less.",
    };
    return advice[bar];
}

static void reason(const struct claim_ground *g, char *out, size_t room)
{
    out[0] = '\0';
    if (g->bar == CLAIM_UNSTEADY)
        snprintf(out, room, "not steady");
    else if (g->bar == CLAIM_OVERLOAD)
        snprintf(out, room, "overload");
    else if (g->bar == CLAIM_FEW)
        snprintf(out, room, "%" PRIu64 " requests", g->n);
    else if (g->bar == CLAIM_SHORT)
        snprintf(out, room, "%.3g turnovers of %.3g s", g->turnovers, g->turnover_s);
    else if (g->bar == CLAIM_WAITING)
        snprintf(out, room, "ttft %zu apart correlates %.2f", g->lag, g->memory);
    else if (g->bar == CLAIM_DRIFT)
        snprintf(out, room, "batches of in-flight correlate %.2f", g->rho);
}

static void check_intervals(struct summary *s, const struct claim_ground *g)
{
    char all[48], open[48], why[64], threshold[96];
    size_t claims_made = name_metrics(s, false, all, sizeof all);
    size_t without = name_metrics(s, true, open, sizeof open);
    reason(g, why, sizeof why);
    snprintf(threshold, sizeof threshold, "p%.5g of %s bounded", s->claimed,
             claims_made > 0 ? all : "any metric");
    if (without == 0 && claims_made > 0) {
        check_put(s, "intervals", SEVERITY_PROVISIONAL, CHECK_PASS, threshold, "", "bounded");
        return;
    }
    check_put(s, "intervals", SEVERITY_PROVISIONAL, CHECK_FAIL, threshold, advice_of(g->bar),
              "no bound on %s%s%s", claims_made > 0 ? open : "anything", why[0] ? ": " : "", why);
}

/* A change of the in-flight count is one of requests, one of tpot one of time. */
static void check_changes(struct summary *s, const struct evidence *v)
{
    const struct shifts *shifts = v->shifts;
    static const char *const names[SHIFT_SERIES] = {
        [SHIFT_IN_FLIGHT] = "in-flight", [SHIFT_TPOT] = "tpot"};
    const char *id = "change-point", *threshold = "none at 1 %";
    size_t judged = 0, n = 0;
    char value[96] = "";
    size_t at = 0;
    for (int i = 0; i < SHIFT_SERIES; i++) {
        judged += shifts[i].judged;
        if (shifts[i].n == 0)
            continue;
        const struct shift *x = &shifts[i].list[0];
        char more[32] = "";
        if (shifts[i].n > 1)
            snprintf(more, sizeof more, ", %zu more", shifts[i].n - 1);
        double scale = i == SHIFT_TPOT ? 1e6 : 1;
        int k = snprintf(value + at, sizeof value - at, "%s%s at %.4g s, from %.3g to %.3g%s%s",
                         n > 0 ? "; " : "", names[i], (double)x->at_ns / 1e9, x->before / scale,
                         x->after / scale, i == SHIFT_TPOT ? " ms" : "", more);
        at += k > 0 && (size_t)k < sizeof value - at ? (size_t)k : 0;
        n += shifts[i].n;
    }
    if (judged == 0)
        check_put(s, id, SEVERITY_PROVISIONAL, CHECK_SKIPPED, threshold, "",
                  v->window->filled ? "the load moves too slowly to tell"
                                    : "the window holds the filling-up");
    else if (n == 0)
        check_put(s, id, SEVERITY_PROVISIONAL, CHECK_PASS, threshold, "", "none");
    else
        check_put(s, id, SEVERITY_PROVISIONAL, CHECK_FAIL, threshold,
                  "The server did not do the same all along: the figures mix two states. Look at "
                  "what happened then (other load, clocks and temperature of the GPU, a restart), "
                  "and run again.",
                  "%s", value);
}

void checks_of_claims(struct summary *s, const struct evidence *v)
{
    if (mode_is(s, "offline"))
        return;
    check_sample_size(s, v->overload->overloaded);
    check_intervals(s, v->ground);
    check_changes(s, v);
}
