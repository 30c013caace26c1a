#ifndef LOADLINE_NET_FETCH_H
#define LOADLINE_NET_FETCH_H

/* One request, one answer, blocking: for set-up questions (models, tokenize, metrics), never for load. */

#include "base/buf.h"
#include "net/exchange.h"

struct fetch_result {
    int status;
    char content_type[128];
    char server[128];
    struct buf body;                 /* fetch_result_release frees it */
    bool truncated;                  /* body was longer than max_body_bytes; the rest was dropped */
    enum exchange_outcome outcome;
    struct exchange_times times;
};

struct fetch_request {
    const char *method;              /* "GET" when body is empty, else "POST", if NULL */
    const char *path;                /* behind the endpoint's own path */
    const char *const *header_lines;
    size_t header_count;
    struct slice body;
    int64_t timeout_ns;
    size_t max_body_bytes;           /* 0: 16 MiB */
    int cancel_fd;                   /* readable: give up (ERR_INTERRUPTED); ≤ 0 for none */
};

/* OK whenever a complete response came, whatever its status. Otherwise ERR_NET, ERR_TLS, ERR_TIMEOUT,
 * ERR_PROTOCOL or ERR_INTERRUPTED with a sentence that names the address and what to try. */
int fetch(const struct endpoint *ep, const struct fetch_request *q, struct fetch_result *out,
          struct err *e);
void fetch_result_release(struct fetch_result *r);

#endif
