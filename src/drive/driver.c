#include "drive/driver.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "drive/answer.h"

/* Starts between two looks at the sockets when many requests are due at once. */
enum { STARTS_PER_LOOK = 4 };

/* The stream's terminator has come but not the end of the response: it is waited for so long, for
 * the connection's sake, and then given up. The answer is complete. */
#define END_OF_BODY_NS (250 * NS_PER_MS)

struct stream {        /* one request in flight */
    struct exchange x; /* first: the exchange is the stream */
    struct driver *driver;
    struct answer answer;
    struct offer offer;
    struct prepared *prepared;
    struct stream *prev, *next;
    bool given_up;    /* cancelled because the answer broke the protocol */
    bool left_over;   /* of a load that is over: recorded already, and only kept company */
    uint32_t counted; /* events already in the live counter */
};

static void bump(_Atomic uint64_t *counter, uint64_t by)
{
    uint64_t v = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, v + by, memory_order_relaxed);
}

/* --- pool and list --- */

static void stream_link(struct stream *s, struct stream **list)
{
    s->prev = NULL;
    s->next = *list;
    if (s->next)
        s->next->prev = s;
    *list = s;
}

static void stream_unlink(struct stream *s, struct stream **list)
{
    if (s->next)
        s->next->prev = s->prev;
    *(s->prev ? &s->prev->next : list) = s->next;
}

static struct stream *stream_take(struct driver *d)
{
    struct stream *s = d->free_streams;
    if (s) {
        d->free_streams = s->next;
    } else {
        s = MEM_NEW(struct stream);
        s->driver = d;
        answer_init(&s->answer);
    }
    s->x = (struct exchange){0};
    s->given_up = s->left_over = false;
    s->counted = 0;
    stream_link(s, &d->in_flight);
    return s;
}

static void stream_give_back(struct stream *s)
{
    struct driver *d = s->driver;
    stream_unlink(s, s->left_over ? &d->left_over : &d->in_flight);
    prepared_free(s->prepared);
    s->prepared = NULL;
    s->next = d->free_streams;
    d->free_streams = s;
}

/* --- records --- */

static int64_t relative(const struct driver *d, int64_t at_ns)
{
    return at_ns == 0 ? RECORD_NONE : at_ns - d->phase->origin_ns;
}

static struct request_record blank_record(const struct driver *d, const struct offer *o)
{
    return (struct request_record){
        .index = o->index,
        .phase = (int)o->phase,
        .session = o->index,
        .rung = -1,
        .thread = d->thread,
        .intended_ns = o->intended_ns - d->phase->origin_ns,
        .started_ns = RECORD_NONE,
        .sent_ns = RECORD_NONE,
        .first_byte_ns = RECORD_NONE,
        .first_token_ns = RECORD_NONE,
        .first_answer_ns = RECORD_NONE,
        .last_token_ns = RECORD_NONE,
        .end_ns = RECORD_NONE,
        .dns_ns = RECORD_NONE,
        .connect_ns = RECORD_NONE,
        .tls_ns = RECORD_NONE,
        .prompt_tokens = -1,
        .output_tokens = -1,
        .cached_tokens = -1,
        .reasoning_tokens = -1,
    };
}

static void fill_asked(struct request_record *r, const struct prepared *q)
{
    r->asked_input = q->asked_input;
    r->asked_output = q->asked_output;
    r->rung = q->rung;
    r->repeated = q->repeated;
    r->sent_bytes = q->body.n;
}

static void fill_times(const struct stream *s, struct request_record *r)
{
    const struct exchange_times *t = &s->x.times;
    r->started_ns = relative(s->driver, t->started_ns);
    r->sent_ns = relative(s->driver, t->sent_ns);
    r->first_byte_ns = relative(s->driver, t->first_byte_ns);
    r->end_ns = relative(s->driver, t->end_ns);
    if (s->x.opened) {
        r->dns_ns = t->dns_ns;
        r->connect_ns = t->connect_ns;
        r->tls_ns = s->x.route && t->tls_ns > 0 ? t->tls_ns : RECORD_NONE;
    }
    r->received_bytes = s->x.received_bytes;
    r->resends = s->x.resends;
    r->reused = s->x.reused;
    r->rtt_us = s->x.rtt_us;
    r->min_rtt_us = s->x.min_rtt_us;
    r->retransmits = s->x.retransmits;
}

static enum outcome transport_outcome(enum exchange_outcome o)
{
    switch (o) {
    case EXCHANGE_CONNECT_FAILED:
        return OUTCOME_CONNECT_FAILED;
    case EXCHANGE_TRUNCATED:
        return OUTCOME_TRUNCATED;
    case EXCHANGE_PROTOCOL:
        return OUTCOME_PROTOCOL_ERROR;
    case EXCHANGE_TIMEOUT:
        return OUTCOME_TIMEOUT;
    case EXCHANGE_CANCELLED:
        return OUTCOME_CANCELLED;
    case EXCHANGE_NO_DESCRIPTOR:
        return OUTCOME_DROPPED;
    default:
        return OUTCOME_RESET;
    }
}

static void count_end(struct driver *d, const struct request_record *r, uint32_t counted)
{
    bump(&d->live.exchanges, r->sent_ns != RECORD_NONE);
    bump(&d->live.events, r->events - counted);
    if (r->outcome == OUTCOME_OK) {
        bump(&d->live.ok, 1);
        bump(&d->live.tokens, r->output_tokens > 0 ? (uint64_t)r->output_tokens : 0);
        if (r->first_token_ns != RECORD_NONE)
            hist_add(&d->live.ttft, r->first_token_ns - r->intended_ns);
    } else if (r->phase != PHASE_TAIL || r->outcome != OUTCOME_CANCELLED) {
        /* the tail's requests are cut off when everything measured has ended: no failure */
        bump(r->outcome == OUTCOME_DROPPED ? &d->live.dropped : &d->live.failed, 1);
    }
}

/* An offer that was never sent: over the cap, or queued until its time was up or the run was over.
 */
static void record_unsent(struct driver *d, const struct offer *o, enum outcome outcome,
                          const char *why)
{
    struct request_record r = blank_record(d, o);
    struct prepared *q = prepare_take_unsent(d->phase->prepare, o->index);
    fill_asked(&r, q);
    r.sent_bytes = 0;
    r.outcome = outcome;
    r.error = slice_of(why);
    r.end_ns = r.intended_ns + (outcome == OUTCOME_TIMEOUT ? d->phase->timeout_ns : 0);
    record_writer_put(d->phase->writer, &r);
    count_end(d, &r, 0);
    prepared_free(q);
}

/* --- the exchange's handler --- */

static struct stream *stream_of(struct exchange *x)
{
    return (struct stream *)x;
}

static void on_head(struct exchange *x, const struct exchange_head *head)
{
    answer_head(&stream_of(x)->answer, head->status, head->content_type, head->retry_after);
}

static void on_body(struct exchange *x, struct slice data, const struct stamp *stamp)
{
    struct stream *s = stream_of(x);
    if (!s->given_up && answer_body(&s->answer, data, stamp) < 0)
        s->given_up = true;
}

static void on_read_end(struct exchange *x, const struct stamp *stamp)
{
    struct stream *s = stream_of(x);
    answer_read_end(&s->answer, stamp);
    uint32_t events = s->answer.events + s->answer.newest.held;
    bump(&s->driver->live.events, events - s->counted);
    s->counted = events;
    if (s->given_up)
        exchange_cancel(s->driver->exchanger, x);
    else if (s->answer.done)
        exchange_hurry(s->driver->exchanger, x, stamp->read_ns + END_OF_BODY_NS);
}

static void on_end(struct exchange *x, enum exchange_outcome how, const struct err *why)
{
    struct stream *s = stream_of(x);
    struct driver *d = s->driver;
    if (s->left_over) {
        stream_give_back(s);
        return;
    }
    struct request_record r = blank_record(d, &s->offer);
    enum answer_transport transport = how == EXCHANGE_OK          ? TRANSPORT_COMPLETE
                                      : how == EXCHANGE_TRUNCATED ? TRANSPORT_CUT
                                                                  : TRANSPORT_BROKEN;
    fill_asked(&r, s->prepared);
    fill_times(s, &r);
    if (!answer_finish(&s->answer, transport, x->times.end_ns, d->phase->origin_ns, &r)) {
        r.outcome = transport_outcome(how);
        r.error = why ? slice_of(why->text) : slice_of("");
    }
    if (how == EXCHANGE_NO_DESCRIPTOR)
        r.error = slice_of("no file descriptor was left (descriptors); raise ulimit -n");
    record_writer_put(d->phase->writer, &r);
    count_end(d, &r, s->counted);
    policy_end(d->phase->policy, &s->offer, clock_mono_ns());
    d->refill = true;
    stream_give_back(s);
}

static const struct exchange_handler HANDLER = {on_head, on_body, on_read_end, on_end};

/* --- the loop --- */

static void start_offer(struct driver *d, const struct offer *o)
{
    struct drive_phase *phase = d->phase;
    struct stream *s = stream_take(d);
    struct answer_options options = {phase->protocol, phase->stream, phase->save_output,
                                     phase->ending, phase->keep_reads};
    s->offer = *o;
    s->prepared = prepare_take(phase->prepare, o->index);
    answer_begin(&s->answer, &options);
    s->x.route = phase->route;
    s->x.handler = &HANDLER;
    s->x.body = buf_slice(&s->prepared->body);
    s->x.request_id = slice_of(s->prepared->id);
    s->x.deadline_ns = o->intended_ns + phase->timeout_ns;
    s->x.owner = s;
    exchange_start(d->exchanger, &s->x);
}

/* An offer from the queue or of a free user. One whose time was up while it queued is not sent: the
 * server would only see it come and go. */
static void take_refill(struct driver *d, const struct offer *o)
{
    struct drive_phase *phase = d->phase;
    int64_t now_ns = clock_mono_ns();
    if (o->cancelled) {
        bool stopped = atomic_load_explicit(&phase->stopping, memory_order_relaxed);
        record_unsent(d, o, OUTCOME_CANCELLED,
                      stopped ? "still queued when the run was interrupted"
                              : "still queued when all that is measured had ended");
    } else if (now_ns - o->intended_ns >= phase->timeout_ns) {
        record_unsent(d, o, OUTCOME_TIMEOUT, "its time was up while it waited for the cap");
        policy_end(phase->policy, o, now_ns);
    } else {
        start_offer(d, o);
    }
}

static void refill(struct driver *d)
{
    struct offer o;
    int taken = 0;
    d->refill = false;
    while (policy_refill(d->phase->policy, d->thread, clock_mono_ns(), &o)) {
        take_refill(d, &o);
        if (++taken % STARTS_PER_LOOK == 0)
            exchanger_run(d->exchanger, 0, -1);
    }
}

static void admit(struct driver *d, const struct offer *o, int64_t now_ns)
{
    switch (policy_admit(d->phase->policy, o, now_ns)) {
    case ADMIT_START:
        hist_add(&d->schedule_lag, now_ns - o->intended_ns);
        start_offer(d, o);
        break;
    case ADMIT_DROPPED:
        record_unsent(d, o, OUTCOME_DROPPED, "over the concurrency cap (--on-cap drop)");
        break;
    default:
        break;
    }
}

static void cancel_all(struct driver *d, struct stream *list)
{
    for (struct stream *s = list, *next; s; s = next) {
        next = s->next;
        exchange_cancel(d->exchanger, &s->x);
    }
}

/* Everything measured has ended: what is in flight is the tail. It is recorded as cut off here, but
 * goes on, so that a load that follows finds the server as busy as this one left it. */
static void leave_tail(struct driver *d)
{
    int64_t now_ns = clock_mono_ns();
    for (struct stream *s = d->in_flight, *next; s; s = next) {
        next = s->next;
        if (s->offer.phase != PHASE_TAIL && !d->phase->cut)
            continue;
        struct offer offer = s->offer; /* as the policy knows it */
        s->offer.phase = PHASE_TAIL;
        struct request_record r = blank_record(d, &s->offer);
        fill_asked(&r, s->prepared);
        fill_times(s, &r);
        r.end_ns = relative(d, now_ns);
        if (!answer_finish(&s->answer, TRANSPORT_BROKEN, now_ns, d->phase->origin_ns, &r)) {
            r.outcome = OUTCOME_CANCELLED;
            r.error = slice_of("of the tail: all that is measured had ended");
        }
        record_writer_put(d->phase->writer, &r);
        count_end(d, &r, s->counted);
        policy_end(d->phase->policy, &offer, now_ns);
        stream_unlink(s, &d->in_flight);
        s->left_over = true;
        stream_link(s, &d->left_over);
    }
}

/* Writes the second that ended, when one did. */
static void mark_second(struct driver *d, int64_t now_ns, bool force)
{
    int64_t since = now_ns - d->phase->origin_ns;
    int64_t second = since >= 0 ? since / NS_PER_S : -((-since + NS_PER_S - 1) / NS_PER_S);
    if (second == d->mark.second && !force)
        return;
    const struct exchanger_stats *x = exchanger_stats(d->exchanger);
    uint64_t events = atomic_load_explicit(&d->live.events, memory_order_relaxed);
    struct buf read_lag = {0}, schedule_lag = {0};
    hist_encode(&d->read_lag, &read_lag);
    hist_encode(&d->schedule_lag, &schedule_lag);
    struct second_record s = {
        .second = d->mark.second,
        .thread = d->thread,
        .spin_ns = x->spin_ns - d->mark.spin_ns,
        .wait_ns = x->wait_ns - d->mark.wait_ns,
        .reads = x->reads - d->mark.reads,
        .full_reads = x->full_reads - d->mark.full_reads,
        .stamped_reads = x->stamped_reads - d->mark.stamped_reads,
        .events = events - d->mark.events,
        .read_lag = buf_slice(&read_lag),
        .schedule_lag = buf_slice(&schedule_lag),
    };
    s.busy_ns = now_ns - d->mark.at_ns - s.spin_ns - s.wait_ns;
    if (d->phase->keep_seconds && now_ns > d->mark.at_ns)
        record_writer_second(d->phase->writer, &s);
    buf_release(&read_lag);
    buf_release(&schedule_lag);
    hist_clear(&d->read_lag);
    hist_clear(&d->schedule_lag);
    d->mark.second = second;
    d->mark.at_ns = now_ns;
    d->mark.spin_ns = x->spin_ns;
    d->mark.wait_ns = x->wait_ns;
    d->mark.reads = x->reads;
    d->mark.full_reads = x->full_reads;
    d->mark.stamped_reads = x->stamped_reads;
    d->mark.events = events;
}

static void begin_marks(struct driver *d)
{
    const struct exchanger_stats *x = exchanger_stats(d->exchanger);
    int64_t now_ns = clock_mono_ns();
    int64_t since = now_ns - d->phase->origin_ns;
    hist_clear(&d->read_lag);
    hist_clear(&d->schedule_lag);
    d->mark.second = since >= 0 ? since / NS_PER_S : -((-since + NS_PER_S - 1) / NS_PER_S);
    d->mark.at_ns = now_ns;
    d->mark.spin_ns = x->spin_ns;
    d->mark.wait_ns = x->wait_ns;
    d->mark.reads = x->reads;
    d->mark.full_reads = x->full_reads;
    d->mark.stamped_reads = x->stamped_reads;
    d->mark.events = atomic_load_explicit(&d->live.events, memory_order_relaxed);
}

/* After an end: is the whole phase over? Whoever sees it first tells the others. */
static void check_over(struct driver *d)
{
    struct drive_phase *phase = d->phase;
    if (atomic_load_explicit(&phase->over, memory_order_relaxed))
        return;
    if (policy_exhausted(phase->policy) && policy_measured(phase->policy)) {
        atomic_store(&phase->over, true);
        drive_phase_wake(phase);
    }
}

static void clear_wake(struct driver *d)
{
    uint64_t count;
    if (!atomic_load_explicit(&d->woken, memory_order_acquire))
        return; /* the common case costs no system call */
    atomic_store_explicit(&d->woken, false, memory_order_relaxed);
    if (read(d->wake_fd, &count, sizeof count) < 0)
        return; /* nobody called */
}

static void drive(struct driver *d)
{
    struct drive_phase *phase = d->phase;
    struct offer next = {0};
    bool held = false;
    int starts = 0;
    d->refill = true;
    while (clock_mono_ns() < phase->start_ns) /* the policy hands out nothing before */
        exchanger_run(d->exchanger, phase->start_ns, -1);
    for (;;) {
        if (d->refill) {
            refill(d);
            check_over(d);
        }
        if (atomic_load_explicit(&phase->over, memory_order_relaxed)) {
            leave_tail(d);
            held = held && policy_admit(phase->policy, &next, next.intended_ns) != ADMIT_VOID;
            if (!d->in_flight)
                break;
        }
        if (atomic_load_explicit(&phase->abort, memory_order_relaxed))
            cancel_all(d, d->in_flight);
        if (held && atomic_load_explicit(&phase->stopping, memory_order_relaxed)) {
            held = false;
            admit(d, &next, clock_mono_ns());
            check_over(d);
        }
        if (!held)
            held = policy_reserve(phase->policy, &next);
        int64_t now_ns = clock_mono_ns();
        mark_second(d, now_ns, false);
        int64_t due_ns = INT64_MAX;
        if (held && now_ns >= next.intended_ns) {
            held = false;
            admit(d, &next, now_ns);
            check_over(d);
            if (++starts % STARTS_PER_LOOK != 0)
                continue;
            due_ns = 0;
        } else if (held) {
            due_ns = next.intended_ns;
        }
        if (d->refill)
            continue;
        exchanger_run(d->exchanger, due_ns, d->wake_fd);
        clear_wake(d);
    }
}

static uint64_t ns_of(struct timeval t)
{
    return (uint64_t)t.tv_sec * (uint64_t)NS_PER_S + (uint64_t)t.tv_usec * (uint64_t)NS_PER_US;
}

static void *driver_main(void *argument)
{
    struct driver *d = argument;
    struct rusage before, after;
    begin_marks(d);
    int64_t spin_before = exchanger_stats(d->exchanger)->spin_ns;
    getrusage(RUSAGE_THREAD, &before);
    drive(d);
    getrusage(RUSAGE_THREAD, &after);
    mark_second(d, clock_mono_ns(), true);
    d->cpu_user_ns = ns_of(after.ru_utime) - ns_of(before.ru_utime);
    d->cpu_system_ns = ns_of(after.ru_stime) - ns_of(before.ru_stime);
    d->spin_ns = exchanger_stats(d->exchanger)->spin_ns - spin_before;
    uint64_t one = 1;
    if (write(d->phase->done_fd, &one, sizeof one) < 0)
        BUG("the end of a driver could not be told");
    return NULL;
}

int driver_init(struct driver *d, unsigned thread, const struct endpoint *ep,
                const struct exchanger_options *o, struct err *e)
{
    *d = (struct driver){.thread = thread};
    d->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (d->wake_fd < 0)
        return err_set(e, ERR_IO, "cannot open an event descriptor; raise ulimit -n");
    int rc = exchanger_new(ep, o, &d->exchanger, e);
    if (rc < 0) {
        close(d->wake_fd);
        return rc;
    }
    exchanger_stats(d->exchanger)->read_lag = &d->read_lag;
    return OK;
}

void driver_release(struct driver *d)
{
    exchanger_free(d->exchanger);
    close(d->wake_fd);
    while (d->free_streams) {
        struct stream *s = d->free_streams;
        d->free_streams = s->next;
        answer_release(&s->answer);
        free(s);
    }
}

void driver_drop_left_over(struct driver *d)
{
    cancel_all(d, d->left_over);
}

void driver_start(struct driver *d, struct drive_phase *phase)
{
    d->phase = phase;
    if (pthread_create(&d->id, NULL, driver_main, d) != 0)
        BUG("no thread for a driver");
}

void driver_join(struct driver *d)
{
    pthread_join(d->id, NULL);
}

void drive_phase_wake(struct drive_phase *phase)
{
    uint64_t one = 1;
    for (unsigned i = 0; i < phase->driver_count; i++) {
        struct driver *d = &phase->drivers[i];
        if (write(d->wake_fd, &one, sizeof one) < 0)
            continue; /* the counter is full: it is awake already */
        atomic_store_explicit(&d->woken, true, memory_order_release); /* after: never set in vain */
    }
}
