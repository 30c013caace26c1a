#ifndef LOADLINE_NET_TLS_H
#define LOADLINE_NET_TLS_H

/* TLS over memory BIOs: this module moves bytes between plaintext and records and touches no socket, so
 * the kernel's receive stamps stay with the reads that brought the records. A tls_context is shared by
 * threads; a struct tls belongs to one connection. */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct tls_options {
    const char *ca_file;   /* trusted roots besides the system's own; NULL for none */
    bool insecure;         /* do not verify */
};

struct tls_context;
struct tls;

int tls_client_context(const struct tls_options *o, struct tls_context **out, struct err *e);
int tls_server_context(const char *cert_file, const char *key_file, struct tls_context **out,
                       struct err *e);
void tls_context_release(struct tls_context *c);

/* host: verified against the certificate and sent as SNI (not for addresses). A session kept from an
 * earlier connection of this context is offered. NULL host: the server's side. */
struct tls *tls_new(struct tls_context *c, const char *host);
void tls_free(struct tls *t);

/* Received ciphertext goes in; what must be sent comes out appended to `send`. */
int tls_feed(struct tls *t, struct slice cipher);
/* 1 when the handshake is complete, 0 when it needs more bytes, ERR_TLS with a sentence (the certificate's
 * fault by name: expired, wrong host, unknown issuer). */
int tls_handshake(struct tls *t, struct buf *send, struct err *e);
/* Decrypts into out (room bytes). > 0 bytes, 0 none now, ERR_TLS; *closed on close_notify. */
long tls_read(struct tls *t, char *out, size_t room, bool *closed, struct buf *send, struct err *e);
int tls_write(struct tls *t, struct slice plain, struct buf *send, struct err *e);
/* That nothing more will be sent, in order (close_notify); nothing before the handshake is complete. */
void tls_end(struct tls *t, struct buf *send);
bool tls_resumed(const struct tls *t);
const char *tls_version(const struct tls *t);

#endif
