#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/tls_fault.h"

enum {
    /* Received records are kept in a buffer that is given back when it stands empty and has grown
     * past this: one token's record fits, so a stream of them allocates nothing. */
    IN_KEEP_BYTES = 1024,
};

/* Length-prefixed, as ALPN wants it (RFC 7301). */
static const unsigned char PROTOCOLS[] = "\x08http/1.1";
enum { PROTOCOLS_BYTES = sizeof PROTOCOLS - 1 };

struct tls_context {
    SSL_CTX *ctx;
    BIO_METHOD *bio;
    pthread_mutex_t lock; /* guards the two below */
    SSL_SESSION *session; /* the newest one a server gave */
    char *session_host;
};

struct tls {
    SSL *ssl;
    struct tls_context *context;
    char *host;    /* NULL on the server's side */
    struct buf in; /* received, not yet taken by OpenSSL */
    size_t in_taken;
    struct buf *send; /* where records go, set for the time of each call */
    X509 *refused;    /* the certificate that did not stand, for the sentence about it */
};

/* ---- OpenSSL's transport: our two buffers ---- */

static int bio_read(BIO *b, char *out, int room)
{
    struct tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    size_t n = t->in.n - t->in_taken;
    if (n == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    if (n > (size_t)room)
        n = (size_t)room;
    memcpy(out, t->in.p + t->in_taken, n);
    t->in_taken += n;
    if (t->in_taken == t->in.n) {
        t->in_taken = 0;
        buf_clear(&t->in);
        buf_shrink(&t->in, IN_KEEP_BYTES);
    }
    return (int)n;
}

static int bio_write(BIO *b, const char *p, int n)
{
    struct tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (!t->send || buf_append(t->send, p, (size_t)n) < 0)
        return -1;
    return n;
}

static long bio_control(BIO *b, int command, long number, void *pointer)
{
    (void)b;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *make_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "loadline buffers");
    if (m) {
        BIO_meth_set_read(m, bio_read);
        BIO_meth_set_write(m, bio_write);
        BIO_meth_set_ctrl(m, bio_control);
    }
    return m;
}

/* ---- contexts ---- */

/* Called by OpenSSL when a session can be resumed later: in TLS 1.3 with every ticket. A copy is
 * kept, so that no two threads ever hold the same session. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = SSL_get_app_data(ssl);
    struct tls_context *c = t->context;
    SSL_SESSION *copy = SSL_SESSION_dup(session);
    if (!copy)
        return 0;
    char *host = mem_strdup(t->host);
    pthread_mutex_lock(&c->lock);
    SSL_SESSION *old = c->session;
    char *old_host = c->session_host;
    c->session = copy;
    c->session_host = host;
    pthread_mutex_unlock(&c->lock);
    SSL_SESSION_free(old);
    free(old_host);
    return 0; /* the session itself stays OpenSSL's */
}

/* OpenSSL forgets a certificate that it refuses, with the names it is for. */
static int note_refused(int stands, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    if (!stands && cert && !t->refused && X509_up_ref(cert))
        t->refused = cert;
    return stands;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                           const unsigned char *in, unsigned in_bytes, void *arg)
{
    (void)ssl;
    (void)arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_bytes, PROTOCOLS, PROTOCOLS_BYTES, in, in_bytes) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static struct tls_context *context_new(const SSL_METHOD *method, struct err *e)
{
    struct tls_context *c = MEM_NEW(struct tls_context);
    pthread_mutex_init(&c->lock, NULL);
    ERR_clear_error();
    c->ctx = SSL_CTX_new(method);
    c->bio = make_bio_method();
    if (!c->ctx || !c->bio || !SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION)) {
        err_set(e, ERR_TLS, "cannot start TLS: %s", tls_fault_reason());
        tls_context_release(c);
        return NULL;
    }
    SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    return c;
}

static int trust(struct tls_context *c, const char *ca_file, struct err *e)
{
    SSL_CTX_set_default_verify_paths(c->ctx); /* a system without roots still has ca_file */
    if (!ca_file || SSL_CTX_load_verify_file(c->ctx, ca_file))
        return OK;
    return err_set(e, ERR_TLS,
                   "cannot read certificates from %s: %s; it should be a PEM file of the "
                   "authorities to trust",
                   ca_file, tls_fault_reason());
}

int tls_client_context(const struct tls_options *o, struct tls_context **out, struct err *e)
{
    *out = NULL;
    struct tls_context *c = context_new(TLS_client_method(), e);
    if (!c)
        return ERR_TLS;
    bool verify = !(o && o->insecure);
    SSL_CTX_set_alpn_protos(c->ctx, PROTOCOLS, PROTOCOLS_BYTES);
    SSL_CTX_set_session_cache_mode(c->ctx,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(c->ctx, keep_session);
    SSL_CTX_set_verify(c->ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                       verify ? note_refused : NULL);
    int rc = verify ? trust(c, o ? o->ca_file : NULL, e) : OK;
    if (rc < 0) {
        tls_context_release(c);
        return rc;
    }
    *out = c;
    return OK;
}

int tls_server_context(const char *cert_file, const char *key_file, struct tls_context **out,
                       struct err *e)
{
    static const unsigned char session_id[] = "loadline";
    *out = NULL;
    struct tls_context *c = context_new(TLS_server_method(), e);
    if (!c)
        return ERR_TLS;
    SSL_CTX_set_alpn_select_cb(c->ctx, choose_protocol, NULL);
    SSL_CTX_set_session_id_context(c->ctx, session_id, sizeof session_id - 1);
    const char *bad = NULL;
    if (SSL_CTX_use_certificate_chain_file(c->ctx, cert_file) != 1)
        bad = cert_file;
    else if (SSL_CTX_use_PrivateKey_file(c->ctx, key_file, SSL_FILETYPE_PEM) != 1)
        bad = key_file;
    if (!bad) {
        *out = c;
        return OK;
    }
    err_set(e, ERR_TLS, "cannot use %s: %s; PEM files of a certificate and its key are needed", bad,
            tls_fault_reason());
    tls_context_release(c);
    return ERR_TLS;
}

void tls_context_release(struct tls_context *c)
{
    if (!c)
        return;
    SSL_SESSION_free(c->session);
    free(c->session_host);
    SSL_CTX_free(c->ctx);
    BIO_meth_free(c->bio);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- connections ---- */

static bool is_numeric(const char *host)
{
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

/* OpenSSL acts on the outcome only where the context verifies. */
static void expect_host(SSL *ssl, const char *host)
{
    if (is_numeric(host)) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
        return;
    }
    SSL_set_tlsext_host_name(ssl, host);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl, host);
}

static void offer_session(struct tls *t)
{
    struct tls_context *c = t->context;
    SSL_SESSION *session = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->session && strcmp(c->session_host, t->host) == 0)
        session = SSL_SESSION_dup(c->session);
    pthread_mutex_unlock(&c->lock);
    if (session)
        SSL_set_session(t->ssl, session); /* takes a reference of its own */
    SSL_SESSION_free(session);
}

struct tls *tls_new(struct tls_context *c, const char *host)
{
    struct tls *t = MEM_NEW(struct tls);
    t->context = c;
    t->ssl = SSL_new(c->ctx);
    BIO *bio = BIO_new(c->bio);
    if (!t->ssl || !bio) {
        BIO_free(bio);
        tls_free(t);
        return NULL;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    if (!host) {
        SSL_set_accept_state(t->ssl);
        return t;
    }
    t->host = mem_strdup(host);
    SSL_set_connect_state(t->ssl);
    expect_host(t->ssl, host);
    offer_session(t);
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    if (t->ssl) /* else OpenSSL takes the session for a broken one and offers it no more */
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    X509_free(t->refused);
    buf_release(&t->in);
    free(t->host);
    free(t);
}

int tls_feed(struct tls *t, struct slice cipher)
{
    return buf_put(&t->in, cipher);
}

int tls_handshake(struct tls *t, struct buf *send, struct err *e)
{
    ERR_clear_error();
    t->send = send;
    int rc = SSL_do_handshake(t->ssl);
    int outcome = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, rc);
    t->send = NULL;
    if (outcome == SSL_ERROR_NONE)
        return 1;
    if (outcome == SSL_ERROR_WANT_READ)
        return 0;
    return tls_fault_handshake(t->ssl, t->refused, t->host, e);
}

long tls_read(struct tls *t, char *out, size_t room, bool *closed, struct buf *send, struct err *e)
{
    size_t n = 0;
    ERR_clear_error();
    t->send = send;
    int rc = SSL_read_ex(t->ssl, out, room, &n);
    int outcome = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, rc);
    t->send = NULL;
    if (outcome == SSL_ERROR_NONE)
        return (long)n;
    if (outcome == SSL_ERROR_WANT_READ)
        return 0;
    if (outcome == SSL_ERROR_ZERO_RETURN) {
        *closed = true;
        return 0;
    }
    return tls_fault_stream(t->host, e);
}

int tls_write(struct tls *t, struct slice plain, struct buf *send, struct err *e)
{
    ERR_clear_error();
    t->send = send;
    int rc = OK;
    while (plain.n > 0 && rc == OK) {
        size_t n = 0;
        if (SSL_write_ex(t->ssl, plain.p, plain.n, &n) != 1)
            rc = err_set(e, ERR_TLS, "cannot encrypt: %s", tls_fault_reason());
        plain.p += n;
        plain.n -= n;
    }
    t->send = NULL;
    return rc;
}

void tls_end(struct tls *t, struct buf *send)
{
    if (!SSL_is_init_finished(t->ssl))
        return;
    t->send = send;
    SSL_shutdown(t->ssl);
    ERR_clear_error();
    t->send = NULL;
}

bool tls_resumed(const struct tls *t)
{
    return SSL_session_reused(t->ssl);
}

const char *tls_version(const struct tls *t)
{
    return SSL_get_version(t->ssl);
}
