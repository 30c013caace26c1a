#ifndef LOADLINE_TESTS_VALIDATION_VIRTUAL_H
#define LOADLINE_TESTS_VALIDATION_VIRTUAL_H

/* What the long studies share: the twin as a runner without a file, and what is true of it in the long run. */

#include "decide/runner.h"
#include "twin/twin.h"

struct virtual_server { /* one engine under one workload */
    struct sim_config config;
    struct twin *twin;
    struct workload_spec workload;
    uint64_t seed;      /* of this trial: prompts, arrivals and noise follow from it */
    uint64_t warmup_requests;
};

/* spec as behind "sim:", profile as --dataset-name. Ends the program with a sentence when they cannot be. */
void virtual_open(struct virtual_server *v, const char *spec, const char *profile, uint64_t seed);
void virtual_close(struct virtual_server *v);

/* As struct runner's probe; context: struct virtual_server. */
int virtual_probe(void *context, const struct load_point *p, struct probed *out, struct err *e);
int virtual_climb(void *context, const struct load_point *points, size_t n, struct probed *out,
                  struct err *e);
int64_t virtual_now_ns(void *context);
struct runner virtual_runner(struct virtual_server *v);

/* The load point of a Poisson stream of `rate` for so long. */
struct load_point virtual_load(double rate, int64_t duration_ns, uint64_t seed_index);

/* Requests per second that the engine carries without its queue growing, found by bisection over long runs. */
double virtual_capacity(const char *spec, const char *profile);

/* Work for several processors: calls work(context, i) for i in [0, n) from as many threads as there are processors,
 * telling how far it is on standard error under that name. */
void virtual_parallel(const char *name, size_t n, void (*work)(void *context, size_t i), void *context);

#endif
