#ifndef LOADLINE_NET_TLS_FAULT_H
#define LOADLINE_NET_TLS_FAULT_H

/* OpenSSL's failures as sentences a user can act on. They are written to follow "cannot connect to
 * ADDRESS: ". Each call empties OpenSSL's error queue. */

#include <openssl/ssl.h>

#include "base/err.h"

/* The newest error of the queue in OpenSSL's words. */
const char *tls_fault_reason(void);

/* Both return ERR_TLS. host: the server's name, NULL on the server's own side; refused: the certificate
 * that did not stand, or NULL. */
int tls_fault_handshake(SSL *ssl, const X509 *refused, const char *host, struct err *e);
int tls_fault_stream(const char *host, struct err *e);

#endif
