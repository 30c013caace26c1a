#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/tls.h"
#include "support.h"

static struct scratch scratch;
static char ca_path[128];

static int set_up(void **state)
{
    (void)state;
    scratch_make(&scratch);
    cert_make(&scratch, &(struct cert_wish){.name = "ca"});
    cert_make(&scratch, &(struct cert_wish){
                            .name = "good", .san = "DNS:server.test,IP:127.0.0.1", .issuer = "ca"});
    cert_make(&scratch,
              &(struct cert_wish){
                  .name = "old", .san = "DNS:server.test", .issuer = "ca", .expired = true});
    cert_make(&scratch, &(struct cert_wish){.name = "self", .san = "DNS:server.test"});
    scratch_path(&scratch, "ca.pem", ca_path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(&scratch);
    return 0;
}

static struct tls_context *server_context(const char *name)
{
    char file[64], cert[128], key[128];
    struct tls_context *c;
    snprintf(file, sizeof file, "%s.pem", name);
    scratch_path(&scratch, file, cert);
    snprintf(file, sizeof file, "%s.key", name);
    scratch_path(&scratch, file, key);
    assert_int_equal(tls_server_context(cert, key, &c, NULL), OK);
    return c;
}

static struct tls_context *client_context(const char *ca_file, bool insecure)
{
    struct tls_context *c;
    const struct tls_options o = {.ca_file = ca_file, .insecure = insecure};
    assert_int_equal(tls_client_context(&o, &c, NULL), OK);
    return c;
}

struct pair {
    struct tls *client, *server;
    struct buf to_server, to_client;
};

static struct pair pair_new(struct tls_context *client, struct tls_context *server,
                            const char *host)
{
    return (struct pair){.client = tls_new(client, host), .server = tls_new(server, NULL)};
}

static void pair_free(struct pair *p)
{
    tls_free(p->client);
    tls_free(p->server);
    buf_release(&p->to_server);
    buf_release(&p->to_client);
}

/* Hands bytes over, at most `piece` at a time, as a network might. */
static void carry(struct buf *from, struct tls *to, size_t piece)
{
    size_t n = from->n < piece ? from->n : piece;
    tls_feed(to, slice_make(from->p, n));
    buf_consume(from, n);
}

/* 1 when both sides are through; the client's error otherwise. */
static int shake(struct pair *p, size_t piece, struct err *e)
{
    int client = 0, server = 0;
    for (int i = 0; i < 20000 && (client == 0 || server == 0); i++) {
        client = tls_handshake(p->client, &p->to_server, e);
        if (client < 0)
            return client;
        carry(&p->to_server, p->server, piece);
        server = tls_handshake(p->server, &p->to_client, NULL);
        carry(&p->to_client, p->client, piece);
    }
    return client == 1 && server == 1;
}

static void send_text(struct tls *from, struct tls *to, const char *text)
{
    struct buf wire = {0}, back = {0};
    char got[256];
    bool closed = false;
    assert_int_equal(tls_write(from, slice_of(text), &wire, NULL), OK);
    tls_feed(to, buf_slice(&wire));
    assert_int_equal(tls_read(to, got, sizeof got, &closed, &back, NULL), strlen(text));
    assert_memory_equal(got, text, strlen(text));
    assert_int_equal(tls_read(to, got, sizeof got, &closed, &back, NULL), 0);
    assert_false(closed);
    buf_release(&wire);
    buf_release(&back);
}

/* Lets everything the server has still to say (session tickets) reach the client. */
static void drain(struct pair *p)
{
    char got[64];
    bool closed = false;
    carry(&p->to_client, p->client, SIZE_MAX);
    assert_int_equal(tls_read(p->client, got, sizeof got, &closed, &p->to_server, NULL), 0);
}

static void a_trusted_server_is_accepted_and_text_goes_both_ways(void **state)
{
    (void)state;
    static const char *const hosts[] = {"server.test", "127.0.0.1"};
    static const size_t pieces[] = {1, 100, SIZE_MAX};
    struct tls_context *server = server_context("good");
    struct tls_context *client = client_context(ca_path, false);
    for (size_t i = 0; i < 6; i++) {
        struct err e = {0};
        struct pair p = pair_new(client, server, hosts[i % 2]);
        assert_int_equal(shake(&p, pieces[i / 2], &e), 1);
        assert_string_equal(tls_version(p.client), "TLSv1.3");
        send_text(p.client, p.server, "a question");
        pair_free(&p);
    }
    tls_context_release(client);
    tls_context_release(server);
}

static void each_fault_of_a_certificate_has_its_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *cert, *host, *says;
        bool trust;
    } cases[] = {
        {"good", "other.test", "is for 'server.test', not for 'other.test'", true},
        {"good", "127.0.0.2", "not for '127.0.0.2'", true},
        {"good", "server.test", "issuer unknown here; use --cacert FILE or --insecure", false},
        {"old", "server.test", "has expired", true},
        {"self", "server.test", "self-signed and not trusted here; use --cacert", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = {0};
        struct tls_context *server = server_context(cases[i].cert);
        struct tls_context *client = client_context(cases[i].trust ? ca_path : NULL, false);
        struct tls_context *careless = client_context(NULL, true);
        struct pair p = pair_new(client, server, cases[i].host);
        assert_int_equal(shake(&p, SIZE_MAX, &e), ERR_TLS);
        if (!strstr(e.text, cases[i].says))
            fail_msg("said: %s", e.text);
        pair_free(&p);
        p = pair_new(careless, server, cases[i].host);
        assert_int_equal(shake(&p, SIZE_MAX, &e), 1);
        pair_free(&p);
        tls_context_release(careless);
        tls_context_release(client);
        tls_context_release(server);
    }
}

static void a_session_is_resumed_with_the_same_host_only(void **state)
{
    (void)state;
    struct tls_context *server = server_context("good");
    struct tls_context *client = client_context(ca_path, false);
    static const struct {
        const char *host;
        bool resumed;
    } rounds[] = {
        {"server.test", false}, {"server.test", true}, {"127.0.0.1", false}, {"127.0.0.1", true}};
    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
        struct err e = {0};
        struct pair p = pair_new(client, server, rounds[i].host);
        assert_int_equal(shake(&p, SIZE_MAX, &e), 1);
        assert_int_equal(tls_resumed(p.client), rounds[i].resumed);
        drain(&p);
        pair_free(&p);
    }
    tls_context_release(client);
    tls_context_release(server);
}

static void plain_http_in_place_of_tls_is_recognised(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf send = {0};
    struct tls_context *client = client_context(NULL, true);
    struct tls *t = tls_new(client, "server.test");
    assert_int_equal(tls_handshake(t, &send, &e), 0);
    assert_true(send.n > 0);
    tls_feed(t, slice_of("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert_int_equal(tls_handshake(t, &send, &e), ERR_TLS);
    assert_non_null(strstr(e.text, "does not speak TLS; did you mean http://?"));
    tls_free(t);
    buf_release(&send);
    tls_context_release(client);
}

static void an_announced_end_is_seen_and_none_goes_out_before_the_handshake(void **state)
{
    (void)state;
    struct tls_context *client = client_context(NULL, true), *server = server_context("good");
    struct pair p = pair_new(client, server, "localhost");
    char got[64];
    bool closed = false;
    tls_end(p.server, &p.to_client);
    assert_int_equal(p.to_client.n, 0);
    assert_int_equal(shake(&p, SIZE_MAX, NULL), 1);
    drain(&p);
    tls_end(p.server, &p.to_client);
    carry(&p.to_client, p.client, SIZE_MAX);
    assert_int_equal(tls_read(p.client, got, sizeof got, &closed, &p.to_server, NULL), 0);
    assert_true(closed);
    pair_free(&p);
    tls_context_release(client);
    tls_context_release(server);
}

static void broken_records_are_an_error_and_not_data(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf wire = {0};
    char got[64];
    bool closed = false;
    struct tls_context *server = server_context("good");
    struct tls_context *client = client_context(ca_path, false);
    struct pair p = pair_new(client, server, "server.test");
    assert_int_equal(shake(&p, SIZE_MAX, &e), 1);
    drain(&p);
    tls_write(p.server, slice_of("secret"), &wire, NULL);
    wire.p[wire.n - 1] ^= 1;
    tls_feed(p.client, buf_slice(&wire));
    assert_int_equal(tls_read(p.client, got, sizeof got, &closed, &p.to_server, &e), ERR_TLS);
    buf_release(&wire);
    pair_free(&p);
    tls_context_release(client);
    tls_context_release(server);
}

static void unreadable_files_are_told_by_name(void **state)
{
    (void)state;
    struct tls_context *c;
    struct err e = {0};
    const struct tls_options o = {.ca_file = "/nonexistent/ca.pem"};
    assert_int_equal(tls_client_context(&o, &c, &e), ERR_TLS);
    assert_non_null(strstr(e.text, "/nonexistent/ca.pem"));
    assert_null(c);
    assert_int_equal(tls_server_context("/nonexistent/s.pem", "/nonexistent/s.key", &c, &e),
                     ERR_TLS);
    assert_non_null(strstr(e.text, "/nonexistent/s.pem"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trusted_server_is_accepted_and_text_goes_both_ways),
        cmocka_unit_test(each_fault_of_a_certificate_has_its_sentence),
        cmocka_unit_test(a_session_is_resumed_with_the_same_host_only),
        cmocka_unit_test(plain_http_in_place_of_tls_is_recognised),
        cmocka_unit_test(an_announced_end_is_seen_and_none_goes_out_before_the_handshake),
        cmocka_unit_test(broken_records_are_an_error_and_not_data),
        cmocka_unit_test(unreadable_files_are_told_by_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
