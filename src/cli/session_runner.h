#ifndef LOADLINE_CLI_SESSION_RUNNER_H
#define LOADLINE_CLI_SESSION_RUNNER_H

/* A session as the runner of a search: its load points on a live server, or in virtual time. */

#include "cli/session.h"
#include "decide/runner.h"

struct session_runner {
    struct session *session;
    const char *kind_prefix;  /* in front of a point's purpose, for the kind of its row; "" none */
    const char *slo;          /* for the rows */
    int64_t ordinal;          /* of the last row */
    uint64_t warmup_requests; /* before the next load; none after it */
    const char *label;        /* of the progress line; NULL none */
    double left_s;            /* beside it: until the search ends */
};

struct runner session_runner(struct session_runner *r);

#endif
