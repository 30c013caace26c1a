#include "sim/fit.h"

#include <stdio.h>

#define GIB (1024.0 * 1024.0 * 1024.0)

/* vLLM: gpu_memory_utilization's default, and what a running server keeps besides weights and cache
 * (activations of the largest step, captured graphs; more for mixtures of experts; communication
 * buffers when several GPUs share the model). */
#define MEMORY_SHARE         0.9
#define RESERVE_DENSE_GIB    5.5
#define RESERVE_EXPERTS_GIB  8.0
#define RESERVE_ONE_GPU_GIB  0.15
#define RESERVE_MANY_GPU_GIB 0.6

enum { MIN_CACHE_TOKENS = 2048 }; /* one conversation of ordinary length */

static double weight_gib(const struct sim_config *c)
{
    return catalog_weight_bytes(c->model, c->precision) / c->tp / GIB;
}

static double reserve_gib(const struct sim_config *c)
{
    return (c->model->experts.count ? RESERVE_EXPERTS_GIB : RESERVE_DENSE_GIB) +
           (c->tp > 1 ? RESERVE_MANY_GPU_GIB : RESERVE_ONE_GPU_GIB);
}

double fit_cache_tokens(const struct sim_config *c)
{
    double room_gib = MEMORY_SHARE * c->gpu->memory_gib - reserve_gib(c) - weight_gib(c);
    int cuts = c->tp < c->model->kv_heads ? c->tp : c->model->kv_heads;
    return room_gib * GIB / (spec_kv_bytes(c) / cuts);
}

int fit_check(const struct sim_config *c, struct err *e)
{
    if (fit_cache_tokens(c) >= MIN_CACHE_TOKENS)
        return OK;
    char advice[96] = "no number of GPUs on one host makes it fit: take another GPU";
    struct sim_config wider = *c;
    for (wider.tp = c->tp * 2; wider.tp <= SIM_MAX_TP; wider.tp *= 2) {
        if (c->model->heads % wider.tp == 0 && fit_cache_tokens(&wider) >= MIN_CACHE_TOKENS) {
            snprintf(advice, sizeof advice, "try @%sx%d", c->gpu->name, wider.tp);
            break;
        }
    }
    double gib = c->gpu->memory_gib;
    return err_set(e, ERR_USAGE,
                   "%s in %s does not fit %d × %s: weights take %.1f GiB a GPU; of its %.0f GiB "
                   "%.0f %% are used (%.1f GiB), less %.2f GiB that the engine keeps for itself, "
                   "so %.1f remain for weights and KV cache; %s",
                   c->model->name, spec_precision_name(c->precision), c->tp, c->gpu->name,
                   weight_gib(c), gib, MEMORY_SHARE * 100, MEMORY_SHARE * gib, reserve_gib(c),
                   MEMORY_SHARE * gib - reserve_gib(c), advice);
}
