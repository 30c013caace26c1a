#ifndef LOADLINE_SIM_BLOCKS_H
#define LOADLINE_SIM_BLOCKS_H

/* A KV cache in blocks, with prefix caching after vLLM's v1: a full block is known by a hash over the hash of the
 * block before it and its own tokens, so that equal hashes mean equal prefixes. Several requests may hold one
 * block. A block that nobody holds keeps its contents and its hash in a queue, least recently freed first,
 * until it is taken for something else; a request's blocks are freed last first, so that the ends of
 * prefixes go before their beginnings. held + idle = total, always. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blocks;

struct blocks *blocks_new(int64_t total);
void blocks_free(struct blocks *b);

/* The hash of a full block of `n` tokens behind the block of hash `before` (0 for the first). Never 0. */
uint64_t blocks_hash(uint64_t before, const uint32_t *ids, size_t n);

/* Writes the cached blocks of the longest known beginning of the chain to table; returns how many. *idle of them are
 * held by nobody: taking them makes so many fewer to be had. Changes nothing. */
size_t blocks_find(const struct blocks *b, const uint64_t *chain, size_t n, uint32_t *table,
                   size_t *idle);

/* Holds the n blocks of a table that blocks_find has just written. */
void blocks_share(struct blocks *b, const uint32_t *table, size_t n);

/* Takes n blocks of unknown contents; false, and nothing taken, when there are too few. */
bool blocks_take(struct blocks *b, uint32_t *table, size_t n);

/* A held block's contents are complete and found by this hash from now on, unless another block is. */
void blocks_publish(struct blocks *b, uint32_t block, uint64_t hash);

/* Gives up one hold on each block of a table. */
void blocks_release(struct blocks *b, const uint32_t *table, size_t n);

/* Forgets all hashes. */
void blocks_forget(struct blocks *b);

int64_t blocks_idle(const struct blocks *b);

#endif
