#include "cli/before.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum { LOOK_MS = 50, ASK_AGAIN_MS = 500, TERM_TRIES = 100 };

static bool wants_stop(int signal_fd, int wait_ms)
{
    struct pollfd p = {.fd = signal_fd, .events = POLLIN};
    return poll(&p, 1, wait_ms) > 0;
}

/* --- the command --- */

#define SIDE  "LOADLINE_SIDE="
#define ROUND "LOADLINE_ROUND="

/* Our environment and two names; which of two values of one name counts is up to the shell, so ours
 * go. */
static char **environment(const struct before *b)
{
    size_t all = 0, n = 2;
    while (environ[all])
        all++;
    char **env = MEM_ARRAY(char *, all + 3);
    env[0] = mem_printf(SIDE "%s", b->side);
    env[1] = mem_printf(ROUND "%" PRId64, b->round);
    for (size_t i = 0; i < all; i++)
        if (strncmp(environ[i], SIDE, strlen(SIDE)) != 0 &&
            strncmp(environ[i], ROUND, strlen(ROUND)) != 0)
            env[n++] = environ[i];
    env[n] = NULL;
    return env;
}

static void free_environment(char **env)
{
    free(env[0]);
    free(env[1]);
    free(env);
}

/* posix_spawn and not fork: there may be threads, and a lock that one of them holds. */
static int spawn(const struct before *b, pid_t *out)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    sigset_t none, defaults;
    char *argv[] = {"sh", "-c", (char *)b->command, NULL};
    char **env = environment(b);
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGXFSZ);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    int error = posix_spawn(out, "/bin/sh", &files, &attributes, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    free_environment(env);
    return error;
}

static void end_group(pid_t pid)
{
    kill(-pid, SIGTERM);
    for (int i = 0; i < TERM_TRIES; i++) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return;
        usleep(1000 * LOOK_MS);
    }
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int judge(const struct before *b, int status, struct err *e)
{
    char when[40] = "before the first round";
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return OK;
    if (b->round > 0)
        snprintf(when, sizeof when, "before round %" PRId64, b->round);
    if (WIFSIGNALED(status))
        return err_set(e, ERR_NET, "%s was ended by signal %d %s: %s", b->option, WTERMSIG(status),
                       when, b->command);
    return err_set(e, ERR_NET, "%s ended with status %d %s: %s", b->option, WEXITSTATUS(status),
                   when, b->command);
}

int before_run(const struct before *b, struct err *e)
{
    pid_t pid;
    int status = 0, error = spawn(b, &pid);
    if (error != 0)
        return err_set(e, ERR_NET, "%s cannot be run: %s", b->option, strerror(error));
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (wants_stop(b->signal_fd, LOOK_MS)) {
            end_group(pid);
            return err_set(e, ERR_INTERRUPTED, "interrupted");
        }
    }
    return judge(b, status, e);
}

/* --- the server --- */

int before_await(const struct probe_target *t, const char *name, int64_t timeout_ns,
                 void (*waiting)(void *context), void *context, struct err *e)
{
    int64_t deadline_ns = clock_mono_ns() + timeout_ns;
    for (bool told = false;;) {
        int rc = probe_answers(t, e);
        if (rc == OK || rc == ERR_INTERRUPTED)
            return rc;
        if (clock_mono_ns() >= deadline_ns)
            return err_prefix(e, "%s did not answer in time (--ready-timeout): ", name);
        if (!told)
            waiting(context);
        told = true;
        if (wants_stop(t->cancel_fd, ASK_AGAIN_MS))
            return err_set(e, ERR_INTERRUPTED, "interrupted");
    }
}
