#include "serve/metronome.h"

#include <stdlib.h>

#include "base/mem.h"

struct beat {
    void *owner;
    int64_t given, tokens;
    struct beat *prev, *next;
};

struct beat *metronome_join(struct metronome *m, int64_t tokens, void *owner)
{
    struct beat *b = MEM_NEW(struct beat);
    *b = (struct beat){.owner = owner, .tokens = tokens, .next = m->members};
    if (b->next)
        b->next->prev = b;
    m->members = b; /* in front of the one whose turn it is: not before the next instant */
    m->count++;
    return b;
}

void metronome_leave(struct metronome *m, struct beat *b)
{
    if (m->next == b)
        m->next = b->next;
    if (b->next)
        b->next->prev = b->prev;
    *(b->prev ? &b->prev->next : &m->members) = b->next;
    m->count--;
    free(b);
}

static int64_t multiple_after(const struct metronome *m, int64_t ns)
{
    return (ns / m->interval_ns + 1) * m->interval_ns;
}

void metronome_start(struct metronome *m, int64_t now_ns)
{
    if (m->running || !m->members)
        return;
    m->running = true;
    m->due_ns = multiple_after(m, now_ns);
}

void metronome_begin(struct metronome *m)
{
    m->next = m->members;
}

bool metronome_take(struct metronome *m, struct engine_token *out)
{
    struct beat *b = m->next;
    if (!b)
        return false;
    m->next = b->next;
    *out = (struct engine_token){
        .owner = b->owner, .index = b->given, .count = 1, .last = b->given + 1 == b->tokens};
    b->given++;
    m->tokens++;
    if (out->last)
        metronome_leave(m, b);
    return true;
}

void metronome_end(struct metronome *m, int64_t now_ns)
{
    m->next = NULL;
    m->running = m->members != NULL;
    m->due_ns += m->interval_ns;
    if (m->due_ns <= now_ns - m->interval_ns)
        m->due_ns = multiple_after(m, now_ns);
}
