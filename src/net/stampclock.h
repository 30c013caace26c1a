#ifndef LOADLINE_NET_STAMPCLOCK_H
#define LOADLINE_NET_STAMPCLOCK_H

/* Turns the kernel's receive stamps (CLOCK_REALTIME) into CLOCK_MONOTONIC, and keeps stamping switched
 * on: the kernel stamps packets only while some socket asks for it, and begins asynchronously, so a pair
 * of loopback sockets asks from the start and is tried until its first stamp comes. */

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "net/stamp.h"

struct stampclock {
    struct clock_bridge bridge;
    int sentinel[2];        /* −1 when there are none */
    bool stamping;          /* the sentinel's stamp came */
    int64_t next_refine_ns;
};

/* Waits up to a second for the first stamp. Never fails: `stamping` tells. */
void stampclock_init(struct stampclock *s);
/* One that never stamps and costs nothing: for unix sockets and one-shot requests. */
void stampclock_init_idle(struct stampclock *s);
void stampclock_release(struct stampclock *s);

/* Sets at_ns and kernel of a stamp whose after_ns and read_ns are known; real_ns is the kernel's stamp,
 * 0 for none. Keeps after_ns ≤ at_ns ≤ read_ns. */
void stampclock_apply(struct stampclock *s, int64_t real_ns, struct stamp *stamp);

/* Tightens the conversion once a second; call it now and then. */
void stampclock_refine(struct stampclock *s, int64_t now_ns);

/* Looks for a step of the real clock; call it when bridge.step_fd is readable. */
void stampclock_check(struct stampclock *s);

#endif
