/* Models and GPUs from any text: what is accepted can be simulated, or is refused for its size. */

#include <stdlib.h>

#include "sim/definitions.h"
#include "sim/spec.h"
#include "sim/step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void simulate(const struct definitions *d, const char *text)
{
    struct sim_config c;
    struct err e = {0};
    if (spec_parse_with(slice_of(text), d, &c, &e) != OK) {
        if (e.text[0] == '\0')
            abort();
        return;
    }
    struct step_law law = step_law_of(&c);
    struct step_chunk chunk = {100, 50};
    struct step_batch b = {.decodes = 3,
                           .decode_context_tokens = 300,
                           .decode_window_tokens = 300,
                           .chunks = &chunk,
                           .chunk_count = 1};
    if (!(step_seconds(&law, &b) > 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct definitions *d = NULL;
    struct err e = {0};
    if (definitions_parse(slice_make((const char *)data, size), &d, &e) != OK) {
        if (d || e.text[0] == '\0')
            abort();
        return 0;
    }
    simulate(d, "m@g");
    simulate(d, "m@b200x8");
    simulate(d, "llama-3.1-8b@g");
    definitions_free(d);
    return 0;
}
