#include "twin/flight.h"

#include <stdlib.h>

#include "base/mem.h"
#include "record/record.h"

enum { KEEP_BYTES = 1 << 16 }; /* a buffer up to this size stays with its pool entry */

static void recycle(struct buf *b)
{
    buf_clear(b);
    buf_shrink(b, KEEP_BYTES);
}

struct flight *flights_take(struct flights *list)
{
    struct flight *f = list->pool;
    if (f)
        list->pool = f->next;
    else
        f = MEM_NEW(struct flight);
    *f = (struct flight){.ids = f->ids,
                         .gaps = f->gaps,
                         .rung = -1,
                         .first_ns = RECORD_NONE,
                         .last_ns = RECORD_NONE,
                         .prev = list->last};
    *(list->last ? &list->last->next : &list->first) = f;
    list->last = f;
    return f;
}

void flights_give_back(struct flights *list, struct flight *f)
{
    *(f->prev ? &f->prev->next : &list->first) = f->next;
    *(f->next ? &f->next->prev : &list->last) = f->prev;
    recycle(&f->ids);
    recycle(&f->gaps);
    f->next = list->pool;
    list->pool = f;
}

static void free_all(struct flight *f)
{
    while (f) {
        struct flight *next = f->next;
        buf_release(&f->ids);
        buf_release(&f->gaps);
        free(f);
        f = next;
    }
}

void flights_release(struct flights *list)
{
    free_all(list->first);
    free_all(list->pool);
    *list = (struct flights){0};
}
