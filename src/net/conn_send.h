#ifndef LOADLINE_NET_CONN_SEND_H
#define LOADLINE_NET_CONN_SEND_H

/* The sending side of a connection. Nothing here calls a handler: when the peer takes no more, the reads
 * that follow tell what it said before. */

#include "net/exchanger.h"

/* Begins c->x's request on a connection that stands. */
void conn_begin_request(struct conn *c);

/* Sends what the socket takes of the request; goes on when it is writable again. */
void conn_send(struct conn *c);

/* Sends what stands in c->out (handshake, alerts). True when all of it went. */
bool conn_flush(struct conn *c);

#endif
