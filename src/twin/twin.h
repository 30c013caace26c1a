#ifndef LOADLINE_TWIN_TWIN_H
#define LOADLINE_TWIN_TWIN_H

/* The simulated engine under virtual time: the load policy of the live driver asks, the core answers, and each request
 * ends as the record that the driver would have made of it, down to the nanosecond of every token. No sockets, no real
 * clock: an hour takes seconds, and the same configuration, workload and seeds give the same records.
 *
 * What is not there: the network and the client. A request arrives when it is sent, and a token when its step ends; so
 * schedule lag is 0 and nothing is censored. */

#include <stdbool.h>
#include <stdint.h>

#include "record/record.h"
#include "sim/spec.h"
#include "workload/policy.h"
#include "workload/workload.h"

struct twin;

struct twin_setup {
    const struct sim_config *engine; /* copied; what it points to must outlive the twin */
    uint64_t seed;                   /* of its noise and of where answers end by themselves */
    int64_t timeout_ns;              /* from intended */
    bool without_gaps;               /* records without token events, for who needs none: faster */
    bool chat;                       /* prompts are messages, in the chat template */
    bool exact_output;               /* every answer is as long as asked, not only those to drawn prompts */
    bool sampled;                    /* equal prompts do not get equal answers (a temperature above 0) */
};

struct twin *twin_new(const struct twin_setup *s);
void twin_free(struct twin *t);

struct twin_load { /* one load point */
    struct load_spec load;           /* times relative to its start */
    const struct workload *workload;
    uint64_t warmup_requests;
    int64_t warmup_users;            /* at once; 0: those of the load, at most 16 */
    bool from_idle;                  /* forget what the load before left in the engine: its requests, its cache */
};

struct twin_progress {
    enum phase phase;
    int64_t elapsed_ns;              /* virtual, of the phase */
    uint64_t total;                  /* requests of the phase; 0 unknown */
    uint64_t offered, ended;         /* of the phase itself, without its tail */
    uint64_t failed, dropped, in_flight, queued, tokens; /* tail included */
};

enum twin_command { TWIN_GO_ON, TWIN_STOP, TWIN_ABORT };

struct twin_observer {
    /* Takes a finished record; slices are valid during the call. */
    void (*record)(void *context, const struct request_record *r);
    /* Called every few thousand tokens. STOP offers nothing more and drains, ABORT cuts off what is in flight too.
     * May be NULL. */
    enum twin_command (*tick)(void *context, const struct twin_progress *p);
    void *context;
};

/* Warm-up, then the load. Time goes on from one load to the next. When everything measured has ended, requests of
 * phase tail are recorded as cancelled and stay in the engine, so that the next load finds it busy, unless that one is
 * from_idle. Fills the fields of `run` known at the end. False when nothing succeeded any more and it was therefore
 * given up. */
bool twin_run(struct twin *t, const struct twin_load *load, const struct twin_observer *observer,
              struct run_record *run);

/* The clock: of the loads so far and of what was waited. Waiting for a time that is past does nothing; what the load before left
 * in the engine is forgotten with it. */
int64_t twin_now_ns(const struct twin *t);
void twin_wait(struct twin *t, int64_t until_ns);

/* How the engine counts the prompts that are drawn, for workload_set_tokenization: a word is one token. */
struct tokenization twin_tokenization(const struct twin *t);

#endif
