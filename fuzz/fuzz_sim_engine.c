/* Any order of submitting, cancelling, forgetting and stepping, under any scheduler: blocks are
 * conserved, tokens come in order, and what was submitted and not cancelled ends with as many
 * tokens as it asked for. */

#include <stdlib.h>

#include "sim/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SLOTS = 64, LONGEST = 55 * SIM_BLOCK_TOKENS };

static const char *const engines[] = {
    "?engine=vllm",
    "?engine=vllm&policy=priority",
    "?engine=vllm&draft_tokens=3",
    "?engine=sglang",
    "?engine=sglang&policy=lpm",
    "?engine=sglang&draft_tokens=2",
    "?engine=tgi&prefix_caching=on",
    "?engine=trtllm",
    "?engine=trtllm&capacity=max-utilization&draft_tokens=2",
};

/* Prompts of a few kinds, so that prefixes are shared and part somewhere. */
static uint32_t ids[4][LONGEST];

static void fill_ids(void)
{
    for (uint32_t k = 0; k < 4; k++)
        for (uint32_t i = 0; i < LONGEST; i++)
            ids[k][i] = i < 40 * k ? i : i + 100000 * k;
}

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
        if (!s->request || t[i].index != s->got || t[i].count < 1)
            abort();
        s->got += t[i].count;
        if (t[i].last != (s->got == s->want))
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
        int64_t prompt = 1 + x * 3;
        struct engine_ask a = {.prompt_tokens = prompt,
                               .output_tokens = s->want,
                               .ids = x % 5 ? ids[x % 4] : NULL,
                               .id_count = x % 5 ? prompt + (x % 2 ? s->want : 0) : 0,
                               .priority = x % 3,
                               .owner = s};
        s->request = engine_ask(e, &a);
    } else if (op == 1 && s->request) {
        engine_cancel(e, s->request);
        s->request = NULL;
    } else if (op == 3 && x == 0) {
        engine_forget_prefixes(e);
    } else {
        step(e, c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_config c;
    struct slot slots[SLOTS] = {{0}};
    if (size < 4)
        return 0;
    const char *text = engines[data[3] % (sizeof engines / sizeof engines[0])];
    if (spec_parse(slice_of(text), &c, NULL) != OK)
        abort();
    fill_ids();
    c.max_num_seqs = 1 + data[0] % 16;
    c.max_num_batched_tokens = 16 + data[1];
    c.kv_blocks = 55 + data[2];
    c.max_model_len = LONGEST;
    struct engine *e = engine_new(&c, 1);
    for (size_t i = 4; i + 1 < size; i += 2)
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
