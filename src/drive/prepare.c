#include "drive/prepare.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

struct prepare {
    struct prepare_options options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t room;     /* something was taken, or stop */
    pthread_cond_t filled;   /* the window is full, or all are made */
    struct prepared **slots; /* slot of index: index mod window; NULL: empty */
    uint64_t window;
    uint64_t next;  /* index made next */
    uint64_t floor; /* indices below were taken before they were made */
    size_t bytes;
    uint64_t underruns;
    bool full, stop;
};

/* A UUID, since some servers refuse any other X-Request-Id (llama-cpp-python: 400). Version 8 of
 * RFC 9562, whose bits are ours: the seed's lower 60, 8 for the run or 9 for the warm-up, the index
 * in decimal. */
void prepare_name(uint64_t seed, bool warmup, uint64_t index, char out[REQUEST_ID_BYTES])
{
    unsigned long long s = seed;
    snprintf(out, REQUEST_ID_BYTES, "%08llx-%04llx-8%03llx-%c000-%012llu", s >> 28 & 0xffffffff,
             s >> 12 & 0xffff, s & 0xfff, warmup ? '9' : '8',
             (unsigned long long)index % 1000000000000);
}

struct prepared *prepare_one(const struct prepare_options *o, uint64_t index)
{
    struct arena arena = {0};
    struct prompt prompt;
    workload_draw(o->workload, o->warmup, index, &arena, &prompt);
    struct prepared *q = MEM_NEW(struct prepared);
    q->index = index;
    q->asked_input = prompt.input_tokens;
    q->asked_output = prompt.output_tokens;
    q->rung = prompt.rung;
    q->exact_output = prompt.exact_output;
    q->repeated = prompt.repeated;
    o->protocol->request(o->api, &prompt, &q->body);
    prepare_name(o->seed, o->warmup, index, q->id);
    arena_release(&arena);
    return q;
}

void prepared_free(struct prepared *q)
{
    if (!q)
        return;
    buf_release(&q->body);
    free(q);
}

static bool all_made(const struct prepare *p)
{
    return p->options.total > 0 && p->next >= p->options.total;
}

static bool may_make(const struct prepare *p)
{
    return !all_made(p) && !p->slots[p->next % p->window] && p->bytes < PREPARE_MAX_BYTES;
}

static void store(struct prepare *p, struct prepared *q)
{
    if (q->index < p->floor) { /* a driver could not wait for it */
        prepared_free(q);
        return;
    }
    p->slots[q->index % p->window] = q;
    p->bytes += q->body.cap;
}

static void *prepare_main(void *argument)
{
    struct prepare *p = argument;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        if (!may_make(p)) {
            p->full = true;
            pthread_cond_broadcast(&p->filled);
            pthread_cond_wait(&p->room, &p->lock);
            continue;
        }
        uint64_t index = p->next++;
        pthread_mutex_unlock(&p->lock);
        struct prepared *q = prepare_one(&p->options, index);
        pthread_mutex_lock(&p->lock);
        store(p, q);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct prepare *prepare_start(const struct prepare_options *o)
{
    struct prepare *p = MEM_NEW(struct prepare);
    p->options = *o;
    p->window = o->window < 1 ? 1 : o->window;
    if (p->window > PREPARE_MAX_WINDOW)
        p->window = PREPARE_MAX_WINDOW;
    p->slots = MEM_ARRAY(struct prepared *, p->window);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->room, NULL);
    pthread_cond_init(&p->filled, NULL);
    if (pthread_create(&p->thread, NULL, prepare_main, p) != 0)
        BUG("no thread for the preparer");
    return p;
}

void prepare_stop(struct prepare *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->room);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    for (uint64_t i = 0; i < p->window; i++)
        prepared_free(p->slots[i]);
    free(p->slots);
    pthread_cond_destroy(&p->room);
    pthread_cond_destroy(&p->filled);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void prepare_wait(struct prepare *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->full)
        pthread_cond_wait(&p->filled, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static struct prepared *take(struct prepare *p, uint64_t index, bool awaited)
{
    pthread_mutex_lock(&p->lock);
    struct prepared **slot = &p->slots[index % p->window];
    struct prepared *q = *slot && (*slot)->index == index ? *slot : NULL;
    if (q) {
        *slot = NULL;
        p->bytes -= q->body.cap;
    } else {
        p->underruns += awaited;
        if (p->floor <= index)
            p->floor = index + 1;
        if (p->next <=
            index) /* what lies behind was handed out already and will be asked for no more */
            p->next = index + 1;
    }
    pthread_cond_signal(&p->room);
    pthread_mutex_unlock(&p->lock);
    return q ? q : prepare_one(&p->options, index);
}

struct prepared *prepare_take(struct prepare *p, uint64_t index)
{
    return take(p, index, true);
}

struct prepared *prepare_take_unsent(struct prepare *p, uint64_t index)
{
    return take(p, index, false);
}

uint64_t prepare_underruns(struct prepare *p)
{
    pthread_mutex_lock(&p->lock);
    uint64_t n = p->underruns;
    pthread_mutex_unlock(&p->lock);
    return n;
}
