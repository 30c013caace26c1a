#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/fetch.h"
#include "net/sock.h"
#include "support.h"

static void serve_echo(struct peer *p)
{
    struct buf request = {0}, answer = {0};
    while (peer_request(p, &request)) {
        buf_clear(&answer);
        buf_printf(&answer,
                   "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nServer: test/1\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   request.n);
        buf_put(&answer, buf_slice(&request));
        peer_send_bytes(p, buf_slice(&answer));
    }
    buf_release(&request);
    buf_release(&answer);
}

struct scene {
    struct server server;
    struct endpoint ep;
    struct fetch_result result;
    struct err e;
};

static void scene_open(struct scene *s, const char *where, void (*serve)(struct peer *p))
{
    char url[160];
    *s = (struct scene){0};
    assert_true(server_start(&s->server, where, serve));
    assert_int_equal(endpoint_open(slice_of(server_url(&s->server, NULL, url)), NULL, &s->ep, NULL),
                     OK);
}

static int ask(struct scene *s, const struct fetch_request *q)
{
    fetch_result_release(&s->result);
    return fetch(&s->ep, q, &s->result, &s->e);
}

static void scene_close(struct scene *s)
{
    fetch_result_release(&s->result);
    endpoint_close(&s->ep);
    server_stop(&s->server);
}

static bool has(const struct buf *b, const char *text)
{
    return slice_find(buf_slice(b), slice_of(text)) != NULL;
}

static void an_answer_is_given_whole_whatever_its_status(void **state)
{
    (void)state;
    static const char *const lines[] = {"X-Own: yes"};
    struct scene s;
    scene_open(&s, "127.0.0.1", serve_echo);
    assert_int_equal(ask(&s, &(struct fetch_request){.path = "/v1/models",
                                                     .header_lines = lines,
                                                     .header_count = 1,
                                                     .timeout_ns = 20 * NS_PER_S}),
                     OK);
    assert_int_equal(s.result.status, 404);
    assert_string_equal(s.result.content_type, "text/plain");
    assert_string_equal(s.result.server, "test/1");
    assert_true(has(&s.result.body, "GET /v1/models HTTP/1.1\r\n"));
    assert_true(has(&s.result.body, "X-Own: yes\r\n"));
    assert_true(s.result.times.end_ns > s.result.times.started_ns);
    assert_int_equal(ask(&s, &(struct fetch_request){.path = "/t", .body = slice_of("{}")}), OK);
    assert_true(has(&s.result.body, "POST /t HTTP/1.1\r\n"));
    assert_true(has(&s.result.body, "Content-Length: 2\r\n\r\n{}"));
    scene_close(&s);
}

static void a_body_past_the_maximum_is_cut_and_said_to_be(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, "127.0.0.1", serve_echo);
    assert_int_equal(ask(&s, &(struct fetch_request){.path = "/", .max_body_bytes = 8}), OK);
    assert_true(s.result.truncated);
    assert_int_equal(s.result.body.n, 8);
    assert_memory_equal(s.result.body.p, "GET / HT", 8);
    scene_close(&s);
}

static void unix_sockets_are_asked_alike(void **state)
{
    (void)state;
    struct scratch files;
    struct scene s;
    char path[128];
    scratch_make(&files);
    scene_open(&s, scratch_path(&files, "f.sock", path), serve_echo);
    assert_int_equal(ask(&s, &(struct fetch_request){.path = "/x"}), OK);
    assert_true(has(&s.result.body, "GET /x"));
    scene_close(&s);
    scratch_remove(&files);
}

static void a_server_that_never_answers_is_given_up(void **state)
{
    (void)state;
    struct scene s;
    char expected[256];
    scene_open(&s, "127.0.0.1", peer_hold);
    assert_int_equal(ask(&s, &(struct fetch_request){.path = "/", .timeout_ns = 30 * NS_PER_MS}),
                     ERR_TIMEOUT);
    snprintf(expected, sizeof expected, "no answer from %s within", s.server.at.text);
    assert_non_null(strstr(s.e.text, expected));
    scene_close(&s);
}

static void the_asker_can_be_interrupted(void **state)
{
    (void)state;
    struct scene s;
    int wake[2];
    assert_int_equal(pipe(wake), 0);
    assert_int_equal(write(wake[1], "x", 1), 1);
    scene_open(&s, "127.0.0.1", peer_hold);
    assert_int_equal(ask(&s, &(struct fetch_request){.path = "/", .cancel_fd = wake[0]}),
                     ERR_INTERRUPTED);
    close(wake[0]);
    close(wake[1]);
    scene_close(&s);
}

static void serve_rubbish(struct peer *p)
{
    peer_request(p, NULL);
    peer_send(p, "220 mail.example ESMTP\r\n");
    peer_hold(p);
}

static void serve_nothing(struct peer *p)
{
    peer_request(p, NULL);
}

static void each_failure_has_its_code_and_names_the_address(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, "127.0.0.1", serve_rubbish);
    assert_int_equal(ask(&s, &(struct fetch_request){.path = "/"}), ERR_PROTOCOL);
    assert_non_null(strstr(s.e.text, s.server.at.text));
    scene_close(&s);
    scene_open(&s, "127.0.0.1", serve_nothing);
    assert_int_equal(ask(&s, &(struct fetch_request){.path = "/"}), ERR_NET);
    assert_non_null(strstr(s.e.text, s.server.at.text));
    scene_close(&s);
    scene_open(&s, "127.0.0.1", serve_nothing);
    server_stop(&s.server);
    assert_int_equal(ask(&s, &(struct fetch_request){.path = "/"}), ERR_NET);
    assert_non_null(strstr(s.e.text, "connection refused; is the server running there?"));
    fetch_result_release(&s.result);
    endpoint_close(&s.ep);
}

static void bad_targets_are_refused_before_anything_is_sent(void **state)
{
    (void)state;
    struct endpoint ep;
    struct err e;
    assert_int_equal(endpoint_open(slice_of("ftp://x"), NULL, &ep, &e), ERR_USAGE);
    assert_int_equal(endpoint_open(slice_of("http://no-such-host.invalid"), NULL, &ep, &e),
                     ERR_NET);
    assert_non_null(strstr(e.text, "no-such-host.invalid"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_given_whole_whatever_its_status),
        cmocka_unit_test(a_body_past_the_maximum_is_cut_and_said_to_be),
        cmocka_unit_test(unix_sockets_are_asked_alike),
        cmocka_unit_test(a_server_that_never_answers_is_given_up),
        cmocka_unit_test(the_asker_can_be_interrupted),
        cmocka_unit_test(each_failure_has_its_code_and_names_the_address),
        cmocka_unit_test(bad_targets_are_refused_before_anything_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
