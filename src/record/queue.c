#include "record/queue.h"

#include <sched.h>

#include "base/mem.h"

/* Stands in `next` between the exchange that publishes an item and the store that links it; only
 * its address is used. */
static struct queued unlinked;

static struct queued *item_new(enum queued_kind kind, int64_t run_id, size_t extra)
{
    struct queued *item = mem_alloc(sizeof *item + extra);
    item->kind = kind;
    item->run_id = run_id;
    return item;
}

static void push(struct queue *q, struct queued *item)
{
    atomic_store_explicit(&item->next, &unlinked, memory_order_relaxed);
    struct queued *older = atomic_exchange_explicit(&q->newest, item, memory_order_acq_rel);
    atomic_store_explicit(&item->next, older, memory_order_release);
}

/* Moves a slice's bytes to *at and points the slice there. */
static void carry(struct slice *s, char **at)
{
    if (s->n > 0)
        memcpy(*at, s->p, s->n);
    s->p = *at;
    *at += s->n;
}

static void carry_text(const char **text, char **at)
{
    size_t n = *text ? strlen(*text) : 0;
    if (n > 0)
        memcpy(*at, *text, n);
    (*at)[n] = '\0';
    *text = *at;
    *at += n + 1;
}

static size_t text_bytes(const char *text)
{
    return (text ? strlen(text) : 0) + 1;
}

void queue_put_request(struct queue *q, int64_t run_id, const struct request_record *r)
{
    struct queued *item =
        item_new(QUEUED_REQUEST, run_id,
                 r->error.n + r->finish_reason.n + r->output.n + r->gaps.n + r->reads.n);
    char *at = (char *)(item + 1);
    item->request = *r;
    carry(&item->request.error, &at);
    carry(&item->request.finish_reason, &at);
    carry(&item->request.output, &at);
    carry(&item->request.gaps, &at);
    carry(&item->request.reads, &at);
    push(q, item);
}

void queue_put_second(struct queue *q, int64_t run_id, const struct second_record *s)
{
    struct queued *item = item_new(QUEUED_SECOND, run_id, s->read_lag.n + s->schedule_lag.n);
    char *at = (char *)(item + 1);
    item->second = *s;
    carry(&item->second.read_lag, &at);
    carry(&item->second.schedule_lag, &at);
    push(q, item);
}

void queue_put_sample(struct queue *q, int64_t run_id, const struct sample_record *s)
{
    struct queued *item = item_new(
        QUEUED_SAMPLE, run_id, text_bytes(s->source) + text_bytes(s->name) + text_bytes(s->labels));
    char *at = (char *)(item + 1);
    item->sample = *s;
    carry_text(&item->sample.source, &at);
    carry_text(&item->sample.name, &at);
    carry_text(&item->sample.labels, &at);
    push(q, item);
}

void queue_put_finding(struct queue *q, int64_t run_id, const struct finding_record *f)
{
    struct queued *item = item_new(
        QUEUED_FINDING, run_id, text_bytes(f->id) + text_bytes(f->severity) + text_bytes(f->text));
    char *at = (char *)(item + 1);
    item->finding = *f;
    carry_text(&item->finding.id, &at);
    carry_text(&item->finding.severity, &at);
    carry_text(&item->finding.text, &at);
    push(q, item);
}

/* The item put before this one. Its putter may have been preempted between two instructions; it is
 * waited for. */
static struct queued *older_of(struct queued *item)
{
    struct queued *older;
    while ((older = atomic_load_explicit(&item->next, memory_order_acquire)) == &unlinked)
        sched_yield();
    return older;
}

struct queued *queue_take_all(struct queue *q)
{
    struct queued *item = atomic_exchange_explicit(&q->newest, NULL, memory_order_acq_rel);
    struct queued *oldest_first = NULL;
    while (item) {
        struct queued *older = older_of(item);
        atomic_store_explicit(&item->next, oldest_first, memory_order_relaxed);
        oldest_first = item;
        item = older;
    }
    return oldest_first;
}
