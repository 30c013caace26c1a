#include "net/deadlines.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

enum { FIRST_CAPACITY = 64 };

static void put(struct deadlines *d, size_t i, struct deadline *entry)
{
    d->heap[i] = entry;
    entry->place = i + 1;
}

static void rise(struct deadlines *d, size_t i, struct deadline *entry)
{
    while (i > 0 && d->heap[(i - 1) / 2]->at_ns > entry->at_ns) {
        put(d, i, d->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(d, i, entry);
}

static void sink(struct deadlines *d, size_t i, struct deadline *entry)
{
    for (size_t child; (child = 2 * i + 1) < d->n; i = child) {
        if (child + 1 < d->n && d->heap[child + 1]->at_ns < d->heap[child]->at_ns)
            child++;
        if (d->heap[child]->at_ns >= entry->at_ns)
            break;
        put(d, i, d->heap[child]);
    }
    put(d, i, entry);
}

void deadlines_release(struct deadlines *d)
{
    free(d->heap);
    *d = (struct deadlines){0};
}

void deadlines_add(struct deadlines *d, struct deadline *entry)
{
    if (entry->place != 0)
        BUG("a deadline was added twice");
    if (d->n == d->cap) {
        d->cap = d->cap ? 2 * d->cap : FIRST_CAPACITY;
        d->heap = mem_resize(d->heap, d->cap * sizeof(d->heap[0]));
    }
    rise(d, d->n++, entry);
}

void deadlines_remove(struct deadlines *d, struct deadline *entry)
{
    if (entry->place == 0)
        return;
    size_t i = entry->place - 1;
    struct deadline *last = d->heap[--d->n];
    entry->place = 0;
    if (last == entry)
        return;
    if (i > 0 && d->heap[(i - 1) / 2]->at_ns > last->at_ns)
        rise(d, i, last);
    else
        sink(d, i, last);
}
