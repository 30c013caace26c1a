/* After Hugging Face's text-generation-inference: first come first served; a request is admitted
 * with blocks for its whole life, so none is ever preempted. Prompts are computed whole, in steps
 * of their own during which the batch stands still; so they wait until there are enough of them for
 * the batch (waiting_served_ratio), or until the batch has had max_waiting_tokens steps. */

#include <math.h>

#include "sim/hold.h"
#include "sim/scheduler.h"

struct state {
    int64_t steps; /* since the last prompts */
};

static void arrive(struct core *c, struct engine_request *r)
{
    hold_arrive(c, r);
    core_enqueue(c, r, c->last);
}

static bool admit_one(struct core *c, int64_t *budget, bool first)
{
    struct engine_request *r = c->first;
    struct hold_found found = hold_find(c, r);
    bool brings_cache = r->arrived && !r->admitted_once;
    int64_t computed = brings_cache ? core_tokens(r) - 1 : found.tokens;
    int64_t n = core_tokens(r) - computed;
    if (n > *budget && !first)
        return false;
    if (!hold_admit(c, r, found, core_whole(r), 0))
        return false;
    core_admit(c, r, computed);
    r->chunk = n;
    *budget -= n;
    return true;
}

/* Returns whether any was admitted. */
static bool admit(struct core *c, const struct state *s)
{
    int64_t needed = 1;
    if (c->counts.running > 0 && s->steps < c->config.max_waiting_tokens)
        needed = (int64_t)ceil(c->config.waiting_served_ratio * (double)c->counts.running);
    if (c->counts.waiting < needed)
        return false;
    int64_t budget = c->config.max_num_batched_tokens;
    int64_t before = c->counts.running;
    while (c->first && budget > 0 && c->counts.running < c->config.max_num_seqs)
        if (!admit_one(c, &budget, c->counts.running == before))
            break;
    return c->counts.running > before;
}

static void choose(struct core *c)
{
    struct state *s = c->state;
    if (c->first && admit(c, s)) {
        s->steps = 1;
        return;
    }
    s->steps++;
    for (int64_t i = 0; i < c->counts.running; i++) {
        struct engine_request *r = c->running[i];
        r->chunk = core_rest(r);
        r->drafts = core_drafts(c, r, c->config.max_num_batched_tokens);
    }
}

const struct scheduler scheduler_tgi = {.state_bytes = sizeof(struct state),
                                        .arrive = arrive,
                                        .choose = choose,
                                        .computed = hold_computed,
                                        .release = hold_release};
