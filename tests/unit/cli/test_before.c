/* Commands before a block: what they are told, how they end, and who ends them. */

#include "../record/support.h"

#include <poll.h>
#include <signal.h>

#include "base/clock.h"
#include "cli/before.h"

static int run(const char *command, int signal_fd, struct err *e)
{
    struct before b = {.option = "--before-b",
                       .command = command,
                       .side = "b",
                       .round = 2,
                       .signal_fd = signal_fd};
    return before_run(&b, e);
}

static void a_command_is_told_its_side_and_round(void **state)
{
    struct place *place = *state;
    struct err e = {0};
    char command[400], text[40] = "";
    snprintf(command, sizeof command, "echo \"$LOADLINE_SIDE $LOADLINE_ROUND\" > '%s'",
             place->file);
    setenv("LOADLINE_SIDE", "ours", 1); /* what is there already does not win */
    assert_int_equal(run(command, -1, &e), OK);
    FILE *f = fopen(place->file, "r");
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_string_equal(text, "b 2\n");
}

static void a_failure_is_told_with_its_status_and_the_round(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(run("exit 3", -1, &e), ERR_NET);
    assert_string_equal(e.text, "--before-b ended with status 3 before round 2: exit 3");
    assert_int_equal(run("kill -9 $$", -1, &e), ERR_NET);
    assert_string_equal(e.text, "--before-b was ended by signal 9 before round 2: kill -9 $$");
    assert_int_equal(run("no-such-program-here 2>&-", -1, &e), ERR_NET);
    assert_non_null(strstr(e.text, "status 127"));
}

static void it_reads_nothing_of_ours(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(run("! read line", -1, &e), OK);
}

static void what_it_leaves_in_the_background_goes_on(void **state)
{
    struct place *place = *state;
    struct err e = {0};
    char command[400];
    snprintf(command, sizeof command, "(sleep 0.3; touch '%s') &", place->file);
    assert_int_equal(run(command, -1, &e), OK);
    assert_int_not_equal(access(place->file, F_OK), 0);
    for (int i = 0; i < 100 && access(place->file, F_OK) != 0; i++)
        usleep(100000);
    assert_int_equal(access(place->file, F_OK), 0);
}

static void an_interrupt_ends_it_and_all_that_it_started(void **state)
{
    struct place *place = *state;
    struct err e = {0};
    char command[400];
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    snprintf(command, sizeof command, "(sleep 1; touch '%s') & sleep 600", place->file);
    int64_t from_ns = clock_mono_ns();
    assert_int_equal(run(command, pipe_fds[0], &e), ERR_INTERRUPTED);
    assert_true(clock_mono_ns() - from_ns < 5 * NS_PER_S);
    struct pollfd p = {.fd = pipe_fds[0], .events = POLLIN};
    assert_int_equal(poll(&p, 1, 0), 1); /* it is still there for whoever counts interrupts */
    sleep(2);
    assert_int_not_equal(access(place->file, F_OK), 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(a_command_is_told_its_side_and_round),
        PLACE_TEST(a_failure_is_told_with_its_status_and_the_round),
        PLACE_TEST(it_reads_nothing_of_ours),
        PLACE_TEST(what_it_leaves_in_the_background_goes_on),
        PLACE_TEST(an_interrupt_ends_it_and_all_that_it_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
