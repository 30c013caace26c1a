#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>

#include "base/clock.h"

static void monotonic_time_does_not_go_back(void **state)
{
    (void)state;
    int64_t before = clock_mono_ns();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_mono_ns();
        assert_true(now >= before);
        before = now;
    }
}

static void a_timespec_becomes_nanoseconds(void **state)
{
    (void)state;
    assert_true(clock_ns_of((struct timespec){.tv_sec = 3, .tv_nsec = 7}) == 3 * NS_PER_S + 7);
}

static void the_bridge_maps_a_real_stamp_between_the_monotonic_readings_around_it(void **state)
{
    (void)state;
    struct clock_bridge b;
    clock_bridge_init(&b);
    for (int tries = 0;; tries++) {
        int64_t before = clock_mono_ns();
        int64_t real = clock_real_ns();
        int64_t after = clock_mono_ns();
        if (clock_bridge_check(&b) && tries < 100)
            continue; /* somebody set the clock just then */
        int64_t mapped = clock_bridge_mono(&b, real);
        assert_true(mapped >= before - b.bracket_ns);
        assert_true(mapped <= after + b.bracket_ns);
        break;
    }
    clock_bridge_release(&b);
}

static void refining_never_widens_the_bracket(void **state)
{
    (void)state;
    struct clock_bridge b;
    clock_bridge_init(&b);
    assert_true(b.bracket_ns >= 0 && b.bracket_ns < INT64_MAX);
    for (int i = 0; i < 20; i++) {
        int64_t before = b.bracket_ns;
        clock_bridge_refine(&b);
        assert_true(b.bracket_ns <= before);
    }
    clock_bridge_release(&b);
}

static void without_a_step_detector_the_bridge_still_works(void **state)
{
    (void)state;
    struct clock_bridge b;
    clock_bridge_init(&b);
    clock_bridge_release(&b);
    assert_int_equal(b.step_fd, -1);
    assert_false(clock_bridge_check(&b));
    clock_bridge_release(&b);
}

/* A detector that reports ECANCELED needs the right to set the clock; a descriptor that fails in
 * another way must not be mistaken for a step. */
static void a_failing_detector_is_not_a_step(void **state)
{
    (void)state;
    struct clock_bridge b;
    clock_bridge_init(&b);
    clock_bridge_release(&b);
    b.step_fd = open("/", O_RDONLY | O_CLOEXEC); /* reads of a directory fail with EISDIR */
    assert_true(b.step_fd >= 0);
    assert_false(clock_bridge_check(&b));
    assert_int_equal(b.steps, 0);
    clock_bridge_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_time_does_not_go_back),
        cmocka_unit_test(a_timespec_becomes_nanoseconds),
        cmocka_unit_test(the_bridge_maps_a_real_stamp_between_the_monotonic_readings_around_it),
        cmocka_unit_test(refining_never_widens_the_bracket),
        cmocka_unit_test(without_a_step_detector_the_bridge_still_works),
        cmocka_unit_test(a_failing_detector_is_not_a_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
