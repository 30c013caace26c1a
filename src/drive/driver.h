#ifndef LOADLINE_DRIVE_DRIVER_H
#define LOADLINE_DRIVE_DRIVER_H

/* A driver thread: takes offers from the policy, sends them at their times, reads the answers, hands finished
 * records to the writer. Threads share nothing but the policy, the preparer and the writer's queue. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/protocol.h"
#include "base/hist.h"
#include "drive/prepare.h"
#include "net/exchange.h"
#include "record/writer.h"
#include "workload/policy.h"

/* What all drivers of a phase work from; unchanged while it lasts but for the atomics. */
struct drive_phase {
    const struct route *route;
    const struct protocol *protocol;
    bool stream, save_output, keep_reads;
    enum api_ending ending;
    struct policy *policy;
    struct prepare *prepare;
    struct record_writer *writer;
    int64_t start_ns;          /* CLOCK_MONOTONIC of the policy's time 0 */
    int64_t origin_ns;         /* … of the run's time 0, for the record */
    int64_t timeout_ns;        /* from intended */
    bool cut;                  /* what is out when offering ends is not waited for (load_spec) */
    struct driver *drivers;
    unsigned driver_count;
    int done_fd;               /* eventfd: a driver adds one when it has ended */
    bool keep_seconds;         /* write the per-second rows (not for the warm-up) */
    _Atomic bool stopping;     /* the policy was stopped: give back what is held (first Ctrl-C) */
    _Atomic bool abort;        /* cancel what is in flight (second Ctrl-C) */
    _Atomic bool over;         /* everything measured has ended; tail requests may be cancelled */
};

/* Counters for the live line: one writer each, read by the main thread. */
struct driver_live {
    _Atomic uint64_t ok, failed, dropped, events, tokens, exchanges;
    struct hist ttft;          /* from intended, ok requests of any phase */
};

struct driver {
    unsigned thread;
    struct exchanger *exchanger; /* kept from phase to phase: connections stay open */
    struct drive_phase *phase;
    struct driver_live live;
    int wake_fd;               /* eventfd; set woken after writing to it */
    _Atomic bool woken;
    pthread_t id;

    struct stream *free_streams; /* pool */
    struct stream *in_flight;  /* list, for cancelling */
    struct stream *left_over;  /* of the tail of loads that are over: still at the server */
    bool refill;               /* a slot was freed: ask the policy */
    struct hist read_lag, schedule_lag; /* of the current second */
    struct { /* at the beginning of the current second */
        int64_t second, at_ns, spin_ns, wait_ns;
        uint64_t reads, full_reads, stamped_reads, events;
    } mark;
    uint64_t cpu_user_ns, cpu_system_ns; /* used in the last phase */
    int64_t spin_ns;
};

/* Makes the exchanger and the wake descriptor. */
int driver_init(struct driver *d, unsigned thread, const struct endpoint *ep,
                const struct exchanger_options *o, struct err *e);
void driver_release(struct driver *d);

/* Runs a phase on a thread of its own; driver_join waits for it to end by itself. */
void driver_start(struct driver *d, struct drive_phase *phase);
void driver_join(struct driver *d);

/* Cuts off what loads before left at the server. Between phases. */
void driver_drop_left_over(struct driver *d);

/* Makes every driver of the phase look at its policy and flags again; any thread. */
void drive_phase_wake(struct drive_phase *phase);

#endif
