#ifndef LOADLINE_NET_CONN_OPEN_H
#define LOADLINE_NET_CONN_OPEN_H

/* From nothing to a connection that can carry a request: addresses in turn, connect, TLS handshake. */

#include "net/exchanger.h"

/* Opens a connection for x (NULL: ahead of need). Never calls a handler: what fails at once becomes
 * FAILED and is reported by the exchanger's next run. */
void conn_open(struct exchanger *xr, struct exchange *x);

/* The attempt in progress ended one way or the other. */
void conn_connect_event(struct conn *c);

/* Bytes were fed to c->tls: go on with the handshake. */
void conn_handshake(struct conn *c);

/* The peer closed, or the connection broke (error: errno, 0 for closed), before the handshake was over. */
void conn_handshake_lost(struct conn *c, int error);

/* Serves a FAILED or WAITING connection. True when a handler was called. */
bool conn_tend_later(struct conn *c, int64_t now_ns);

#endif
