#ifndef LOADLINE_TESTS_NET_SUPPORT_H
#define LOADLINE_TESTS_NET_SUPPORT_H

/* What the net tests share: a server whose behaviour is a function (one thread per connection), a client
 * that notes what its handler was told, and certificates made on the spot. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "net/exchange.h"

/* ---- files ---- */

struct scratch {
    char dir[64];
};
void scratch_make(struct scratch *s);
void scratch_remove(struct scratch *s); /* with all files in it */
const char *scratch_path(const struct scratch *s, const char *name, char out[128]);

/* ---- certificates ---- */

struct cert_wish {
    const char *name;       /* files NAME.pem and NAME.key in the scratch */
    const char *san;        /* "DNS:localhost,IP:127.0.0.1"; NULL for an authority */
    const char *issuer;     /* name of an authority made before; NULL: self-signed */
    bool expired;
};
void cert_make(const struct scratch *s, const struct cert_wish *w);

/* ---- the server ---- */

struct peer { /* one accepted connection, blocking */
    struct server *server;
    int fd;
    int number; /* 0 for the first connection accepted */
    struct tls *tls;
    struct buf in;
};

struct server {
    void (*serve)(struct peer *p);
    void *context;
    struct tls_context *tls;
    int listener;
    struct address at;
    atomic_int accepted;
    atomic_bool stopping;
    pthread_t thread;
};

/* where: "127.0.0.1", "::1" or a socket's path. False when the address is not available here. */
bool server_start(struct server *s, const char *where, void (*serve)(struct peer *p));
/* The same in two steps, for what must happen between them. */
bool server_listen(struct server *s, const char *where, void (*serve)(struct peer *p));
void server_go(struct server *s);
void server_stop(struct server *s);
/* "http://127.0.0.1:PORT", "unix:…" or https for a server with TLS and a host. */
const char *server_url(const struct server *s, const char *host, char out[160]);

bool peer_request(struct peer *p, struct buf *request); /* head and body; false at the end */
void peer_send(struct peer *p, const char *text);
void peer_send_bytes(struct peer *p, struct slice bytes);
void peer_reset(struct peer *p); /* closes with a RST */
void peer_hold(struct peer *p);  /* waits until the client goes away */

/* ---- the client ---- */

enum { NOTED_STAMPS = 64 };

struct client {
    struct exchange x;
    struct buf body;
    struct stamp stamps[NOTED_STAMPS];
    size_t slices, read_ends, ends;
    int heads;
    char content_type[64];
    enum exchange_outcome outcome;
    struct err why;
    bool done;
};

extern const struct exchange_handler client_handler;

struct rig { /* an endpoint and an exchanger on it */
    struct endpoint ep;
    struct exchanger *xr;
    struct route *post;
};

void rig_open(struct rig *r, const char *url, const struct tls_options *tls,
              const struct exchanger_options *o);
void rig_close(struct rig *r);
void client_init(struct client *c, const struct rig *r, const char *body);
void client_start(struct client *c, struct rig *r);
void client_wait(struct client *c, struct rig *r); /* fails the test after half a minute */
void client_run(struct client *c, struct rig *r);  /* start and wait */
void client_release(struct client *c);
bool client_said(const struct client *c, const char *text);

#endif
