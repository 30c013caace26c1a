#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static void *serve(void *arg)
{
    struct harness *h = arg;
    h->result = serve_run(&h->options, h->stop[0], &h->err);
    close(h->ready[1]);
    return NULL;
}

void harness_start(struct harness *h, const char *listen, const char *engine)
{
    harness_start_with(h, &(struct serve_options){.listen = listen}, engine);
}

void harness_start_with(struct harness *h, const struct serve_options *options, const char *engine)
{
    struct err e = {0};
    *h = (struct harness){.options = *options};
    assert_int_equal(pipe(h->stop), 0);
    assert_int_equal(pipe(h->ready), 0);
    if (!h->options.listen)
        h->options.listen = "127.0.0.1:0";
    h->options.seed = 1;
    h->options.ready_fd = h->ready[1];
    h->options.quiet = true;
    if (spec_parse(slice_of(engine), &h->options.engine, &e) != OK)
        fail_msg("%s", e.text);
    assert_int_equal(pthread_create(&h->thread, NULL, serve, h), 0);
    char line[16] = {0};
    if (read(h->ready[0], line, sizeof line - 1) <= 0)
        fail_msg("no server: %s", h->err.text);
    h->port = atoi(line);
}

void harness_stop(struct harness *h)
{
    assert_int_equal(write(h->stop[1], "x", 1), 1);
    assert_int_equal(pthread_join(h->thread, NULL), 0);
    assert_int_equal(h->result, OK);
    close(h->stop[0]);
    close(h->stop[1]);
    close(h->ready[0]);
}

int harness_connect(const struct harness *h)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)h->port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

void harness_send(int fd, const char *text)
{
    size_t n = strlen(text);
    while (n > 0) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        assert_true(sent > 0);
        text += sent;
        n -= (size_t)sent;
    }
}

static bool more(int fd, struct buf *rest)
{
    char bytes[4096];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n > 0)
        buf_append(rest, bytes, (size_t)n);
    return n > 0;
}

/* Moves n bytes from rest to `to`, reading as needed. */
static bool take(int fd, struct buf *rest, size_t n, struct buf *to)
{
    while (rest->n < n)
        if (!more(fd, rest))
            return false;
    buf_append(to, rest->p, n);
    buf_consume(rest, n);
    return true;
}

/* The same up to and with the end mark. */
static bool take_through(int fd, struct buf *rest, const char *mark, struct buf *to)
{
    const char *at;
    while (!(at = slice_find(buf_slice(rest), slice_of(mark))))
        if (!more(fd, rest))
            return false;
    return take(fd, rest, (size_t)(at - rest->p) + strlen(mark), to);
}

static bool take_chunks(int fd, struct buf *rest, struct buf *body)
{
    for (;;) {
        struct buf line = {0}, end = {0};
        bool ok = take_through(fd, rest, "\r\n", &line);
        size_t n = ok ? strtoul(buf_cstr(&line), NULL, 16) : 0;
        ok = ok && take(fd, rest, n, body) && take(fd, rest, 2, &end);
        ok = ok && slice_is(buf_slice(&end), "\r\n");
        buf_release(&line);
        buf_release(&end);
        if (!ok || n == 0)
            return ok;
    }
}

void harness_read(int fd, struct buf *rest, struct response *r)
{
    *r = (struct response){0};
    r->closed = !take_through(fd, rest, "\r\n\r\n", &r->head);
    if (r->closed)
        return;
    const char *head = buf_cstr(&r->head);
    assert_int_equal(sscanf(head, "HTTP/1.1 %d", &r->status), 1);
    const char *length = strcasestr(head, "\r\nContent-Length: ");
    r->chunked = strcasestr(head, "\r\nTransfer-Encoding: chunked") != NULL;
    if (r->status == 100)
        return;
    if (r->chunked)
        r->closed = !take_chunks(fd, rest, &r->body);
    else if (length)
        r->closed = !take(fd, rest, strtoul(length + 18, NULL, 10), &r->body);
    else
        while (more(fd, &r->body))
            continue;
}

void response_release(struct response *r)
{
    buf_release(&r->head);
    buf_release(&r->body);
}

void harness_ask(const struct harness *h, const char *path, const char *body, struct response *r)
{
    struct buf text = {0}, rest = {0};
    int fd = harness_connect(h);
    if (body)
        buf_printf(&text, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", path,
                   strlen(body), body);
    else
        buf_printf(&text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    harness_send(fd, buf_cstr(&text));
    harness_read(fd, &rest, r);
    assert_int_equal(rest.n, 0);
    close(fd);
    buf_release(&text);
    buf_release(&rest);
}

double harness_metric(const struct harness *h, const char *line_start)
{
    struct response r;
    harness_ask(h, "/metrics", NULL, &r);
    const char *at = strstr(buf_cstr(&r.body), line_start);
    if (!at)
        fail_msg("no line begins %s", line_start);
    double v = strtod(strchr(at, ' '), NULL);
    response_release(&r);
    return v;
}

void harness_await_metric(const struct harness *h, const char *line_start, double want)
{
    while (harness_metric(h, line_start) != want)
        poll(NULL, 0, 5);
}

unsigned count_of(const struct buf *text, const char *needle)
{
    struct slice left = buf_slice(text), what = slice_of(needle);
    unsigned n = 0;
    for (const char *at; (at = slice_find(left, what)); n++)
        left = slice_make(at + what.n, left.n - (size_t)(at - left.p) - what.n);
    return n;
}

bool has(struct buf *text, const char *needle)
{
    return strstr(buf_cstr(text), needle) != NULL;
}
