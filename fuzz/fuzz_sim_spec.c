/* The text behind "sim:". What is accepted describes an engine that can run. */

#include <stdlib.h>

#include "sim/spec.h"
#include "sim/step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_config c;
    struct err e = {0};
    char line[256];
    if (spec_parse(slice_make((const char *)data, size), &c, &e) != OK) {
        if (e.text[0] == '\0')
            abort();
        return 0;
    }
    if (c.kv_blocks < 1 || c.max_model_len < 1 ||
        c.max_model_len > c.kv_blocks * SIM_BLOCK_TOKENS || c.max_num_seqs < 1 ||
        c.max_num_batched_tokens < c.max_num_seqs || c.replicas < 1)
        abort();
    struct step_law law = step_law_of(&c);
    struct step_batch b = {.decodes = 1, .decode_context_tokens = 1};
    double t = step_seconds(&law, &b);
    if (!(t > 0 && t < 10))
        abort();
    spec_describe(&c, line, sizeof line);
    return 0;
}
