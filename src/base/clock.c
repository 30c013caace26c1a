#include "base/clock.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { BRACKET_TRIES = 64 };

static void arm_step_detector(struct clock_bridge *b)
{
    /* Any time far ahead does: only the cancellation by a clock step is of interest. */
    struct itimerspec far = {.it_value.tv_sec = clock_real_ns() / NS_PER_S + 10L * 365 * 86400};
    timerfd_settime(b->step_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL);
}

void clock_bridge_refine(struct clock_bridge *b)
{
    for (int i = 0; i < BRACKET_TRIES; i++) {
        int64_t before = clock_mono_ns();
        int64_t real = clock_real_ns();
        int64_t after = clock_mono_ns();
        if (after - before < b->bracket_ns) {
            b->bracket_ns = after - before;
            b->offset_ns = before + (after - before) / 2 - real;
        }
    }
}

void clock_bridge_init(struct clock_bridge *b)
{
    *b = (struct clock_bridge){.bracket_ns = INT64_MAX};
    b->step_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (b->step_fd >= 0)
        arm_step_detector(b);
    clock_bridge_refine(b);
}

void clock_bridge_release(struct clock_bridge *b)
{
    if (b->step_fd >= 0)
        close(b->step_fd);
    b->step_fd = -1;
}

bool clock_bridge_check(struct clock_bridge *b)
{
    uint64_t expirations;
    if (b->step_fd < 0 || read(b->step_fd, &expirations, sizeof expirations) >= 0)
        return false;
    if (errno != ECANCELED) /* EAGAIN: no step since the last look */
        return false;
    b->steps++;
    b->bracket_ns = INT64_MAX;
    arm_step_detector(b);
    clock_bridge_refine(b);
    return true;
}
