#include "sim/radix.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* A node's children hang in a list; the tree's nodes are found by (parent, first id) in a hash
 * table, as the root may have very many children. Unlocked nodes stand in a list by last use,
 * children before their parents: its first is always a leaf. */
struct radix_node {
    struct radix_node *parent;
    uint32_t *ids;
    int64_t n;
    int64_t children;
    int64_t locks;
    struct radix_node *older, *newer; /* when unlocked and not the root */
    struct radix_node *bucket_next;
};

struct radix {
    struct radix_node root; /* its `newer` is the node to go first, its `older` the last used */
    struct radix_node **buckets;
    size_t bucket_count, nodes;
    int64_t tokens, evictable;
};

enum { FIRST_BUCKETS = 64 };

/* ---- children ---- */

static size_t bucket_of(const struct radix *t, const struct radix_node *parent, uint32_t first)
{
    uint64_t h = ((uint64_t)(uintptr_t)parent >> 4) ^ ((uint64_t)first << 32 | first);
    h *= UINT64_C(0x9e3779b97f4a7c15); /* 2^64 over the golden ratio */
    return (size_t)(h >> 32) & (t->bucket_count - 1);
}

static struct radix_node *child(const struct radix *t, const struct radix_node *parent,
                                uint32_t first)
{
    struct radix_node *n = t->buckets[bucket_of(t, parent, first)];
    while (n && (n->parent != parent || n->ids[0] != first))
        n = n->bucket_next;
    return n;
}

static void bucket_add(struct radix *t, struct radix_node *n)
{
    struct radix_node **at = &t->buckets[bucket_of(t, n->parent, n->ids[0])];
    n->bucket_next = *at;
    *at = n;
}

static void bucket_remove(struct radix *t, struct radix_node *n)
{
    struct radix_node **at = &t->buckets[bucket_of(t, n->parent, n->ids[0])];
    while (*at != n)
        at = &(*at)->bucket_next;
    *at = n->bucket_next;
}

static void grow(struct radix *t)
{
    struct radix_node **old = t->buckets;
    size_t count = t->bucket_count;
    t->bucket_count = 2 * count;
    t->buckets = MEM_ARRAY(struct radix_node *, t->bucket_count);
    for (size_t i = 0; i < count; i++)
        for (struct radix_node *n = old[i], *next; n; n = next) {
            next = n->bucket_next;
            bucket_add(t, n);
        }
    free(old);
}

/* ---- the list by last use ---- */

static void list_remove(struct radix_node *n)
{
    n->older->newer = n->newer;
    n->newer->older = n->older;
}

static void list_insert(struct radix_node *n, struct radix_node *older)
{
    n->older = older;
    n->newer = older->newer;
    older->newer->older = n;
    older->newer = n;
}

/* The path counts as just used: deepest first, so that parents stay behind their children. */
static void touch(struct radix *t, struct radix_node *n)
{
    for (; n != &t->root; n = n->parent) {
        if (n->locks)
            continue;
        list_remove(n);
        list_insert(n, t->root.older);
    }
}

/* ---- nodes ---- */

static struct radix_node *add_node(struct radix *t, struct radix_node *parent, const uint32_t *ids,
                                   int64_t n)
{
    if (t->nodes++ >= t->bucket_count)
        grow(t);
    struct radix_node *it = MEM_NEW(struct radix_node);
    it->parent = parent;
    it->ids = mem_alloc((size_t)n * sizeof *ids);
    memcpy(it->ids, ids, (size_t)n * sizeof *ids);
    it->n = n;
    bucket_add(t, it);
    return it;
}

static void free_node(struct radix *t, struct radix_node *n)
{
    bucket_remove(t, n);
    t->nodes--;
    free(n->ids);
    free(n);
}

/* Cuts a node after its first `at` ids; returns the upper part, whose child the rest is. */
static struct radix_node *split(struct radix *t, struct radix_node *n, int64_t at)
{
    bucket_remove(t, n);
    struct radix_node *upper = add_node(t, n->parent, n->ids, at);
    upper->children = 1;
    upper->locks = n->locks;
    if (!n->locks)
        list_insert(upper, n);
    n->parent = upper;
    n->n -= at;
    memmove(n->ids, n->ids + at, (size_t)n->n * sizeof *n->ids);
    bucket_add(t, n);
    return upper;
}

static int64_t common(const struct radix_node *n, const uint32_t *ids, int64_t limit)
{
    int64_t most = n->n < limit ? n->n : limit, i = 0;
    while (i < most && n->ids[i] == ids[i])
        i++;
    return i;
}

/* ---- public ---- */

struct radix *radix_new(void)
{
    struct radix *t = MEM_NEW(struct radix);
    t->bucket_count = FIRST_BUCKETS;
    t->buckets = MEM_ARRAY(struct radix_node *, t->bucket_count);
    t->root.older = t->root.newer = &t->root;
    t->root.locks = 1;
    return t;
}

void radix_free(struct radix *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->bucket_count; i++)
        while (t->buckets[i]) {
            struct radix_node *n = t->buckets[i];
            t->buckets[i] = n->bucket_next;
            free(n->ids);
            free(n);
        }
    free(t->buckets);
    free(t);
}

int64_t radix_peek(const struct radix *t, const uint32_t *ids, int64_t n)
{
    const struct radix_node *at = &t->root;
    int64_t found = 0;
    while (found < n) {
        const struct radix_node *c = child(t, at, ids[found]);
        if (!c)
            break;
        int64_t same = common(c, ids + found, n - found);
        found += same;
        if (same < c->n)
            break;
        at = c;
    }
    return found;
}

int64_t radix_match(struct radix *t, const uint32_t *ids, int64_t n, struct radix_node **node)
{
    struct radix_node *at = &t->root;
    int64_t found = 0;
    while (found < n) {
        struct radix_node *c = child(t, at, ids[found]);
        if (!c)
            break;
        int64_t same = common(c, ids + found, n - found);
        found += same;
        bool whole = same == c->n;
        at = whole ? c : split(t, c, same);
        if (!whole)
            break;
    }
    touch(t, at);
    *node = at;
    return found;
}

int64_t radix_insert(struct radix *t, const uint32_t *ids, int64_t n, struct radix_node **node)
{
    struct radix_node *at;
    int64_t found = radix_match(t, ids, n, &at);
    int64_t fresh = n - found;
    if (fresh > 0) {
        struct radix_node *leaf = add_node(t, at, ids + found, fresh);
        at->children++;
        /* Younger than nothing it hangs on: behind its elder siblings, before its parent. */
        if (at->locks)
            list_insert(leaf, t->root.older);
        else
            list_insert(leaf, at->older);
        t->tokens += fresh;
        t->evictable += fresh;
        at = leaf;
    }
    *node = at;
    return fresh;
}

void radix_lock(struct radix *t, struct radix_node *node)
{
    for (struct radix_node *n = node; n != &t->root; n = n->parent)
        if (n->locks++ == 0) {
            list_remove(n);
            t->evictable -= n->n;
        }
}

void radix_unlock(struct radix *t, struct radix_node *node)
{
    for (struct radix_node *n = node; n != &t->root; n = n->parent) {
        if (n->locks == 0)
            BUG("a path was unlocked that was not locked");
        if (--n->locks == 0) {
            list_insert(n, t->root.older);
            t->evictable += n->n;
        }
    }
}

int64_t radix_evict(struct radix *t, int64_t tokens)
{
    int64_t gone = 0;
    while (gone < tokens && t->root.newer != &t->root) {
        struct radix_node *n = t->root.newer;
        if (n->children)
            BUG("a node stands before its children");
        t->root.newer = n->newer; /* it is the first */
        n->newer->older = &t->root;
        gone += n->n;
        t->tokens -= n->n;
        t->evictable -= n->n;
        n->parent->children--;
        free_node(t, n);
    }
    return gone;
}

int64_t radix_tokens(const struct radix *t)
{
    return t->tokens;
}

int64_t radix_evictable(const struct radix *t)
{
    return t->evictable;
}
