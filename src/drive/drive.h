#ifndef LOADLINE_DRIVE_DRIVE_H
#define LOADLINE_DRIVE_DRIVE_H

/* Live load: brings threads, policy, preparer and writer together and runs one load point after another. */

#include <stdbool.h>
#include <stdint.h>

#include "api/protocol.h"
#include "drive/probe.h"
#include "net/exchange.h"
#include "record/writer.h"
#include "workload/policy.h"
#include "workload/workload.h"

struct drive_setup {
    const struct probe_target *target;   /* endpoint, protocol, path, headers */
    const struct api_options *api;       /* as the probe left it */
    unsigned threads;                    /* ≥ 1 */
    unsigned preconnect;                 /* connections per drive_open, spread over the threads */
    int64_t timeout_ns;
    bool save_output;
    bool keep_reads;                     /* for a calibration: the record's `reads` */
};

struct drive_load { /* one load point */
    struct load_spec load;               /* times relative to its start */
    const struct workload *workload;
    uint64_t seed;
    uint64_t warmup_requests;
    int64_t warmup_users;                /* at once; 0: those of the load, at most 16 */
    bool from_idle;                      /* cut off first what is left of the load before */
};

enum drive_stage { DRIVE_WARMUP, DRIVE_MEASURE, DRIVE_DRAIN };

struct drive_progress {
    enum drive_stage stage;
    int64_t elapsed_ns;                  /* of the stage's phase */
    uint64_t offered, ended;             /* of the phase itself, without its tail */
    uint64_t ok, failed, dropped, in_flight, queued; /* tail included */
    uint64_t total;                      /* requests of the phase; 0 unknown */
    uint64_t events, tokens;
    double tokens_per_s;                 /* token events over the last second or so */
    int64_t ttft_p50_ns, ttft_p99_ns;    /* 0 while none */
};

enum drive_command { DRIVE_GO_ON, DRIVE_STOP, DRIVE_ABORT };

/* Called a few times a second, and at once when signal_fd is readable, from the thread that called drive_run. STOP
 * offers nothing more and drains; ABORT cancels what is in flight. */
struct drive_observer {
    enum drive_command (*tick)(void *context, const struct drive_progress *p);
    void *context;
    int signal_fd;                       /* −1 for none */
};

struct drive;

/* Makes the threads' exchangers and the connections of preconnect. ERR_USAGE when max_concurrency cannot fit
 * into the descriptors there are; ERR_NET when no connection could be made. */
int drive_open(const struct drive_setup *s, int64_t max_concurrency, struct drive **out, struct err *e);
void drive_close(struct drive *d);

/* Warm-up, then the load; every request goes to the writer. When everything measured has ended, requests of phase tail are
 * recorded as cancelled but stay at the server, so that the next load finds it busy, unless that one is from_idle. Fills the fields of `run` known at the end (run was given
 * to record_writer_begin before). OK also when interrupted (run->interrupted) or when requests failed; an
 * error only when the writer failed. */
int drive_run(struct drive *d, const struct drive_load *load, struct record_writer *w,
              const struct drive_observer *observer, struct run_record *run, struct err *e);

#endif
