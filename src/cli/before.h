#ifndef LOADLINE_CLI_BEFORE_H
#define LOADLINE_CLI_BEFORE_H

/* What happens before a block of a comparison: a command of the user's, and waiting for the server that it starts. */

#include "drive/probe.h"

struct before {
    const char *option;   /* "--before-a" */
    const char *command;  /* for /bin/sh */
    const char *side;     /* "a", "b": LOADLINE_SIDE in its environment */
    int64_t round;        /* LOADLINE_ROUND; 0: before the first */
    int signal_fd;        /* readable when the user wants to stop; what is there is not taken out */
};

/* Runs it to its end in a process group of its own, its output on our standard error. May be called while there are threads.
 * ERR_NET when it does not end with status 0; ERR_INTERRUPTED, and the group is ended. What it left in the background
 * goes on. */
int before_run(const struct before *b, struct err *e);

/* Asks the server until it answers. `waiting` is called once when it does not at first. */
int before_await(const struct probe_target *t, const char *name, int64_t timeout_ns,
                 void (*waiting)(void *context), void *context, struct err *e);

#endif
