#include "sim/blocks.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* Odd constants of wyhash (public domain), whose mixing step this is: a 64 × 64 → 128 bit product
 * folded. */
#define MIX_A UINT64_C(0xa0761d6478bd642f)
#define MIX_B UINT64_C(0xe7037ed1a0b428db)

#define NONE UINT32_MAX

struct block {
    uint64_t hash; /* 0: not findable */
    uint32_t holds;
    uint32_t prev, next; /* in the queue of idle ones */
};

struct slot { /* of the table by hash: the hash's low half tells most strangers without a look at
                 the block */
    uint32_t block; /* NONE: empty */
    uint32_t low;
};

struct blocks {
    struct block *each; /* and one more: the queue's head, whose next is the first to go */
    uint32_t total;
    int64_t idle;
    struct slot *slots; /* open addressing */
    uint32_t mask;
};

/* ---- hashes ---- */

__extension__ typedef unsigned __int128 uint128;

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint128 product = (uint128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t blocks_hash(uint64_t before, const uint32_t *ids, size_t n)
{
    uint64_t h = before ^ MIX_A;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) { /* two products that do not wait for each other */
        uint64_t words[4];
        memcpy(words, ids + i, sizeof words);
        h = mix(words[0] ^ MIX_A, words[1] ^ h) ^ mix(words[2] ^ MIX_B, words[3] ^ h);
    }
    for (; i < n; i++)
        h = mix(ids[i] ^ MIX_A ^ h, MIX_B);
    h = mix(h ^ n, MIX_B);
    return h ? h : 1;
}

static uint32_t slot_of(const struct blocks *b, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & b->mask;
    uint32_t low = (uint32_t)hash;
    while (b->slots[i].block != NONE &&
           (b->slots[i].low != low || b->each[b->slots[i].block].hash != hash))
        i = (i + 1) & b->mask;
    return i;
}

/* Linear probing without marks for the deleted: what comes behind the hole and may fill it moves
 * up. */
static void unpublish(struct blocks *b, uint32_t block)
{
    uint32_t hole = slot_of(b, b->each[block].hash);
    b->each[block].hash = 0;
    for (uint32_t i = (hole + 1) & b->mask; b->slots[i].block != NONE; i = (i + 1) & b->mask) {
        uint32_t home = b->slots[i].low;
        if (((i - home) & b->mask) < ((i - hole) & b->mask))
            continue;
        b->slots[hole] = b->slots[i];
        hole = i;
    }
    b->slots[hole].block = NONE;
}

/* ---- the queue of idle blocks ---- */

static void queue_append(struct blocks *b, uint32_t block)
{
    struct block *head = &b->each[b->total];
    b->each[block].prev = head->prev;
    b->each[block].next = b->total;
    b->each[head->prev].next = block;
    head->prev = block;
    b->idle++;
}

static void queue_remove(struct blocks *b, uint32_t block)
{
    struct block *it = &b->each[block];
    b->each[it->prev].next = it->next;
    b->each[it->next].prev = it->prev;
    b->idle--;
}

/* ---- public ---- */

struct blocks *blocks_new(int64_t total)
{
    if (total < 1 || total > INT32_MAX / 4)
        BUG("a cache of that many blocks");
    struct blocks *b = MEM_NEW(struct blocks);
    uint32_t slots = 1;
    while (slots < 2 * (uint32_t)total)
        slots *= 2;
    b->total = (uint32_t)total;
    b->mask = slots - 1;
    b->each = MEM_ARRAY(struct block, (size_t)total + 1);
    b->slots = MEM_ARRAY(struct slot, slots);
    memset(b->slots, 0xff, slots * sizeof *b->slots);
    b->each[b->total].prev = b->each[b->total].next = b->total;
    for (uint32_t i = 0; i < b->total; i++)
        queue_append(b, i);
    return b;
}

void blocks_free(struct blocks *b)
{
    if (!b)
        return;
    free(b->each);
    free(b->slots);
    free(b);
}

size_t blocks_find(const struct blocks *b, const uint64_t *chain, size_t n, uint32_t *table,
                   size_t *idle)
{
    size_t found = 0;
    *idle = 0;
    for (; found < n; found++) {
        uint32_t block = b->slots[slot_of(b, chain[found])].block;
        if (block == NONE)
            break;
        table[found] = block;
        *idle += b->each[block].holds == 0;
    }
    return found;
}

void blocks_share(struct blocks *b, const uint32_t *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (b->each[table[i]].holds++ == 0)
            queue_remove(b, table[i]);
    }
}

/* The queue goes round all blocks, so the next one has long left the cache when its turn comes: it
 * is called for one turn ahead. */
static void fetch_first(const struct blocks *b)
{
    __builtin_prefetch(&b->each[b->each[b->total].next], 1);
}

bool blocks_take(struct blocks *b, uint32_t *table, size_t n)
{
    if ((int64_t)n > b->idle)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t block = b->each[b->total].next;
        queue_remove(b, block);
        if (b->each[block].hash)
            unpublish(b, block);
        b->each[block].holds = 1;
        table[i] = block;
        fetch_first(b);
    }
    return true;
}

void blocks_publish(struct blocks *b, uint32_t block, uint64_t hash)
{
    uint32_t slot = slot_of(b, hash);
    if (b->slots[slot].block != NONE || b->each[block].hash)
        return;
    b->slots[slot] = (struct slot){block, (uint32_t)hash};
    b->each[block].hash = hash;
}

enum { AHEAD = 8 }; /* blocks called for before they are given up */

void blocks_release(struct blocks *b, const uint32_t *table, size_t n)
{
    while (n-- > 0) {
        struct block *it = &b->each[table[n]];
        if (n >= AHEAD)
            __builtin_prefetch(&b->each[table[n - AHEAD]], 1);
        if (it->holds == 0)
            BUG("a block was given up that nobody held");
        if (--it->holds == 0)
            queue_append(b, table[n]);
    }
}

void blocks_forget(struct blocks *b)
{
    for (uint32_t i = 0; i < b->total; i++)
        b->each[i].hash = 0;
    memset(b->slots, 0xff, ((size_t)b->mask + 1) * sizeof *b->slots);
}

int64_t blocks_idle(const struct blocks *b)
{
    return b->idle;
}
