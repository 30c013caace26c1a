#ifndef LOADLINE_SERVE_CLIENT_H
#define LOADLINE_SERVE_CLIENT_H

/* A connection from a client: requests in, one after another, and the bytes of their answers out. While an answer is
 * generated the bytes of later requests wait. A closed client stays in memory until client_sweep, since
 * events of the same turn may name it: look at `fd` (−1 when closed). */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "serve/server.h"
#include "wire/http1.h"

struct generation;

struct client_mark { /* the byte before `end` (of queued_bytes) ends so many tokens of the truth's request */
    uint64_t end;
    uint32_t request, token, count, step;
};

struct client {
    struct server *server;
    int fd;
    struct tls *tls;               /* NULL: plain */
    bool tls_stands;               /* its handshake is complete */
    int interest;                  /* what the poller watches for */
    struct http1 http;
    char method[16], target[256];  /* cut when longer: nothing we serve is */
    char request_id[128];
    struct buf body;
    struct buf in;                 /* of later requests */
    struct buf out;                /* not yet taken by the kernel */
    struct generation *generation; /* the answer under way */
    bool close_after;              /* this answer is the last */
    bool ended;                    /* it was given: what still comes in is dropped */
    bool lingering;                /* answered before the request was complete: read its rest, drop it */
    int64_t active_ns;             /* last byte in or out */
    uint64_t queued_bytes, sent_bytes; /* handed over to this connection; of them taken by the kernel */
    struct fault fault;            /* of the request under way */
    struct buf held;               /* FAULT_COALESCE: messages of so many tokens */
    uint32_t held_tokens;
    size_t drip;                   /* FAULT_SLOW_HEADERS: bytes of `out` that go out one by one */
    struct buf marks;              /* struct client_mark: tokens among the bytes not yet sent */
    struct client *prev, *next;
};

/* Takes over fd. */
void client_new(struct server *s, int fd);

void client_readable(struct client *c);
void client_writable(struct client *c);

/* Sends bytes, or keeps them until the kernel takes them. False when the client was closed: it is gone, or it
 * reads more slowly than `bound` bytes of backlog allow (0: no bound). */
bool client_send(struct client *c, const char *p, size_t n, size_t bound);

/* The same for a message that ends tokens: the truth is told when the kernel has taken its last byte. `end` is filled
 * in here. */
bool client_send_tokens(struct client *c, const char *p, size_t n, size_t bound,
                        const struct client_mark *mark);

/* A whole response. */
void client_respond(struct client *c, int status, const char *content_type, struct slice body);
/* The same with a whole answer of tokens, as JSON. */
void client_respond_tokens(struct client *c, struct slice body, const struct client_mark *mark);
void client_refuse(struct client *c, int status, const char *message, const char *param,
                   const char *allow);

/* The answer is complete (client_respond and client_refuse say so themselves): closes if it was the last. */
void client_answered(struct client *c);

/* After a generation's answer: goes on with the requests that came in meanwhile. */
void client_resume(struct client *c);

/* Closes it in order: under TLS the client is told that no more will come, if all before has gone out. */
void client_end(struct client *c);

/* Closes it as it is. */
void client_close(struct client *c);

/* Closes it with a reset. */
void client_reset(struct client *c);

/* What is sent now goes out slowly, byte by byte. */
void client_drip(struct client *c, const char *p, size_t n);

/* The next byte of all that are slow, when it is due. */
void client_drip_all(struct server *s, int64_t now_ns);

/* Closes what was idle for long; frees what was closed. */
void client_expire(struct server *s, int64_t now_ns);
void client_sweep(struct server *s);

#endif
