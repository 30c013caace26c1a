#ifndef LOADLINE_SIM_CATALOG_H
#define LOADLINE_SIM_CATALOG_H

/* The models and GPUs the engine knows: facts from model cards and data sheets, and per GPU how near to its
 * peak published kernel measurements come (fits over the tables of NVIDIA's aiconfigurator, Apache-2.0). */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

/* Formats of weights. fp8 and fp4 are of the matrices inside the layers; embeddings stay bf16. */
enum sim_precision { SIM_BF16, SIM_FP8, SIM_FP4, SIM_PRECISIONS };

struct sim_model {
    const char *name;
    double params;        /* weights, all experts included */
    double active_params; /* weights one token passes through; equal to params for dense models */
    int layers, hidden;
    int heads;            /* query heads: tensor parallelism must divide them */
    int kv_heads;         /* ways the cache can be cut; 1 for a latent cache that every rank holds */
    int head_dim;
    int ff;               /* width of a dense feed-forward block; 0 where every layer has experts */
    int vocabulary;
    int context_tokens;   /* longest sequence the model was made for */
    struct {              /* a mixture of experts; count 0 for none */
        int count, chosen, ff, shared, dense_layers; /* the first dense_layers have no experts */
        bool alone_quantised;                        /* fp8 and fp4 are of the experts' weights only */
    } experts;
    struct {              /* some layers attend to the last `tokens` tokens only; layers 0 for none */
        int tokens, layers;
    } window;
    struct {              /* multi-head latent attention; kv_rank 0 for none */
        int kv_rank, rope, q_rank, key, value; /* key and value: of a head, rope not included */
    } latent;
    enum sim_precision native; /* of the weights as published */
};

/* How long a matrix product takes: t0 + [(bytes/(memory·W))^p + (FLOP/(math·P))^p]^(1/p). Shares in (0, 1]. */
struct sim_product_fit {
    double memory_share, math_share, t0_us, p;
};

/* An all-reduce over 2, 4, 8 GPUs: a_us + b_us a million bf16 elements. */
struct sim_reduce_fit {
    double a_us, b_us;
};

enum { SIM_REDUCE_SIZES = 3, SIM_MAX_TP = 8 };

struct sim_gpu {
    const char *name;
    const char *title;            /* as the maker writes it */
    double memory_gib;
    double bandwidth;             /* bytes/s */
    double flops[SIM_PRECISIONS]; /* dense peaks, FLOP/s; 0: no such arithmetic */
    struct sim_product_fit product[SIM_PRECISIONS];
    struct {                      /* attention of sequences that decode: bytes of cache over the bandwidth */
        double memory_share, t0_us;
    } decode;
    struct {                      /* of prompts: FLOP over the bf16 peak · math_share · l/(l + half_tokens) */
        double math_share, half_tokens, t0_us;
    } prefill;
    struct sim_reduce_fit reduce[SIM_REDUCE_SIZES];
    bool small_batches;           /* vLLM's smaller defaults though the memory is large (A100) */
    bool estimated;               /* fits are those of the nearest architecture that was measured */
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

/* Bytes of cache one token takes on all GPUs together, `element_bytes` an element, without copies. */
double catalog_kv_bytes(const struct sim_model *m, double element_bytes);

/* Bytes of all weights. */
double catalog_weight_bytes(const struct sim_model *m, enum sim_precision p);

/* Bytes a quantised weight takes, its scales included. */
double catalog_element_bytes(enum sim_precision p);
double catalog_quantised_bytes(const struct sim_model *m, enum sim_precision p);

/* Appends both tables for help: a line each, name first, up to 80 columns. */
void catalog_describe(struct buf *out);

#endif
