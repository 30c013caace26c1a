#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

/* One quick engine for all tests of this file. */
static struct harness server;
#define ENGINE "qwen2.5-7b@b200?precision=fp8&max_model_len=2000"

static int start(void **state)
{
    (void)state;
    harness_start(&server, NULL, ENGINE);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&server);
    return 0;
}

static void answered(const char *path, const char *body, int status, const char *const *parts)
{
    struct response r;
    harness_ask(&server, path, body, &r);
    if (r.status != status || r.closed)
        fail_msg("%s %s: %d %.*s", path, body ? body : "", r.status, SLICE_ARG(r.body));
    for (; *parts; parts++)
        if (!has(&r.body, *parts))
            fail_msg("%s: no %s in %.*s", path, *parts, SLICE_ARG(r.body));
    response_release(&r);
}

#define ANSWERED(path, body, status, ...)                                                          \
    answered(path, body, status, (const char *const[]){__VA_ARGS__, NULL})

static void facts_are_told(void **state)
{
    (void)state;
    ANSWERED("/health", NULL, 200, "");
    ANSWERED("/version", NULL, 200, "\"version\":\"");
    ANSWERED("/v1/models", NULL, 200, "\"id\":\"qwen2.5-7b\"", "\"max_model_len\":2000");
    ANSWERED("/v1/models?x=1", NULL, 200, "\"object\":\"list\"");
    ANSWERED("/reset_prefix_cache", "", 200, "");
}

static void a_completion_has_text_reason_and_usage(void **state)
{
    (void)state;
    ANSWERED(
        "/v1/completions",
        "{\"model\":\"qwen2.5-7b\",\"prompt\":\"one two\",\"max_tokens\":3,\"ignore_eos\":true}",
        200, "\"object\":\"text_completion\"", "\"text\":\" ", "\"finish_reason\":\"length\"",
        "\"usage\":{\"prompt_tokens\":2,\"total_tokens\":5,\"completion_tokens\":3",
        "\"prompt_tokens_details\":{\"cached_tokens\":0}");
    ANSWERED("/v1/completions", "{\"prompt\":[1,2,3],\"ignore_eos\":true}", 200,
             "\"completion_tokens\":16");
    ANSWERED("/v1/completions", "{\"prompt\":[[1,2,3]],\"max_tokens\":1}", 200,
             "\"prompt_tokens\":3");
    ANSWERED("/v1/completions", "{\"prompt\":[\"a b\"],\"max_tokens\":1}", 200,
             "\"prompt_tokens\":2");
}

/* Forty words that no other test sends, the first of them as said. */
static void put_forty(char *out, size_t room, const char *first)
{
    size_t n =
        (size_t)snprintf(out, room, "{\"max_tokens\":4,\"ignore_eos\":true,\"prompt\":\"%s", first);
    for (int i = 1; i < 40; i++)
        n += (size_t)snprintf(out + n, room - n, " forty");
    snprintf(out + n, room - n, "\"}");
}

static void a_prefix_sent_before_is_cached_until_it_is_reset(void **state)
{
    (void)state;
    char body[512], other[512];
    put_forty(body, sizeof body, "first");
    put_forty(other, sizeof other, "second");
    ANSWERED("/v1/completions", body, 200, "\"prompt_tokens\":40", "\"cached_tokens\":0}");
    ANSWERED("/v1/completions", body, 200,
             "\"cached_tokens\":32}"); /* blocks of 16 before the last token */
    ANSWERED("/metrics", NULL, 200,
             "vllm:prefix_cache_hits_total{engine=\"0\",model_name=\"qwen2.5-7b\"} 32\n");
    ANSWERED("/v1/completions", other, 200, "\"cached_tokens\":0}");
    ANSWERED("/reset_prefix_cache", "", 200, "");
    ANSWERED("/v1/completions", body, 200, "\"cached_tokens\":0}");
}

static void an_answer_sent_back_as_history_is_cached(void **state)
{
    (void)state;
    struct response r;
    char body[2048];
    harness_ask(&server, "/v1/completions",
                "{\"prompt\":\"history\",\"max_tokens\":60,\"ignore_eos\":true,\"seed\":1}", &r);
    const char *text = memmem(r.body.p, r.body.n, "\"text\":\"", 8);
    assert_non_null(text);
    int n = (int)strcspn(text + 8, "\"");
    snprintf(body, sizeof body, "{\"prompt\":\"history%.*s and more\",\"max_tokens\":1}", n,
             text + 8);
    response_release(&r);
    /* 61 tokens, the last of them never computed: three full blocks. */
    ANSWERED("/v1/completions", body, 200, "\"prompt_tokens\":63", "\"cached_tokens\":48}");
}

static void drafts_accepted_leave_in_one_event(void **state)
{
    (void)state;
    struct harness fast;
    struct response r;
    harness_start(&fast, NULL, ENGINE "&draft_tokens=3&acceptance=1");
    harness_ask(&fast, "/v1/completions",
                "{\"prompt\":\"a\",\"max_tokens\":9,\"ignore_eos\":true,\"stream\":true,"
                "\"stream_options\":{\"include_usage\":true}}",
                &r);
    assert_int_equal(count_of(&r.body, "\"text\":\" "), 3); /* one, four, four */
    assert_true(has(&r.body, "\"completion_tokens\":9"));
    response_release(&r);
    harness_stop(&fast);
}

static void pools_for_prompts_and_for_decoding_answer_as_one(void **state)
{
    (void)state;
    struct harness pools;
    struct response r;
    harness_start(&pools, NULL, ENGINE "&prefill_replicas=2&replicas=2");
    harness_ask(&pools, "/v1/completions",
                "{\"prompt\":\"a b\",\"max_tokens\":9,\"ignore_eos\":true}", &r);
    assert_int_equal(r.status, 200);
    assert_true(has(&r.body, "\"completion_tokens\":9"));
    response_release(&r);
    harness_ask(&pools, "/metrics", NULL, &r);
    assert_true(
        has(&r.body, "vllm:generation_tokens_total{engine=\"0\",model_name=\"qwen2.5-7b\"} 1\n"));
    assert_true(
        has(&r.body, "vllm:generation_tokens_total{engine=\"2\",model_name=\"qwen2.5-7b\"} 8\n"));
    response_release(&r);
    harness_stop(&pools);
}

static void a_chat_answer_is_a_message(void **state)
{
    (void)state;
    ANSWERED("/v1/chat/completions",
             "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_completion_tokens\":4,"
             "\"ignore_eos\":true}",
             200, "\"object\":\"chat.completion\"",
             "\"message\":{\"role\":\"assistant\",\"content\":\" ", "\"finish_reason\":\"length\"",
             "\"completion_tokens\":4");
}

static void an_unbounded_chat_ends_by_itself(void **state)
{
    (void)state;
    ANSWERED("/v1/chat/completions",
             "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"temperature\":0}", 200,
             "\"finish_reason\":\"stop\"");
}

static void a_stream_has_an_event_for_each_token_and_an_end(void **state)
{
    (void)state;
    struct response r;
    harness_ask(&server, "/v1/completions",
                "{\"prompt\":\"a\",\"max_tokens\":5,\"ignore_eos\":true,\"stream\":true}", &r);
    assert_int_equal(r.status, 200);
    assert_true(r.chunked && !r.closed);
    assert_true(has(&r.head, "Content-Type: text/event-stream"));
    assert_int_equal(count_of(&r.body, "\"text\":\" "), 5);
    assert_int_equal(count_of(&r.body, "\"finish_reason\":null"), 4);
    assert_int_equal(count_of(&r.body, "\"finish_reason\":\"length\""), 1);
    assert_int_equal(count_of(&r.body, "usage"), 0);
    assert_true(has(&r.body, "\n\ndata: [DONE]\n\n"));
    response_release(&r);
}

static void a_chat_stream_begins_with_the_role(void **state)
{
    (void)state;
    struct response r;
    harness_ask(&server, "/v1/chat/completions",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":3,\"ignore_"
                "eos\":true,\"stream\":true}",
                &r);
    const char *role =
        strstr(buf_cstr(&r.body), "\"delta\":{\"role\":\"assistant\",\"content\":\"\"}");
    const char *content = strstr(buf_cstr(&r.body), "\"delta\":{\"content\":\" ");
    assert_true(role && content && role < content);
    assert_int_equal(count_of(&r.body, "\"delta\":{\"content\":\" "), 3);
    assert_int_equal(count_of(&r.body, "\"role\""), 1);
    response_release(&r);
}

static void usage_comes_once_or_with_every_event_as_asked(void **state)
{
    (void)state;
    struct response r;
    harness_ask(&server, "/v1/completions",
                "{\"prompt\":\"a b\",\"max_tokens\":3,\"ignore_eos\":true,\"stream\":true,"
                "\"stream_options\":{\"include_usage\":true}}",
                &r);
    assert_int_equal(count_of(&r.body, "\"usage\""), 1);
    assert_true(has(&r.body, "\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"total_tokens\":5,"
                             "\"completion_tokens\":3"));
    response_release(&r);
    harness_ask(&server, "/v1/completions",
                "{\"prompt\":\"a b\",\"max_tokens\":3,\"ignore_eos\":true,\"stream\":true,"
                "\"stream_options\":{\"continuous_usage_stats\":true}}",
                &r);
    assert_int_equal(count_of(&r.body, "\"usage\""), 3);
    for (int i = 1; i <= 3; i++) {
        char want[32];
        snprintf(want, sizeof want, "\"completion_tokens\":%d", i);
        assert_int_equal(count_of(&r.body, want), 1);
    }
    response_release(&r);
}

static void a_natural_end_is_told_as_stop_and_counts_as_a_token(void **state)
{
    (void)state;
    struct response r;
    harness_ask(&server, "/v1/completions",
                "{\"prompt\":\"a\",\"max_tokens\":1900,\"temperature\":0,\"stream\":true,"
                "\"stream_options\":{\"include_usage\":true}}",
                &r);
    assert_int_equal(
        count_of(&r.body, "\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"stop\""), 1);
    char want[40];
    snprintf(want, sizeof want, "\"completion_tokens\":%u,", count_of(&r.body, "\"text\":\" ") + 1);
    assert_true(has(&r.body, want));
    response_release(&r);
}

static void tokenize_and_usage_agree(void **state)
{
    (void)state;
    ANSWERED("/tokenize", "{\"prompt\":\"The quick, brown fox: 12345!\"}", 200,
             "\"count\":10,\"max_model_len\":2000,\"tokens\":[");
    ANSWERED("/v1/completions", "{\"prompt\":\"The quick, brown fox: 12345!\",\"max_tokens\":1}",
             200, "\"prompt_tokens\":10");
    ANSWERED("/tokenize", "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", 200,
             "\"count\":9,");
    ANSWERED("/v1/chat/completions",
             "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":1}", 200,
             "\"prompt_tokens\":9");
    ANSWERED("/tokenize", "{\"prompt\":\"\"}", 200, "\"count\":0", "\"tokens\":[]");
}

static void errors_have_a_body_as_openai_writes_them(void **state)
{
    (void)state;
    ANSWERED("/v1/completions", "{oops", 400, "{\"error\":{\"message\":\"",
             "\"type\":\"BadRequestError\"", "\"param\":null", "\"code\":400}}");
    ANSWERED("/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":\"b\"}", 400,
             "\"param\":\"max_tokens\"");
    ANSWERED("/v1/completions", "{\"prompt\":\"a\",\"model\":\"gpt\"}", 404, "NotFoundError",
             "\"param\":\"model\"", "qwen2.5-7b");
    ANSWERED("/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":2000}", 400,
             "\"param\":\"max_tokens\"", "2000");
    ANSWERED("/v2/nothing", NULL, 404, "\"code\":404");
    ANSWERED("/v1/completions", NULL, 405, "\"code\":405");
    ANSWERED("/health", "x", 405, "\"code\":405");
}

static void a_server_that_still_starts_says_503_until_it_is_ready(void **state)
{
    (void)state;
    static const char body[] = "{\"prompt\":\"a\",\"max_tokens\":1}";
    struct harness starting;
    struct response r;
    harness_start(&starting, NULL, ENGINE "&start_s=3600");
    static const char *const waiting[][2] = {
        {"/health", NULL}, {"/v1/models", NULL}, {"/v1/completions", body}, {"/tokenize", body}};
    for (size_t i = 0; i < sizeof waiting / sizeof waiting[0]; i++) {
        harness_ask(&starting, waiting[i][0], waiting[i][1], &r);
        assert_int_equal(r.status, 503);
        assert_true(has(&r.body, "\"type\":\"ServiceUnavailableError\""));
        response_release(&r);
    }
    assert_true(harness_metric(&starting, "vllm:num_requests_running{") == 0);
    harness_stop(&starting);
    harness_start(&starting, NULL, ENGINE "&start_s=0.05");
    for (int status = 0; status != 200; response_release(&r)) {
        harness_ask(&starting, "/health", NULL, &r);
        status = r.status;
    }
    harness_ask(&starting, "/v1/completions", body, &r);
    assert_int_equal(r.status, 200);
    response_release(&r);
    harness_stop(&starting);
}

static void a_prompt_beyond_the_context_is_refused(void **state)
{
    (void)state;
    struct buf body = {0};
    buf_puts(&body, "{\"prompt\":\"");
    for (int i = 0; i < 2000; i++)
        buf_puts(&body, " sea");
    buf_puts(&body, "\"}");
    ANSWERED("/v1/completions", buf_cstr(&body), 400, "\"param\":\"prompt\"", "2000 tokens");
    buf_release(&body);
}

static void metrics_count_what_happened(void **state)
{
    (void)state;
    double tokens = harness_metric(&server, "vllm:generation_tokens_total{");
    double prompt = harness_metric(&server, "vllm:prompt_tokens_total{");
    double length = harness_metric(&server, "vllm:request_success_total{engine=\"0\",model_name="
                                            "\"qwen2.5-7b\",finished_reason=\"length\"}");
    double first = harness_metric(&server, "vllm:time_to_first_token_seconds_count{");
    double hits = harness_metric(&server, "vllm:prefix_cache_hits_total{");
    ANSWERED("/v1/completions", "{\"prompt\":\"a b c\",\"max_tokens\":7,\"ignore_eos\":true}", 200,
             "length");
    assert_true(harness_metric(&server, "vllm:generation_tokens_total{") == tokens + 7);
    assert_true(harness_metric(&server, "vllm:prompt_tokens_total{") == prompt + 3);
    assert_true(harness_metric(&server,
                               "vllm:request_success_total{engine=\"0\",model_name="
                               "\"qwen2.5-7b\",finished_reason=\"length\"}") == length + 1);
    assert_true(harness_metric(&server, "vllm:time_to_first_token_seconds_count{") == first + 1);
    assert_true(harness_metric(&server, "vllm:time_to_first_token_seconds_bucket{engine=\"0\","
                                        "model_name=\"qwen2.5-7b\",le=\"+Inf\"}") == first + 1);
    assert_true(harness_metric(&server, "vllm:num_requests_running{") == 0);
    assert_true(harness_metric(&server, "vllm:num_requests_waiting{") == 0);
    assert_true(harness_metric(&server, "vllm:kv_cache_usage_perc{") == 0);
    assert_true(harness_metric(&server, "vllm:prefix_cache_hits_total{") == hits);
    assert_true(harness_metric(&server, "vllm:num_preemptions_total{") == 0);
}

static double all_engines(const char *name)
{
    char line[96];
    snprintf(line, sizeof line, "vllm:%s{engine=\"0\",model_name=\"qwen2.5-7b\"}", name);
    return harness_metric(&server, line);
}

/* Every name that others' dashboards look for, and no sample without its type. */
static void metrics_have_vllms_names(void **state)
{
    (void)state;
    static const char *const names[] = {"num_requests_running gauge",
                                        "num_requests_waiting gauge",
                                        "kv_cache_usage_perc gauge",
                                        "prefix_cache_hits_total counter",
                                        "prefix_cache_queries_total counter",
                                        "num_preemptions_total counter",
                                        "prompt_tokens_total counter",
                                        "generation_tokens_total counter",
                                        "request_success_total counter",
                                        "time_to_first_token_seconds histogram",
                                        "inter_token_latency_seconds histogram",
                                        "request_time_per_output_token_seconds histogram",
                                        "e2e_request_latency_seconds histogram",
                                        "request_queue_time_seconds histogram",
                                        "request_prefill_time_seconds histogram",
                                        "request_decode_time_seconds histogram",
                                        "iteration_tokens_total histogram"};
    struct response r;
    harness_ask(&server, "/metrics", NULL, &r);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char line[96];
        snprintf(line, sizeof line, "# TYPE vllm:%s\n", names[i]);
        if (!has(&r.body, line))
            fail_msg("no %s", line);
    }
    response_release(&r);
}

static void histograms_have_a_value_for_each_request_step_or_gap(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double more; /* counted, of a request of seven tokens and one of a single token */
    } rows[] = {{"time_to_first_token_seconds_count", 2},
                {"inter_token_latency_seconds_count", 6},
                {"request_time_per_output_token_seconds_count", 1},
                {"e2e_request_latency_seconds_count", 2},
                {"request_queue_time_seconds_count", 2},
                {"request_prefill_time_seconds_count", 2},
                {"request_decode_time_seconds_count", 2},
                {"iteration_tokens_total_count", 8},
                {"iteration_tokens_total_sum", 3 + 7 + 2 + 1}}; /* prompts and tokens */
    enum { ROWS = sizeof rows / sizeof rows[0] };
    double before[ROWS];
    for (int i = 0; i < ROWS; i++)
        before[i] = all_engines(rows[i].name);
    ANSWERED("/v1/completions", "{\"prompt\":\"a b c\",\"max_tokens\":7,\"ignore_eos\":true}", 200,
             "length");
    ANSWERED("/v1/completions", "{\"prompt\":\"a b\",\"max_tokens\":1}", 200, "length");
    for (int i = 0; i < ROWS; i++)
        if (all_engines(rows[i].name) != before[i] + rows[i].more)
            fail_msg("%s: %g more", rows[i].name, all_engines(rows[i].name) - before[i]);
}

static void a_requests_phases_make_its_whole_time(void **state)
{
    (void)state;
    ANSWERED("/v1/completions", "{\"prompt\":\"a b c\",\"max_tokens\":20,\"ignore_eos\":true}", 200,
             "length");
    double whole = all_engines("e2e_request_latency_seconds_sum");
    double queue = all_engines("request_queue_time_seconds_sum");
    double prefill = all_engines("request_prefill_time_seconds_sum");
    double decode = all_engines("request_decode_time_seconds_sum");
    double first = all_engines("time_to_first_token_seconds_sum");
    double gaps = all_engines("inter_token_latency_seconds_sum");
    assert_true(queue >= 0 && prefill > 0 && decode > 0);
    /* Nine digits are printed of each. */
    assert_true(fabs(queue + prefill + decode - whole) < 1e-6 * whole);
    assert_true(fabs(queue + prefill - first) < 1e-6 * whole);
    assert_true(fabs(decode - gaps) < 1e-6 * whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_told),
        cmocka_unit_test(a_completion_has_text_reason_and_usage),
        cmocka_unit_test(a_prefix_sent_before_is_cached_until_it_is_reset),
        cmocka_unit_test(an_answer_sent_back_as_history_is_cached),
        cmocka_unit_test(drafts_accepted_leave_in_one_event),
        cmocka_unit_test(pools_for_prompts_and_for_decoding_answer_as_one),
        cmocka_unit_test(a_chat_answer_is_a_message),
        cmocka_unit_test(an_unbounded_chat_ends_by_itself),
        cmocka_unit_test(a_stream_has_an_event_for_each_token_and_an_end),
        cmocka_unit_test(a_chat_stream_begins_with_the_role),
        cmocka_unit_test(usage_comes_once_or_with_every_event_as_asked),
        cmocka_unit_test(a_natural_end_is_told_as_stop_and_counts_as_a_token),
        cmocka_unit_test(tokenize_and_usage_agree),
        cmocka_unit_test(errors_have_a_body_as_openai_writes_them),
        cmocka_unit_test(a_server_that_still_starts_says_503_until_it_is_ready),
        cmocka_unit_test(a_prompt_beyond_the_context_is_refused),
        cmocka_unit_test(metrics_count_what_happened),
        cmocka_unit_test(metrics_have_vllms_names),
        cmocka_unit_test(histograms_have_a_value_for_each_request_step_or_gap),
        cmocka_unit_test(a_requests_phases_make_its_whole_time),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
