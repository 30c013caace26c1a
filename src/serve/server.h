#ifndef LOADLINE_SERVE_SERVER_H
#define LOADLINE_SERVE_SERVER_H

/* What the server's parts share; one thread owns it all. Inside this room only. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/poller.h"
#include "net/tls.h"
#include "serve/exposition.h"
#include "serve/lateness.h"
#include "serve/listener.h"
#include "serve/metronome.h"
#include "serve/serve.h"
#include "serve/truth.h"
#include "sim/cluster.h"

struct client;

struct burst { /* the sends of the step that is ending */
    bool open;
    uint32_t sends;
    int64_t first_ns, last_ns; /* clock before the first and after the last */
};

struct server {
    const struct serve_options *options;
    const struct sim_config *config;
    struct poller poller;
    struct listener listener;
    bool accepting;           /* the listener is watched: not while descriptors are exhausted */
    struct cluster *cluster;
    struct exposition *counted; /* for each engine of the cluster */
    struct client *clients;   /* open */
    struct client *dead;      /* closed, still named by events of this turn of the loop */
    uint64_t requests;        /* generations begun: the number of the next */
    int64_t created_s;        /* wall clock at the start */
    int64_t ready_ns;         /* until then it is still starting */
    int64_t date_s;           /* second that `date` was written for */
    char date[40];
    char *read_buffer;
    struct buf scratch;       /* one message under construction */
    struct tls_context *tls;  /* NULL: plain */
    char *plain_buffer;       /* what TLS makes of read_buffer */
    struct buf wire;          /* what it makes of a message */
    struct metronome metronome;
    uint64_t connections;     /* accepted since the load began */
    bool loaded;              /* a request with an id was seen */
    int64_t drip_ns;          /* when the next byte of slow heads is due; 0: none is slow */
    struct burst burst;
    struct lateness lateness;
    struct truth *truth;      /* NULL: not kept */
};

/* The value of a Date header, written once a second. */
struct slice server_date(struct server *s);

#endif
