#ifndef LOADLINE_NET_STAMP_H
#define LOADLINE_NET_STAMP_H

/* When bytes arrived. All times CLOCK_MONOTONIC nanoseconds. */

#include <stdbool.h>
#include <stdint.h>

struct stamp {
    int64_t at_ns;    /* the kernel's receive stamp of the newest byte of the read; read_ns without one */
    int64_t after_ns; /* no byte of this read was in the receive queue at this moment: the latest of the
                         return of the last non-full poller_wait that did not list this socket, a moment
                         before the last read that emptied its queue, and connect; ≤ at_ns */
    int64_t read_ns;  /* clock when the read returned: read_ns − at_ns is how late we were */
    uint64_t read_id; /* one number per read of a thread: events with the same one came in one read */
    bool kernel;      /* at_ns is the kernel's */
    bool full;        /* the read filled the buffer: more may have been waiting */
};

#endif
