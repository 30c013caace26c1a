#include "net/sock.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    /* The kernel cuts it to net.core.somaxconn. */
    FULL_BACKLOG = 65535,
    /* Room for SCM_TIMESTAMPING and whatever else a kernel may add. */
    CONTROL_BYTES = 256,
};

static bool is_tcp(const struct address *a)
{
    return a->storage.ss_family == AF_INET || a->storage.ss_family == AF_INET6;
}

static void set_no_delay(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

static int open_stream(const struct address *a)
{
    int fd = socket(a->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (is_tcp(a))
        set_no_delay(fd);
    return fd;
}

static int close_with(int fd, int error)
{
    close(fd);
    return -error;
}

int sock_connect(const struct address *to, bool stamps, bool *connected)
{
    int fd = open_stream(to);
    if (fd < 0)
        return fd;
    if (stamps && is_tcp(to))
        sock_enable_stamps(fd);
    *connected = connect(fd, (const struct sockaddr *)&to->storage, to->size) == 0;
    if (!*connected && errno != EINPROGRESS)
        return close_with(fd, errno);
    return fd;
}

int sock_connect_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return errno;
    return error;
}

bool sock_enable_stamps(int fd)
{
    int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) == 0;
}

static int64_t stamp_of(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        struct scm_timestamping stamps;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPING ||
            c->cmsg_len < CMSG_LEN(sizeof stamps))
            continue;
        memcpy(&stamps, CMSG_DATA(c), sizeof stamps);
        return clock_ns_of(stamps.ts[0]);
    }
    return 0;
}

long sock_receive(int fd, char *p, size_t room, int64_t *real_ns)
{
    union {
        struct cmsghdr align;
        char bytes[CONTROL_BYTES];
    } control;
    struct iovec part = {.iov_base = p, .iov_len = room};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do
        n = recvmsg(fd, &m, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    *real_ns = n > 0 ? stamp_of(&m) : 0;
    return n < 0 ? -errno : n;
}

long sock_send(int fd, struct iovec *parts, size_t count)
{
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t n;
    do
        n = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

bool sock_path(int fd, struct sock_path *out)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info); /* an older kernel fills less of it */
    *out = (struct sock_path){0};
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return false;
    *out = (struct sock_path){info.tcpi_rtt, info.tcpi_min_rtt, info.tcpi_total_retrans};
    return true;
}

/* A unix socket's file outlives its server; one that refuses connections has none. */
static bool remove_dead_socket(const struct address *at)
{
    int fd = open_stream(at);
    if (fd < 0)
        return false;
    bool dead =
        connect(fd, (const struct sockaddr *)&at->storage, at->size) < 0 && errno == ECONNREFUSED;
    close(fd);
    const struct sockaddr_un *un = (const struct sockaddr_un *)&at->storage;
    return dead && unlink(un->sun_path) == 0;
}

static int bind_to(int fd, const struct address *at)
{
    const struct sockaddr *to = (const struct sockaddr *)&at->storage;
    if (bind(fd, to, at->size) == 0)
        return 0;
    if (errno == EADDRINUSE && !is_tcp(at) && remove_dead_socket(at) && bind(fd, to, at->size) == 0)
        return 0;
    return errno;
}

static int listen_error(const struct address *at, int error, struct err *e)
{
    const char *advice = "";
    if (error == EADDRINUSE)
        advice = "; another server listens there: stop it or choose another";
    else if (error == EADDRNOTAVAIL)
        advice = "; this machine does not have that address";
    else if (error == EACCES)
        advice = "; ports below 1024 and others' folders need permission";
    return err_set(e, ERR_NET, "cannot listen on %s: %s%s", at->text, strerror(error), advice);
}

int sock_listen(const struct address *at, struct err *e)
{
    int fd = open_stream(at);
    if (fd < 0)
        return listen_error(at, -fd, e);
    if (is_tcp(at))
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (at->storage.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int));
    int error = bind_to(fd, at);
    if (error == 0 && listen(fd, FULL_BACKLOG) < 0)
        error = errno;
    if (error == 0)
        return fd;
    close(fd);
    return listen_error(at, error, e);
}

bool sock_local_address(int fd, struct address *out)
{
    *out = (struct address){.size = sizeof out->storage};
    if (getsockname(fd, (struct sockaddr *)&out->storage, &out->size) < 0)
        return false;
    address_describe(out);
    return true;
}

int sock_accept(int listener)
{
    int fd;
    do
        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0)
        return -errno;
    set_no_delay(fd); /* fails harmlessly on unix sockets */
    return fd;
}
