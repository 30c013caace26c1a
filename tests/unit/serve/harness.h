#ifndef LOADLINE_TESTS_SERVE_HARNESS_H
#define LOADLINE_TESTS_SERVE_HARNESS_H

/* A server on a thread of its own, and plain blocking sockets that talk to it. */

#include <pthread.h>

#include "base/buf.h"
#include "serve/serve.h"

struct harness {
    struct serve_options options;
    pthread_t thread;
    int stop[2], ready[2];
    int port;
    int result;
    struct err err;
};

/* listen: NULL for a free port of the loopback; engine: as behind "sim:". */
void harness_start(struct harness *h, const char *listen, const char *engine);
/* The same with further options (truth, metronome, …). */
void harness_start_with(struct harness *h, const struct serve_options *options, const char *engine);
void harness_stop(struct harness *h); /* asserts that the server ended well */

int harness_connect(const struct harness *h);
void harness_send(int fd, const char *text);

/* One response: head and body, chunked coding undone. */
struct response {
    int status;
    bool chunked, closed; /* closed: the connection ended before the message did */
    struct buf head, body;
};

/* Reads exactly one response; what came behind it stays in *rest for the next call. */
void harness_read(int fd, struct buf *rest, struct response *r);
void response_release(struct response *r);

/* A request on a connection of its own. body NULL: GET. */
void harness_ask(const struct harness *h, const char *path, const char *body, struct response *r);

/* The value of one line of /metrics. */
double harness_metric(const struct harness *h, const char *line_start);

/* Waits until that value is `want`; the test's own time limit ends a wait in vain. */
void harness_await_metric(const struct harness *h, const char *line_start, double want);

unsigned count_of(const struct buf *text, const char *needle);
bool has(struct buf *text, const char *needle);

#endif
