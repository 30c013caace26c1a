#include "virtual.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "measure/concurrency.h"
#include "sim/spec.h"

#define TIMEOUT_NS (3600 * NS_PER_S) /* nothing is cut off: the truth is of the engine alone */

enum { CAPACITY_STEPS = 10, CAPACITY_SEED = 1 };
#define CAPACITY_RUN_NS (4000 * NS_PER_S)

static void fail(const struct err *e)
{
    fprintf(stderr, "%s\n", e->text);
    exit(1);
}

void virtual_open(struct virtual_server *v, const char *spec, const char *profile, uint64_t seed)
{
    struct err e;
    *v = (struct virtual_server){.seed = seed};
    if (spec_parse(slice_of(spec), &v->config, &e) < 0)
        fail(&e);
    v->workload = (struct workload_spec){.dataset = DATASET_PROFILE, .profile = profile};
    v->twin = twin_new(&(struct twin_setup){
        .engine = &v->config, .seed = seed, .timeout_ns = TIMEOUT_NS, .without_gaps = true});
}

void virtual_close(struct virtual_server *v)
{
    twin_free(v->twin);
    *v = (struct virtual_server){0};
}

static uint64_t seed_of(const struct virtual_server *v, uint64_t index)
{
    struct rng r = rng_at(v->seed, RNG_SHUFFLE, index);
    return rng_u64(&r);
}

struct sorting { /* records to the step in which they were meant */
    const int64_t *from_ns;
    struct probed *out;
    size_t n;
};

static void shift(int64_t *at_ns, int64_t by_ns)
{
    if (*at_ns != RECORD_NONE)
        *at_ns -= by_ns;
}

static void take(void *context, const struct request_record *r)
{
    const struct sorting *s = context;
    struct request_record moved = *r;
    struct err e;
    size_t i = s->n - 1;
    while (i > 0 && s->from_ns[i] > r->intended_ns)
        i--;
    int64_t *const times[] = {&moved.intended_ns,   &moved.started_ns,     &moved.sent_ns,
                              &moved.first_byte_ns, &moved.first_token_ns, &moved.first_answer_ns,
                              &moved.last_token_ns, &moved.end_ns};
    for (size_t k = 0; k < sizeof times / sizeof times[0]; k++)
        shift(times[k], s->from_ns[i]);
    if (samples_take(&s->out[i].set, &moved, &e) < 0)
        fail(&e);
}

static struct run_record row_of(const struct load_point *p)
{
    static const char *const names[] = {"open", "closed", "offline"};
    return (struct run_record){.mode = names[p->kind],
                               .kind = p->purpose,
                               .request_rate = p->kind == LOAD_AT_RATE ? p->rate : INFINITY,
                               .burstiness = 1,
                               .ramp = "",
                               .max_concurrency = p->kind == LOAD_OF_USERS ? p->users : 0,
                               .num_prompts = (int64_t)p->requests,
                               .duration_ns = p->duration_ns};
}

static int offer(struct virtual_server *v, const struct load_point *p, struct load_spec *load,
                 struct sorting *s, struct err *e)
{
    struct workload_spec spec = v->workload;
    struct workload *w;
    struct run_record run;
    spec.seed = seed_of(v, p->seed_index);
    load->arrivals.seed = spec.seed;
    int rc = workload_open(&spec, NULL, &w, e);
    if (rc < 0)
        return rc;
    struct twin_load twin_load = {.load = *load,
                                  .workload = w,
                                  .warmup_requests = v->warmup_requests,
                                  .from_idle = p->from_idle};
    struct twin_observer observer = {take, NULL, s};
    twin_run(v->twin, &twin_load, &observer, &run);
    workload_close(w);
    for (size_t i = 0; i < s->n; i++) {
        samples_sort(&s->out[i].set);
        struct run_record *row = &s->out[i].run;
        row->finished = true;
        row->offered_end_ns = s->n > 1 ? row->duration_ns : run.offered_end_ns;
        row->drained_ns = run.drained_ns - s->from_ns[i];
        row->peak_in_flight = run.peak_in_flight;
    }
    return OK;
}

int virtual_probe(void *context, const struct load_point *p, struct probed *out, struct err *e)
{
    static const enum load_mode modes[] = {LOAD_OPEN, LOAD_CLOSED, LOAD_OFFLINE};
    static const int64_t start_ns = 0;
    *out = (struct probed){.run = row_of(p)};
    struct load_spec load = {.mode = modes[p->kind],
                             .arrivals = {.rate = out->run.request_rate, .burstiness = 1},
                             .max_concurrency = out->run.max_concurrency,
                             .num_prompts = p->requests,
                             .duration_ns = p->duration_ns,
                             .cut = p->cut};
    struct sorting s = {&start_ns, out, 1};
    return offer(context, p, &load, &s, e);
}

int virtual_climb(void *context, const struct load_point *points, size_t n, struct probed *out,
                  struct err *e)
{
    int64_t from_ns[RUNNER_MAX_CLIMB];
    struct load_spec load = {.mode = LOAD_OPEN,
                             .cut = points[0].cut,
                             .arrivals = {.burstiness = 1, .ramp = RAMP_STEPS, .step_count = n}};
    for (size_t i = 0; i < n; i++) {
        from_ns[i] = load.duration_ns;
        load.duration_ns += points[i].duration_ns;
        load.arrivals.steps[i] = (struct arrivals_step){points[i].rate, load.duration_ns};
        out[i] = (struct probed){.run = row_of(&points[i])};
    }
    struct sorting s = {from_ns, out, n};
    return offer(context, &points[0], &load, &s, e);
}

int64_t virtual_now_ns(void *context)
{
    return twin_now_ns(((struct virtual_server *)context)->twin);
}

struct runner virtual_runner(struct virtual_server *v)
{
    return (struct runner){virtual_probe, virtual_climb, virtual_now_ns, v};
}

struct load_point virtual_load(double rate, int64_t duration_ns, uint64_t seed_index)
{
    return (struct load_point){.kind = LOAD_AT_RATE,
                               .rate = rate,
                               .duration_ns = duration_ns,
                               .purpose = "level",
                               .seed_index = seed_index,
                               .from_idle = true};
}

/* More in flight in the last quarter of a long run than in the second, by half: the queue grows. */
static bool carries(const char *spec, const char *profile, double rate)
{
    struct virtual_server v;
    struct probed p;
    struct err e;
    struct load_point load = virtual_load(rate, CAPACITY_RUN_NS, 1);
    virtual_open(&v, spec, profile, CAPACITY_SEED);
    if (virtual_probe(&v, &load, &p, &e) < 0)
        fail(&e);
    struct window w = {.start_ns = 0, .end_ns = CAPACITY_RUN_NS};
    struct concurrency c;
    concurrency_sweep(&p.set, &w, &c);
    double second = 0, last = 0;
    for (int i = 0; i < CONCURRENCY_BATCHES / 4; i++) {
        second += c.batch[CONCURRENCY_BATCHES / 4 + i];
        last += c.batch[3 * CONCURRENCY_BATCHES / 4 + i];
    }
    probed_release(&p);
    virtual_close(&v);
    return last < 1.5 * second;
}

double virtual_capacity(const char *spec, const char *profile)
{
    double low = 0.1, high = 0.2;
    while (carries(spec, profile, high)) {
        low = high;
        high *= 2;
    }
    for (int i = 0; i < CAPACITY_STEPS; i++) {
        double middle = sqrt(low * high);
        if (carries(spec, profile, middle))
            low = middle;
        else
            high = middle;
    }
    return sqrt(low * high);
}

/* ---- several processors ---- */

struct crew {
    const char *name;
    size_t n;
    _Atomic size_t next, done;
    void (*work)(void *context, size_t i);
    void *context;
};

static void *worker(void *argument)
{
    struct crew *c = argument;
    for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < c->n;) {
        c->work(c->context, i);
        size_t done = atomic_fetch_add(&c->done, 1) + 1;
        if (done % 50 == 0 || done == c->n)
            fprintf(stderr, "%s: %zu of %zu\n", c->name, done, c->n);
    }
    return NULL;
}

void virtual_parallel(const char *name, size_t n, void (*work)(void *context, size_t i),
                      void *context)
{
    enum { THREADS_MAX = 64 };
    struct crew c = {.name = name, .n = n, .work = work, .context = context};
    pthread_t threads[THREADS_MAX];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long count = cores < 1 ? 1 : cores < THREADS_MAX ? cores : THREADS_MAX;
    for (long i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, worker, &c) != 0)
            exit(1);
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}
