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

/* The same with further arguments of `loadline sim`, the last of them NULL (at most CHILD_MAX_MORE). */
enum { CHILD_MAX_MORE = 8 };
int child_start_with(const char *spec, const char *seed, const char *const *more, struct child *out,
                     struct err *e);

/* Asks it to stop and waits for as long as that takes, up to a minute: it has a truth to write. ERR_IO when it did not end
 * well. */
int child_finish(struct child *c, struct err *e);
void child_stop(struct child *c);

#endif
