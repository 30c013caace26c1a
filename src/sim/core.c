#include "sim/core.h"

#include <string.h>

#include "base/err.h"
#include "sim/scheduler.h"

void core_enqueue(struct core *c, struct engine_request *r, struct engine_request *before)
{
    r->prev = before;
    r->next = before ? before->next : c->first;
    *(r->prev ? &r->prev->next : &c->first) = r;
    *(r->next ? &r->next->prev : &c->last) = r;
    c->counts.waiting++;
}

void core_dequeue(struct core *c, struct engine_request *r)
{
    *(r->prev ? &r->prev->next : &c->first) = r->next;
    *(r->next ? &r->next->prev : &c->last) = r->prev;
    c->counts.waiting--;
}

void core_admit(struct core *c, struct engine_request *r, int64_t cached)
{
    core_dequeue(c, r);
    r->running = true;
    r->computed = cached;
    c->running[c->counts.running++] = r;
    if (r->admitted_once)
        return;
    r->admitted_once = true;
    r->admitted_ns = c->told_ns;
    if (r->arrived)
        return; /* its prompt was looked up where it was computed */
    r->cached = cached;
    c->counts.admitted_prompt_tokens += (uint64_t)r->prompt_tokens;
    c->counts.cached_prompt_tokens += (uint64_t)cached;
}

void core_retire(struct core *c, struct engine_request *r)
{
    int64_t at = c->counts.running - 1;
    while (at >= 0 && c->running[at] != r)
        at--;
    if (at < 0)
        BUG("a request was to leave a batch that it is not in");
    int64_t behind = --c->counts.running - at;
    memmove(&c->running[at], &c->running[at + 1], (size_t)behind * sizeof *c->running);
    r->running = false;
}

void core_preempt(struct core *c, struct engine_request *r)
{
    core_retire(c, r);
    c->scheduler->release(c, r, false);
    r->chunk = r->drafts = 0;
    core_enqueue(c, r, NULL);
    c->counts.preemptions++;
}

int64_t core_drafts(const struct core *c, const struct engine_request *r, int64_t budget)
{
    if (c->config.draft_tokens == 0 || r->generated == 0 || core_rest(r) != 1)
        return 0;
    int64_t wanted = core_least(c->config.draft_tokens, r->output_tokens - r->generated - 1);
    return core_least(wanted, budget - 1);
}
