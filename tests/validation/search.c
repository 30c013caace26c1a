/* Does `loadline sweep` find the load that an engine carries within its SLO? Whole searches in
 * virtual time by the product's code, of 10 and of 60 minutes, against the truth: the rate at which
 * the SLO is just met in runs of 160,000 s.
 *
 *     build/tests/validation/search [SEARCHES [ENGINE]]      # default 500, and every engine
 *
 * A floor above the truth and a ceiling below it are false. Promised: both at most 5 %; a floor
 * from at least 50 and 75 % of the searches; floors that are .80 and .88 of the truth in the
 * median. Exit 1 when a promise is missed. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "decide/sweep.h"
#include "measure/objectives.h"
#include "stats/rank.h"
#include "virtual.h"

#define SLO "p99 ttft < 500ms and p99 tpot < 50ms"

static const char *const engines[] = {
    "llama-3.1-8b@a100",
    "llama-3.1-8b@a100?noise=0.1",
    "qwen3-32b@h100x2",
    "qwen3-32b@h100x2?noise=0.1",
};

static const struct budget {
    int minutes;
    double floors, median; /* promised */
} budgets[] = {{10, 0.50, 0.80}, {60, 0.75, 0.88}};

static const double most_false = 0.05;

enum { DEFAULT_SEARCHES = 500, TRUTH_RUNS = 16, TRUTH_STEPS = 6 };

#define TRUTH_RUN_NS      (10000 * NS_PER_S)
#define TRUTH_SETTLING_NS (600 * NS_PER_S)

static bool missed;

/* ---- truth ---- */

struct long_runs {
    const char *spec;
    double rate;
    struct objectives slo;
    uint64_t misses[TRUTH_RUNS][BOUNDS_MAX], offered[TRUTH_RUNS];
};

static void run_long(void *context, size_t i)
{
    struct long_runs *l = context;
    struct virtual_server v;
    struct probed p;
    struct err e;
    struct load_point load = virtual_load(l->rate, TRUTH_RUN_NS, 1);
    struct window w = {.start_ns = TRUTH_SETTLING_NS, .end_ns = TRUTH_RUN_NS};
    virtual_open(&v, l->spec, "chat", 1000000 + i);
    if (virtual_probe(&v, &load, &p, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    for (size_t j = 0; j < l->slo.n; j++) {
        l->misses[i][j] = l->offered[i] = 0;
        for (size_t k = 0; k < p.set.n; k++) {
            double x;
            if (!window_holds(&w, p.set.list[k].intended_ns) ||
                !objectives_nearness(&p.set.list[k], &l->slo.list[j].bounds, &x))
                continue;
            l->offered[i]++;
            l->misses[i][j] += x >= 1;
        }
    }
    probed_release(&p);
    virtual_close(&v);
}

static bool meets(struct long_runs *l)
{
    bool meets_all = true;
    virtual_parallel("truth", TRUTH_RUNS, run_long, l);
    for (size_t j = 0; j < l->slo.n; j++) {
        double misses = 0, offered = 0;
        for (size_t i = 0; i < TRUTH_RUNS; i++) {
            misses += (double)l->misses[i][j];
            offered += (double)l->offered[i];
        }
        meets_all = meets_all && misses <= (1 - l->slo.list[j].p) * offered;
    }
    return meets_all;
}

/* To within one percent: the range is halved TRUTH_STEPS times. */
static double find_truth(const char *spec, const struct objectives *slo, double capacity)
{
    double low = 0.4 * capacity, high = capacity;
    for (int i = 0; i < TRUTH_STEPS; i++) {
        struct long_runs l = {.spec = spec, .rate = (low + high) / 2, .slo = *slo};
        if (meets(&l))
            low = l.rate;
        else
            high = l.rate;
    }
    return (low + high) / 2;
}

/* ---- searches ---- */

struct outcome_of {        /* one search */
    double floor, ceiling; /* requests per s; NAN: none */
    double took_s;
};

struct searches {
    const char *spec;
    struct sweep_spec asked;
    struct outcome_of *list;
};

static void search(void *context, size_t i)
{
    struct searches *all = context;
    struct virtual_server v;
    struct load_point points[RUNNER_MAX_CLIMB];
    struct sweep *s = MEM_NEW(struct sweep);
    struct probed *got = MEM_ARRAY(struct probed, RUNNER_MAX_CLIMB);
    enum level_stage stage;
    struct sweep_result r;
    struct err e;
    size_t n;
    virtual_open(&v, all->spec, "chat", 1 + i);
    struct runner runner = virtual_runner(&v);
    sweep_init(s, &all->asked);
    while ((n = sweep_next(s, points, &stage)) > 0) {
        int64_t begin_ns = runner.now_ns(runner.context);
        int rc = n > 1 ? runner.climb(runner.context, points, n, got, &e)
                       : runner.probe(runner.context, points, got, &e);
        if (rc < 0) {
            fprintf(stderr, "%s\n", e.text);
            exit(1);
        }
        sweep_take(s, stage, points, got, n, runner.now_ns(runner.context) - begin_ns);
        for (size_t k = 0; k < n; k++)
            probed_release(&got[k]);
    }
    sweep_judge(s, &r);
    all->list[i] =
        (struct outcome_of){.floor = r.floor >= 0 ? level_load(&s->levels[r.floor]) : NAN,
                            .ceiling = r.ceiling >= 0 ? level_load(&s->levels[r.ceiling]) : NAN,
                            .took_s = (double)s->spent_ns / 1e9};
    virtual_close(&v);
    free(got);
    free(s);
}

/* ---- what they come to ---- */

static double quantile_of(double *x, size_t n, double p)
{
    if (n == 0)
        return NAN;
    rank_sort(x, n);
    return x[rank_of(p, n) - 1];
}

static const char *kept(bool promise)
{
    missed = missed || !promise;
    return promise ? " " : "!";
}

static void tell(const struct searches *all, size_t n, const struct budget *b, double truth)
{
    double *x = MEM_ARRAY(double, 4 * n + 1), *floors = x, *ceilings = x + n, *ratios = x + 2 * n,
           *times = x + 3 * n;
    size_t f = 0, c = 0, both = 0, false_floors = 0, false_ceilings = 0;
    for (size_t i = 0; i < n; i++) {
        const struct outcome_of *o = &all->list[i];
        times[i] = o->took_s / (60.0 * b->minutes);
        if (!isnan(o->floor) && !isnan(o->ceiling))
            ratios[both++] = o->ceiling / o->floor;
        if (!isnan(o->floor)) {
            false_floors += o->floor > truth;
            floors[f++] = o->floor / truth;
        }
        if (!isnan(o->ceiling)) {
            false_ceilings += o->ceiling < truth;
            ceilings[c++] = o->ceiling / truth;
        }
    }
    double share = (double)f / (double)n, median = quantile_of(floors, f, 0.5);
    double of_floors = (double)false_floors / (double)n,
           of_ceilings = (double)false_ceilings / (double)n;
    printf("%-28s %2d min %5.2f  %4.1f %%%s %4.1f %%%s %5.3f%s  %5.1f %% %4.1f %%%s %5.2f  %5.2f  "
           "%4.2f  %4.2f\n",
           all->spec, b->minutes, truth, 100 * share, kept(share >= b->floors), 100 * of_floors,
           kept(of_floors <= most_false), median, kept(median >= b->median),
           100 * (double)c / (double)n, 100 * of_ceilings, kept(of_ceilings <= most_false),
           quantile_of(ceilings, c, 0.5), quantile_of(ratios, both, 0.5),
           quantile_of(times, n, 0.5), quantile_of(times, n, 0.99));
    fflush(stdout);
    free(x);
}

static void study(const char *spec, size_t n)
{
    struct err e;
    struct searches all = {.spec = spec, .list = MEM_ARRAY(struct outcome_of, n)};
    if (bounds_parse_slo(slice_of(SLO), &all.asked.slo, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    double truth = find_truth(spec, &all.asked.slo, virtual_capacity(spec, "chat"));
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        char name[96];
        all.asked.budget_ns = (int64_t)budgets[i].minutes * 60 * NS_PER_S;
        snprintf(name, sizeof name, "%s, %d min", spec, budgets[i].minutes);
        virtual_parallel(name, n, search, &all);
        tell(&all, n, &budgets[i], truth);
    }
    free(all.list);
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : DEFAULT_SEARCHES;
    if (n == 0 || argc > 3) {
        fprintf(stderr, "usage: search [SEARCHES [ENGINE]]\n");
        return 2;
    }
    printf("%zu searches for the rate that meets %s\n", n, SLO);
    printf("%-28s        truth  floors false median  ceilings false median ceiling  time/budget\n"
           "%-28s           /s                 of truth            of truth  /floor  median p99\n",
           "engine", "");
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (argc < 3 || strcmp(argv[2], engines[i]) == 0)
            study(engines[i], n);
    return missed ? 1 : 0;
}
