#ifndef LOADLINE_RECORD_QUEUE_H
#define LOADLINE_RECORD_QUEUE_H

/* Records on their way to the file. Any number of threads put; one at a time takes. A put is one malloc, one copy
 * and one atomic exchange: it never waits for another thread and never drops. */

#include <stdatomic.h>

#include "record/record.h"

enum queued_kind { QUEUED_REQUEST, QUEUED_SECOND, QUEUED_SAMPLE, QUEUED_FINDING };

struct queued {
    _Atomic(struct queued *) next;
    enum queued_kind kind;
    int64_t run_id;
    union {
        struct request_record request;
        struct second_record second;
        struct sample_record sample;
        struct finding_record finding;
    };
    /* the bytes of its slices and strings follow */
};

struct queue { /* zero-initialise */
    _Atomic(struct queued *) newest;
};

void queue_put_request(struct queue *q, int64_t run_id, const struct request_record *r);
void queue_put_second(struct queue *q, int64_t run_id, const struct second_record *s);
void queue_put_sample(struct queue *q, int64_t run_id, const struct sample_record *s);
void queue_put_finding(struct queue *q, int64_t run_id, const struct finding_record *f);

/* Everything queued so far, oldest first; the caller frees each with free(). NULL when empty. */
struct queued *queue_take_all(struct queue *q);

static inline struct queued *queue_next(const struct queued *item)
{
    return atomic_load_explicit(&item->next, memory_order_relaxed);
}

#endif
