#include "sim/step.h"

#include <math.h>

/* Host work of vLLM v1: scheduling and launching a step, then sampling and detokenising for each
 * sequence. Orders of magnitude, the second chosen among 0–30 µs as what comes closer to published
 * measurements. */
#define STEP_S     1e-3
#define SEQUENCE_S 20e-6

struct step_law step_law_of(const struct sim_config *c)
{
    const struct sim_gpu *g = c->gpu;
    bool fp8 = c->precision == SIM_FP8;
    double math = fp8 ? g->fp8_math_share * g->fp8_flops : g->bf16_math_share * g->bf16_flops;
    double memory = (fp8 ? g->fp8_memory_share : g->bf16_memory_share) * g->bandwidth;
    int cuts = c->tp < c->model->kv_heads ? c->tp : c->model->kv_heads;
    return (struct step_law){
        .step_s = STEP_S,
        .sequence_s = SEQUENCE_S,
        .token_s =
            2 * c->model->active_params / (math * c->tp), /* a multiply and an add a weight */
        .weights_s = spec_weight_bytes(c) / (memory * c->tp),
        .kv_token_s = c->model->kv_bytes_per_token / cuts / (g->kv_memory_share * g->bandwidth),
        .active_share = c->model->active_params / c->model->params,
    };
}

double step_seconds(const struct step_law *law, const struct step_batch *b)
{
    double tokens = (double)b->decodes;
    double context = (double)b->decode_context_tokens;
    for (size_t i = 0; i < b->chunk_count; i++) {
        tokens += (double)b->chunks[i].tokens;
        context += (double)(b->chunks[i].offset + b->chunks[i].tokens);
    }
    double sequences = (double)b->decodes + (double)b->chunk_count;
    /* Each token takes active_share of the weights at random: what T of them leave untouched. */
    double touched = 1 - pow(1 - law->active_share, tokens);
    double weights = law->weights_s * touched;
    double math = law->token_s * tokens;
    return law->step_s + law->sequence_s * sequences + (weights > math ? weights : math) +
           law->kv_token_s * context;
}
