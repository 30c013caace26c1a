#include "workload/policy.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

/* Free users of one thread (closed): a ring of the moments they became free, earliest first. */
struct users {
    int64_t *free_since_ns;
    size_t share; /* users of this thread, and the ring's size */
    size_t first, free;
};

/* Offers over the cap: a growing ring. */
struct queue {
    struct offer *v;
    size_t cap, first, n;
};

struct policy {
    pthread_mutex_t lock;
    struct load_spec spec;
    int64_t start_ns;
    int64_t end_ns; /* arrivals from here on are tail; INT64_MAX without a duration */
    unsigned threads;
    bool stopped;

    struct arrivals arrivals;
    bool upcoming;       /* the schedule has a next arrival, at upcoming_ns */
    int64_t upcoming_ns; /* looked up ahead, so that "is anything to come?" needs no clock */

    uint64_t next_index;
    uint64_t counted_out;    /* main-phase offers handed out or reserved: what num_prompts bounds */
    uint64_t reserved;       /* reserved, not yet admitted; all phases */
    uint64_t main_reserved;  /* … of the main phase */
    uint64_t main_in_flight; /* "main" is phase measure, or warmup in a warm-up */
    uint64_t main_queued;
    uint64_t users_due; /* closed: users who became free before end_ns */

    struct users *users;
    struct queue queue;
    struct policy_counts counts;
};

static bool is_main(const struct offer *o)
{
    return o->phase != PHASE_TAIL;
}

/* ---- queue ---- */

static struct offer *queue_at(struct queue *q, size_t i)
{
    return &q->v[(q->first + i) % q->cap];
}

static void queue_grow(struct queue *q)
{
    enum { FIRST_SLOTS = 64 };
    size_t cap = q->cap ? 2 * q->cap : FIRST_SLOTS;
    struct offer *v = MEM_ARRAY(struct offer, cap);
    for (size_t i = 0; i < q->n; i++)
        v[i] = *queue_at(q, i);
    free(q->v);
    *q = (struct queue){.v = v, .cap = cap, .n = q->n};
}

/* In the order of the schedule: a thread that is late with its offer may come after one that was
 * due later, so the newcomer goes a few places forward at most. */
static void queue_put(struct queue *q, const struct offer *o)
{
    if (q->n == q->cap)
        queue_grow(q);
    size_t i = q->n++;
    for (; i > 0 && queue_at(q, i - 1)->index > o->index; i--)
        *queue_at(q, i) = *queue_at(q, i - 1);
    *queue_at(q, i) = *o;
}

static struct offer queue_take(struct queue *q)
{
    struct offer o = *queue_at(q, 0);
    q->first = (q->first + 1) % q->cap;
    q->n--;
    return o;
}

/* ---- what is still to come; the lock is held ---- */

static bool counted_all(const struct policy *p)
{
    return p->spec.num_prompts > 0 && p->counted_out >= p->spec.num_prompts;
}

/* No main-phase offer can be made from now on, but for those already reserved. */
static bool main_all_out(const struct policy *p)
{
    if (p->stopped || counted_all(p))
        return true;
    if (p->spec.mode == LOAD_CLOSED)
        return p->users_due == 0 && p->main_in_flight == 0;
    return !p->upcoming || p->upcoming_ns >= p->end_ns;
}

/* Once true it stays true: every main-phase request has ended and none can come. What a stopped
 * policy had reserved is void, so nobody waits for it. */
static bool main_complete(const struct policy *p)
{
    bool due = p->main_reserved > 0 && !p->stopped;
    bool ended = p->spec.cut || (p->main_in_flight == 0 && p->main_queued == 0);
    return main_all_out(p) && !due && ended;
}

/* Nothing further is to be started. */
static bool closing(const struct policy *p)
{
    return p->stopped || main_complete(p);
}

/* May an offer meant for intended_ns be handed out or reserved? */
static bool may_offer(const struct policy *p, int64_t intended_ns)
{
    if (closing(p) || counted_all(p))
        return false;
    return !p->spec.warmup || intended_ns < p->end_ns; /* a warm-up has no tail */
}

static struct offer next_offer(struct policy *p, int64_t intended_ns)
{
    enum phase phase = p->spec.warmup             ? PHASE_WARMUP
                       : intended_ns >= p->end_ns ? PHASE_TAIL
                                                  : PHASE_MEASURE;
    struct offer o = {.index = p->next_index++, .intended_ns = intended_ns, .phase = phase};
    p->counted_out += is_main(&o);
    return o;
}

static void look_ahead(struct policy *p)
{
    int64_t at_ns = 0;
    p->upcoming = p->spec.mode == LOAD_OFFLINE || arrivals_next(&p->arrivals, &at_ns);
    p->upcoming_ns = p->start_ns + at_ns;
}

static void count_offered(struct policy *p, const struct offer *o, int64_t now_ns)
{
    if (!is_main(o))
        return;
    p->counts.offered++;
    p->counts.last_offer_ns = now_ns;
}

static void count_started(struct policy *p, const struct offer *o)
{
    p->main_in_flight += is_main(o);
    if (++p->counts.in_flight > p->counts.peak_in_flight)
        p->counts.peak_in_flight = p->counts.in_flight;
}

static bool cap_reached(const struct policy *p)
{
    return p->spec.max_concurrency > 0 && p->counts.in_flight >= (uint64_t)p->spec.max_concurrency;
}

/* ---- users of a closed load; the lock is held ---- */

static void user_freed(struct policy *p, unsigned thread, int64_t since_ns)
{
    struct users *u = &p->users[thread];
    if (u->free == u->share)
        BUG("policy_end called twice for one offer, or with another thread's number in it");
    u->free_since_ns[(u->first + u->free++) % u->share] = since_ns;
    p->users_due += since_ns < p->end_ns;
}

static bool refill_closed(struct policy *p, unsigned thread, int64_t now_ns, struct offer *out)
{
    struct users *u = &p->users[thread];
    if (u->free == 0 || now_ns < p->start_ns)
        return false;
    int64_t since_ns = u->free_since_ns[u->first];
    if (!may_offer(p, since_ns))
        return false;
    u->first = (u->first + 1) % u->share;
    u->free--;
    p->users_due -= since_ns < p->end_ns;
    *out = next_offer(p, since_ns);
    out->thread = thread;
    count_offered(p, out, now_ns);
    count_started(p, out);
    return true;
}

static bool refill_queued(struct policy *p, struct offer *out)
{
    if (p->queue.n == 0)
        return false;
    bool cancelled = closing(p);
    if (!cancelled && cap_reached(p))
        return false;
    *out = queue_take(&p->queue);
    p->counts.queued--;
    p->main_queued -= is_main(out);
    out->cancelled = cancelled;
    if (cancelled)
        p->counts.ended += is_main(out);
    else
        count_started(p, out);
    return true;
}

static enum admission admit(struct policy *p, const struct offer *o, int64_t now_ns)
{
    if (closing(p))
        return ADMIT_VOID;
    count_offered(p, o, now_ns);
    /* With a slot free and others queued the newcomer queues behind them. */
    if (!cap_reached(p) && p->queue.n == 0) {
        count_started(p, o);
        return ADMIT_START;
    }
    if (p->spec.on_cap == ON_CAP_DROP) {
        p->counts.dropped += is_main(o);
        return ADMIT_DROPPED;
    }
    queue_put(&p->queue, o);
    p->main_queued += is_main(o);
    if (++p->counts.queued > p->counts.peak_queued)
        p->counts.peak_queued = p->counts.queued;
    return ADMIT_QUEUED;
}

/* ---- the contract ---- */

static void share_users(struct policy *p)
{
    size_t all = (size_t)p->spec.max_concurrency;
    p->users = MEM_ARRAY(struct users, p->threads);
    for (unsigned t = 0; t < p->threads; t++) {
        struct users *u = &p->users[t];
        u->share = all / p->threads + (t < all % p->threads);
        u->free_since_ns = MEM_ARRAY(int64_t, u->share + 1);
        for (size_t i = 0; i < u->share; i++)
            user_freed(p, t, p->start_ns);
    }
}

static bool endless_at_once(const struct load_spec *s)
{
    bool at_once =
        s->mode == LOAD_OFFLINE || (s->mode == LOAD_OPEN && !s->arrivals.at_ns &&
                                    s->arrivals.ramp == RAMP_NONE && isinf(s->arrivals.rate));
    return at_once && s->num_prompts == 0;
}

struct policy *policy_new(const struct load_spec *spec, unsigned threads, int64_t start_ns)
{
    if (threads == 0 || (spec->mode == LOAD_CLOSED && spec->max_concurrency <= 0))
        BUG("a load policy needs threads, and a closed one users");
    if (endless_at_once(spec))
        BUG("a load that comes all at once needs a number of prompts");
    struct policy *p = MEM_NEW(struct policy);
    pthread_mutex_init(&p->lock, NULL);
    p->spec = *spec;
    p->threads = threads;
    p->start_ns = start_ns;
    p->end_ns = INT64_MAX;
    if (spec->duration_ns > 0 && __builtin_add_overflow(start_ns, spec->duration_ns, &p->end_ns))
        p->end_ns = INT64_MAX;
    p->counts.last_offer_ns = start_ns;
    if (spec->mode == LOAD_CLOSED) {
        share_users(p);
    } else {
        arrivals_init(&p->arrivals, &spec->arrivals);
        look_ahead(p);
    }
    return p;
}

void policy_free(struct policy *p)
{
    if (!p)
        return;
    for (unsigned t = 0; p->users && t < p->threads; t++)
        free(p->users[t].free_since_ns);
    free(p->users);
    free(p->queue.v);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

bool policy_refill(struct policy *p, unsigned thread, int64_t now_ns, struct offer *out)
{
    pthread_mutex_lock(&p->lock);
    bool got = p->spec.mode == LOAD_CLOSED ? refill_closed(p, thread % p->threads, now_ns, out)
                                           : refill_queued(p, out);
    pthread_mutex_unlock(&p->lock);
    return got;
}

bool policy_reserve(struct policy *p, struct offer *out)
{
    pthread_mutex_lock(&p->lock);
    bool got = p->spec.mode != LOAD_CLOSED && p->upcoming && may_offer(p, p->upcoming_ns);
    if (got) {
        *out = next_offer(p, p->upcoming_ns);
        p->reserved++;
        p->main_reserved += is_main(out);
        look_ahead(p);
    }
    pthread_mutex_unlock(&p->lock);
    return got;
}

enum admission policy_admit(struct policy *p, const struct offer *o, int64_t now_ns)
{
    pthread_mutex_lock(&p->lock);
    if (p->reserved == 0)
        BUG("policy_admit without policy_reserve");
    enum admission a =
        admit(p, o, now_ns); /* still counted as due, so that it cannot void itself */
    p->reserved--;
    p->main_reserved -= is_main(o);
    pthread_mutex_unlock(&p->lock);
    return a;
}

void policy_end(struct policy *p, const struct offer *o, int64_t now_ns)
{
    if (o->cancelled)
        return;
    pthread_mutex_lock(&p->lock);
    if (p->counts.in_flight == 0)
        BUG("policy_end of something that was not in flight");
    p->counts.in_flight--;
    p->main_in_flight -= is_main(o);
    p->counts.ended += is_main(o);
    if (p->spec.mode == LOAD_CLOSED)
        user_freed(p, o->thread % p->threads, now_ns > o->intended_ns ? now_ns : o->intended_ns);
    pthread_mutex_unlock(&p->lock);
}

void policy_stop(struct policy *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopped = true;
    pthread_mutex_unlock(&p->lock);
}

/* Nothing more can be reserved or refilled, what is queued apart. */
static bool nothing_to_come(const struct policy *p)
{
    if (closing(p) || counted_all(p))
        return true;
    if (p->spec.mode == LOAD_CLOSED)
        return false;
    return !p->upcoming || (p->spec.warmup && p->upcoming_ns >= p->end_ns);
}

bool policy_exhausted(struct policy *p)
{
    pthread_mutex_lock(&p->lock);
    bool held = p->reserved > 0 && !closing(p);
    bool done = nothing_to_come(p) && !held && p->queue.n == 0;
    pthread_mutex_unlock(&p->lock);
    return done;
}

bool policy_measured(struct policy *p)
{
    pthread_mutex_lock(&p->lock);
    bool done = main_complete(p);
    pthread_mutex_unlock(&p->lock);
    return done;
}

struct policy_counts policy_counts(struct policy *p)
{
    pthread_mutex_lock(&p->lock);
    struct policy_counts c = p->counts;
    pthread_mutex_unlock(&p->lock);
    return c;
}
