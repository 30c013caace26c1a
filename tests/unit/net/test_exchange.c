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
#include "net/sock.h"
#include "support.h"

static void serve_echo(struct peer *p)
{
    struct buf request = {0}, answer = {0};
    while (peer_request(p, &request)) {
        buf_clear(&answer);
        buf_printf(&answer,
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                   request.n);
        buf_put(&answer, buf_slice(&request));
        peer_send_bytes(p, buf_slice(&answer));
    }
    buf_release(&request);
    buf_release(&answer);
}

/* Answers every request with the text in context, then closes. */
static void serve_text_once(struct peer *p)
{
    if (peer_request(p, NULL))
        peer_send(p, p->server->context);
}

/* The same, and stays. */
static void serve_text(struct peer *p)
{
    while (peer_request(p, NULL))
        peer_send(p, p->server->context);
}

struct scene {
    struct server server;
    struct rig rig;
    struct client client;
};

static void scene_open(struct scene *s, void (*serve)(struct peer *p), const char *text)
{
    char url[160];
    *s = (struct scene){.server.context = (void *)text};
    assert_true(server_start(&s->server, "127.0.0.1", serve));
    rig_open(&s->rig, server_url(&s->server, NULL, url), NULL, NULL);
    client_init(&s->client, &s->rig, "hello");
}

static void scene_close(struct scene *s)
{
    client_release(&s->client);
    rig_close(&s->rig);
    server_stop(&s->server);
}

static struct client *answer_to(struct scene *s, const char *text)
{
    scene_open(s, serve_text_once, text);
    client_run(&s->client, &s->rig);
    return &s->client;
}

static void assert_body(const struct client *c, const char *text)
{
    assert_int_equal(c->body.n, strlen(text));
    assert_memory_equal(c->body.p, text, c->body.n);
}

static void a_request_arrives_as_it_was_put(void **state)
{
    (void)state;
    struct scene s;
    char expected[512];
    scene_open(&s, serve_echo, NULL);
    struct client *c = &s.client;
    c->x.request_id = slice_of("run-7");
    client_run(c, &s.rig);
    assert_int_equal(c->outcome, EXCHANGE_OK);
    assert_int_equal(c->x.status, 200);
    assert_int_equal(c->heads, 1);
    assert_string_equal(c->content_type, "text/plain");
    snprintf(expected, sizeof expected,
             "POST /v1/x HTTP/1.1\r\nHost: %s\r\nUser-Agent: loadline\r\n"
             "Content-Type: application/json\r\nX-Request-Id: run-7\r\n"
             "Content-Length: 5\r\n\r\nhello",
             s.server.at.text);
    assert_body(c, expected);
    const struct exchange_times *t = &c->x.times;
    assert_true(c->x.opened && !c->x.reused);
    assert_true(t->connect_ns > 0 && t->tls_ns == 0);
    assert_true(t->started_ns <= t->sent_ns && t->sent_ns < t->end_ns);
    assert_true(t->first_byte_ns > t->started_ns && t->first_byte_ns <= t->end_ns);
    assert_true(c->x.received_bytes > c->body.n);
    assert_true(c->x.rtt_us > 0);
    scene_close(&s);
}

static void a_get_has_no_length_and_own_headers_take_precedence(void **state)
{
    (void)state;
    static const char *const lines[] = {"host: me", "X-Note: a\r\nX-Evil: b"};
    struct scene s;
    scene_open(&s, serve_echo, NULL);
    struct route *get = route_new(&s.rig.ep, "GET", "", lines, 2);
    s.client.x.route = get;
    s.client.x.body = slice_of("");
    client_run(&s.client, &s.rig);
    assert_body(&s.client,
                "GET / HTTP/1.1\r\nUser-Agent: loadline\r\nhost: me\r\nX-Note: a\r\n\r\n");
    route_free(get);
    scene_close(&s);
}

static void a_body_is_json_unless_a_header_says_otherwise(void **state)
{
    (void)state;
    static const char *const lines[] = {"content-type: text/plain"};
    struct scene s;
    scene_open(&s, serve_echo, NULL);
    struct route *post = route_new(&s.rig.ep, "POST", "", lines, 1);
    s.client.x.route = post;
    client_run(&s.client, &s.rig);
    assert_non_null(
        slice_find(buf_slice(&s.client.body), slice_of("content-type: text/plain\r\n")));
    assert_null(slice_find(buf_slice(&s.client.body), slice_of("application/json")));
    route_free(post);
    scene_close(&s);
}

static void a_large_body_goes_out_whole(void **state)
{
    (void)state;
    enum { BYTES = 12 * 1000 * 1000 };
    struct scene s;
    char *body = mem_alloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        body[i] = (char)('a' + i % 23);
    scene_open(&s, serve_echo, NULL);
    s.client.x.body = slice_make(body, BYTES);
    client_run(&s.client, &s.rig);
    assert_int_equal(s.client.outcome, EXCHANGE_OK);
    assert_true(s.client.body.n > BYTES);
    assert_memory_equal(s.client.body.p + s.client.body.n - BYTES, body, BYTES);
    assert_int_equal(exchanger_stats(s.rig.xr)->connections_opened, 1);
    scene_close(&s);
    free(body);
}

static void serve_chunks_apart(struct peer *p)
{
    if (!peer_request(p, NULL))
        return;
    peer_send(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        usleep(3000);
        peer_send(p, "4\r\ntok \r\n");
    }
    peer_send(p, "0\r\n\r\n");
    peer_hold(p);
}

static void each_chunk_bears_the_time_it_came_and_a_bound_below(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_chunks_apart, NULL);
    struct client *c = &s.client;
    client_run(c, &s.rig);
    assert_int_equal(c->outcome, EXCHANGE_OK);
    assert_body(c, "tok tok tok tok tok ");
    assert_int_equal(c->slices, 5);
    bool kernel = s.rig.xr->clock.stamping;
    for (size_t i = 0; i < c->slices; i++) {
        const struct stamp *t = &c->stamps[i];
        assert_int_equal(t->kernel, kernel);
        assert_false(t->full);
        assert_true(t->after_ns <= t->at_ns && t->at_ns <= t->read_ns);
        assert_true(t->after_ns > c->x.times.started_ns);
        if (i == 0 || t->read_id == t[-1].read_id)
            continue;
        assert_true(t->read_id > t[-1].read_id && t->at_ns >= t[-1].at_ns);
        assert_true(t->after_ns >= t[-1].after_ns);
    }
    const struct exchanger_stats *stats = exchanger_stats(s.rig.xr);
    assert_true(stats->reads >= c->read_ends);
    assert_int_equal(stats->stamped_reads, kernel ? stats->reads : 0);
    scene_close(&s);
}

static void what_came_in_one_read_shares_its_number(void **state)
{
    (void)state;
    struct scene s;
    struct client *c = answer_to(
        &s,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    assert_int_equal(c->outcome, EXCHANGE_OK);
    assert_body(c, "onetwo");
    assert_int_equal(c->slices, 2);
    assert_int_equal(c->read_ends, 1);
    assert_int_equal(c->stamps[0].read_id, c->stamps[1].read_id);
    scene_close(&s);
}

static void a_read_that_fills_the_buffer_says_so_and_keeps_its_bound(void **state)
{
    (void)state;
    struct scene s;
    char url[160];
    const struct exchanger_options small = {.read_buffer_bytes = 32};
    s = (struct scene){.server.context =
                           "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
                           "0123456789012345678901234567890123456789012345678901234567890123456789"
                           "012345678901234567890123456789"};
    assert_true(server_start(&s.server, "127.0.0.1", serve_text));
    rig_open(&s.rig, server_url(&s.server, NULL, url), NULL, &small);
    client_init(&s.client, &s.rig, "");
    client_run(&s.client, &s.rig);
    const struct client *c = &s.client;
    assert_int_equal(c->outcome, EXCHANGE_OK);
    assert_int_equal(c->body.n, 100);
    assert_true(c->slices >= 3);
    for (size_t i = 1; i < c->slices; i++) {
        assert_true(c->stamps[i - 1].full);
        assert_int_equal(c->stamps[i].after_ns, c->stamps[0].after_ns);
        assert_int_equal(c->stamps[i].read_id, c->stamps[i - 1].read_id + 1);
    }
    assert_false(c->stamps[c->slices - 1].full);
    assert_int_equal(exchanger_stats(s.rig.xr)->full_reads, 4);
    scene_close(&s);
}

static void an_answer_without_length_ends_when_the_server_closes(void **state)
{
    (void)state;
    struct scene s;
    struct client *c = answer_to(&s, "HTTP/1.0 200 OK\r\n\r\nall of it");
    assert_int_equal(c->outcome, EXCHANGE_OK);
    assert_body(c, "all of it");
    scene_close(&s);
}

static void an_answer_cut_short_is_truncated(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart of",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\npart of\r\n",
    };
    for (size_t i = 0; i < 2; i++) {
        struct scene s;
        struct client *c = answer_to(&s, answers[i]);
        assert_int_equal(c->outcome, EXCHANGE_TRUNCATED);
        assert_true(client_said(c, "in the middle of its answer"));
        assert_body(c, "part of");
        scene_close(&s);
    }
}

static void a_connection_closed_before_or_in_the_head_is_a_reset(void **state)
{
    (void)state;
    static const char *const answers[] = {"", "HTTP/1.1 200 OK\r\nContent-"};
    static const char *const says[] = {"gave no answer: closed; is it an HTTP server", "broke off"};
    for (size_t i = 0; i < 2; i++) {
        struct scene s;
        struct client *c = answer_to(&s, answers[i]);
        assert_int_equal(c->outcome, EXCHANGE_RESET);
        assert_true(client_said(c, says[i]));
        assert_int_equal(c->x.resends, 0);
        assert_int_equal(s.server.accepted, 1);
        scene_close(&s);
    }
}

static void serve_reset(struct peer *p)
{
    peer_request(p, NULL);
    peer_reset(p);
}

static void a_tcp_reset_is_told_in_the_systems_words(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_reset, NULL);
    client_run(&s.client, &s.rig);
    assert_int_equal(s.client.outcome, EXCHANGE_RESET);
    assert_true(client_said(&s.client, "Connection reset by peer"));
    scene_close(&s);
}

static void bytes_that_are_not_http_are_a_protocol_error(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "\x15\x03\x01\x00\x02\x02\x46",
    };
    static const char *const says[] = {"does not speak HTTP/1.1: the first line is not HTTP/1",
                                       "a chunk size that is not one",
                                       "answers with TLS; did you mean https://?"};
    for (size_t i = 0; i < 3; i++) {
        struct scene s;
        scene_open(&s, serve_text, answers[i]);
        client_run(&s.client, &s.rig);
        assert_int_equal(s.client.outcome, EXCHANGE_PROTOCOL);
        assert_true(client_said(&s.client, says[i]));
        scene_close(&s);
    }
}

static void serve_hold(struct peer *p)
{
    peer_hold(p);
}

/* The first connection's answer stalls in its middle; all others are answered. */
static void serve_stall_first(struct peer *p)
{
    if (p->number > 0) {
        serve_echo(p);
        return;
    }
    peer_request(p, NULL);
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart");
    peer_hold(p);
}

static void a_deadline_ends_a_stalled_exchange_and_harms_no_other(void **state)
{
    (void)state;
    struct scene s;
    struct client other;
    scene_open(&s, serve_stall_first, NULL);
    s.client.x.deadline_ns = clock_mono_ns() + 200 * NS_PER_MS;
    client_start(&s.client, &s.rig);
    while (s.server.accepted == 0) /* so that the stalling connection is this one's */
        exchanger_run(s.rig.xr, clock_mono_ns() + NS_PER_MS, -1);
    client_init(&other, &s.rig, "");
    other.x.deadline_ns = clock_mono_ns() + 60 * NS_PER_S;
    client_run(&other, &s.rig);
    assert_int_equal(other.outcome, EXCHANGE_OK);
    client_wait(&s.client, &s.rig);
    assert_int_equal(s.client.outcome, EXCHANGE_TIMEOUT);
    assert_true(s.client.x.times.end_ns >= s.client.x.deadline_ns);
    assert_true(client_said(&s.client, "ran out of time"));
    client_release(&other);
    scene_close(&s);
}

static void cancelling_ends_it_once_and_at_once(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_hold, NULL);
    exchange_cancel(s.rig.xr, &s.client.x); /* not in flight: nothing */
    for (int i = 0; i < 2; i++) {           /* before and after the connection stands */
        s.client.ends = 0;
        client_start(&s.client, &s.rig);
        assert_int_equal(exchanger_in_flight(s.rig.xr), 1);
        while (i == 1 && s.client.x.times.sent_ns == 0)
            exchanger_run(s.rig.xr, clock_mono_ns() + NS_PER_MS, -1);
        exchange_cancel(s.rig.xr, &s.client.x);
        exchange_cancel(s.rig.xr, &s.client.x);
        assert_int_equal(s.client.ends, 1);
        assert_int_equal(s.client.outcome, EXCHANGE_CANCELLED);
        assert_int_equal(exchanger_in_flight(s.rig.xr), 0);
    }
    scene_close(&s);
}

static struct exchanger *cancel_on;

static void cancel_in_body(struct exchange *x, struct slice data, const struct stamp *stamp)
{
    client_handler.body(x, data, stamp);
    exchange_cancel(cancel_on, x);
}

static void cancel_in_head(struct exchange *x, const struct exchange_head *head)
{
    exchange_cancel(cancel_on, x);
    assert_int_equal(head->content_type.p[0], 'a'); /* the head stays readable during its call */
}

static void cancelling_from_a_handler_stops_the_delivery(void **state)
{
    (void)state;
    struct exchange_handler in_body = client_handler, in_head = client_handler;
    in_body.body = cancel_in_body;
    in_head.head = cancel_in_head;
    for (int i = 0; i < 2; i++) {
        struct scene s;
        scene_open(&s, serve_text,
                   "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "1\r\n1\r\n1\r\n2\r\n0\r\n\r\n");
        cancel_on = s.rig.xr;
        s.client.x.handler = i == 0 ? &in_body : &in_head;
        client_run(&s.client, &s.rig);
        assert_int_equal(s.client.outcome, EXCHANGE_CANCELLED);
        assert_int_equal(s.client.slices, i == 0 ? 1 : 0);
        assert_int_equal(s.client.read_ends, 0);
        scene_close(&s);
    }
}

/* Refuses after the head, with most of the body unread: the close becomes a reset. */
static void serve_413(struct peer *p)
{
    char head[256];
    if (read(p->fd, head, sizeof head) > 0)
        peer_send(p, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n"
                     "Connection: close\r\n\r\ntoo big");
}

static void an_early_refusal_is_read_though_the_body_could_not_be_sent(void **state)
{
    (void)state;
    enum { BYTES = 20 * 1000 * 1000 };
    char *body = mem_zero(1, BYTES);
    for (int i = 0; i < 10; i++) {
        struct scene s;
        scene_open(&s, serve_413, NULL);
        s.client.x.body = slice_make(body, BYTES);
        client_run(&s.client, &s.rig);
        if (s.client.outcome != EXCHANGE_OK)
            fail_msg("%s", s.client.why.text);
        assert_int_equal(s.client.x.status, 413);
        assert_body(&s.client, "too big");
        scene_close(&s);
    }
    free(body);
}

static void interim_answers_and_answers_without_body_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int status;
    } cases[] = {
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204},
        {"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 503},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scene s;
        scene_open(&s, serve_text, cases[i].answer);
        client_run(&s.client, &s.rig);
        assert_int_equal(s.client.outcome, EXCHANGE_OK);
        assert_int_equal(s.client.x.status, cases[i].status);
        assert_int_equal(s.client.heads, 1);
        scene_close(&s);
    }
}

static void the_answer_to_head_has_no_body(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, serve_text, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
    struct route *head = route_new(&s.rig.ep, "HEAD", "/x", NULL, 0);
    s.client.x.route = head;
    s.client.x.body = slice_of("");
    client_run(&s.client, &s.rig);
    assert_int_equal(s.client.outcome, EXCHANGE_OK);
    route_free(head);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_arrives_as_it_was_put),
        cmocka_unit_test(a_get_has_no_length_and_own_headers_take_precedence),
        cmocka_unit_test(a_body_is_json_unless_a_header_says_otherwise),
        cmocka_unit_test(a_large_body_goes_out_whole),
        cmocka_unit_test(each_chunk_bears_the_time_it_came_and_a_bound_below),
        cmocka_unit_test(what_came_in_one_read_shares_its_number),
        cmocka_unit_test(a_read_that_fills_the_buffer_says_so_and_keeps_its_bound),
        cmocka_unit_test(an_answer_without_length_ends_when_the_server_closes),
        cmocka_unit_test(an_answer_cut_short_is_truncated),
        cmocka_unit_test(a_connection_closed_before_or_in_the_head_is_a_reset),
        cmocka_unit_test(a_tcp_reset_is_told_in_the_systems_words),
        cmocka_unit_test(bytes_that_are_not_http_are_a_protocol_error),
        cmocka_unit_test(a_deadline_ends_a_stalled_exchange_and_harms_no_other),
        cmocka_unit_test(cancelling_ends_it_once_and_at_once),
        cmocka_unit_test(cancelling_from_a_handler_stops_the_delivery),
        cmocka_unit_test(an_early_refusal_is_read_though_the_body_could_not_be_sent),
        cmocka_unit_test(interim_answers_and_answers_without_body_are_understood),
        cmocka_unit_test(the_answer_to_head_has_no_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
