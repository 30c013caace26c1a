#include "workload/items.h"

#include <stdlib.h>

#include "base/mem.h"

struct item *items_add(struct items *t)
{
    enum { FIRST_ITEMS = 64 };
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : FIRST_ITEMS;
        t->v = mem_resize(t->v, t->cap * sizeof *t->v);
    }
    t->v[t->n] = (struct item){0};
    return &t->v[t->n++];
}

void items_release(struct items *t)
{
    arena_release(&t->arena);
    free(t->v);
    free(t->at_ns);
    *t = (struct items){0};
}

int64_t items_estimate_tokens(size_t bytes)
{
    const size_t bytes_per_token = 4; /* of English in the common vocabularies */
    size_t tokens = (bytes + bytes_per_token / 2) / bytes_per_token;
    return tokens > 0 ? (int64_t)tokens : 1;
}
