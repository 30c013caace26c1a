#ifndef LOADLINE_WIRE_URL_H
#define LOADLINE_WIRE_URL_H

/* What an http(s) or unix URL names: http://host[:port][/path], https://…, unix:/path.sock[:/path].
 * IPv6 hosts in brackets (stored without them). User info and fragments are refused. */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct url {
    bool tls;
    bool is_unix;
    char host[256];  /* host name or address; for unix the socket's path */
    uint16_t port;   /* 80 or 443 when not given; 0 for unix */
    char path[1024]; /* without a trailing slash; "" for the root */
};

/* ERR_USAGE with a sentence that shows the form when text is not such a URL. */
int url_parse(struct slice text, struct url *out, struct err *e);

/* Value of the Host header: the port only where it is not the scheme's own, brackets for IPv6. */
const char *url_host_header(const struct url *u, char *out, size_t out_bytes);

#endif
