#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "serve/fault.h"

#define ENGINE "qwen2.5-7b@b200?precision=fp8"

static int add(struct fault_rates *f, const char *text, struct err *e)
{
    return fault_rates_add(f, slice_of(text), e);
}

static void rates_are_read_and_nonsense_is_refused(void **state)
{
    (void)state;
    struct fault_rates f = {0};
    struct err e;
    assert_int_equal(add(&f, "stall=0.25", &e), OK);
    assert_int_equal(add(&f, "one-byte=0.5", &e), OK);
    assert_true(f.rate[FAULT_STALL] == 0.25);
    assert_int_equal(add(&f, "error=0.26", &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "more than 1"));
    assert_int_equal(add(&f, "refuse=1", &e), OK); /* of connections: by itself */
    assert_int_equal(add(&f, "stalls=0.1", &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "stall, "));
    assert_int_equal(add(&f, "stall", &e), ERR_USAGE);
    assert_int_equal(add(&f, "stall=", &e), ERR_USAGE);
    assert_int_equal(add(&f, "stall=2", &e), ERR_USAGE);
    assert_int_equal(add(&f, "", &e), ERR_USAGE);
    assert_true(f.rate[FAULT_STALL] == 0.25);
}

static void each_kind_has_its_share_and_a_request_its_own_draw(void **state)
{
    (void)state;
    struct fault_rates f = {.rate = {[FAULT_RESET] = 0.1, [FAULT_STALL] = 0.3}};
    unsigned got[FAULT_KINDS] = {0};
    for (int i = 0; i < 10000; i++) {
        char name[16];
        int n = snprintf(name, sizeof name, "request-%d", i);
        struct slice id = slice_make(name, (size_t)n);
        struct fault once = fault_draw(&f, 7, id, true), again = fault_draw(&f, 7, id, true);
        assert_int_equal(once.kind, again.kind);
        assert_true(once.where == again.where);
        got[once.kind]++;
        if (once.kind == FAULT_STALL)
            assert_int_equal(fault_draw(&f, 7, id, false).kind, FAULT_NONE);
    }
    /* Within five standard errors. */
    assert_in_range(got[FAULT_RESET], 850, 1150);
    assert_in_range(got[FAULT_STALL], 2770, 3230);
    assert_int_equal(got[FAULT_NONE] + got[FAULT_RESET] + got[FAULT_STALL], 10000);
}

static void a_request_without_an_id_is_spared(void **state)
{
    (void)state;
    struct fault_rates f = {.rate = {[FAULT_RESET] = 1}};
    assert_int_equal(fault_draw(&f, 1, slice_of(""), true).kind, FAULT_NONE);
    assert_int_equal(fault_draw(&f, 1, slice_of("x"), true).kind, FAULT_RESET);
}

static void a_stream_has_a_token_before_its_fault_and_one_after(void **state)
{
    (void)state;
    struct fault first = {.where = 1e-9}, last = {.where = 1};
    assert_int_equal(fault_place(&first, 100), 1);
    assert_int_equal(fault_place(&last, 100), 99);
    assert_int_equal(fault_place(&last, 2), 1);
    assert_int_equal(fault_place(&last, 1), 0);
}

/* Sends a stream of 8 tokens; reads until the connection or the answer ends. Returns the last recv.
 */
static ssize_t ask(struct harness *h, struct buf *answer, unsigned *reads)
{
    static const char body[] = "{\"prompt\":\"a b\",\"max_tokens\":8,\"ignore_eos\":true,"
                               "\"stream\":true}";
    char text[512], bytes[4096];
    ssize_t n;
    int fd = harness_connect(h);
    snprintf(text, sizeof text,
             "POST /v1/completions HTTP/1.1\r\nHost: x\r\nX-Request-Id: some\r\n"
             "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
             sizeof body - 1, body);
    harness_send(fd, text);
    *reads = 0;
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0) {
        buf_append(answer, bytes, (size_t)n);
        ++*reads;
    }
    ssize_t end = n < 0 ? -errno : 0;
    close(fd);
    return end;
}

static ssize_t ask_with(enum fault_kind kind, struct buf *answer, unsigned *reads)
{
    struct harness h;
    struct serve_options o = {0};
    o.faults.rate[kind] = 1;
    harness_start_with(&h, &o, ENGINE);
    ssize_t end = ask(&h, answer, reads);
    harness_stop(&h);
    return end;
}

static void faults_that_end_a_stream_end_it_each_in_its_way(void **state)
{
    (void)state;
    struct buf a = {0};
    unsigned reads;
    assert_int_equal(ask_with(FAULT_RESET, &a, &reads), -ECONNRESET);
    assert_int_equal(a.n, 0);
    assert_int_equal(ask_with(FAULT_RESET_MIDSTREAM, &a, &reads), -ECONNRESET);
    buf_clear(&a);
    assert_int_equal(ask_with(FAULT_TRUNCATE, &a, &reads), 0);
    assert_in_range(count_of(&a, "\"text\""), 1, 7);
    assert_false(has(&a, "[DONE]"));
    buf_clear(&a);
    assert_int_equal(ask_with(FAULT_MALFORMED_CHUNK, &a, &reads), 0);
    assert_true(has(&a, "no size\r\n"));
    buf_clear(&a);
    assert_int_equal(ask_with(FAULT_ERROR, &a, &reads), 0);
    assert_true(has(&a, "data: {\"error\""));
    assert_true(has(&a, "[DONE]\n\n\r\n0\r\n\r\n"));
    buf_clear(&a);
    assert_int_equal(ask_with(FAULT_MALFORMED_JSON, &a, &reads), 0);
    assert_int_equal(count_of(&a, "data: <"), 1);
    assert_true(has(&a, "[DONE]"));
    buf_release(&a);
}

static void faults_that_only_change_the_writes_keep_the_stream_whole(void **state)
{
    (void)state;
    struct buf a = {0};
    unsigned reads;
    assert_int_equal(ask_with(FAULT_COALESCE, &a, &reads), 0);
    assert_int_equal(count_of(&a, "\"text\""), 8);
    assert_true(has(&a, "[DONE]\n\n\r\n0\r\n\r\n"));
    buf_clear(&a);
    assert_int_equal(ask_with(FAULT_ONE_BYTE, &a, &reads), 0);
    assert_int_equal(count_of(&a, "\"text\""), 8);
    buf_clear(&a);
    assert_int_equal(ask_with(FAULT_SPLIT_UTF8, &a, &reads), 0);
    assert_int_equal(count_of(&a, "\xc3\xa9\xe6\xbc\xa2\xf0\x9f\r\n"), 8);
    assert_true(has(&a, "[DONE]"));
    buf_clear(&a);
    assert_int_equal(ask_with(FAULT_SLOW_HEADERS, &a, &reads), 0);
    assert_true(reads > 20); /* some of the bytes may come together */
    assert_int_equal(count_of(&a, "\"text\""), 8);
    buf_release(&a);
}

static void refusals_begin_with_the_load(void **state)
{
    (void)state;
    struct harness h;
    struct buf a = {0};
    struct response r;
    unsigned reads;
    struct serve_options o = {.faults = {.rate = {[FAULT_REFUSE] = 1}}};
    harness_start_with(&h, &o, ENGINE);
    harness_ask(&h, "/health", NULL, &r);
    assert_int_equal(r.status, 200);
    response_release(&r);
    assert_int_equal(ask(&h, &a, &reads), 0);
    assert_int_equal(count_of(&a, "\"text\""), 8);
    int fd = harness_connect(&h);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
    harness_stop(&h);
    buf_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_read_and_nonsense_is_refused),
        cmocka_unit_test(each_kind_has_its_share_and_a_request_its_own_draw),
        cmocka_unit_test(a_request_without_an_id_is_spared),
        cmocka_unit_test(a_stream_has_a_token_before_its_fault_and_one_after),
        cmocka_unit_test(faults_that_end_a_stream_end_it_each_in_its_way),
        cmocka_unit_test(faults_that_only_change_the_writes_keep_the_stream_whole),
        cmocka_unit_test(refusals_begin_with_the_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
