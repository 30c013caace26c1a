#ifndef LOADLINE_SERVE_FAULT_SEND_H
#define LOADLINE_SERVE_FAULT_SEND_H

/* A token's message to a client whose stream has a fault. */

#include "serve/client.h"

struct fault_message {
    struct slice data;  /* events, without the chunk around them */
    bool chunked, last;
    int64_t done, tokens; /* this one is token `done` (from 1) of so many */
    struct client_mark mark;
};

/* Sends it as the fault has it. True when it went out as a whole (perhaps later, with others); false when the stream is over
 * or stays silent: then the client, if it is still there, keeps its generation until it is closed, or has none any more. */
bool fault_send(struct client *c, const struct fault_message *m);

#endif
