/* After vLLM's v1 scheduler: a budget of max_num_batched_tokens is dealt first to the batch in
 * order of admission (one token each, or the next chunk of a prompt), then to the waiting, first
 * come first served or by priority, while there are fewer than max_num_seqs and blocks for the
 * chunk; who is at the head of the line and finds none is not passed. When one of the batch finds
 * no block, the last admitted (the worst priority) gives up all of its own, goes to the front of
 * the queue, and nobody is admitted in that step. */

#include "sim/hold.h"
#include "sim/scheduler.h"

static bool goes_before(const struct core *c, const struct engine_request *a,
                        const struct engine_request *b)
{
    if (c->config.policy == SIM_PRIORITY && a->priority != b->priority)
        return a->priority < b->priority;
    return a->number < b->number;
}

static void arrive(struct core *c, struct engine_request *r)
{
    hold_arrive(c, r);
    struct engine_request *before = c->last;
    if (c->config.policy == SIM_PRIORITY)
        while (before && goes_before(c, r, before))
            before = before->prev;
    core_enqueue(c, r, before);
}

static struct engine_request *victim_of(const struct core *c)
{
    struct engine_request *worst = c->running[c->counts.running - 1];
    if (c->config.policy == SIM_PRIORITY)
        for (int64_t i = 0; i < c->counts.running; i++)
            if (goes_before(c, worst, c->running[i]))
                worst = c->running[i];
    return worst;
}

/* Under priorities a preempted request goes back where its priority has it. */
static void preempt(struct core *c, struct engine_request *r)
{
    core_preempt(c, r);
    if (c->config.policy != SIM_PRIORITY)
        return;
    core_dequeue(c, r);
    struct engine_request *before = NULL;
    for (struct engine_request *q = c->first; q && goes_before(c, q, r); q = q->next)
        before = q;
    core_enqueue(c, r, before);
}

/* Returns what is left of the budget, or −1 after a preemption. */
static int64_t deal_to_batch(struct core *c, int64_t budget)
{
    uint64_t preemptions = c->counts.preemptions;
    for (int64_t i = 0; i < c->counts.running && budget > 0;) {
        struct engine_request *r = c->running[i];
        int64_t n = core_least(core_least(core_rest(r), c->config.chunk_tokens), budget);
        int64_t drafts = core_drafts(c, r, budget);
        bool gone = false;
        while (!gone && !hold_grow(c, r, r->computed + n + drafts)) {
            struct engine_request *victim = victim_of(c);
            if (victim != r &&
                victim->chunk) { /* only under priorities: it had its share already */
                budget += victim->chunk + victim->drafts;
                i--;
            }
            gone = victim == r;
            preempt(c, victim);
        }
        if (gone) /* its place in the batch is another's now */
            continue;
        r->chunk = n;
        r->drafts = drafts;
        budget -= n + drafts;
        i++;
    }
    return c->counts.preemptions == preemptions ? budget : -1;
}

static void deal_to_waiting(struct core *c, int64_t budget)
{
    while (c->first && budget > 0 && c->counts.running < c->config.max_num_seqs) {
        struct engine_request *r = c->first;
        struct hold_found found = hold_find(c, r);
        bool brings_cache = r->arrived && !r->admitted_once;
        int64_t computed = brings_cache ? core_tokens(r) - 1 : found.tokens;
        int64_t n =
            core_least(core_least(core_tokens(r) - computed, c->config.chunk_tokens), budget);
        if (!hold_admit(c, r, found, computed + n, 0))
            return;
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

const struct scheduler scheduler_vllm = {
    .arrive = arrive, .choose = choose, .computed = hold_computed, .release = hold_release};
