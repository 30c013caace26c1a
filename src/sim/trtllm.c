/* After TensorRT-LLM's in-flight batching, in two stages. Capacity: under no-evict a request is
 * admitted when the cache has room for it and all admitted ones to their ends, so none is ever
 * paused; under max-utilization when it has room for the next step, and when it runs out the last
 * admitted is paused and computed anew. Then the micro-batch: at most max_num_seqs requests and
 * max_num_tokens tokens, decoding first. Prompts are computed whole; only one longer than a whole
 * step is cut. */

#include "sim/hold.h"
#include "sim/scheduler.h"

static void arrive(struct core *c, struct engine_request *r)
{
    hold_arrive(c, r);
    core_enqueue(c, r, c->last);
}

/* Blocks the admitted may yet come to need. */
static int64_t claimed(const struct core *c)
{
    int64_t blocks = 0;
    for (int64_t i = 0; i < c->counts.running; i++)
        blocks += hold_blocks(core_whole(c->running[i])) - (int64_t)c->running[i]->held;
    return blocks;
}

/* The next part of a prompt, or one token; 0 when it must wait for a step with more room. */
static int64_t part(const struct core *c, const struct engine_request *r, int64_t rest,
                    int64_t budget)
{
    if (rest <= budget)
        return rest;
    bool too_long = core_tokens(r) > c->config.max_num_batched_tokens;
    return too_long ? budget : 0;
}

/* Returns what is left of the budget, or −1 after a pause. */
static int64_t deal_to_batch(struct core *c, int64_t budget)
{
    uint64_t preemptions = c->counts.preemptions;
    for (int64_t i = 0; i < c->counts.running && budget > 0; i++) {
        struct engine_request *r = c->running[i];
        int64_t n = part(c, r, core_rest(r), budget);
        int64_t drafts = core_drafts(c, r, budget);
        bool gone = false;
        while (!gone && !hold_grow(c, r, r->computed + n + drafts)) {
            struct engine_request *last = c->running[c->counts.running - 1];
            gone = last == r;
            core_preempt(c, last);
        }
        if (gone)
            break;
        r->chunk = n;
        r->drafts = drafts;
        budget -= n + drafts;
    }
    return c->counts.preemptions == preemptions ? budget : -1;
}

static void deal_to_waiting(struct core *c, int64_t budget)
{
    bool whole_life = c->config.capacity == SIM_NO_EVICT;
    int64_t claims = whole_life && c->first ? claimed(c) : 0;
    while (c->first && budget > 0 && c->counts.running < c->config.max_num_seqs) {
        struct engine_request *r = c->first;
        struct hold_found found = hold_find(c, r);
        bool brings_cache = r->arrived && !r->admitted_once;
        int64_t computed = brings_cache ? core_tokens(r) - 1 : found.tokens;
        int64_t n = part(c, r, core_tokens(r) - computed, budget);
        if (n == 0)
            return;
        int64_t later = hold_blocks(core_whole(r)) - hold_blocks(computed + n);
        if (!hold_admit(c, r, found, computed + n, whole_life ? claims + later : 0))
            return;
        claims += later;
        core_admit(c, r, computed);
        r->chunk = n;
        budget -= n;
    }
}

static void choose(struct core *c)
{
    int64_t left = deal_to_batch(c, c->config.max_num_batched_tokens);
    if (left > 0)
        deal_to_waiting(c, left);
}

const struct scheduler scheduler_trtllm = {
    .arrive = arrive, .choose = choose, .computed = hold_computed, .release = hold_release};
