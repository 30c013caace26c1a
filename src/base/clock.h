#ifndef LOADLINE_BASE_CLOCK_H
#define LOADLINE_BASE_CLOCK_H

/* Time inside the program is CLOCK_MONOTONIC nanoseconds in an int64_t. Kernel receive stamps are
 * CLOCK_REALTIME; both clocks are slewed alike, so their offset is constant between clock steps and
 * can be measured: read mono, real, mono, and keep the tightest bracket since the last step. */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)

static inline int64_t clock_ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static inline int64_t clock_read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return clock_ns_of(t);
}

static inline int64_t clock_mono_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

static inline int64_t clock_real_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

struct clock_bridge {
    int64_t offset_ns;  /* mono = real + offset */
    int64_t bracket_ns; /* width of the reading the offset came from: its error is at most half */
    int step_fd;        /* timerfd that reports steps of the real clock; readable when one happened */
    uint32_t steps;     /* steps seen since clock_bridge_init */
};

/* Opens the step detector and takes a first offset. Never fails: without a timerfd step_fd is -1. */
void clock_bridge_init(struct clock_bridge *b);
void clock_bridge_release(struct clock_bridge *b);

/* Takes another reading and keeps the tighter. Cheap; call it now and then. */
void clock_bridge_refine(struct clock_bridge *b);

/* Looks at step_fd without blocking; after a step starts the offset afresh. True if one was seen. */
bool clock_bridge_check(struct clock_bridge *b);

static inline int64_t clock_bridge_mono(const struct clock_bridge *b, int64_t real_ns)
{
    return real_ns + b->offset_ns;
}

#endif
