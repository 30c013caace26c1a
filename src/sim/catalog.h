#ifndef LOADLINE_SIM_CATALOG_H
#define LOADLINE_SIM_CATALOG_H

/* The models and GPUs the engine knows: facts from model cards and data sheets, and per GPU the shares of
 * its peak that published kernel measurements reach (fits over the tables of NVIDIA's aiconfigurator,
 * Apache-2.0). */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

struct sim_model {
    const char *name;
    double params;             /* weights, all experts included */
    double active_params;      /* weights one token passes through; equal to params for dense models */
    double kv_bytes_per_token; /* over all layers, two bytes an element */
    int heads;                 /* query heads: tensor parallelism must divide them */
    int kv_heads;              /* ways the cache can be cut; 1 for a latent cache that every rank holds */
    int vocabulary;
    int context_tokens;        /* longest sequence the model was made for */
};

struct sim_gpu {
    const char *name;
    const char *title;        /* as the maker writes it */
    double memory_gib;
    double bandwidth;         /* bytes/s */
    double bf16_flops;        /* dense peak, FLOP/s */
    double fp8_flops;         /* 0: no FP8 arithmetic */
    double bf16_memory_share; /* of bandwidth, reading weights in matrix products */
    double bf16_math_share;   /* of peak, in large matrix products */
    double fp8_memory_share;
    double fp8_math_share;
    double kv_memory_share;   /* of bandwidth, reading the cache in decode attention */
    bool small_batches;       /* vLLM's smaller defaults though the memory is large (A100) */
    bool estimated;           /* shares are those of the nearest architecture that was measured */
};

/* By name, upper or lower case; NULL when unknown. */
const struct sim_model *catalog_model(struct slice name);
const struct sim_gpu *catalog_gpu(struct slice name);

/* By position, for lists; NULL past the end. */
const struct sim_model *catalog_model_at(size_t i);
const struct sim_gpu *catalog_gpu_at(size_t i);

/* The known name with the fewest edits from `name`, or NULL when none is close. */
const char *catalog_nearest_model(struct slice name);
const char *catalog_nearest_gpu(struct slice name);

/* Appends both tables for help: a line each, name first. */
void catalog_describe(struct buf *out);

#endif
