#ifndef LOADLINE_DECIDE_RUNNER_H
#define LOADLINE_DECIDE_RUNNER_H

/* What decisions are made of: load points, each one measured by somebody else, on a server or in virtual time. */

#include "measure/samples.h"

enum load_kind { LOAD_AT_RATE, LOAD_OF_USERS, LOAD_AT_ONCE };

struct load_point {
    enum load_kind kind;
    double rate;         /* LOAD_AT_RATE: requests per s, Poisson unless the user asked for another shape */
    int64_t users;       /* LOAD_OF_USERS */
    uint64_t requests;   /* exactly so many; 0: as many as fit duration_ns */
    int64_t duration_ns; /* of offering; 0: until `requests` are out */
    const char *purpose; /* the row's kind in the run file: "single", "burst", "level", … */
    uint64_t seed_index; /* points of one index have the same prompts, lengths and arrivals; from 1 */
    bool from_idle;      /* nothing of the point before is left at the server */
    bool cut;            /* nothing is waited for when offering ends: it places a search, and claims nothing */
};

struct probed { /* zero-initialise; probed_release frees */
    int64_t run_id;      /* of the row, 0 without a file */
    struct run_record run; /* its numbers; the strings are the runner's and may be gone */
    struct sample_set set;
};
void probed_release(struct probed *p);

enum { RUNNER_MAX_CLIMB = 64 };

struct runner {
    /* Offers the load, waits until all that is measured has ended, and fills *out. ERR_INTERRUPTED when the user stopped
     * it; then nothing is in *out. */
    int (*probe)(void *context, const struct load_point *p, struct probed *out, struct err *e);
    /* Offers several loads at rates one straight after the other, without letting the server drain between them, and
     * fills out[0..n), each as if it had been alone. Durations are whole seconds; n ≤ RUNNER_MAX_CLIMB. */
    int (*climb)(void *context, const struct load_point *points, size_t n, struct probed *out,
                 struct err *e);
    /* The clock of the load, ns: real or virtual. */
    int64_t (*now_ns)(void *context);
    void *context;
};

#endif
