#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_TIMEOUT_MS = 10000, STOP_TRIES = 100, STOP_STEP_US = 10000, FINISH_TRIES = 6000 };

static _Noreturn void become_engine(const char *spec, const char *seed, const char *const *more,
                                    int ready_fd, pid_t parent)
{
    char fd[16], ppid[16];
    sigset_t none;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(fd, sizeof fd, "%d", ready_fd);
    snprintf(ppid, sizeof ppid, "%d", (int)parent);
    const char *argv[12 + CHILD_MAX_MORE + 1] = {
        "loadline", "sim",        spec, "--listen", "127.0.0.1:0", "--seed",
        seed,       "--ready-fd", fd,   "--parent", ppid,          "--quiet"};
    for (size_t i = 0; more && i < CHILD_MAX_MORE && more[i]; i++)
        argv[12 + i] = more[i];
    execv("/proc/self/exe", (char *const *)argv);
    _exit(127);
}

/* Reads "PORT\n" from the child. */
static int await_port(int fd, struct child *c, struct err *e)
{
    char text[16];
    size_t n = 0;
    while (n < sizeof text - 1) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, START_TIMEOUT_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t got = ready > 0 ? read(fd, text + n, sizeof text - 1 - n) : 0;
        if (got <= 0)
            break;
        n += (size_t)got;
        if (text[n - 1] == '\n') {
            text[n - 1] = '\0';
            c->port = (int)strtol(text, NULL, 10);
            return OK;
        }
    }
    return err_set(e, ERR_NET, "the embedded engine did not start (see its message above)");
}

int child_start(const char *spec, const char *seed, struct child *out, struct err *e)
{
    return child_start_with(spec, seed, NULL, out, e);
}

int child_start_with(const char *spec, const char *seed, const char *const *more, struct child *out,
                     struct err *e)
{
    int fds[2];
    pid_t parent = getpid();
    if (pipe2(fds, 0) < 0)
        return err_set(e, ERR_IO, "cannot open a pipe: %s", strerror(errno));
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    *out = (struct child){.pid = fork()};
    if (out->pid < 0) {
        close(fds[0]);
        close(fds[1]);
        return err_set(e, ERR_IO, "cannot start the embedded engine: %s", strerror(errno));
    }
    if (out->pid == 0)
        become_engine(spec, seed, more, fds[1], parent);
    close(fds[1]);
    int rc = await_port(fds[0], out, e);
    close(fds[0]);
    if (rc < 0)
        child_stop(out);
    return rc;
}

int child_finish(struct child *c, struct err *e)
{
    int status = -1;
    kill(c->pid, SIGTERM);
    for (int i = 0; i < FINISH_TRIES; i++) {
        if (waitpid(c->pid, &status, WNOHANG) != 0) {
            c->pid = 0;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return OK;
            return err_set(e, ERR_IO,
                           "the embedded engine did not end well (see its message above)");
        }
        usleep(STOP_STEP_US);
    }
    child_stop(c);
    return err_set(e, ERR_IO, "the embedded engine did not end within a minute");
}

void child_stop(struct child *c)
{
    if (c->pid <= 0)
        return;
    kill(c->pid, SIGTERM);
    for (int i = 0; i < STOP_TRIES; i++) {
        if (waitpid(c->pid, NULL, WNOHANG) != 0) {
            c->pid = 0;
            return;
        }
        usleep(STOP_STEP_US);
    }
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    c->pid = 0;
}
