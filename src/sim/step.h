#ifndef LOADLINE_SIM_STEP_H
#define LOADLINE_SIM_STEP_H

/* How long one step of the engine takes: every kernel of every layer by its own law, and the host's work.
 *
 * A matrix product of m rows, k inner and n columns takes t0 + [(bytes/(e_m·W))^p + (2·m·k·n/(e_c·P))^p]^(1/p): its
 * weights and rows are read, and the rows written, while it computes. A layer has the products before and
 * behind attention, the attention of sequences that decode (their cache is read once), that of prompts (its
 * FLOP grow with the square of the length), a feed-forward block or a mixture of experts (of which those are
 * read that the step's tokens choose), two all-reduces when GPUs share it, and small kernels over each token.
 * Behind the last layer comes the vocabulary's product for every row that is sampled. W is a GPU's memory
 * bandwidth and P its peak arithmetic; the shares e, t0 and p are fits (catalog.h). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/spec.h"

struct step_chunk { /* part of a prompt computed in this step */
    int64_t tokens;
    int64_t offset; /* tokens of the sequence computed before */
};

struct step_batch {
    int64_t decodes;               /* sequences that decode */
    int64_t drafts;                /* tokens verified with them, besides one each */
    int64_t decode_context_tokens; /* their contexts together */
    int64_t decode_window_tokens;  /* the same, each cut to the model's window */
    const struct step_chunk *chunks;
    size_t chunk_count;
    int64_t prompts_done;          /* chunks that end their prompt, so that a token is sampled */
};

struct step_product { /* a matrix product: seconds in memory and arithmetic of the fit's shares */
    double weights_s; /* reading the weights once */
    double row_s;     /* reading and writing one row */
    double math_s;    /* arithmetic of one row */
    double t0_s, p;
};

enum { STEP_MAX_PRODUCTS = 6 };

struct step_products {
    struct step_product each[STEP_MAX_PRODUCTS];
    int count;
};

struct step_law {
    double step_s, sequence_s;            /* of the host, per step and per sequence */
    bool host_hidden;                     /* the host prepares a step while the GPU runs the one before */
    int layers, expert_layers, window_layers;
    struct step_products attention;       /* of every layer */
    struct step_products dense, experts;  /* of layers without and with experts */
    struct step_products shared;          /* experts that every token passes through */
    struct step_product router;           /* which experts: of layers that have any */
    struct step_product head;
    double chosen, expert_count;          /* experts of one token, of all */
    double sample_row_s;                  /* choosing a token, beside the vocabulary's product */
    double decode_token_s, decode_math_s; /* a cached token of one layer: bytes, arithmetic */
    double decode_t0_s;
    double prefill_pair_s;                /* a pair of tokens of one layer, at full efficiency */
    double prefill_half_tokens, prefill_t0_s;
    double reduce_s, reduce_token_s;      /* both all-reduces of a layer */
    double small_s, small_token_s, small_expert_token_s; /* small kernels of a layer */
    int64_t window_tokens;
    struct step_memo *memo;               /* NULL: none */
};

struct step_law step_law_of(const struct sim_config *c);
double step_seconds(const struct step_law *law, const struct step_batch *b);

/* Times that depend on the number of rows alone are worked out once for each number up to `rows`, from here until
 * step_law_forget. Results are the same. */
void step_law_remember(struct step_law *law, int64_t rows);
void step_law_forget(struct step_law *law);

#endif
