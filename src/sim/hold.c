#include "sim/hold.h"

#include "base/mem.h"

static void publish_next(struct engine_request *r)
{
    bool more = r->published < r->chain_length;
    r->publish_at = more ? (int64_t)(r->published + 1) * SIM_BLOCK_TOKENS : INT64_MAX;
}

void hold_arrive(struct core *c, struct engine_request *r)
{
    r->publish_at = INT64_MAX;
    if (!c->config.prefix_caching)
        return;
    r->chain_length = (size_t)(r->id_count / SIM_BLOCK_TOKENS);
    if (r->chain_length == 0)
        return;
    publish_next(r);
    r->chain = mem_alloc(r->chain_length * sizeof *r->chain);
    uint64_t before = 0;
    for (size_t i = 0; i < r->chain_length; i++) {
        before = blocks_hash(before, r->ids + i * SIM_BLOCK_TOKENS, SIM_BLOCK_TOKENS);
        r->chain[i] = before;
    }
}

/* The table has room for the whole request from its first admission on: nothing is allocated by a
 * step. */
static void make_table(struct engine_request *r)
{
    if (r->table)
        return;
    r->room = (size_t)hold_blocks(core_whole(r));
    r->table = mem_alloc(r->room * sizeof *r->table);
}

struct hold_found hold_find(struct core *c, struct engine_request *r)
{
    struct hold_found f = {0};
    size_t most = (size_t)((core_tokens(r) - 1) / SIM_BLOCK_TOKENS);
    if (most > r->chain_length)
        most = r->chain_length;
    make_table(r);
    f.blocks = blocks_find(c->blocks, r->chain, most, r->table, &f.idle);
    f.tokens = (int64_t)f.blocks * SIM_BLOCK_TOKENS;
    return f;
}

bool hold_admit(struct core *c, struct engine_request *r, struct hold_found found, int64_t tokens,
                int64_t spare)
{
    int64_t more = hold_blocks(tokens) - (int64_t)found.blocks;
    more = more > 0 ? more : 0;
    if (more + (int64_t)found.idle + spare > blocks_idle(c->blocks))
        return false;
    make_table(r);
    blocks_share(c->blocks, r->table, found.blocks);
    blocks_take(c->blocks, r->table + found.blocks, (size_t)more);
    r->held = found.blocks + (size_t)more;
    r->published = found.blocks;
    publish_next(r);
    return true;
}

bool hold_grow(struct core *c, struct engine_request *r, int64_t tokens)
{
    int64_t more = hold_blocks(tokens) - (int64_t)r->held;
    if (more <= 0)
        return true;
    if (!blocks_take(c->blocks, r->table + r->held, (size_t)more))
        return false;
    r->held += (size_t)more;
    return true;
}

void hold_computed(struct core *c, struct engine_request *r)
{
    while (r->computed >= r->publish_at) {
        blocks_publish(c->blocks, r->table[r->published], r->chain[r->published]);
        r->published++;
        publish_next(r);
    }
}

void hold_release(struct core *c, struct engine_request *r, bool done)
{
    (void)done;
    blocks_release(c->blocks, r->table, r->held);
    r->held = 0;
    r->published = 0;
    r->computed = 0;
    publish_next(r);
}
