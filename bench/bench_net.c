/* What the net room costs: user-space memory per concurrent stream, plain and TLS, against a forked
 * server that answers with a head and one chunk and then holds; and how late exchanger_run returns
 * from a due time. Usage: bench_net [PLAIN_STREAMS [TLS_STREAMS]] */

#include <malloc.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/exchange.h"
#include "net/poller.h"
#include "net/sock.h"

enum {
    PLAIN_STREAMS = 5000,
    TLS_STREAMS = 2000,
    DUES = 2000,
    DUE_SPACING_NS = 1000000,
    AT_ONCE = 200, /* handshakes begun together */
};

static void stop(const char *what)
{
    fprintf(stderr, "bench_net: %s\n", what);
    exit(1);
}

/* ---- the server ---- */

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n10\r\ndata: {\"n\": 1}\n\n\r\n";

struct held {
    int fd;
    struct tls *tls;
};

static void answer(struct held *h)
{
    char bytes[16384];
    struct buf out = {0};
    bool closed = false, asked = !h->tls;
    int64_t real_ns;
    long n = sock_receive(h->fd, bytes, sizeof bytes, &real_ns);
    if (n == 0)
        _exit(0);
    if (n < 0)
        return;
    if (h->tls) {
        tls_feed(h->tls, slice_make(bytes, (size_t)n));
        if (tls_handshake(h->tls, &out, NULL) == 1)
            asked = tls_read(h->tls, bytes, sizeof bytes, &closed, &out, NULL) > 0;
        if (asked)
            tls_write(h->tls, slice_of(ANSWER), &out, NULL);
    } else {
        buf_puts(&out, ANSWER);
    }
    struct iovec part = {out.p, out.n};
    if (out.n > 0)
        sock_send(h->fd, &part, 1);
    buf_release(&out);
}

/* Holds every connection; ends when one is closed, or with its parent. */
static void serve(int listener, struct tls_context *tls)
{
    struct poller p;
    struct poller_event events[POLLER_MAX_EVENTS];
    poller_init(&p, NULL);
    poller_add(&p, listener, POLLER_READ, NULL);
    for (;;) {
        int n = poller_wait(&p, -1, events);
        for (int i = 0; i < n; i++) {
            struct held *h = events[i].owner;
            if (h) {
                answer(h);
                continue;
            }
            for (int fd; (fd = sock_accept(listener)) >= 0;) {
                h = MEM_NEW(struct held);
                *h = (struct held){fd, tls ? tls_new(tls, NULL) : NULL};
                poller_add(&p, fd, POLLER_READ, h);
            }
        }
    }
}

static pid_t fork_server(struct address *at, struct tls_context *tls)
{
    const struct url u = {.host = "127.0.0.1"};
    struct addresses found;
    struct err e;
    int listener = resolve_url(&u, &found, &e) == OK ? sock_listen(&found.list[0], &e) : -1;
    if (listener < 0 || !sock_local_address(listener, at))
        stop(e.text);
    pid_t child = fork();
    if (child < 0)
        stop("cannot fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener, tls);
    }
    close(listener);
    return child;
}

static struct tls_context *make_server_context(void)
{
    char cert_path[] = "/tmp/bench-net-cert-XXXXXX", key_path[] = "/tmp/bench-net-key-XXXXXX";
    struct tls_context *c = NULL;
    struct err e = {0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    FILE *f = fdopen(mkstemp(cert_path), "w");
    FILE *g = fdopen(mkstemp(key_path), "w");
    if (!f || !g)
        stop("cannot write a certificate to /tmp");
    PEM_write_X509(f, cert);
    PEM_write_PrivateKey(g, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    fclose(g);
    int rc = tls_server_context(cert_path, key_path, &c, &e);
    unlink(cert_path);
    unlink(key_path);
    if (rc < 0)
        stop(e.text);
    X509_free(cert);
    EVP_PKEY_free(key);
    return c;
}

/* ---- memory ---- */

struct tally {
    size_t begun;
    struct err why;
    bool failed;
};

static void on_body(struct exchange *x, struct slice data, const struct stamp *stamp)
{
    (void)data;
    (void)stamp;
    ((struct tally *)x->owner)->begun++;
}

static void on_end(struct exchange *x, enum exchange_outcome outcome, const struct err *why)
{
    struct tally *t = x->owner;
    if (outcome != EXCHANGE_CANCELLED)
        t->failed = true;
    t->why = *why;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static void measure_streams(const char *name, size_t streams, struct tls_context *server_tls)
{
    static const struct exchange_handler handler = {.body = on_body, .end = on_end};
    const struct tls_options options = {.insecure = true};
    struct address at;
    struct endpoint ep;
    struct exchanger *xr;
    struct err e = {0};
    char url[160];
    struct tally t = {0};
    pid_t server = fork_server(&at, server_tls);
    snprintf(url, sizeof url, "http%s://%s", server_tls ? "s" : "", at.text);
    if (endpoint_open(slice_of(url), &options, &ep, &e) < 0 ||
        exchanger_new(&ep, NULL, &xr, &e) < 0)
        stop(e.text);
    struct route *route = route_new(&ep, "POST", "/v1/completions", NULL, 0);
    size_t before = heap_bytes();
    struct exchange *x = MEM_ARRAY(struct exchange, streams);
    for (size_t i = 0; i < streams; i++) {
        x[i] = (struct exchange){.route = route,
                                 .handler = &handler,
                                 .body = slice_of("{}"),
                                 .owner = &t,
                                 .deadline_ns = clock_mono_ns() + 600 * NS_PER_S};
        exchange_start(xr, &x[i]);
        while (i - t.begun >= AT_ONCE && !t.failed)
            exchanger_run(xr, INT64_MAX, -1);
    }
    while (t.begun < streams && !t.failed)
        exchanger_run(xr, INT64_MAX, -1);
    if (t.failed)
        stop(t.why.text);
    size_t grown = heap_bytes() - before;
    printf(
        "%-6s %6zu streams  %8.1f KiB of heap in all  %7.0f bytes a stream (exchange included)\n",
        name, streams, (double)grown / 1024, (double)grown / (double)streams);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    exchanger_free(xr);
    route_free(route);
    endpoint_close(&ep);
    free(x);
}

/* ---- time ---- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void measure_dues(void)
{
    static int64_t late_ns[DUES];
    struct endpoint ep;
    struct exchanger *xr;
    struct err e = {0};
    int64_t before = clock_mono_ns();
    if (endpoint_open(slice_of("http://127.0.0.1:9"), NULL, &ep, &e) < 0 ||
        exchanger_new(&ep, NULL, &xr, &e) < 0)
        stop(e.text);
    int64_t due = clock_mono_ns();
    printf("exchanger_new, first stamp awaited: %.2f ms\n", (double)(due - before) / 1e6);
    for (int i = 0; i < DUES; i++) {
        due += DUE_SPACING_NS;
        while ((late_ns[i] = clock_mono_ns() - due) < 0)
            exchanger_run(xr, due, -1);
    }
    const struct exchanger_stats *s = exchanger_stats(xr);
    qsort(late_ns, DUES, sizeof late_ns[0], by_size);
    printf("due times %d, 1 ms apart: late by p50 %.2f us, p90 %.2f us, p99 %.2f us, max %.1f us; "
           "spinning %.1f %% of the time\n",
           DUES, (double)late_ns[DUES / 2] / 1e3, (double)late_ns[DUES * 9 / 10] / 1e3,
           (double)late_ns[DUES * 99 / 100] / 1e3, (double)late_ns[DUES - 1] / 1e3,
           100.0 * (double)s->spin_ns / (double)(s->spin_ns + s->wait_ns));
    exchanger_free(xr);
    endpoint_close(&ep);
}

int main(int argc, char **argv)
{
    size_t plain = argc > 1 ? strtoul(argv[1], NULL, 10) : PLAIN_STREAMS;
    size_t tls = argc > 2 ? strtoul(argv[2], NULL, 10) : TLS_STREAMS;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    measure_dues();
    if (plain > 0)
        measure_streams("plain", plain, NULL);
    if (tls > 0) {
        struct tls_context *server = make_server_context();
        measure_streams("TLS", tls, server);
        tls_context_release(server);
    }
    return 0;
}
