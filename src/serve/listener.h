#ifndef LOADLINE_SERVE_LISTENER_H
#define LOADLINE_SERVE_LISTENER_H

/* Where the server listens. */

#include "base/err.h"
#include "net/resolve.h"

struct listener {
    int fd;
    struct address at; /* the port filled in */
    uint16_t port;     /* 0 for unix */
};

/* text: "HOST:PORT", "[IPv6]:PORT", "unix:/PATH". ERR_USAGE, ERR_NET. */
int listener_open(const char *text, struct listener *out, struct err *e);

/* Closes it; a unix socket's file goes with it. */
void listener_close(struct listener *l);

#endif
