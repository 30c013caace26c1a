#ifndef LOADLINE_SIM_SPEC_H
#define LOADLINE_SIM_SPEC_H

/* What to simulate, as written behind "sim:" — [MODEL][@GPU[xTP]][?key=value&…]. Left out: llama-3.1-8b, h100, one
 * GPU, vLLM's defaults. Keys: engine (vllm), precision (bf16, fp8), replicas, noise, max_num_seqs,
 * max_num_batched_tokens, max_model_len. */

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "sim/catalog.h"

enum { SIM_BLOCK_TOKENS = 16, SIM_MAX_REPLICAS = 64 };

enum sim_precision { SIM_BF16, SIM_FP8 };

struct sim_config {
    const struct sim_model *model;
    const struct sim_gpu *gpu;
    int tp;                         /* GPUs that share one copy of the weights */
    int replicas;                   /* engines side by side */
    enum sim_precision precision;   /* of the weights; the KV cache is bf16 */
    double noise_cv;                /* coefficient of variation of a step's time; 0: none */
    int64_t max_num_seqs;           /* sequences in one step */
    int64_t max_num_batched_tokens; /* tokens in one step */
    int64_t max_model_len;          /* prompt and output of one request together */
    int64_t kv_blocks;              /* of SIM_BLOCK_TOKENS tokens, per replica */
};

/* ERR_USAGE with a sentence that says what is known, or why the weights do not fit. */
int spec_parse(struct slice text, struct sim_config *out, struct err *e);

/* One line for people: model, GPUs, cache and limits. Returns out. */
const char *spec_describe(const struct sim_config *c, char *out, size_t out_bytes);

double spec_weight_bytes(const struct sim_config *c);

#endif
