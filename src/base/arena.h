#ifndef LOADLINE_BASE_ARENA_H
#define LOADLINE_BASE_ARENA_H

/* Memory that is freed all at once. Zero-initialise to begin; pointers stay valid until release. */

#include <stddef.h>

#include "base/slice.h"

struct arena {
    struct arena_block *head;
    size_t total_bytes;
};

void *arena_alloc(struct arena *a, size_t n); /* aligned for any type; not cleared */
char *arena_strndup(struct arena *a, const char *p, size_t n);
struct slice arena_copy(struct arena *a, struct slice s);
void arena_release(struct arena *a);

#endif
