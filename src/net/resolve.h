#ifndef LOADLINE_NET_RESOLVE_H
#define LOADLINE_NET_RESOLVE_H

/* Names to addresses, before a run starts and never in a driver thread. */

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "wire/url.h"

enum { RESOLVE_MAX_ADDRESSES = 64 };

struct address {
    struct sockaddr_storage storage;
    socklen_t size;
    char text[128]; /* "127.0.0.1:8000", "[::1]:8000" or the socket's path, for messages */
};

struct addresses {
    struct address list[RESOLVE_MAX_ADDRESSES];
    size_t n;
    int64_t took_ns; /* time the look-up took (dns) */
};

/* Every distinct address of the URL's host, in the resolver's order. ERR_NET when there is none. */
int resolve_url(const struct url *u, struct addresses *out, struct err *e);

/* Fills a->text from a->storage. */
void address_describe(struct address *a);

#endif
