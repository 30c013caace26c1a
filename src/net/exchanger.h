#ifndef LOADLINE_NET_EXCHANGER_H
#define LOADLINE_NET_EXCHANGER_H

/* The inside of an exchanger, for this room only. A connection carries one exchange at a time and lives
 * in exactly one list; its state says what it waits for:
 *
 *   FAILED, WAITING  on `later`: could not be opened, or must be tried again in a moment
 *   CONNECTING, HANDSHAKING, ACTIVE  on `busy`
 *   IDLE             on `idle`, most recently used first
 *   DEAD             on `dead`: closed, its memory kept until no event of the last wait can name it
 *
 * Handlers are called from exchanger_run and exchange_cancel alone, never from exchange_start, so that an
 * `end` that starts the next exchange never nests. After each call of a handler the connection may be
 * DEAD or carry another exchange: callers look before they go on. */

#include "base/buf.h"
#include "net/deadlines.h"
#include "net/exchange.h"
#include "net/poller.h"
#include "net/stampclock.h"
#include "wire/http1.h"

enum conn_state {
    CONN_FAILED,
    CONN_WAITING,
    CONN_CONNECTING,
    CONN_HANDSHAKING,
    CONN_ACTIVE,
    CONN_IDLE,
    CONN_DEAD,
};

struct conn_list {
    struct conn *head, *tail;
};

/* A value of the head being read, as a place in head_text. */
struct head_value {
    uint32_t at, n;
};

struct conn {
    struct conn *prev, *next;
    struct conn_list *in;
    struct exchanger *xr;
    struct exchange *x;        /* NULL: idle, or opened ahead */
    struct tls *tls;
    struct deadline deadline;  /* of x */
    enum conn_state state;
    int fd;                    /* −1 when there is none */
    int interest;
    int error;                 /* errno of the last failed attempt to connect */

    uint64_t tried;            /* addresses tried, one bit each */
    size_t address;            /* the one tried last */
    int64_t began_ns;          /* opening, then the handshake, began */
    int64_t retry_ns;          /* WAITING: when to try again */
    int64_t idle_since_ns;
    bool pooled;               /* stood open before x came */
    bool carried;              /* has carried an exchange before x */

    char tail[64];             /* Content-Length and the blank line */
    size_t sent;               /* bytes of x's request given to the socket, or to TLS */
    struct buf out;            /* TLS records to send */
    size_t out_sent;
    bool request_sent;
    bool send_broken;          /* the peer takes no more; what it sent may still be read */

    struct http1 parser;
    struct buf head_text;      /* freed when the head is complete */
    struct head_value content_type, retry_after, server;
    bool answered;             /* a byte of the response came */
    bool head_done;
    int64_t bound_ns;          /* nothing of the next read was there at this moment */
    uint64_t listed_wait;      /* number of the last wait that listed this socket */
    int64_t last_at_ns;        /* stamp of the newest read */
    uint32_t retransmits_before;
};

struct exchanger {
    const struct endpoint *ep;
    struct exchanger_options options;
    struct exchanger_stats stats;
    struct poller poller;
    struct stampclock clock;
    bool wants_stamps;
    struct conn_list busy, idle, later, dead;
    int64_t later_ns;          /* when to look at `later` */
    unsigned broken_promises;  /* kept-alive connections found closed, since one last carried an answer */
    int64_t retire_ns;         /* idle time after which a connection is closed */
    struct deadlines deadlines;
    size_t in_flight;
    size_t turn;               /* address to begin with next */
    uint64_t refused;          /* addresses whose last attempt failed, one bit each */
    char *buffer;              /* what a read fills */
    char *plain;               /* what TLS decrypts into; NULL without TLS */
    uint64_t read_id;
    int wake_fd;

    size_t preconnecting;      /* opened ahead, not yet standing */
    size_t preconnected;
    struct err preconnect_error;

    struct poller_event events[POLLER_MAX_EVENTS];
    int event_count, event_next;
    int64_t now_ns;            /* newest reading of the clock */
    uint64_t wait_number;
    int64_t wait_ns;           /* return of the last wait */
    uint64_t free_wait;        /* number of the last wait that had room for more events… */
    int64_t free_wait_ns;      /* …and its return */
    uint64_t free_before;      /* the same, of the one before the wait whose events are served */
    int64_t free_before_ns;
};

enum {
    /* The largest plaintext of a TLS record (RFC 8446, 5.1). */
    TLS_RECORD_BYTES = 16 * 1024,
};

/* An exchanger that asks for no stamps and does not wait for the first; else as exchanger_new. */
int exchanger_new_unstamped(const struct endpoint *ep, const struct exchanger_options *o,
                            struct exchanger **out, struct err *e);

/* Puts a connection into another list (NULL: none). */
void conn_move(struct conn *c, struct conn_list *to);
/* Only the first call for a descriptor can fail: ERR_IO, too many are watched. */
int conn_watch(struct conn *c, int interest);

/* Closes and moves to `dead`; says nothing to x. */
void conn_close(struct conn *c);

/* Ends c's exchange: fills its last fields, keeps the connection when `reusable`, closes it otherwise,
 * then calls end. Without an exchange it only closes. why: NULL for none. */
void conn_finish(struct conn *c, enum exchange_outcome outcome, const struct err *why, bool reusable);

/* Sets c aside, without a socket or with one that is of no use. */
void conn_postpone(struct conn *c, enum conn_state state, int error, int64_t until_ns);

/* Frees what is `dead`; only when no event of the last wait is left. */
void exchanger_bury(struct exchanger *xr);

/* Closes idle connections that have stood too long. */
void exchanger_retire(struct exchanger *xr, int64_t now_ns);

/* The address c is or was connected to, for messages. */
const char *conn_address(const struct conn *c);

#endif
