#ifndef LOADLINE_WORKLOAD_POLICY_H
#define LOADLINE_WORKLOAD_POLICY_H

/* Who is asked when: the load policy as a state machine that reads no clock, so that the same one drives
 * live threads and virtual time. All times are ns on the caller's clock; the policy was told its start.
 * One policy is shared by all driver threads of a run; every function takes its lock (once per request,
 * never per token).
 *
 * A driver's loop:
 *   while (policy_refill(p, thread, now, &o)) start o           closed users, freed slots under a cap
 *   if (!held) held = policy_reserve(p, &next)                  next scheduled arrival
 *   if (held && now >= next.intended_ns) switch (policy_admit(p, &next, now)) …
 *   serve sockets until next.intended_ns
 *   on every end: policy_end(p, &offer, now)
 * Slots freed by a thread are refilled by the same thread right after, so nobody needs waking. */

#include <stdbool.h>
#include <stdint.h>

#include "workload/arrivals.h"

enum load_mode { LOAD_OPEN, LOAD_CLOSED, LOAD_OFFLINE };

enum on_cap { ON_CAP_QUEUE, ON_CAP_DROP };

/* Phases as the run file stores them. */
enum phase { PHASE_WARMUP = 0, PHASE_MEASURE = 1, PHASE_TAIL = 2 };

struct load_spec {
    enum load_mode mode;
    struct arrivals_spec arrivals; /* LOAD_OPEN */
    int64_t max_concurrency;       /* CLOSED: users; OPEN: cap, 0 for none */
    enum on_cap on_cap;
    uint64_t num_prompts;          /* offered exactly, unless duration ends first; 0: no limit */
    int64_t duration_ns;           /* 0: none. Arrivals from then on are phase tail, and go on until every
                                      request of phase measure has ended */
    bool warmup;                   /* every offer is phase warmup */
    bool cut;                      /* with a duration: when it is over nothing is waited for; requests of phase measure
                                      that are still out are of phase tail from then on */
};

struct offer {
    uint64_t index;
    int64_t intended_ns; /* closed: the moment its user became free */
    enum phase phase;
    unsigned thread;     /* closed: the thread whose user it is; kept for policy_end */
    bool cancelled;      /* from refill after policy_stop: it had queued; record it, do not start it */
};

enum admission {
    ADMIT_START,   /* start it now; counts as in flight */
    ADMIT_QUEUED,  /* over the cap: a later policy_refill of any thread hands it out */
    ADMIT_DROPPED, /* over the cap with ON_CAP_DROP: record it as dropped; not in flight */
    ADMIT_VOID,    /* not offered after all (the run closed meanwhile): forget it */
};

struct policy;

/* A schedule without gaps (offline, or rate INFINITY) needs num_prompts: it would never end. */
struct policy *policy_new(const struct load_spec *spec, unsigned threads, int64_t start_ns);
void policy_free(struct policy *p);

/* Something to start now, counted as in flight (or, when cancelled, only to be recorded: it is in flight
 * nowhere and policy_end passes over it). Closed: one of this thread's own free users, never before the start;
 * under a cap: the earliest of the queue, whichever thread it came from. */
bool policy_refill(struct policy *p, unsigned thread, int64_t now_ns, struct offer *out);

/* The next request of the schedule; false for closed loads and when there is none. Whoever holds one must
 * hand it to policy_admit when its time has come (or drop it after policy_stop). */
bool policy_reserve(struct policy *p, struct offer *out);
enum admission policy_admit(struct policy *p, const struct offer *o, int64_t now_ns);

/* Of what was started (ADMIT_START, or refill without cancelled) and has ended, however it ended. */
void policy_end(struct policy *p, const struct offer *o, int64_t now_ns);

/* Offer nothing more; what is in flight goes on (first Ctrl-C). */
void policy_stop(struct policy *p);

/* True once nothing more will ever be handed out. Requests of phase tail still in flight may be cancelled
 * when policy_measured is also true. */
bool policy_exhausted(struct policy *p);
bool policy_measured(struct policy *p); /* no request of phase measure (or warmup) is in flight, queued or due */

/* offered, dropped and ended are of phase measure (or warmup) alone; at the end offered = dropped + ended.
 * in_flight, queued and their peaks are of all phases, as the cap is. */
struct policy_counts {
    uint64_t offered; /* started, queued or dropped */
    uint64_t in_flight, queued, dropped;
    uint64_t ended;   /* what refill handed out cancelled included */
    uint64_t peak_in_flight, peak_queued;
    int64_t last_offer_ns; /* when the last offered one was made; the start before the first */
};
struct policy_counts policy_counts(struct policy *p);

#endif
