#ifndef LOADLINE_NET_POLLER_H
#define LOADLINE_NET_POLLER_H

/* Level-triggered readiness of descriptors, at most POLLER_MAX_EVENTS a wait so that the caller can look
 * at its schedule between reads. One thread owns a poller. */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { POLLER_MAX_EVENTS = 64 };

enum { POLLER_READ = 1, POLLER_WRITE = 2 };

struct poller_event {
    void *owner;     /* as given to poller_add */
    bool readable;   /* also set on hang-up and error, so that a read finds them */
    bool writable;
};

struct poller {
    int fd;
};

int poller_init(struct poller *p, struct err *e);
void poller_release(struct poller *p);
int poller_add(struct poller *p, int fd, int interest, void *owner);
int poller_change(struct poller *p, int fd, int interest, void *owner);
void poller_remove(struct poller *p, int fd);

/* Waits up to timeout_ns (0: a look; < 0: for ever) and fills events (POLLER_MAX_EVENTS of them). Returns
 * how many; a signal counts as none. */
int poller_wait(struct poller *p, int64_t timeout_ns, struct poller_event *events);

#endif
