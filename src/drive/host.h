#ifndef LOADLINE_DRIVE_HOST_H
#define LOADLINE_DRIVE_HOST_H

/* What machine this is, and how much of its time others took. */

#include <stdint.h>

#include "base/buf.h"

/* Appends {"cpu", "cores", "kernel", "governor"} as JSON. */
void host_describe(struct buf *out);

struct host_cpu { /* jiffies of all processors since boot (/proc/stat) */
    uint64_t total, steal;
};
struct host_cpu host_cpu_now(void);

/* Share of all processor time that the hypervisor gave to others between two readings; −1 unknown. */
double host_steal_fraction(struct host_cpu before, struct host_cpu after);

#endif
