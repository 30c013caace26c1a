#ifndef LOADLINE_CLI_CHILD_H
#define LOADLINE_CLI_CHILD_H

/* The embedded engine as a child process, for targets "sim:…". */

#include <sys/types.h>

#include "base/err.h"

struct child {
    pid_t pid;
    int port;
};

/* Starts `loadline sim` on a free loopback port and waits until it listens. Call it before any thread exists. The
 * child is in a process group of its own (a Ctrl-C must not end it before the drain) and dies with us. */
int child_start(const char *spec, const char *seed, struct child *out, struct err *e);
void child_stop(struct child *c);

#endif
