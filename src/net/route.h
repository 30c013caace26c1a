#ifndef LOADLINE_NET_ROUTE_H
#define LOADLINE_NET_ROUTE_H

/* What a route holds; for this room only. */

#include "base/buf.h"
#include "net/exchange.h"

struct route {
    struct buf head;     /* request line and headers that are the same for all, no blank line yet */
    bool bodyless;       /* of the method: no Content-Length when the body is empty */
    bool no_answer_body; /* HEAD */
};

#endif
