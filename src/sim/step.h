#ifndef LOADLINE_SIM_STEP_H
#define LOADLINE_SIM_STEP_H

/* How long one step of the engine takes. The law is linear in what the step holds:
 *
 *     t = t_step + t_req·S + max(weight bytes / (e_m·W·tp), 2·active parameters·T / (e_c·P·tp)) + KV bytes / (e_a·W)
 *
 * S sequences, T tokens, W memory bandwidth and P peak arithmetic of a GPU with the shares e of them that
 * are reached, tp GPUs in parallel. Weights are read once a step whatever it holds (for a mixture of
 * experts only the experts its tokens touch), and reading them overlaps with the arithmetic; the cached
 * keys and values of every sequence are read besides. */

#include <stddef.h>
#include <stdint.h>

#include "sim/spec.h"

struct step_chunk { /* part of a prompt computed in this step */
    int64_t tokens;
    int64_t offset; /* tokens of the sequence computed before */
};

struct step_batch {
    int64_t decodes;               /* sequences that decode, one token each */
    int64_t decode_context_tokens; /* their contexts together */
    const struct step_chunk *chunks;
    size_t chunk_count;
};

struct step_law {
    double step_s;          /* per step */
    double sequence_s;      /* per sequence */
    double token_s;         /* arithmetic, per token */
    double weights_s;       /* reading all weights once */
    double kv_token_s;      /* reading one cached token */
    double active_share;    /* of the weights, touched by one token; 1 for dense models */
};

struct step_law step_law_of(const struct sim_config *c);
double step_seconds(const struct step_law *law, const struct step_batch *b);

#endif
