#ifndef LOADLINE_NET_DEADLINES_H
#define LOADLINE_NET_DEADLINES_H

/* Points in time to be watched, soonest first: a binary heap of entries that live in their owners.
 * Deadlines mostly come in rising order and are mostly removed before they fall due; then adding costs
 * one comparison and removing a few. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline {
    int64_t at_ns;
    size_t place; /* 1 + index in the heap; 0 when it is not in it */
};

struct deadlines { /* zero-initialise */
    struct deadline **heap;
    size_t n, cap;
};

void deadlines_release(struct deadlines *d);
void deadlines_add(struct deadlines *d, struct deadline *entry);
void deadlines_remove(struct deadlines *d, struct deadline *entry); /* nothing when it is not in it */

static inline struct deadline *deadlines_first(const struct deadlines *d)
{
    return d->n > 0 ? d->heap[0] : NULL;
}

#endif
