#include "net/poller.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

static uint32_t mask_of(int interest)
{
    return (interest & POLLER_READ ? EPOLLIN : 0U) | (interest & POLLER_WRITE ? EPOLLOUT : 0U);
}

static int control(struct poller *p, int operation, int fd, int interest, void *owner)
{
    struct epoll_event ev = {.events = mask_of(interest), .data.ptr = owner};
    return epoll_ctl(p->fd, operation, fd, &ev) == 0 ? OK : ERR_IO;
}

int poller_init(struct poller *p, struct err *e)
{
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->fd < 0)
        return err_set(e, ERR_IO, "cannot watch sockets: %s; raise the limit with 'ulimit -n'",
                       strerror(errno));
    return OK;
}

void poller_release(struct poller *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

int poller_add(struct poller *p, int fd, int interest, void *owner)
{
    return control(p, EPOLL_CTL_ADD, fd, interest, owner);
}

int poller_change(struct poller *p, int fd, int interest, void *owner)
{
    return control(p, EPOLL_CTL_MOD, fd, interest, owner);
}

void poller_remove(struct poller *p, int fd)
{
    control(p, EPOLL_CTL_DEL, fd, 0, NULL);
}

/* Kernels before 5.11 and some sandboxes lack epoll_pwait2: an epoll descriptor can itself be
 * polled, with a time-out as fine, for one more system call. */
static int wait_by_polling(int fd, struct epoll_event *ready, const struct timespec *timeout)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = ppoll(&p, 1, timeout, NULL);
    return n > 0 ? epoll_wait(fd, ready, POLLER_MAX_EVENTS, 0) : n;
}

static int wait_for(int fd, struct epoll_event *ready, int64_t timeout_ns)
{
    if (timeout_ns <= 0)
        return epoll_wait(fd, ready, POLLER_MAX_EVENTS, timeout_ns == 0 ? 0 : -1);
    struct timespec t = {.tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S};
    int n = epoll_pwait2(fd, ready, POLLER_MAX_EVENTS, &t, NULL);
    if (n < 0 && (errno == ENOSYS || errno == EPERM))
        return wait_by_polling(fd, ready, &t);
    return n;
}

int poller_wait(struct poller *p, int64_t timeout_ns, struct poller_event *events)
{
    struct epoll_event ready[POLLER_MAX_EVENTS];
    int n = wait_for(p->fd, ready, timeout_ns);
    for (int i = 0; i < n; i++)
        events[i] = (struct poller_event){
            .owner = ready[i].data.ptr,
            .readable = ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR),
            .writable = ready[i].events & EPOLLOUT,
        };
    return n < 0 ? 0 : n;
}
