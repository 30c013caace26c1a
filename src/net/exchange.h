#ifndef LOADLINE_NET_EXCHANGE_H
#define LOADLINE_NET_EXCHANGE_H

/* A request goes in; a head, stamped slices of body and an end come out. An exchange is not a connection:
 * which connection carries it (new, kept alive, later one stream among many of HTTP/2) is this room's
 * business. One thread owns an exchanger and everything in it; nothing here takes locks.
 *
 * Order of calls on the handler: head? (body | read_end)* end — end exactly once, also on failure and
 * after exchange_cancel; after end the exchange is the caller's to reuse. Handlers may start or cancel
 * other exchanges but must not free the one they are called for before end. */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hist.h"
#include "base/slice.h"
#include "net/resolve.h"
#include "net/stamp.h"
#include "net/tls.h"
#include "wire/url.h"

/* Where requests go, shared by all threads and unchanged during a run. */
struct endpoint {
    struct url url;
    struct addresses addresses;   /* used in turn */
    struct tls_context *tls;      /* NULL for plain */
};

/* url text → endpoint: parse, resolve, TLS context. ERR_USAGE, ERR_NET, ERR_TLS. */
int endpoint_open(struct slice url, const struct tls_options *tls, struct endpoint *out, struct err *e);
void endpoint_close(struct endpoint *ep);

/* The part of a request that is the same for all: method, path behind the URL's, extra header lines. A body is
 * said to be JSON unless these name another Content-Type. */
struct route;
struct route *route_new(const struct endpoint *ep, const char *method, const char *path,
                        const char *const *header_lines, size_t header_count);
void route_free(struct route *r);

enum exchange_outcome {
    EXCHANGE_OK = 0,          /* the response is complete, whatever its status */
    EXCHANGE_CONNECT_FAILED,  /* connect or TLS handshake */
    EXCHANGE_RESET,           /* connection lost before the response was complete, none of the others */
    EXCHANGE_TRUNCATED,       /* closed in the middle of a body */
    EXCHANGE_PROTOCOL,        /* bytes that are not HTTP */
    EXCHANGE_TIMEOUT,
    EXCHANGE_CANCELLED,
    EXCHANGE_NO_DESCRIPTOR,   /* EMFILE or ENFILE: the exchange was never sent */
};

struct exchange_times { /* 0 = did not happen */
    int64_t started_ns;       /* exchange_start was called */
    int64_t dns_ns;           /* duration of the look-up before the run; only when a connection was opened */
    int64_t connect_ns;       /* duration of the TCP connect, when this exchange opened a connection */
    int64_t tls_ns;           /* duration of the TLS handshake, likewise */
    int64_t sent_ns;          /* clock before the send that carried the request's last byte; of the first
                                 attempt when it was re-sent */
    int64_t first_byte_ns;    /* stamp of the response's first byte */
    int64_t end_ns;           /* stamp of its last byte, or the clock at a failure */
};

struct exchange_head {
    int status;
    struct slice content_type;  /* valid during the call */
    struct slice retry_after;
    struct slice server;
};

struct exchange;

struct exchange_handler {
    void (*head)(struct exchange *x, const struct exchange_head *head);
    void (*body)(struct exchange *x, struct slice data, const struct stamp *stamp);
    void (*read_end)(struct exchange *x, const struct stamp *stamp); /* all of one read was delivered */
    void (*end)(struct exchange *x, enum exchange_outcome outcome, const struct err *why);
};

struct exchange { /* zero-initialise; the first block is the caller's to fill before exchange_start */
    const struct route *route;
    const struct exchange_handler *handler;
    struct slice body;           /* must stay valid until end */
    struct slice request_id;     /* X-Request-Id; empty for none; must stay valid until end */
    int64_t deadline_ns;         /* 0 for none */
    void *owner;

    struct exchange_times times; /* filled along the way */
    int status;
    bool opened;                 /* this exchange opened its connection */
    bool reused;                 /* it was sent on one that had carried others */
    uint32_t resends;            /* 1 when a reused connection was closed under it and it was re-sent */
    uint64_t received_bytes;     /* as read from the socket */
    uint32_t rtt_us, min_rtt_us, retransmits; /* TCP_INFO at the end; 0 on unix sockets */
    struct conn *conn;           /* net's own */
};

struct exchanger_options {
    int64_t idle_retire_ns;      /* 0: 4 s */
    size_t read_buffer_bytes;    /* 0: 256 KiB */
    bool no_reuse;               /* a fresh connection per exchange */
};

struct exchanger_stats { /* one writer; other threads may read the atomics */
    uint64_t reads, full_reads, stamped_reads;
    uint64_t connections_opened, connections_retired, resends;
    uint32_t clock_steps;
    int64_t spin_ns;             /* time spent in zero-timeout polls while waiting for a due time */
    int64_t wait_ns;             /* time asleep */
    struct hist *read_lag;       /* read_ns − at_ns of every stamped read; may be NULL; set by the caller */
};

struct exchanger;

int exchanger_new(const struct endpoint *ep, const struct exchanger_options *o, struct exchanger **out,
                  struct err *e);
void exchanger_free(struct exchanger *xr); /* cancels what is in flight; handlers must start nothing then */
struct exchanger_stats *exchanger_stats(struct exchanger *xr);

/* Opens connections ahead of the start (TLS included) and waits until they stand or deadline_ns passes.
 * ERR_NET with the reason when none could be opened. */
int exchanger_preconnect(struct exchanger *xr, unsigned count, int64_t deadline_ns, struct err *e);

/* Starts x. No handler is called from within: what fails at once is told by the next exchanger_run, so
 * an `end` that starts the next exchange never nests. */
void exchange_start(struct exchanger *xr, struct exchange *x);
/* Ends x at once, closing its connection; nothing when x is not in flight. */
void exchange_cancel(struct exchanger *xr, struct exchange *x);

/* Moves x's deadline forward to at_ns, if it was later: what matters of the answer has come, and its end is not
 * worth a long wait. */
void exchange_hurry(struct exchanger *xr, struct exchange *x, int64_t at_ns);

/* Serves sockets and deadlines until at least due_ns (0: one look; INT64_MAX: until something happened),
 * returning early after each batch of events so that the caller can look at its schedule. Sleeps to
 * due − (150 µs + 0.2 % of the wait), then polls with zero timeout, so that it returns at due_ns within
 * a microsecond or so of it. `wake_fd` (−1 for none) makes it return when readable; it is watched
 * from one call to the next, so call once with another (or −1) before closing it. */
void exchanger_run(struct exchanger *xr, int64_t due_ns, int wake_fd);

size_t exchanger_in_flight(const struct exchanger *xr);

#endif
