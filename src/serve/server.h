#ifndef LOADLINE_SERVE_SERVER_H
#define LOADLINE_SERVE_SERVER_H

/* What the server's parts share; one thread owns it all. Inside this room only. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/poller.h"
#include "serve/exposition.h"
#include "serve/listener.h"
#include "serve/serve.h"
#include "sim/cluster.h"

struct client;

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
    int64_t date_s;           /* second that `date` was written for */
    char date[40];
    char *read_buffer;
    struct buf scratch;       /* one message under construction */
};

/* The value of a Date header, written once a second. */
struct slice server_date(struct server *s);

#endif
