#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/sock.h"

enum { WAIT_LIMIT_S = 30 };

/* ---- files ---- */

void scratch_make(struct scratch *s)
{
    snprintf(s->dir, sizeof s->dir, "/tmp/loadline-net-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
}

void scratch_remove(struct scratch *s)
{
    DIR *d = opendir(s->dir);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(d), entry->d_name, 0);
    closedir(d);
    assert_int_equal(rmdir(s->dir), 0);
}

const char *scratch_path(const struct scratch *s, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", s->dir, name);
    return out;
}

/* ---- certificates ---- */

static FILE *open_file(const struct scratch *s, const char *name, const char *suffix,
                       const char *mode)
{
    char file[64], path[128];
    snprintf(file, sizeof file, "%s.%s", name, suffix);
    FILE *f = fopen(scratch_path(s, file, path), mode);
    assert_non_null(f);
    return f;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(ext);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

static void sign(const struct scratch *s, const struct cert_wish *w, X509 *cert, EVP_PKEY *key)
{
    if (!w->issuer) {
        X509_set_issuer_name(cert, X509_get_subject_name(cert));
        assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
        return;
    }
    FILE *f = open_file(s, w->issuer, "pem", "r");
    X509 *issuer = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    f = open_file(s, w->issuer, "key", "r");
    EVP_PKEY *issuer_key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    X509_free(issuer);
    EVP_PKEY_free(issuer_key);
}

void cert_make(const struct scratch *s, const struct cert_wish *w)
{
    enum { HOUR = 3600 };
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), (long)(w->name[0] * 256 + w->name[1]));
    X509_gmtime_adj(X509_getm_notBefore(cert), -48 * HOUR);
    X509_gmtime_adj(X509_getm_notAfter(cert), w->expired ? -24 * HOUR : 24 * HOUR);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)w->name, -1, -1, 0);
    if (w->san)
        add_extension(cert, NID_subject_alt_name, w->san);
    else
        add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
    sign(s, w, cert, key);
    FILE *f = open_file(s, w->name, "pem", "w");
    PEM_write_X509(f, cert);
    fclose(f);
    f = open_file(s, w->name, "key", "w");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* ---- the server ---- */

static void send_raw(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        p += k;
        n -= (size_t)k;
    }
}

void peer_send_bytes(struct peer *p, struct slice bytes)
{
    struct buf out = {0};
    if (!p->tls) {
        send_raw(p->fd, bytes.p, bytes.n);
        return;
    }
    tls_write(p->tls, bytes, &out, NULL);
    send_raw(p->fd, out.p, out.n);
    buf_release(&out);
}

void peer_send(struct peer *p, const char *text)
{
    peer_send_bytes(p, slice_of(text));
}

void peer_reset(struct peer *p)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* Waits until fd is readable; false when the server is being stopped. */
static bool wait_readable(const struct server *s, int fd)
{
    struct pollfd f = {.fd = fd, .events = POLLIN};
    while (!s->stopping)
        if (poll(&f, 1, 10) == 1)
            return true;
    return false;
}

/* Appends what comes next to p->in. */
static bool peer_fill(struct peer *p)
{
    char bytes[16384];
    struct buf out = {0};
    bool closed = false;
    if (!wait_readable(p->server, p->fd))
        return false;
    ssize_t n = recv(p->fd, bytes, sizeof bytes, 0);
    if (n <= 0)
        return false;
    if (!p->tls) {
        buf_append(&p->in, bytes, (size_t)n);
        return true;
    }
    tls_feed(p->tls, slice_make(bytes, (size_t)n));
    int rc = tls_handshake(p->tls, &out, NULL);
    for (long k; rc == 1 && (k = tls_read(p->tls, bytes, sizeof bytes, &closed, &out, NULL)) > 0;)
        buf_append(&p->in, bytes, (size_t)k);
    send_raw(p->fd, out.p, out.n);
    buf_release(&out);
    return rc >= 0 && !closed;
}

void peer_hold(struct peer *p)
{
    while (peer_fill(p))
        ;
}

static size_t request_bytes(const struct buf *in)
{
    const char *end = slice_find(buf_slice(in), slice_of("\r\n\r\n"));
    if (!end)
        return 0;
    size_t head = (size_t)(end - in->p) + 4;
    const char *length = slice_find(slice_make(in->p, head), slice_of("Content-Length: "));
    size_t total = head + (length ? strtoul(length + 16, NULL, 10) : 0);
    return in->n >= total ? total : 0;
}

bool peer_request(struct peer *p, struct buf *request)
{
    size_t n;
    while ((n = request_bytes(&p->in)) == 0)
        if (!peer_fill(p))
            return false;
    if (request) {
        buf_clear(request);
        buf_append(request, p->in.p, n);
    }
    buf_consume(&p->in, n);
    return true;
}

static void *peer_thread(void *arg)
{
    struct peer *p = arg;
    fcntl(p->fd, F_SETFL, fcntl(p->fd, F_GETFL) & ~O_NONBLOCK);
    if (p->server->tls)
        p->tls = tls_new(p->server->tls, NULL);
    p->server->serve(p);
    close(p->fd);
    tls_free(p->tls);
    buf_release(&p->in);
    free(p);
    return NULL;
}

static void *server_thread(void *arg)
{
    enum { MOST = 4096 };
    struct server *s = arg;
    pthread_t *threads = MEM_ARRAY(pthread_t, MOST);
    size_t n = 0;
    while (n < MOST && wait_readable(s, s->listener)) {
        int fd = sock_accept(s->listener);
        if (fd < 0)
            continue;
        struct peer *p = MEM_NEW(struct peer);
        *p = (struct peer){.server = s, .fd = fd, .number = atomic_fetch_add(&s->accepted, 1)};
        if (pthread_create(&threads[n++], NULL, peer_thread, p) != 0)
            abort();
    }
    while (n > 0)
        pthread_join(threads[--n], NULL);
    free(threads);
    return NULL;
}

bool server_listen(struct server *s, const char *where, void (*serve)(struct peer *p))
{
    struct url u = {.is_unix = where[0] == '/'};
    struct addresses found;
    snprintf(u.host, sizeof u.host, "%s", where);
    s->serve = serve;
    s->accepted = 0;
    s->stopping = false;
    assert_int_equal(resolve_url(&u, &found, NULL), OK);
    s->listener = sock_listen(&found.list[0], NULL);
    if (s->listener < 0)
        return false;
    assert_true(sock_local_address(s->listener, &s->at));
    return true;
}

void server_go(struct server *s)
{
    assert_int_equal(pthread_create(&s->thread, NULL, server_thread, s), 0);
}

bool server_start(struct server *s, const char *where, void (*serve)(struct peer *p))
{
    if (!server_listen(s, where, serve))
        return false;
    server_go(s);
    return true;
}

void server_stop(struct server *s)
{
    s->stopping = true;
    pthread_join(s->thread, NULL);
    close(s->listener);
}

const char *server_url(const struct server *s, const char *host, char out[160])
{
    const char *scheme = s->tls ? "https" : "http";
    if (s->at.storage.ss_family == AF_UNIX)
        snprintf(out, 160, "unix:%s", s->at.text);
    else if (host)
        snprintf(out, 160, "%s://%s%s", scheme, host, strrchr(s->at.text, ':'));
    else
        snprintf(out, 160, "%s://%s", scheme, s->at.text);
    return out;
}

/* ---- the client ---- */

static void on_head(struct exchange *x, const struct exchange_head *head)
{
    struct client *c = x->owner;
    c->heads++;
    snprintf(c->content_type, sizeof c->content_type, "%.*s", SLICE_ARG(head->content_type));
}

static void on_body(struct exchange *x, struct slice data, const struct stamp *stamp)
{
    struct client *c = x->owner;
    buf_put(&c->body, data);
    if (c->slices < NOTED_STAMPS)
        c->stamps[c->slices] = *stamp;
    c->slices++;
}

static void on_read_end(struct exchange *x, const struct stamp *stamp)
{
    (void)stamp;
    ((struct client *)x->owner)->read_ends++;
}

static void on_end(struct exchange *x, enum exchange_outcome outcome, const struct err *why)
{
    struct client *c = x->owner;
    c->ends++;
    c->outcome = outcome;
    c->why = *why;
    c->done = true;
}

const struct exchange_handler client_handler = {on_head, on_body, on_read_end, on_end};

void rig_open(struct rig *r, const char *url, const struct tls_options *tls,
              const struct exchanger_options *o)
{
    struct err e = {0};
    if (endpoint_open(slice_of(url), tls, &r->ep, &e) != OK ||
        exchanger_new(&r->ep, o, &r->xr, &e) != OK)
        fail_msg("%s", e.text);
    r->post = route_new(&r->ep, "POST", "/v1/x", NULL, 0);
}

void rig_close(struct rig *r)
{
    exchanger_free(r->xr);
    route_free(r->post);
    endpoint_close(&r->ep);
}

void client_init(struct client *c, const struct rig *r, const char *body)
{
    *c = (struct client){
        .x = {.route = r->post, .handler = &client_handler, .body = slice_of(body), .owner = c}};
}

void client_start(struct client *c, struct rig *r)
{
    c->done = false;
    c->x.owner = c;
    exchange_start(r->xr, &c->x);
}

void client_wait(struct client *c, struct rig *r)
{
    int64_t limit = clock_mono_ns() + WAIT_LIMIT_S * NS_PER_S;
    while (!c->done && clock_mono_ns() < limit)
        exchanger_run(r->xr, limit, -1);
    assert_true(c->done);
    assert_int_equal(c->ends, 1);
}

void client_run(struct client *c, struct rig *r)
{
    client_start(c, r);
    client_wait(c, r);
}

void client_release(struct client *c)
{
    buf_release(&c->body);
}

bool client_said(const struct client *c, const char *text)
{
    if (strstr(c->why.text, text))
        return true;
    print_message("said: %s\n", c->why.text);
    return false;
}
