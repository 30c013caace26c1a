#ifndef LOADLINE_SERVE_SERVE_H
#define LOADLINE_SERVE_SERVE_H

/* The embedded engine as an OpenAI-compatible HTTP server: the simulated engine's steps paced by the real
 * clock, on the calling thread alone. */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "serve/fault.h"
#include "sim/spec.h"

struct serve_options {
    const char *listen;       /* "127.0.0.1:8000", port 0 for a free one, "[::]:8000", "unix:/path" */
    struct sim_config engine;
    uint64_t seed;
    int ready_fd;             /* "PORT\n" is written to it when the server listens (0 for unix); −1 none */
    int parent_pid;           /* > 0: end when this is no longer the parent */
    bool quiet;               /* no lines on standard error */
    const char *tls_cert, *tls_key; /* PEM files: speak TLS; NULL: do not */
    int64_t metronome_ns;     /* > 0: in place of the engine, every stream is due at the multiples of it */
    struct fault_rates faults; /* zeros: none */
    const char *truth;        /* a new file for what was sent when (truth_file.h); NULL for none */
};

/* Serves until stop_fd is readable (−1: for ever). Then nothing more is accepted, answers under way end with an error
 * that says why, the truth is written, and OK is returned. ERR_USAGE, ERR_NET or ERR_TLS with a sentence when it could not
 * begin, ERR_IO when the truth could not be written.
 * Raises the process's limit of open files to the hard one. */
int serve_run(const struct serve_options *o, int stop_fd, struct err *e);

#endif
