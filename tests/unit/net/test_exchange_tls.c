#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/exchanger.h"
#include "net/tls.h"
#include "support.h"

static struct scratch scratch;
static char ca_path[128];
static struct tls_context *server_tls;

static int set_up(void **state)
{
    (void)state;
    char cert[128], key[128];
    scratch_make(&scratch);
    cert_make(&scratch, &(struct cert_wish){.name = "ca"});
    cert_make(&scratch, &(struct cert_wish){.name = "good", .san = "IP:127.0.0.1", .issuer = "ca"});
    scratch_path(&scratch, "ca.pem", ca_path);
    scratch_path(&scratch, "good.pem", cert);
    scratch_path(&scratch, "good.key", key);
    return tls_server_context(cert, key, &server_tls, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    tls_context_release(server_tls);
    scratch_remove(&scratch);
    return 0;
}

struct scene {
    struct server server;
    struct rig rig;
    struct client client;
    atomic_int resumed;
};

static void scene_open(struct scene *s, void (*serve)(struct peer *p), bool trust,
                       const struct exchanger_options *o)
{
    char url[160];
    const struct tls_options tls = {.ca_file = trust ? ca_path : NULL};
    *s = (struct scene){.server.tls = server_tls, .server.context = s};
    assert_true(server_start(&s->server, "127.0.0.1", serve));
    rig_open(&s->rig, server_url(&s->server, NULL, url), &tls, o);
    client_init(&s->client, &s->rig, "hello");
}

static void scene_close(struct scene *s)
{
    client_release(&s->client);
    rig_close(&s->rig);
    server_stop(&s->server);
}

static void serve_echo(struct peer *p)
{
    struct buf request = {0}, answer = {0};
    struct scene *s = p->server->context;
    while (peer_request(p, &request)) {
        s->resumed += tls_resumed(p->tls);
        buf_clear(&answer);
        buf_printf(&answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", request.n);
        buf_put(&answer, buf_slice(&request));
        peer_send_bytes(p, buf_slice(&answer));
    }
    buf_release(&request);
    buf_release(&answer);
}

static void requests_go_through_and_connections_are_kept(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_echo, true, NULL);
    for (int i = 0; i < 3; i++) {
        s.client.ends = 0;
        client_run(&s.client, &s.rig);
        if (s.client.outcome != EXCHANGE_OK)
            fail_msg("%s", s.client.why.text);
        assert_int_equal(s.client.x.reused, i > 0);
        assert_int_equal(s.client.x.times.tls_ns > 0, i == 0);
    }
    assert_memory_equal(s.client.body.p + s.client.body.n - 5, "hello", 5);
    assert_int_equal(s.client.stamps[0].kernel, s.rig.xr->clock.stamping);
    assert_int_equal(s.server.accepted, 1);
    scene_close(&s);
}

static void a_second_connection_resumes_the_session(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_echo, true, &(struct exchanger_options){.no_reuse = true});
    for (int i = 0; i < 4; i++) {
        s.client.ends = 0;
        client_run(&s.client, &s.rig);
        assert_int_equal(s.client.outcome, EXCHANGE_OK);
        assert_int_equal(s.resumed, i);
    }
    scene_close(&s);
}

static void a_large_body_goes_out_whole(void **state)
{
    (void)state;
    enum { BYTES = 5 * 1000 * 1000 };
    struct scene s;
    char *body = mem_alloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        body[i] = (char)('a' + i % 23);
    scene_open(&s, serve_echo, true, NULL);
    s.client.x.body = slice_make(body, BYTES);
    client_run(&s.client, &s.rig);
    assert_int_equal(s.client.outcome, EXCHANGE_OK);
    assert_true(s.client.body.n > BYTES);
    assert_memory_equal(s.client.body.p + s.client.body.n - BYTES, body, BYTES);
    assert_non_null(s.rig.xr->idle.head);
    assert_null(s.rig.xr->idle.head->out.p); /* nothing to send: no memory for it */
    scene_close(&s);
    free(body);
}

/* Two chunks in records of their own but in one segment's worth of bytes. */
static void serve_two_records(struct peer *p)
{
    struct buf wire = {0};
    if (!peer_request(p, NULL))
        return;
    peer_send(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    usleep(2000);
    tls_write(p->tls, slice_of("3\r\none\r\n"), &wire, NULL);
    tls_write(p->tls, slice_of("3\r\ntwo\r\n"), &wire, NULL);
    if (write(p->fd, wire.p, wire.n) < 0)
        return;
    usleep(2000);
    peer_send(p, "0\r\n\r\n");
    buf_release(&wire);
    peer_hold(p);
}

static void records_of_one_read_share_its_stamp(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_two_records, true, NULL);
    client_run(&s.client, &s.rig);
    const struct client *c = &s.client;
    assert_int_equal(c->outcome, EXCHANGE_OK);
    assert_int_equal(c->slices, 2);
    assert_int_equal(c->read_ends, 1);
    assert_int_equal(c->stamps[0].read_id, c->stamps[1].read_id);
    assert_int_equal(c->stamps[0].at_ns, c->stamps[1].at_ns);
    scene_close(&s);
}

static void serve_no_length(struct peer *p)
{
    if (peer_request(p, NULL))
        peer_send(p, "HTTP/1.1 200 OK\r\n\r\nall of it?");
}

static void a_close_that_tls_did_not_announce_is_truncation(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_no_length, true, NULL);
    client_run(&s.client, &s.rig);
    assert_int_equal(s.client.outcome, EXCHANGE_TRUNCATED);
    scene_close(&s);
}

static void an_unknown_issuer_fails_the_connection_with_advice(void **state)
{
    (void)state;
    struct scene s;
    struct err e = {0};
    scene_open(&s, serve_echo, false, NULL);
    client_run(&s.client, &s.rig);
    assert_int_equal(s.client.outcome, EXCHANGE_CONNECT_FAILED);
    assert_int_equal(s.client.why.code, ERR_TLS);
    assert_true(client_said(&s.client, s.server.at.text));
    assert_true(client_said(&s.client, "use --cacert FILE or --insecure"));
    assert_int_equal(exchanger_preconnect(s.rig.xr, 2, clock_mono_ns() + 20 * NS_PER_S, &e),
                     ERR_NET);
    assert_non_null(strstr(e.text, "--cacert"));
    scene_close(&s);
}

static void serve_plain(struct peer *p)
{
    char bytes[4096];
    const char *answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    if (read(p->fd, bytes, sizeof bytes) > 0 && write(p->fd, answer, strlen(answer)) > 0)
        peer_hold(p);
}

static void the_wrong_scheme_is_recognised_both_ways(void **state)
{
    (void)state;
    struct server server = {0};
    struct rig r;
    struct client c;
    char url[160], other[160];
    assert_true(server_start(&server, "127.0.0.1", serve_plain));
    snprintf(url, sizeof url, "https://%s", server.at.text);
    rig_open(&r, url, NULL, NULL);
    client_init(&c, &r, "");
    client_run(&c, &r);
    assert_int_equal(c.outcome, EXCHANGE_CONNECT_FAILED);
    assert_true(client_said(&c, "does not speak TLS; did you mean http://?"));
    rig_close(&r);
    server_stop(&server);

    struct scene s;
    scene_open(&s, serve_echo, true, NULL);
    snprintf(other, sizeof other, "http://%s", s.server.at.text);
    rig_open(&r, other, NULL, NULL);
    client_init(&c, &r, "");
    client_run(&c, &r);
    assert_true(c.outcome == EXCHANGE_PROTOCOL || c.outcome == EXCHANGE_RESET);
    assert_true(client_said(&c, "https://"));
    rig_close(&r);
    scene_close(&s);
}

static void serve_gone(struct peer *p)
{
    (void)p;
}

static void a_close_in_the_handshake_is_a_failed_connection(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_gone, true, NULL);
    client_run(&s.client, &s.rig);
    assert_int_equal(s.client.outcome, EXCHANGE_CONNECT_FAILED);
    assert_true(client_said(&s.client, "during the TLS handshake"));
    scene_close(&s);
}

static void preconnected_connections_have_shaken_hands(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_echo, true, NULL);
    assert_int_equal(exchanger_preconnect(s.rig.xr, 4, clock_mono_ns() + 20 * NS_PER_S, NULL), OK);
    client_run(&s.client, &s.rig);
    assert_int_equal(s.client.outcome, EXCHANGE_OK);
    assert_false(s.client.x.opened);
    assert_int_equal(s.client.x.times.tls_ns, 0);
    scene_close(&s);
}

struct worker {
    const struct endpoint *ep;
    int completed;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    const struct exchanger_options fresh = {.no_reuse = true};
    struct rig r = {.ep = *w->ep};
    struct client c;
    if (exchanger_new(w->ep, &fresh, &r.xr, NULL) < 0)
        return NULL;
    r.post = route_new(w->ep, "POST", "/", NULL, 0);
    for (int i = 0; i < 20; i++) {
        client_init(&c, &r, "x");
        client_run(&c, &r);
        w->completed += c.outcome == EXCHANGE_OK;
        client_release(&c);
    }
    exchanger_free(r.xr);
    route_free(r.post);
    return NULL;
}

static void two_threads_share_a_context(void **state)
{
    (void)state;
    struct scene s;
    pthread_t threads[2];
    struct worker workers[2];
    scene_open(&s, serve_echo, true, NULL);
    for (int i = 0; i < 2; i++) {
        workers[i] = (struct worker){.ep = &s.rig.ep};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].completed, 20);
    }
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_go_through_and_connections_are_kept),
        cmocka_unit_test(a_second_connection_resumes_the_session),
        cmocka_unit_test(a_large_body_goes_out_whole),
        cmocka_unit_test(records_of_one_read_share_its_stamp),
        cmocka_unit_test(a_close_that_tls_did_not_announce_is_truncation),
        cmocka_unit_test(an_unknown_issuer_fails_the_connection_with_advice),
        cmocka_unit_test(the_wrong_scheme_is_recognised_both_ways),
        cmocka_unit_test(a_close_in_the_handshake_is_a_failed_connection),
        cmocka_unit_test(preconnected_connections_have_shaken_hands),
        cmocka_unit_test(two_threads_share_a_context),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
