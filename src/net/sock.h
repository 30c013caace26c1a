#ifndef LOADLINE_NET_SOCK_H
#define LOADLINE_NET_SOCK_H

/* Stream sockets, always non-blocking and close-on-exec, TCP without Nagle's delay. Functions that
 * return a descriptor or a count return −errno on failure. Nothing here raises SIGPIPE. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "net/resolve.h"

/* Starts to connect. The descriptor is writable when the attempt ended; *connected when it already
 * stands. With `stamps`, the kernel is asked for receive stamps (TCP only). */
int sock_connect(const struct address *to, bool stamps, bool *connected);

/* 0 when the connection stands, else the errno that ended the attempt. */
int sock_connect_error(int fd);

/* Asks the kernel for software receive stamps. False where it will not. */
bool sock_enable_stamps(int fd);

/* Reads what is there. 0 is the end of the stream. *real_ns is the CLOCK_REALTIME receive stamp of the
 * newest byte read, 0 without one. */
long sock_receive(int fd, char *p, size_t room, int64_t *real_ns);

long sock_send(int fd, struct iovec *parts, size_t count);

struct sock_path {
    uint32_t rtt_us, min_rtt_us;
    uint32_t retransmits; /* since the connection was opened */
};

/* TCP_INFO; false (and zeros) on other sockets. */
bool sock_path(int fd, struct sock_path *out);

/* A listening socket with the fullest backlog the system allows. Port 0 takes a free one; a unix socket
 * left behind by a dead process is replaced. Negative err_code with a sentence on failure. */
int sock_listen(const struct address *at, struct err *e);

/* The address a socket is bound to, port filled in. */
bool sock_local_address(int fd, struct address *out);

/* The next waiting connection; −EAGAIN when there is none. */
int sock_accept(int listener);

#endif
