#ifndef LOADLINE_NET_CONN_RECEIVE_H
#define LOADLINE_NET_CONN_RECEIVE_H

/* The receiving side of a connection: one read per readiness, its stamp, and what it holds delivered to
 * the exchange. Handlers are called. */

#include "net/exchanger.h"

/* The last wait listed c as readable. */
void conn_receive(struct conn *c);

#endif
