/* Does `loadline compare` keep its promises? Two simulated engines, one workload, rounds of a
 * minute a side, judged by the product's code:
 *   - equal engines: how often is a difference claimed? (5 % of the time is what the test allows
 * itself)
 *   - one that takes 3 % longer for every step: how often is it found?
 * under noise of steps, under a drift of each engine's own, and on one machine whose speed wanders
 * for both. Beside it stands what the same number of blocks shows when all of A come before all of
 * B (AAAA BBBB, Welch's test).
 *
 *     build/tests/validation/comparison [COMPARISONS]      # default 1000
 *
 * Exit 1 when a promise is missed. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "decide/compare.h"
#include "measure/latency.h"
#include "measure/window.h"
#include "stats/special.h"
#include "virtual.h"

#define SPEC     "llama-3.1-8b@a100"
#define PROFILE  "chat"
#define RATE     7.7 /* 70 % of the 11 requests/s that this engine carries */
#define BLOCK_NS (60 * NS_PER_S)

enum { ROUNDS = 10, DEFAULT_TRIALS = 1000, METRICS = 6, P50_TPOT = 2 };

/* Comparisons where what is looked for is not a small share: of DEFAULT_TRIALS so many. */
enum { POWER_PART = 5, UNPAIRED_PART = 10 };

static const double least_false = 0.03,
                    most_false = 0.07; /* 5 % within what 1000 comparisons can tell */

static const double slower = 1.03;

/* The wandering of one machine's speed, the same for both engines: an Ornstein-Uhlenbeck process of
 * its logarithm, slow against a block. */
static const double machine_cv = 0.05, machine_memory_s = 1800;

enum order { ABBA, AABB };

struct scene {
    const char *name, *query; /* of the engine */
    bool machine;             /* the speed of the one that both are on wanders, besides */
    int rounds; /* in which 3 % of p50 tpot are promised to be found nine times out of ten */
};

static const struct scene scenes[] = {
    {"steps vary by 10 %", "noise=0.1", false, 10},
    {"steps by 10 %, and each engine wanders by 5 % within 30 s", "noise=0.1&drift=0.05", false,
     40},
    {"steps by 10 %, and the machine of both wanders by 5 % within 30 min", "noise=0.1", true, 10},
};

enum { SCENES = sizeof scenes / sizeof scenes[0] };

/* --- one comparison --- */

struct trial {
    double p[METRICS]; /* exact test of the order's own design, not adjusted */
    double ratio[METRICS];
    enum compare_verdict verdict[METRICS];
};

struct study {
    const struct scene *scene;
    enum order order;
    int rounds;
    double scale_b;
    struct trial *trials;
};

/* Tokens that left within the window, each request's spread evenly over its stream: records are
 * without gaps here. */
static double tokens_within(const struct sample_set *set, const struct window *w)
{
    double tokens = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        if (q->outcome != OUTCOME_OK)
            continue;
        double from = fmax((double)q->first_token_ns, (double)w->start_ns);
        double to = fmin((double)q->end_ns, (double)w->end_ns);
        double length = (double)(q->end_ns - q->first_token_ns);
        if (to > from && length > 0)
            tokens += (double)q->output_tokens * (to - from) / length;
    }
    return tokens;
}

static void summarise(const struct probed *p, const struct compare_metrics *metrics,
                      struct summary *s)
{
    struct window w;
    struct concurrency c;
    struct overload o;
    struct claim_ground ground;
    double *values = MEM_ARRAY(double, p->set.n + 1);
    compare_metrics_options(metrics, &s->options);
    window_find(&p->run, &p->set, &w);
    concurrency_sweep(&p->set, &w, &c);
    overload_judge(&p->set, &w, &c, &o);
    claim_survey(&p->set, &w, &c, &o, &ground);
    struct latency_wanted wanted = {s->options.percentiles, s->options.percentile_count, 99,
                                    &ground};
    for (int m = 0; m < LATENCY_METRICS; m++) {
        if (m == LATENCY_ITL)
            continue;
        size_t n = latency_collect(&p->set, &w, (enum latency_metric)m, values);
        latency_of_values(values, n, &wanted, &s->latency[m]);
    }
    s->output_tokens_per_s = tokens_within(&p->set, &w) / window_s(&w);
    free(values);
}

struct machine { /* its speed at the moment */
    struct rng rng;
    double z;
    int64_t at_ns;
};

static double machine_factor(struct machine *m, int64_t now_ns)
{
    double kept = m->at_ns < 0 ? 0 : exp(-(double)(now_ns - m->at_ns) / 1e9 / machine_memory_s);
    double variance = log1p(machine_cv * machine_cv);
    m->z = kept * m->z + sqrt(1 - kept * kept) * rng_normal(&m->rng);
    m->at_ns = now_ns;
    return exp(sqrt(variance) * m->z);
}

static void open_side(struct virtual_server *v, const struct study *s, int side, double factor,
                      uint64_t seed, int block)
{
    char spec[160];
    snprintf(spec, sizeof spec, "%s?%s&noise_seed=%d&step_scale=%.9g", SPEC, s->scene->query,
             1 + 2 * block + side, (side == COMPARE_B ? s->scale_b : 1) * factor);
    virtual_open(v, spec, PROFILE, seed);
}

static void load_block(const struct study *s, struct virtual_server *servers, int side, int round,
                       uint64_t seed, struct machine *m, int64_t *now_ns, struct comparison *c)
{
    struct virtual_server *v = &servers[side];
    /* Who runs a benchmark over and over has the same prompts each time. */
    uint64_t seed_index = s->order == ABBA ? (uint64_t)round + 1 : 1;
    struct load_point load = virtual_load(RATE, BLOCK_NS, seed_index);
    struct probed p;
    struct err e;
    struct summary *summary = MEM_NEW(struct summary);
    if (s->scene->machine) { /* as fast as the machine is during this block */
        virtual_close(v);
        open_side(v, s, side, machine_factor(m, *now_ns), seed, round);
    }
    twin_wait(v->twin, *now_ns);
    if (virtual_probe(v, &load, &p, &e) < 0)
        exit(1);
    *now_ns = twin_now_ns(v->twin);
    summarise(&p, &c->spec.metrics, summary);
    for (size_t i = 0; i < c->row_count; i++)
        c->rows[i].value[side][round] = compare_metric_value(&c->rows[i].metric, summary);
    free(summary);
    probed_release(&p);
}

static void run_trial(void *context, size_t i)
{
    struct study *s = context;
    struct trial *t = &s->trials[i];
    struct virtual_server servers[COMPARE_SIDES];
    struct comparison c = {.spec = {.metrics = compare_metrics_default(), .margin = 0.05}};
    struct rng r = rng_at(20261125, RNG_SHUFFLE, i);
    uint64_t seed = rng_u64(&r);
    struct machine m = {.rng = rng_at(seed, RNG_SIM_DRIFT, i), .at_ns = -1};
    int64_t now_ns = 0;
    if (compare_begin(&c, (size_t)s->rounds, NULL) < 0)
        exit(1);
    for (int side = 0; side < COMPARE_SIDES; side++)
        open_side(&servers[side], s, side, 1, seed, 0);
    for (int k = 0; k < COMPARE_SIDES * s->rounds; k++) {
        int round = s->order == ABBA ? k / 2 : k % s->rounds;
        int side = s->order == ABBA ? (k + 1) / 2 % 2 : k / s->rounds;
        load_block(s, servers, side, round, seed, &m, &now_ns, &c);
    }
    c.design = s->order == ABBA ? COMPARE_ROUNDS : COMPARE_UNPAIRED_RUNS;
    compare_judge(&c);
    for (size_t k = 0; k < METRICS; k++) {
        t->p[k] = c.rows[k].p;
        t->ratio[k] = c.rows[k].ratio;
        t->verdict[k] = c.rows[k].verdict;
    }
    for (int side = 0; side < COMPARE_SIDES; side++)
        virtual_close(&servers[side]);
    comparison_release(&c);
}

/* --- what comes of many --- */

struct result {
    double rejected[METRICS]; /* share of p ≤ 5 % */
    double verdicts[METRICS]; /* better or worse, adjusted */
    double ratio[METRICS];    /* mean of ln(B/A) */
    double sd[METRICS];       /* of the estimates */
};

static struct result study(const struct scene *scene, enum order order, int rounds, double scale_b,
                           size_t n)
{
    char name[160];
    struct study s = {scene, order, rounds, scale_b, MEM_ARRAY(struct trial, n)};
    struct result r = {0};
    snprintf(name, sizeof name, "%s, %s, B x %g", scene->name, order == ABBA ? "ABBA" : "AABB",
             scale_b);
    virtual_parallel(name, n, run_trial, &s);
    for (size_t k = 0; k < METRICS; k++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++) {
            const struct trial *t = &s.trials[i];
            r.rejected[k] += (t->p[k] <= 0.05) / (double)n;
            r.verdicts[k] +=
                (t->verdict[k] == COMPARE_BETTER || t->verdict[k] == COMPARE_WORSE) / (double)n;
            sum += t->ratio[k];
            squares += t->ratio[k] * t->ratio[k];
        }
        r.ratio[k] = sum / (double)n;
        r.sd[k] = sqrt(fmax(0, squares / (double)n - r.ratio[k] * r.ratio[k]));
    }
    free(s.trials);
    return r;
}

static const char *metric_name(size_t k, char *out)
{
    struct compare_metrics list = compare_metrics_default();
    return compare_metric_name(&list.list[k], out);
}

static size_t part(size_t n, size_t of)
{
    return n / of > 0 ? n / of : 1;
}

static bool judge_scene(const struct scene *scene, size_t n)
{
    char name[COMPARE_NAME];
    bool met = true;
    struct result equal = study(scene, ABBA, ROUNDS, 1, n);
    struct result found = study(scene, ABBA, ROUNDS, slower, part(n, POWER_PART));
    struct result later = study(scene, AABB, ROUNDS, 1, part(n, UNPAIRED_PART));
    struct result later_found = study(scene, AABB, ROUNDS, slower, part(n, UNPAIRED_PART));
    printf("\n%s\n", scene->name);
    printf("             |         ABBA, equal         |           ABBA, B 3 %% slower           | "
           "AABB, p <= 5 %%\n");
    printf("             | p <= 5 %%  verdict        sd | p <= 5 %%  verdict       B/A        sd | "
           " equal  slower\n");
    for (size_t k = 0; k < METRICS; k++) {
        printf("%-12s | %6.1f %% %6.1f %% %8.2f %% | %6.1f %% %6.1f %% %+8.2f %% %7.2f %% | %4.0f "
               "%% %5.0f %%\n",
               metric_name(k, name), 100 * equal.rejected[k], 100 * equal.verdicts[k],
               100 * equal.sd[k], 100 * found.rejected[k], 100 * found.verdicts[k],
               100 * expm1(found.ratio[k]), 100 * found.sd[k], 100 * later.rejected[k],
               100 * later_found.rejected[k]);
        met = met && equal.rejected[k] >= least_false && equal.rejected[k] <= most_false;
    }
    double power = found.rejected[P50_TPOT];
    if (scene->rounds != ROUNDS) {
        struct result longer = study(scene, ABBA, scene->rounds, slower, part(n, UNPAIRED_PART));
        power = longer.rejected[P50_TPOT];
    }
    printf("B 3 %% slower is found at p50 tpot in %d rounds: %.0f %%\n", scene->rounds,
           100 * power);
    fflush(stdout);
    return met && power >= 0.9;
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : DEFAULT_TRIALS;
    bool met = true;
    for (size_t i = 0; i < SCENES; i++)
        met = judge_scene(&scenes[i], n) && met;
    return met ? 0 : 1;
}
