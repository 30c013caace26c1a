#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"
#include "serve/client.h"

#define ENGINE "qwen2.5-7b@b200?precision=fp8"

static int start(void **state)
{
    *state = calloc(1, sizeof(struct harness));
    harness_start(*state, NULL, ENGINE);
    return 0;
}

static int stop(void **state)
{
    harness_stop(*state);
    free(*state);
    return 0;
}

/* Sends a completion of `tokens` tokens, its head extended by `headers`. */
static void ask(int fd, int tokens, bool stream, const char *headers)
{
    char body[160], text[512];
    snprintf(body, sizeof body,
             "{\"prompt\":\"a b\",\"max_tokens\":%d,\"ignore_eos\":true,\"stream\":%s}", tokens,
             stream ? "true" : "false");
    snprintf(text, sizeof text,
             "POST /v1/completions HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s", headers,
             strlen(body), body);
    harness_send(fd, text);
}

static void read_events(int fd, struct buf *rest, unsigned events)
{
    struct response r;
    harness_read(fd, rest, &r);
    assert_int_equal(r.status, 200);
    assert_false(r.closed);
    assert_int_equal(count_of(&r.body, "\"text\":\" "), events);
    assert_true(has(&r.body, "data: [DONE]"));
    response_release(&r);
}

static void one_connection_carries_many_requests(void **state)
{
    int fd = harness_connect(*state);
    struct buf rest = {0};
    for (unsigned i = 1; i <= 3; i++) {
        ask(fd, (int)i, true, "");
        read_events(fd, &rest, i);
    }
    assert_int_equal(rest.n, 0);
    close(fd);
    buf_release(&rest);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    int fd = harness_connect(*state);
    struct buf rest = {0};
    struct response r;
    ask(fd, 4, true, "");
    harness_send(fd, "GET /version HTTP/1.1\r\nHost: x\r\n\r\n");
    ask(fd, 2, true, "");
    ask(fd, 3, false, "");
    harness_send(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    read_events(fd, &rest, 4);
    harness_read(fd, &rest, &r);
    assert_true(has(&r.body, "version"));
    response_release(&r);
    read_events(fd, &rest, 2);
    harness_read(fd, &rest, &r);
    assert_true(has(&r.body, "\"completion_tokens\":3"));
    response_release(&r);
    harness_read(fd, &rest, &r);
    assert_int_equal(r.status, 200);
    response_release(&r);
    close(fd);
    buf_release(&rest);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    int fd = harness_connect(*state);
    struct buf rest = {0};
    static const char text[] =
        "POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "1d\r\n{\"prompt\":\"a b\",\"max_tokens\":\r\n"
        "21\r\n2,\"ignore_eos\":true,\"stream\":true\r\n"
        "1\r\n}\r\n0\r\n\r\n";
    for (size_t i = 0; text[i]; i++) {
        char one[2] = {text[i], '\0'};
        harness_send(fd, one);
    }
    read_events(fd, &rest, 2);
    close(fd);
    buf_release(&rest);
}

static void the_request_id_is_echoed_and_only_its_own(void **state)
{
    int fd = harness_connect(*state);
    struct buf rest = {0};
    struct response r;
    ask(fd, 1, false, "X-Request-Id: load-42\r\n");
    ask(fd, 1, true, "x-request-id: load-43\r\n");
    ask(fd, 1, true, "");
    harness_read(fd, &rest, &r);
    assert_true(has(&r.head, "X-Request-Id: load-42\r\n"));
    response_release(&r);
    harness_read(fd, &rest, &r);
    assert_true(has(&r.head, "X-Request-Id: load-43\r\n"));
    response_release(&r);
    harness_read(fd, &rest, &r);
    assert_false(has(&r.head, "X-Request-Id"));
    response_release(&r);
    close(fd);
    buf_release(&rest);
}

static void connection_close_and_http_1_0_are_honoured(void **state)
{
    struct buf rest = {0};
    struct response r;
    char byte;
    int fd = harness_connect(*state);
    ask(fd, 2, true, "Connection: close\r\n");
    read_events(fd, &rest, 2);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    fd = harness_connect(*state);
    harness_send(fd, "POST /v1/completions HTTP/1.0\r\nContent-Length: 61\r\n\r\n"
                     "{\"prompt\":\"a\",\"max_tokens\":2,\"ignore_eos\":true,\"stream\":true}");
    harness_read(fd, &rest, &r);
    assert_false(r.chunked);
    assert_int_equal(strncmp(buf_cstr(&r.body), "data: ", 6), 0);
    assert_true(has(&r.body, "data: [DONE]\n\n"));
    response_release(&r);
    close(fd);
    buf_release(&rest);
}

static void expect_100_continue_is_answered(void **state)
{
    struct buf rest = {0};
    struct response r;
    int fd = harness_connect(*state);
    harness_send(
        fd,
        "POST /tokenize HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 14\r\n\r\n");
    harness_read(fd, &rest, &r);
    assert_int_equal(r.status, 100);
    response_release(&r);
    harness_send(fd, "{\"prompt\":\"a\"}");
    harness_read(fd, &rest, &r);
    assert_true(has(&r.body, "\"count\":1"));
    response_release(&r);
    close(fd);
    buf_release(&rest);
}

static void bytes_that_are_no_request_get_400_and_the_connection_closes(void **state)
{
    struct buf rest = {0};
    struct response r;
    char byte;
    int fd = harness_connect(*state);
    harness_send(fd, "this is not HTTP\r\n\r\n");
    harness_read(fd, &rest, &r);
    assert_int_equal(r.status, 400);
    assert_true(has(&r.head, "Connection: close"));
    assert_true(has(&r.body, "{\"error\""));
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    response_release(&r);
    close(fd);
    buf_release(&rest);
}

static void a_body_over_the_bound_gets_413_though_it_is_still_being_sent(void **state)
{
    struct buf rest = {0};
    struct response r;
    int fd = harness_connect(*state);
    harness_send(fd,
                 "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 268435457\r\n\r\n{");
    harness_read(fd, &rest, &r);
    assert_int_equal(r.status, 413);
    response_release(&r);
    harness_send(fd, "\"prompt\":"); /* no reset: it is read and dropped */
    close(fd);
    buf_release(&rest);
}

static void a_client_that_goes_away_is_forgotten_by_the_engine(void **state)
{
    for (int i = 0; i < 2; i++) {
        int fd = harness_connect(*state);
        ask(fd, 30000, i == 0, "");
        harness_await_metric(*state, "vllm:num_requests_running{", 1);
        close(fd);
        harness_await_metric(*state, "vllm:num_requests_running{", 0);
        assert_true(harness_metric(*state, "vllm:kv_cache_usage_perc{") == 0);
        assert_true(harness_metric(*state, "vllm:request_success_total{engine=\"0\",model_name="
                                           "\"qwen2.5-7b\",finished_reason=\"abort\"}") == i + 1);
    }
}

static void answers_that_are_not_read_hold_back_further_requests(void **state)
{
    enum { REQUESTS = 400 };
    struct buf rest = {0};
    int fd = harness_connect(*state);
    for (int i = 0; i < REQUESTS; i++)
        harness_send(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < REQUESTS; i++) {
        struct response r;
        harness_read(fd, &rest, &r);
        assert_int_equal(r.status, 200);
        assert_true(has(&r.body, "vllm:num_requests_running"));
        response_release(&r);
    }
    assert_int_equal(rest.n, 0);
    close(fd);
    buf_release(&rest);
}

static void a_reader_that_falls_behind_its_bound_is_dropped(void **state)
{
    (void)state;
    enum { PIECE = 1000, BOUND = 50 * PIECE };
    static const char bytes[PIECE];
    int ends[2];
    struct server s = {.listener.fd = -1};
    assert_int_equal(poller_init(&s.poller, NULL), OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    client_new(&s, ends[0]);
    struct client *c = s.clients;
    assert_non_null(c);
    while (client_send(c, bytes, PIECE, BOUND))
        assert_true(c->out.n <= BOUND);
    assert_int_equal(c->fd, -1);
    assert_null(s.clients);
    client_sweep(&s);
    poller_release(&s.poller);
    free(s.read_buffer);
    close(ends[1]);
}

static void five_hundred_streams_run_side_by_side(void **state)
{
    enum { STREAMS = 500, TOKENS = 8 };
    static int fds[STREAMS];
    struct rlimit r;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
    if (r.rlim_cur < 2 * STREAMS + 64)
        skip();
    for (int i = 0; i < STREAMS; i++) {
        fds[i] = harness_connect(*state);
        ask(fds[i], TOKENS, true, "");
    }
    for (int i = 0; i < STREAMS; i++) {
        struct buf rest = {0};
        read_events(fds[i], &rest, TOKENS);
        buf_release(&rest);
        close(fds[i]);
    }
    assert_true(harness_metric(*state, "vllm:generation_tokens_total{") == STREAMS * TOKENS);
}

static void stopping_ends_streams_with_an_error_that_says_so(void **state)
{
    (void)state;
    struct harness h;
    struct buf rest = {0}, other_rest = {0};
    struct response r;
    harness_start(&h, NULL, ENGINE);
    int fd = harness_connect(&h), other = harness_connect(&h), idle = harness_connect(&h);
    ask(fd, 30000, true, "");
    ask(other, 30000, false, "");
    harness_await_metric(&h, "vllm:num_requests_running{", 2);
    harness_stop(&h);
    harness_read(fd, &rest, &r);
    assert_false(r.closed);
    assert_true(has(&r.body, "data: {\"error\":{\"message\":\"the server is shutting down\""));
    assert_false(has(&r.body, "[DONE]"));
    response_release(&r);
    harness_read(other, &other_rest, &r);
    assert_int_equal(r.status, 503);
    response_release(&r);
    close(fd);
    close(other);
    close(idle);
    buf_release(&rest);
    buf_release(&other_rest);
}

static void replicas_share_the_requests(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, NULL, ENGINE "&replicas=2&max_num_seqs=1");
    int a = harness_connect(&h), b = harness_connect(&h);
    ask(a, 30000, true, "");
    ask(b, 30000, true, "");
    harness_await_metric(&h, "vllm:num_requests_running{engine=\"0\"", 1);
    harness_await_metric(&h, "vllm:num_requests_running{engine=\"1\"", 1);
    assert_true(harness_metric(&h, "vllm:num_requests_waiting{engine=\"0\"") == 0);
    harness_stop(&h);
    close(a);
    close(b);
}

static void overload_shows_as_waiting_requests(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, NULL, ENGINE "&max_num_seqs=2");
    int fds[5];
    for (int i = 0; i < 5; i++) {
        fds[i] = harness_connect(&h);
        ask(fds[i], 30000, true, "");
    }
    harness_await_metric(&h, "vllm:num_requests_waiting{", 3);
    assert_true(harness_metric(&h, "vllm:num_requests_running{") == 2);
    harness_stop(&h);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}

static void a_unix_socket_serves_and_disappears(void **state)
{
    (void)state;
    struct harness h;
    char folder[] = "/tmp/loadline-test-XXXXXX";
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char listen[sizeof at.sun_path + 8];
    struct buf rest = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(at.sun_path, sizeof at.sun_path, "%s/s", folder);
    snprintf(listen, sizeof listen, "unix:%s", at.sun_path);
    harness_start(&h, listen, ENGINE);
    assert_int_equal(h.port, 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
    ask(fd, 3, true, "");
    read_events(fd, &rest, 3);
    close(fd);
    buf_release(&rest);
    harness_stop(&h);
    assert_int_equal(access(at.sun_path, F_OK), -1);
    assert_int_equal(rmdir(folder), 0);
}

static void refused(const char *listen, const char *words)
{
    struct serve_options o = {.listen = listen, .ready_fd = -1, .quiet = true};
    struct err e = {0};
    assert_int_equal(spec_parse(slice_of(""), &o.engine, &e), OK);
    assert_true(serve_run(&o, -1, &e) < 0);
    if (!strstr(e.text, words))
        fail_msg("%s: %s", listen, e.text);
}

static void places_one_cannot_listen_at_are_told(void **state)
{
    const struct harness *h = *state;
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%d", h->port);
    refused(taken, "another server listens there");
    refused("8000", "HOST:PORT");
    refused("127.0.0.1:70000", "port");
    refused(":8000", "address");
    refused("unix:", "unix:/path.sock");
    refused("unix:/nowhere/at/all/s", "/nowhere/at/all/s");
}

static void an_engine_whose_parent_is_gone_does_not_begin(void **state)
{
    (void)state;
    struct serve_options o = {
        .listen = "127.0.0.1:0", .ready_fd = -1, .quiet = true, .parent_pid = getpid()};
    struct err e = {0};
    assert_int_equal(spec_parse(slice_of(""), &o.engine, &e), OK);
    assert_int_equal(serve_run(&o, -1, &e), ERR_INTERRUPTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_connection_carries_many_requests, start, stop),
        cmocka_unit_test_setup_teardown(pipelined_requests_are_answered_in_order, start, stop),
        cmocka_unit_test_setup_teardown(a_request_may_come_byte_by_byte, start, stop),
        cmocka_unit_test_setup_teardown(the_request_id_is_echoed_and_only_its_own, start, stop),
        cmocka_unit_test_setup_teardown(connection_close_and_http_1_0_are_honoured, start, stop),
        cmocka_unit_test_setup_teardown(expect_100_continue_is_answered, start, stop),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_request_get_400_and_the_connection_closes,
                                        start, stop),
        cmocka_unit_test_setup_teardown(
            a_body_over_the_bound_gets_413_though_it_is_still_being_sent, start, stop),
        cmocka_unit_test_setup_teardown(a_client_that_goes_away_is_forgotten_by_the_engine, start,
                                        stop),
        cmocka_unit_test_setup_teardown(answers_that_are_not_read_hold_back_further_requests, start,
                                        stop),
        cmocka_unit_test(a_reader_that_falls_behind_its_bound_is_dropped),
        cmocka_unit_test_setup_teardown(five_hundred_streams_run_side_by_side, start, stop),
        cmocka_unit_test(stopping_ends_streams_with_an_error_that_says_so),
        cmocka_unit_test(replicas_share_the_requests),
        cmocka_unit_test(overload_shows_as_waiting_requests),
        cmocka_unit_test(a_unix_socket_serves_and_disappears),
        cmocka_unit_test_setup_teardown(places_one_cannot_listen_at_are_told, start, stop),
        cmocka_unit_test(an_engine_whose_parent_is_gone_does_not_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
