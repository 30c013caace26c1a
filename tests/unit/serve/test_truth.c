#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"
#include "serve/truth_file.h"

#define ENGINE "qwen2.5-7b@b200?precision=fp8"

enum { INTERVAL_NS = 2000000 };

struct folder {
    char name[64], path[96];
};

static void folder_make(struct folder *f)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(f->name, sizeof f->name, "%s/loadline-test-XXXXXX",
             tmp && strlen(tmp) < 32 ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->name));
    snprintf(f->path, sizeof f->path, "%s/truth.db", f->name);
}

static void folder_remove(struct folder *f)
{
    unlink(f->path);
    assert_int_equal(rmdir(f->name), 0);
}

static void ask(int fd, const char *name, int tokens, bool stream)
{
    char body[160], text[512];
    snprintf(body, sizeof body,
             "{\"prompt\":\"a b\",\"max_tokens\":%d,\"ignore_eos\":true,\"stream\":%s}", tokens,
             stream ? "true" : "false");
    snprintf(text, sizeof text,
             "POST /v1/completions HTTP/1.1\r\nHost: x\r\nX-Request-Id: %s\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             name, strlen(body), body);
    harness_send(fd, text);
}

static void read_answer(int fd, struct buf *rest)
{
    struct response r;
    harness_read(fd, rest, &r);
    assert_int_equal(r.status, 200);
    assert_false(r.closed);
    response_release(&r);
}

/* Streams of two and three tokens and a whole answer of four; the truth of it. */
static struct truth *serve_three(struct folder *f, int64_t metronome_ns)
{
    struct harness h;
    struct truth *t;
    struct err e = {0};
    struct buf rest = {0};
    struct serve_options o = {.truth = f->path, .metronome_ns = metronome_ns};
    harness_start_with(&h, &o, ENGINE);
    int a = harness_connect(&h), b = harness_connect(&h);
    ask(a, "one", 2, true);
    read_answer(a, &rest);
    ask(b, "two", 3, true);
    read_answer(b, &rest);
    ask(a, "three", 4, false);
    read_answer(a, &rest);
    buf_release(&rest);
    close(a);
    close(b);
    harness_stop(&h);
    if (truth_file_read(f->path, &t, &e) != OK)
        fail_msg("%s", e.text);
    return t;
}

static void every_token_has_the_time_of_its_send(void **state)
{
    (void)state;
    struct folder f;
    folder_make(&f);
    int64_t begin_ns = clock_mono_ns();
    struct truth *t = serve_three(&f, 0);
    static const char *const names[] = {"one", "two", "three"};
    assert_int_equal(truth_requests(t), 3);
    assert_int_equal(truth_tokens(t), 2 + 3 + 4);
    int64_t last_ns = begin_ns;
    uint32_t at = 0;
    for (uint32_t r = 0; r < 3; r++) {
        const struct truth_request *q = truth_request_at(t, r);
        assert_string_equal(q->name, names[r]);
        assert_int_equal(q->tokens, r + 2);
        assert_true(q->arrived_ns >= last_ns);
        for (uint32_t k = 0; k < r + 2; k++, at++) {
            const struct truth_token *token = truth_token_at(t, at);
            assert_int_equal(token->request, r);
            assert_int_equal(token->token, k);
            assert_true(token->before_ns > q->arrived_ns);
            assert_true(token->after_ns >= token->before_ns);
            assert_true(token->before_ns >= last_ns || (r == 2 && k > 0));
            last_ns = token->before_ns;
        }
    }
    assert_true(last_ns < clock_mono_ns());
    /* The whole answer goes out in one send. */
    assert_int_equal(truth_token_at(t, 5)->before_ns, truth_token_at(t, 8)->before_ns);
    truth_free(t);
    folder_remove(&f);
}

static void a_step_has_its_due_time_and_its_burst(void **state)
{
    (void)state;
    struct folder f;
    folder_make(&f);
    struct truth *t = serve_three(&f, 0);
    uint32_t sends = 0;
    for (uint32_t i = 0; i < truth_steps(t); i++) {
        const struct truth_step *s = truth_step_at(t, i);
        sends += s->sends;
        if (s->sends == 0)
            continue;
        assert_true(s->first_ns >= s->due_ns);
        assert_true(s->last_ns >= s->first_ns);
    }
    assert_int_equal(sends, 2 + 3 + 1);
    for (uint32_t i = 0; i < truth_tokens(t); i++) {
        const struct truth_token *k = truth_token_at(t, i);
        const struct truth_step *s = truth_step_at(t, k->step);
        assert_true(k->before_ns >= s->first_ns && k->after_ns <= s->last_ns);
    }
    truth_free(t);
    folder_remove(&f);
}

static void a_metronome_is_due_at_multiples_of_its_interval(void **state)
{
    (void)state;
    struct folder f;
    folder_make(&f);
    struct truth *t = serve_three(&f, INTERVAL_NS);
    assert_int_equal(truth_tokens(t), 2 + 3 + 4);
    assert_int_equal(truth_steps(t), 2 + 3 + 4);
    for (uint32_t i = 0; i < truth_steps(t); i++)
        assert_int_equal(truth_step_at(t, i)->due_ns % INTERVAL_NS, 0);
    for (uint32_t i = 0; i < truth_tokens(t); i++) {
        const struct truth_token *k = truth_token_at(t, i);
        assert_true(k->before_ns >= truth_step_at(t, k->step)->due_ns);
    }
    truth_free(t);
    folder_remove(&f);
}

static void a_request_cut_short_keeps_what_was_sent(void **state)
{
    (void)state;
    struct folder f;
    struct harness h;
    struct truth *t;
    folder_make(&f);
    struct serve_options o = {.truth = f.path, .metronome_ns = INTERVAL_NS};
    harness_start_with(&h, &o, ENGINE);
    int fd = harness_connect(&h);
    ask(fd, "long", 30000, true);
    harness_await_metric(&h, "vllm:num_requests_running{", 1);
    close(fd);
    harness_await_metric(&h, "vllm:num_requests_running{", 0);
    harness_stop(&h);
    assert_int_equal(truth_file_read(f.path, &t, NULL), OK);
    assert_int_equal(truth_requests(t), 1);
    assert_int_equal(truth_request_at(t, 0)->tokens, 30000);
    assert_true(truth_tokens(t) < 30000);
    truth_free(t);
    folder_remove(&f);
}

static void a_file_that_exists_is_refused_and_kept(void **state)
{
    (void)state;
    struct folder f;
    struct err e = {0};
    struct stat now;
    folder_make(&f);
    FILE *other = fopen(f.path, "w");
    assert_non_null(other);
    fputs("mine", other);
    fclose(other);
    struct serve_options o = {
        .listen = "127.0.0.1:0", .ready_fd = -1, .quiet = true, .truth = f.path};
    assert_int_equal(spec_parse(slice_of(ENGINE), &o.engine, &e), OK);
    assert_int_equal(serve_run(&o, -1, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "exists already"));
    assert_int_equal(stat(f.path, &now), 0);
    assert_int_equal(now.st_size, 4);
    struct truth *t;
    assert_int_equal(truth_file_read(f.path, &t, &e), ERR_INPUT);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_token_has_the_time_of_its_send),
        cmocka_unit_test(a_step_has_its_due_time_and_its_burst),
        cmocka_unit_test(a_metronome_is_due_at_multiples_of_its_interval),
        cmocka_unit_test(a_request_cut_short_keeps_what_was_sent),
        cmocka_unit_test(a_file_that_exists_is_refused_and_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
