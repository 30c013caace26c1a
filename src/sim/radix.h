#ifndef LOADLINE_SIM_RADIX_H
#define LOADLINE_SIM_RADIX_H

/* A KV cache as a radix tree over token ids, after SGLang's: every path from the root is a prefix whose keys and
 * values are cached, token by token. Paths in use are locked; of the others the leaf least recently used goes
 * first. Tokens are counted, not stored elsewhere: the caller owns the pool they come out of. */

#include <stdint.h>

struct radix;
struct radix_node;

struct radix *radix_new(void);
void radix_free(struct radix *t);

/* Tokens of the longest cached beginning. Changes nothing. */
int64_t radix_peek(const struct radix *t, const uint32_t *ids, int64_t n);

/* The same; *node is where it ends (the root when nothing is cached), and the path counts as just used. */
int64_t radix_match(struct radix *t, const uint32_t *ids, int64_t n, struct radix_node **node);

/* Makes the whole of ids a path; *node is its end. Returns how many tokens were not cached before. */
int64_t radix_insert(struct radix *t, const uint32_t *ids, int64_t n, struct radix_node **node);

/* A locked node and the path to it stay. Locks nest. */
void radix_lock(struct radix *t, struct radix_node *node);
void radix_unlock(struct radix *t, struct radix_node *node);

/* Lets unlocked leaves go until at least `tokens` are out, or none is left. Returns how many went. */
int64_t radix_evict(struct radix *t, int64_t tokens);

int64_t radix_tokens(const struct radix *t);    /* cached */
int64_t radix_evictable(const struct radix *t); /* of them on unlocked nodes */

#endif
