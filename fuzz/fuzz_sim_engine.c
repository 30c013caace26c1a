/* Any order of submitting, cancelling and stepping: blocks are conserved, tokens come in order, and
 * what was submitted and not cancelled ends with as many tokens as it asked for. */

#include <stdlib.h>

#include "sim/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SLOTS = 64 };

struct slot {
    struct engine_request *request;
    int64_t want, got;
};

static void step(struct engine *e, const struct sim_config *c)
{
    int64_t ns = 0;
    const struct engine_token *t;
    if (!engine_step_begin(e, &ns))
        return;
    struct engine_counts n = engine_counts(e);
    if (ns <= 0 || n.blocks_used < 0 || n.blocks_used > n.blocks || n.running > c->max_num_seqs)
        abort();
    size_t tokens = engine_step_end(e, &t);
    for (size_t i = 0; i < tokens; i++) {
        struct slot *s = t[i].owner;
        if (!s->request || t[i].index != s->got++ || t[i].last != (s->got == s->want))
            abort();
        if (t[i].last)
            s->request = NULL;
    }
}

static void act(struct engine *e, const struct sim_config *c, struct slot *s, unsigned op,
                unsigned x)
{
    if (op == 0 && !s->request) {
        *s = (struct slot){.want = 1 + x % 60};
        s->request = engine_submit(e, 1 + x * 3, s->want, s);
    } else if (op == 1 && s->request) {
        engine_cancel(e, s->request);
        s->request = NULL;
    } else {
        step(e, c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_config c;
    struct slot slots[SLOTS] = {{0}};
    if (size < 3 || spec_parse(slice_of(""), &c, NULL) != OK)
        return 0;
    c.max_num_seqs = 1 + data[0] % 16;
    c.max_num_batched_tokens = 16 + data[1];
    c.kv_blocks = 55 + data[2];
    c.max_model_len = 55 * SIM_BLOCK_TOKENS;
    struct engine *e = engine_new(&c, 1);
    for (size_t i = 3; i + 1 < size; i += 2)
        act(e, &c, &slots[data[i] % SLOTS], data[i] / SLOTS, data[i + 1]);
    while (engine_counts(e).running + engine_counts(e).waiting > 0)
        step(e, &c);
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].request)
            abort();
    if (engine_counts(e).blocks_used != 0)
        abort();
    engine_free(e);
    return 0;
}
