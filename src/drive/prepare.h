#ifndef LOADLINE_DRIVE_PREPARE_H
#define LOADLINE_DRIVE_PREPARE_H

/* A thread that writes request bodies ahead of the schedule, so that drivers build no JSON. It keeps a bounded
 * window of them (a count and 64 MiB). A driver that asks for one that is not ready makes it itself; that is
 * an underrun, counted and reported. */

#include <stdbool.h>
#include <stdint.h>

#include "api/protocol.h"
#include "workload/workload.h"

enum { PREPARE_MAX_BYTES = 64 * 1024 * 1024, PREPARE_MAX_WINDOW = 65536, REQUEST_ID_BYTES = 48 };

struct prepare_options {
    const struct workload *workload;
    const struct protocol *protocol;
    const struct api_options *api;
    bool warmup;
    uint64_t seed;    /* names the run in request ids */
    uint64_t total;   /* requests there will be; 0: no limit */
    uint64_t window;  /* bodies ahead; clamped to PREPARE_MAX_WINDOW */
};

struct prepared { /* one request, ready to send */
    uint64_t index;
    struct buf body;
    char id[REQUEST_ID_BYTES];
    int64_t asked_input, asked_output;
    int rung;
    bool exact_output, repeated;
};

struct prepare;

struct prepare *prepare_start(const struct prepare_options *o);
void prepare_stop(struct prepare *p);

/* Blocks until the window is full (or all are made); for the moment before the start. */
void prepare_wait(struct prepare *p);

/* The request `index`, now the caller's to release. Every index at most once; any thread. */
struct prepared *prepare_take(struct prepare *p, uint64_t index);
/* The same for one that will never be sent, so that nobody waits for it: no underrun. */
struct prepared *prepare_take_unsent(struct prepare *p, uint64_t index);
void prepared_free(struct prepared *q);

uint64_t prepare_underruns(struct prepare *p);

/* The X-Request-Id of a request. */
void prepare_name(uint64_t seed, bool warmup, uint64_t index, char out[REQUEST_ID_BYTES]);

/* Makes one, without a thread: for probes and tests. */
struct prepared *prepare_one(const struct prepare_options *o, uint64_t index);

#endif
