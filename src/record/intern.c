#include "record/intern.h"

#include <stdlib.h>

#include "base/mem.h"

enum { INTERN_FIRST_CAPACITY = 64 };

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
static uint64_t hash_of(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return h;
}

/* The slot that holds text, or the empty one where it belongs. */
static const char **slot_of(const struct intern *in, const char *text)
{
    size_t at = hash_of(text) & (in->capacity - 1);
    while (in->slots[at] && strcmp(in->slots[at], text) != 0)
        at = (at + 1) & (in->capacity - 1);
    return &in->slots[at];
}

static void grow(struct intern *in)
{
    struct intern old = *in;
    in->capacity = old.capacity ? old.capacity * 2 : INTERN_FIRST_CAPACITY;
    in->slots = MEM_ARRAY(const char *, in->capacity);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i])
            *slot_of(in, old.slots[i]) = old.slots[i];
    free(old.slots);
}

const char *intern_text(struct intern *in, const char *text)
{
    if (2 * in->count >= in->capacity)
        grow(in);
    const char **slot = slot_of(in, text);
    if (!*slot) {
        *slot = arena_strndup(&in->arena, text, strlen(text));
        in->count++;
    }
    return *slot;
}

void intern_release(struct intern *in)
{
    free(in->slots);
    arena_release(&in->arena);
    *in = (struct intern){0};
}
