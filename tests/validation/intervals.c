/* How often what a run claims of its percentiles holds, and whether cutting the warm-up helps, on
 * engines whose long-run percentiles are known from runs of at least half a million requests with
 * other seeds.
 *
 *     build/tests/validation/intervals [REPETITIONS [ENGINE]]     # 500, and every engine
 *
 * A claim is an interval with both its ends. At 50 and 80 % of capacity at least 93 % of claims
 * must hold, beyond 90 % of it at least 90 %, wherever one run in 25 makes one. MSER-5 must halve
 * the bias of short runs from idle. Exit 1 when a target is missed (marked !), 2 for bad arguments.
 */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "measure/claim.h"
#include "measure/latency.h"
#include "measure/window.h"
#include "stats/moments.h"
#include "stats/rank.h"
#include "virtual.h"

enum { PERCENTILES = 3, METRICS = 2, WINDOWS = 2, TRUTH_RUNS = 20 };

static const double percentiles[PERCENTILES] = {50, 90, 99};
static const enum latency_metric metrics[METRICS] = {LATENCY_TTFT, LATENCY_TPOT};
static const double window_lengths_s[WINDOWS] = {300, 1200};

static const double truth_requests = 520000;
static const double truth_settling_s = 600;
static const double fill_allowance = 6.5; /* mean E2Es that a window may begin after the start */
static const double wanted_below = 0.93, wanted_beyond = 0.90;
static const double limit_of_below = 0.85;      /* of capacity */
static const double claims_at_all = 20.0 / 500; /* of repetitions; fewer are no claim */
static const double warm_up_load = 0.8, warm_up_s = 120;

static bool missed;

/* ---- truth ---- */

struct truth {
    double value[METRICS][PERCENTILES]; /* ns */
    double short_mean[METRICS];         /* of windows of warm_up_s; a mean over such means */
    double e2e_s;
};

struct long_runs {
    const char *spec;
    double rate, duration_s;
    struct probed runs[TRUTH_RUNS];
};

static void probe(const char *spec, double rate, double duration_s, uint64_t seed,
                  struct probed *out)
{
    struct virtual_server v;
    struct err e;
    virtual_open(&v, spec, "chat", seed);
    struct load_point load = virtual_load(rate, (int64_t)(duration_s * NS_PER_S), 1);
    if (virtual_probe(&v, &load, out, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    virtual_close(&v);
}

static void run_long(void *context, size_t i)
{
    struct long_runs *l = context;
    probe(l->spec, l->rate, l->duration_s, 1000000 + i, &l->runs[i]);
}

static double mean_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

/* Values of metric m from the settled part of all runs. */
static size_t pool(const struct long_runs *l, enum latency_metric m, double *to)
{
    size_t n = 0;
    struct window w = {.start_ns = (int64_t)(truth_settling_s * NS_PER_S),
                       .end_ns = (int64_t)(l->duration_s * NS_PER_S)};
    for (size_t i = 0; i < TRUTH_RUNS; i++)
        n += latency_collect(&l->runs[i].set, &w, m, to + n);
    return n;
}

/* A window that happens to get more requests has longer latencies, so means of short windows are a
 * little below that of all requests, warm-up or not: short runs are held against short windows. */
static double mean_of_short(const struct long_runs *l, enum latency_metric m, double *scratch)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < TRUTH_RUNS; i++)
        for (double from = truth_settling_s; from + warm_up_s <= l->duration_s; from += warm_up_s) {
            struct window w = {.start_ns = (int64_t)(from * NS_PER_S),
                               .end_ns = (int64_t)((from + warm_up_s) * NS_PER_S)};
            sum += mean_of(scratch, latency_collect(&l->runs[i].set, &w, m, scratch));
            n++;
        }
    return sum / (double)n;
}

static struct truth find_truth(const char *name, const char *spec, double rate)
{
    struct long_runs l = {spec, rate, truth_settling_s + truth_requests / rate / TRUTH_RUNS, {{0}}};
    struct truth t;
    size_t all = 0;
    virtual_parallel(name, TRUTH_RUNS, run_long, &l);
    for (size_t i = 0; i < TRUTH_RUNS; i++)
        all += l.runs[i].set.n;
    double *x = MEM_ARRAY(double, all + 1);
    for (size_t m = 0; m < METRICS; m++) {
        t.short_mean[m] = mean_of_short(&l, metrics[m], x);
        size_t n = pool(&l, metrics[m], x);
        rank_sort(x, n);
        for (size_t k = 0; k < PERCENTILES; k++)
            t.value[m][k] = x[rank_of(percentiles[k] / 100, n) - 1];
    }
    t.e2e_s = mean_of(x, pool(&l, LATENCY_E2E, x)) / NS_PER_S;
    free(x);
    for (size_t i = 0; i < TRUTH_RUNS; i++)
        probed_release(&l.runs[i]);
    return t;
}

/* ---- claims ---- */

struct claimed {
    bool claimed, held;
};

struct study {
    const char *spec;
    double rate;
    const struct truth *truth;
    struct claimed *list; /* [repetition][window][metric][percentile] */
};

static struct claimed *claim_at(const struct study *s, size_t i, size_t w, size_t m, size_t k)
{
    return &s->list[((i * WINDOWS + w) * METRICS + m) * PERCENTILES + k];
}

/* The same run as it would have been recorded with a shorter --duration: what comes later is its
 * tail. */
static struct sample_set shortened(const struct sample_set *set, double duration_s)
{
    struct sample_set s = {.n = set->n, .list = MEM_ARRAY(struct sample, set->n + 1)};
    memcpy(s.list, set->list, set->n * sizeof *s.list);
    for (size_t i = 0; i < s.n; i++) {
        struct sample *q = &s.list[i];
        if (q->intended_ns > (int64_t)(duration_s * NS_PER_S))
            q->phase = 2;
        if (q->phase == 1 && q->outcome == OUTCOME_OK && !isnan(q->value_ns[LATENCY_E2E])) {
            s.e2e_ns.sum += q->value_ns[LATENCY_E2E];
            s.e2e_ns.n++;
        }
    }
    return s;
}

static double duration_for(double window_s, const struct truth *t)
{
    return window_s + fill_allowance * t->e2e_s;
}

static void judge(const struct study *s, const struct probed *p, size_t i, size_t length)
{
    double duration_s = duration_for(window_lengths_s[length], s->truth);
    struct sample_set set = shortened(&p->set, duration_s);
    struct run_record run = p->run;
    struct window w;
    struct concurrency c;
    struct overload o;
    struct claim_ground ground;
    run.duration_ns = run.offered_end_ns = (int64_t)(duration_s * NS_PER_S);
    window_find(&run, &set, &w);
    int64_t end_ns = w.start_ns + (int64_t)(window_lengths_s[length] * NS_PER_S);
    w.end_ns = end_ns < w.end_ns ? end_ns : w.end_ns;
    concurrency_sweep(&set, &w, &c);
    overload_judge(&set, &w, &c, &o);
    claim_survey(&set, &w, &c, &o, &ground);
    double *x = MEM_ARRAY(double, set.n + 1);
    for (size_t m = 0; m < METRICS; m++) {
        struct latency l;
        struct latency_wanted wanted = {percentiles, PERCENTILES, 99, &ground};
        latency_of_values(x, latency_collect(&set, &w, metrics[m], x), &wanted, &l);
        for (size_t k = 0; k < PERCENTILES; k++) {
            const struct interval *ci = &l.ci95[k];
            double truth_ms = s->truth->value[m][k] / 1e6;
            *claim_at(s, i, length, m, k) = (struct claimed){
                ci->has_low && ci->has_high, ci->low <= truth_ms && truth_ms <= ci->high};
        }
    }
    free(x);
    free(set.list);
}

static void run_repetition(void *context, size_t i)
{
    const struct study *s = context;
    struct probed p;
    probe(s->spec, s->rate, duration_for(window_lengths_s[WINDOWS - 1], s->truth), 1 + i, &p);
    for (size_t w = 0; w < WINDOWS; w++)
        judge(s, &p, i, w);
    probed_release(&p);
}

static void print_cell(const struct study *s, size_t n, size_t w, size_t m, size_t k, double wanted)
{
    size_t claimed = 0, held = 0;
    for (size_t i = 0; i < n; i++) {
        const struct claimed *o = claim_at(s, i, w, m, k);
        claimed += o->claimed;
        held += o->claimed && o->held;
    }
    double share = (double)claimed / (double)n;
    if (share < claims_at_all) {
        printf("  %3.0f %%   -   ", 100 * share);
        return;
    }
    double coverage = (double)held / (double)claimed;
    missed = missed || coverage < wanted;
    printf("  %3.0f %% %.3f%s", 100 * share, coverage, coverage < wanted ? "!" : " ");
}

static struct truth study_load(const char *spec, double capacity, double share, size_t repetitions)
{
    char name[96];
    double wanted = share <= limit_of_below ? wanted_below : wanted_beyond;
    struct study s = {.spec = spec, .rate = share * capacity};
    snprintf(name, sizeof name, "%s at %.2f, truth", spec, share);
    struct truth truth = find_truth(name, spec, s.rate);
    s.truth = &truth;
    s.list = MEM_ARRAY(struct claimed, repetitions * WINDOWS * METRICS * PERCENTILES);
    snprintf(name, sizeof name, "%s at %.2f", spec, share);
    virtual_parallel(name, repetitions, run_repetition, &s);
    for (size_t w = 0; w < WINDOWS; w++) {
        printf("%.2f %5.0f s", share, window_lengths_s[w]);
        for (size_t m = 0; m < METRICS; m++)
            for (size_t k = 0; k < PERCENTILES; k++)
                print_cell(&s, repetitions, w, m, k, wanted);
        printf("\n");
    }
    fflush(stdout);
    free(s.list);
    return truth;
}

/* ---- warm-up ---- */

enum cut { CUT_NOTHING, CUT_MSER, CUT_FILL, CUT_BOTH, CUTS };

struct short_runs {
    const char *spec;
    double rate, duration_s;
    double *mean; /* [repetition][cut][metric] */
};

static void run_short(void *context, size_t i)
{
    const struct short_runs *s = context;
    struct probed p;
    struct window found;
    probe(s->spec, s->rate, s->duration_s, 1 + i, &p);
    window_find(&p.run, &p.set, &found);
    int64_t mser =
        found.in_flight.at_ns > found.tpot.at_ns ? found.in_flight.at_ns : found.tpot.at_ns;
    const int64_t start_ns[CUTS] = {0, mser, found.fill_ns, found.start_ns};
    double *x = MEM_ARRAY(double, p.set.n + 1);
    for (size_t c = 0; c < CUTS; c++) {
        struct window w = {.start_ns = start_ns[c], .end_ns = found.end_ns};
        for (size_t m = 0; m < METRICS; m++)
            s->mean[(i * CUTS + c) * METRICS + m] =
                mean_of(x, latency_collect(&p.set, &w, metrics[m], x));
    }
    free(x);
    probed_release(&p);
}

struct bias {
    double share, error; /* of the truth; its standard error */
};

static struct bias bias_of(const struct short_runs *s, size_t n, enum cut c, size_t m, double truth)
{
    struct moments x = {0};
    for (size_t i = 0; i < n; i++)
        moments_add(&x, s->mean[(i * CUTS + c) * METRICS + m]);
    return (struct bias){x.mean / truth - 1, moments_sd(&x) / sqrt((double)n) / truth};
}

/* Short runs from an idle server read low; by how much, with one standard error. The runs are the
 * same for every cut, and so is most of the error. */
static void study_warm_up(const char *spec, double rate, const struct truth *truth,
                          size_t repetitions)
{
    char name[96];
    struct short_runs s = {spec, rate, warm_up_s, MEM_ARRAY(double, repetitions *CUTS *METRICS)};
    snprintf(name, sizeof name, "%s for %.0f s from idle", spec, warm_up_s);
    virtual_parallel(name, repetitions, run_short, &s);
    printf("bias of means, %.0f s from idle at %.2f:\n", warm_up_s, warm_up_load);
    printf("        uncut             MSER-5            5 x E2E           both\n");
    for (size_t m = 0; m < METRICS; m++) {
        struct bias b[CUTS];
        printf("%-6s", m == 0 ? "ttft" : "tpot");
        for (size_t c = 0; c < CUTS; c++)
            b[c] = bias_of(&s, repetitions, (enum cut)c, m, truth->short_mean[m]);
        bool halved = fabs(b[CUT_MSER].share) <= 0.5 * fabs(b[CUT_NOTHING].share);
        missed = missed || !halved;
        for (size_t c = 0; c < CUTS; c++)
            printf(" %+6.1f %% +- %.1f%s ", 100 * b[c].share, 100 * b[c].error,
                   c == CUT_MSER && !halved ? "!" : " ");
        printf("\n");
    }
    fflush(stdout);
    free(s.mean);
}

/* ---- all of it ---- */

static const struct engine {
    const char *spec, *capacity_of;
} engines[] = {
    {"llama-3.1-8b@a100", "llama-3.1-8b@a100"},
    {"llama-3.1-8b@a100?noise=0.1", "llama-3.1-8b@a100"},
    {"qwen3-32b@h100x2", "qwen3-32b@h100x2"},
    {"qwen3-32b@h100x2?noise=0.1", "qwen3-32b@h100x2"},
};

static void study_engine(const struct engine *e, double capacity, size_t repetitions)
{
    static const double shares[] = {0.5, 0.8, 0.92, 1.0};
    struct truth of_warm_up = {0};
    printf("\n%s, capacity %.2f requests/s\n", e->spec, capacity);
    printf("load  window");
    for (size_t m = 0; m < METRICS; m++)
        for (size_t k = 0; k < PERCENTILES; k++)
            printf("%8s p%.0f  ", m == 0 ? "ttft" : "tpot", percentiles[k]);
    printf("\n");
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        struct truth t = study_load(e->spec, capacity, shares[i], repetitions);
        if (shares[i] == warm_up_load)
            of_warm_up = t;
    }
    if (strcmp(e->spec, e->capacity_of) == 0)
        study_warm_up(e->spec, warm_up_load * capacity, &of_warm_up, repetitions);
}

int main(int argc, char **argv)
{
    size_t repetitions = argc > 1 ? strtoul(argv[1], NULL, 10) : 500;
    const char *only = argc > 2 ? argv[2] : NULL;
    double capacity = 0;
    bool known = false;
    for (size_t i = 0; only && i < sizeof engines / sizeof *engines; i++)
        known = known || strcmp(only, engines[i].spec) == 0;
    if (repetitions == 0 || argc > 3 || (only && !known)) {
        fprintf(stderr, "usage: intervals [REPETITIONS [ENGINE]]\n");
        return 2;
    }
    printf("%zu runs each: the share that claims an interval, and how many of the claims hold\n",
           repetitions);
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        const struct engine *e = &engines[i];
        if (only && strcmp(only, e->spec) != 0)
            continue;
        if (i == 0 || only || strcmp(e->capacity_of, engines[i - 1].capacity_of) != 0)
            capacity = virtual_capacity(e->capacity_of, "chat");
        study_engine(e, capacity, repetitions);
    }
    return missed ? 1 : 0;
}
