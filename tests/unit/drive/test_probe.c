/* What is found out about a server before it is loaded. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../net/support.h"
#include "api/openai.h"
#include "base/clock.h"
#include "base/json.h"
#include "drive/probe.h"
#include "record/reader.h"

enum tokenizer { NO_TOKENIZER, VLLM_TOKENIZER, V1_TOKENIZER, LLAMA_TOKENIZER };

struct shop {                               /* a server as it is set up for one test */
    const char *models, *version, *metrics; /* NULL: 404 */
    int models_status;
    const char *refused[8]; /* names of fields it does not take … */
    const char *wording;    /* … and how it says so, %s for the name */
    int refusal_status;
    enum tokenizer tokenizer;
    bool takes_ids, usage;
    double tokens_per_word;
    int64_t overhead, context; /* tokens; context 0: endless */
    const char *answer;        /* instead of a stream */
    const char *type;
    int answer_status;
    atomic_uint requests, tokenized;
    pthread_mutex_t lock;
    struct buf last; /* body of the newest request */
};

struct probing {
    struct shop shop;
    struct server server;
    char url[160];
    struct endpoint endpoint;
    struct probe_target target;
    struct api_options api;
    struct probe_result found;
    struct err err;
    char said[2048];
    unsigned sentences;
};

static void send_answer(struct peer *p, int status, const char *type, const char *body)
{
    struct buf out = {0};
    buf_printf(&out, "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", status,
               type, strlen(body), body);
    peer_send_bytes(p, buf_slice(&out));
    buf_release(&out);
}

static void send_json(struct peer *p, const char *body)
{
    send_answer(p, body ? 200 : 404, "application/json",
                body ? body : "{\"detail\":\"Not Found\"}");
}

static size_t count_of(struct slice s, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == c;
    return n;
}

/* The value of a string or array member, quotes and brackets left out. */
static struct slice member(struct slice body, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = slice_find(body, slice_of(key));
    if (!at)
        return slice_make(NULL, 0);
    at += strlen(key) + 1;
    const char *end = strchr(at, at[-1] == '[' ? ']' : '"');
    return slice_make(at, (size_t)(end - at));
}

static int64_t prompt_tokens(const struct shop *s, struct slice body)
{
    struct slice prompt = member(body, "prompt");
    if (prompt.p && prompt.p[-1] == '[')
        return (int64_t)count_of(prompt, ',') + 1 + s->overhead;
    if (!prompt.p)
        prompt = member(body, "content");
    return (int64_t)((double)(count_of(prompt, ' ') + 1) * s->tokens_per_word) + s->overhead;
}

static const char *refused_field(const struct shop *s, struct slice body)
{
    for (size_t i = 0; i < 8 && s->refused[i]; i++) {
        char key[64];
        snprintf(key, sizeof key, "\"%s\"", s->refused[i]);
        if (slice_find(body, slice_of(key)))
            return s->refused[i];
    }
    return NULL;
}

static void serve_prompt(struct shop *s, struct peer *p, struct slice body)
{
    char text[1024];
    const char *field = refused_field(s, body);
    struct slice prompt = member(body, "prompt");
    int64_t tokens = prompt_tokens(s, body);
    atomic_fetch_add(&s->requests, 1);
    pthread_mutex_lock(&s->lock);
    buf_clear(&s->last);
    buf_put(&s->last, body);
    pthread_mutex_unlock(&s->lock);
    if (field) {
        snprintf(text, sizeof text, s->wording, field);
        send_answer(p, s->refusal_status, "application/json", text);
    } else if (s->context > 0 && tokens > s->context) {
        send_answer(p, 400, "application/json", "{\"error\":{\"message\":\"too long\"}}");
    } else if (!s->takes_ids && prompt.p && prompt.p[-1] == '[') {
        send_answer(p, 400, "application/json", "{\"error\":\"prompt must be a string\"}");
    } else if (s->answer) {
        send_answer(p, s->answer_status, s->type, s->answer);
    } else {
        int n = snprintf(text, sizeof text,
                         "data: {\"choices\":[{\"index\":0,\"text\":\"a\",\"delta\":{\"content\":"
                         "\"a\"}}]}\n\n");
        if (s->usage)
            n += snprintf(text + n, sizeof text - (size_t)n,
                          "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":%lld,"
                          "\"completion_tokens\":1}}\n\n",
                          (long long)tokens);
        snprintf(text + n, sizeof text - (size_t)n, "data: [DONE]\n\n");
        send_answer(p, 200, "text/event-stream", text);
    }
}

/* A token a word, its id from its letters. */
static void put_ids(struct slice text, struct buf *out)
{
    uint32_t id = 7;
    for (size_t i = 0; i < text.n; i++) {
        id = id * 31 + (unsigned char)text.p[i];
        if (text.p[i] != ' ' && i + 1 < text.n)
            continue;
        buf_printf(out, "%s%u", out->p[out->n - 1] == '[' ? "" : ",", id % 30000 + 100);
        id = 7;
    }
}

static void serve_tokens(struct shop *s, struct peer *p, struct slice body)
{
    struct buf out = {0};
    struct slice text = member(body, s->tokenizer == LLAMA_TOKENIZER ? "content" : "prompt");
    atomic_fetch_add(&s->tokenized, 1);
    buf_puts(&out, "{\"tokens\":[");
    if (text.n > 0)
        put_ids(text, &out);
    buf_puts(&out, "]");
    if (s->tokenizer == VLLM_TOKENIZER)
        buf_printf(&out, ",\"count\":%zu,\"max_model_len\":4096", count_of(text, ' ') + 1);
    buf_puts(&out, "}");
    send_answer(p, 200, "application/json", buf_cstr(&out));
    buf_release(&out);
}

static void serve_shop(struct peer *p)
{
    struct shop *s = p->server->context;
    struct buf request = {0};
    while (peer_request(p, &request)) {
        buf_cstr(&request);
        const char *at = slice_find(buf_slice(&request), slice_of("\r\n\r\n")) + 4;
        struct slice body = slice_make(at, request.n - (size_t)(at - request.p));
        struct slice head = slice_make(request.p, (size_t)(at - request.p));
        bool tokenize = (slice_starts(head, "POST /tokenize ") &&
                         (s->tokenizer == VLLM_TOKENIZER || s->tokenizer == LLAMA_TOKENIZER)) ||
                        (slice_starts(head, "POST /v1/tokenize ") && s->tokenizer == V1_TOKENIZER);
        if (slice_starts(head, "GET /v1/models ") && s->models_status != 200)
            send_answer(p, s->models_status, s->type, s->models);
        else if (slice_starts(head, "GET /v1/models "))
            send_json(p, s->models);
        else if (slice_starts(head, "GET /version "))
            send_json(p, s->version);
        else if (slice_starts(head, "GET /metrics "))
            send_json(p, s->metrics);
        else if (tokenize)
            serve_tokens(s, p, body);
        else if (slice_starts(head, "POST /v1/completions ") ||
                 slice_starts(head, "POST /v1/chat/completions "))
            serve_prompt(s, p, body);
        else
            send_json(p, NULL);
    }
    buf_release(&request);
}

static void listen_to(void *context, const char *sentence)
{
    struct probing *q = context;
    size_t n = strlen(q->said);
    snprintf(q->said + n, sizeof q->said - n, "%s\n", sentence);
    q->sentences++;
}

enum {
    ALL_FIELDS = API_IGNORE_EOS | API_MIN_TOKENS | API_STREAM_OPTIONS | API_CONTINUOUS_USAGE |
                 API_TEMPERATURE | API_TOP_P | API_MAX_TOKENS,
};

static int set_up(void **state)
{
    struct probing *q = test_calloc(1, sizeof *q);
    *state = q;
    q->shop = (struct shop){
        .models = "{\"object\":\"list\",\"data\":[{\"id\":\"first\",\"owned_by\":\"vllm\"},"
                  "{\"id\":\"second\",\"owned_by\":\"us\"}]}",
        .models_status = 200,
        .refusal_status = 400,
        .usage = true,
        .takes_ids = true,
        .tokens_per_word = 1,
        .type = "application/json",
        .answer_status = 200};
    pthread_mutex_init(&q->shop.lock, NULL);
    q->server.context = &q->shop;
    if (!server_start(&q->server, "127.0.0.1", serve_shop))
        return -1;
    server_url(&q->server, NULL, q->url);
    if (endpoint_open(slice_of(q->url), NULL, &q->endpoint, &q->err) < 0)
        return -1;
    q->target = (struct probe_target){.endpoint = &q->endpoint,
                                      .protocol = &openai_completions,
                                      .path = openai_completions.path,
                                      .timeout_ns = 20 * NS_PER_S,
                                      .say = listen_to,
                                      .context = q};
    q->api = (struct api_options){.stream = true, .fields = ALL_FIELDS, .top_p = 1};
    return 0;
}

static int tear_down(void **state)
{
    struct probing *q = *state;
    probe_release(&q->found);
    endpoint_close(&q->endpoint);
    server_stop(&q->server);
    pthread_mutex_destroy(&q->shop.lock);
    buf_release(&q->shop.last);
    test_free(q);
    return 0;
}

static void chat(struct probing *q)
{
    q->target.protocol = &openai_chat;
    q->target.path = openai_chat.path;
}

static void ask_server(struct probing *q)
{
    if (probe_server(&q->target, &q->api, &q->found, &q->err) != OK)
        fail_msg("%s", q->err.text);
}

static void assert_fails(struct probing *q, int code, const char *part)
{
    assert_int_equal(probe_server(&q->target, &q->api, &q->found, &q->err), code);
    if (!strstr(q->err.text, part))
        fail_msg("\"%s\" does not say \"%s\"", q->err.text, part);
}

/* --- model, engine, errors --- */

static void the_first_model_is_taken_and_the_engine_noted(void **state)
{
    struct probing *q = *state;
    q->shop.version = "{\"version\":\"0.9.1\"}";
    ask_server(q);
    assert_string_equal(q->found.model, "first");
    assert_ptr_equal(q->api.model, q->found.model);
    assert_string_equal(q->found.engine, "vllm");
    assert_string_equal(q->found.engine_version, "0.9.1");
    assert_true(q->found.usage);
    assert_int_equal(q->found.refused, 0);
    assert_int_equal(q->api.fields, ALL_FIELDS);
    assert_int_equal(q->sentences, 0);
}

static void a_model_by_name_needs_no_list(void **state)
{
    struct probing *q = *state;
    q->shop.models = NULL;
    q->api.model = "mine";
    ask_server(q);
    assert_string_equal(q->found.model, "mine");
    assert_true(slice_is(member(buf_slice(&q->shop.last), "model"), "mine"));
}

static void without_a_model_the_user_is_told_to_name_one(void **state)
{
    struct probing *q = *state;
    q->shop.models = "{\"data\":[]}";
    assert_fails(q, ERR_HTTP, "--model");
}

static void a_missing_key_is_asked_for(void **state)
{
    struct probing *q = *state;
    q->shop.models = "{\"error\":{\"message\":\"no key given\"}}";
    q->shop.models_status = 401;
    assert_fails(q, ERR_HTTP, "HTTP 401");
    assert_non_null(strstr(q->err.text, "no key given"));
    assert_non_null(strstr(q->err.text, "--api-key"));
}

static void a_web_page_is_no_api(void **state)
{
    struct probing *q = *state;
    q->shop.models = "<!DOCTYPE html><html></html>";
    assert_fails(q, ERR_HTTP, "HTML");
    q->api.model = "m";
    q->shop.type = "text/html";
    q->shop.answer = "<!DOCTYPE html><html></html>";
    assert_fails(q, ERR_PROTOCOL, "HTML");
}

static void a_stream_that_never_ends_properly_is_refused(void **state)
{
    struct probing *q = *state;
    q->shop.type = "text/event-stream";
    q->shop.answer = "data: {\"choices\":[{\"index\":0,\"text\":\"a\"}]}\n\n";
    assert_fails(q, ERR_PROTOCOL, "cannot be measured with --backend openai");
}

static void a_server_error_keeps_its_words(void **state)
{
    struct probing *q = *state;
    q->shop.answer = "{\"error\":{\"message\":\"no such model\"}}";
    q->shop.answer_status = 404;
    assert_fails(q, ERR_HTTP, "no such model");
    assert_non_null(strstr(q->err.text, "--backend"));
}

static void nobody_listening_is_said(void **state)
{
    struct probing *q = *state;
    struct server gone = {0};
    assert_true(server_listen(&gone, "127.0.0.1", NULL));
    server_url(&gone, NULL, q->url);
    close(gone.listener);
    endpoint_close(&q->endpoint);
    assert_int_equal(endpoint_open(slice_of(q->url), NULL, &q->endpoint, &q->err), OK);
    assert_fails(q, ERR_NET, "refused");
}

static void a_ctrl_c_ends_the_questions(void **state)
{
    struct probing *q = *state;
    q->target.cancel_fd = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(probe_server(&q->target, &q->api, &q->found, &q->err), ERR_INTERRUPTED);
    close(q->target.cancel_fd);
}

/* --- fields the server does not take --- */

#define VLLM_SAYS                                                                                  \
    "{\"object\":\"error\",\"message\":\"[{'type': 'extra_forbidden', 'loc': ('body', '%s'), "     \
    "'msg': 'Extra inputs are not permitted', 'input': 4}]\",\"type\":\"BadRequestError\","        \
    "\"param\":null,\"code\":400}"
#define PYDANTIC_SAYS                                                                              \
    "{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"%s\"],\"msg\":\"Extra "        \
    "inputs are not permitted\",\"input\":true}]}"
#define OPENAI_SAYS                                                                                \
    "{\"error\":{\"message\":\"Unrecognized request argument supplied: %s\",\"type\":"             \
    "\"invalid_request_error\",\"param\":null,\"code\":null}}"

static void fields_are_left_out_one_by_one_whatever_the_wording(void **state)
{
    static const struct {
        const char *wording;
        int status;
    } SERVERS[] = {{VLLM_SAYS, 400}, {PYDANTIC_SAYS, 422}, {OPENAI_SAYS, 400}};
    struct probing *q = *state;
    q->shop.refused[0] = "ignore_eos";
    q->shop.refused[1] = "min_tokens";
    q->shop.refused[2] = "top_p";
    for (size_t i = 0; i < 3; i++) {
        q->shop.wording = SERVERS[i].wording;
        q->shop.refusal_status = SERVERS[i].status;
        q->shop.requests = 0;
        q->sentences = 0;
        q->said[0] = '\0';
        q->api.model = NULL;
        q->api.fields = ALL_FIELDS;
        q->found = (struct probe_result){0};
        ask_server(q);
        assert_int_equal(q->found.refused, API_IGNORE_EOS | API_MIN_TOKENS | API_TOP_P);
        assert_int_equal(q->api.fields, ALL_FIELDS & ~q->found.refused);
        assert_int_equal(q->shop.requests, 4);
        assert_int_equal(q->sentences, 3);
        assert_non_null(strstr(q->said, "refuses ignore_eos"));
        assert_non_null(strstr(q->said, "refuses min_tokens"));
        assert_non_null(strstr(q->said, "refuses top_p"));
        assert_null(slice_find(buf_slice(&q->shop.last), slice_of("ignore_eos")));
        assert_non_null(slice_find(buf_slice(&q->shop.last), slice_of("max_tokens")));
    }
}

static void without_continuous_usage_the_final_usage_is_still_asked_for(void **state)
{
    struct probing *q = *state;
    q->shop.wording =
        "{\"error\":{\"message\":\"Unknown parameter: 'stream_options.%s'.\",\"code\":null}}";
    q->shop.refused[0] = "continuous_usage_stats";
    ask_server(q);
    assert_int_equal(q->found.refused, API_CONTINUOUS_USAGE);
    assert_non_null(slice_find(buf_slice(&q->shop.last), slice_of("include_usage")));
}

static void chat_gets_the_other_name_of_max_tokens(void **state)
{
    struct probing *q = *state;
    chat(q);
    q->shop.wording = "{\"error\":{\"message\":\"Unsupported parameter: '%s' is not supported with "
                      "this model. Use 'max_completion_tokens' instead.\"}}";
    q->shop.refused[0] = "max_tokens";
    ask_server(q);
    assert_int_equal(q->found.refused, API_MAX_TOKENS);
    assert_non_null(slice_find(buf_slice(&q->shop.last), slice_of("\"max_completion_tokens\":4")));
    assert_non_null(strstr(q->said, "max_completion_tokens"));
}

static void a_complaint_without_a_name_costs_all_that_a_strict_server_may_not_know(void **state)
{
    struct probing *q = *state;
    q->shop.wording = "{\"error\":\"bad request\"}%.0s";
    q->shop.refused[0] = "min_tokens";
    ask_server(q);
    assert_int_equal(q->found.refused, API_IGNORE_EOS | API_MIN_TOKENS | API_CONTINUOUS_USAGE);
    assert_int_equal(q->shop.requests, 2);
}

static void a_server_that_refuses_everything_is_quoted_and_no_field_blamed(void **state)
{
    struct probing *q = *state;
    q->shop.answer = "{\"error\":{\"message\":\"the moon is wrong\"}}";
    q->shop.answer_status = 400;
    assert_fails(q, ERR_HTTP, "the moon is wrong");
    assert_int_equal(q->sentences, 0);
}

/* --- tokens --- */

static void ask_tokens(struct probing *q)
{
    ask_server(q);
    if (probe_tokenization(&q->target, &q->api, 9, &q->found, &q->err) != OK)
        fail_msg("%s", q->err.text);
}

static void token_ids_are_found_in_every_known_form(void **state)
{
    static const char *const PATHS[] = {NULL, "/tokenize", "/v1/tokenize", "!/tokenize"};
    struct probing *q = *state;
    q->shop.overhead = 1;
    for (enum tokenizer form = VLLM_TOKENIZER; form <= LLAMA_TOKENIZER; form++) {
        q->shop.tokenizer = form;
        q->api.model = NULL;
        ask_tokens(q);
        assert_string_equal(q->found.tokenize_path, PATHS[form]);
        assert_true(q->found.pool_count >= 64);
        assert_ptr_equal(q->found.tokenization.pool, q->found.pool);
        assert_int_equal(q->found.tokenization.pool_count, q->found.pool_count);
        assert_true(q->found.tokenization.overhead_tokens == 1);
        for (size_t i = 1; i < q->found.pool_count; i++)
            assert_true(q->found.pool[i] > q->found.pool[i - 1]);
        probe_release(&q->found);
    }
}

static void assert_calibrated(const struct probing *q)
{
    assert_null(q->found.tokenization.pool);
    assert_true(q->found.tokenization.tokens_per_word > 1.28 &&
                q->found.tokenization.tokens_per_word < 1.32);
    assert_true(q->found.tokenization.overhead_tokens > 3.5 &&
                q->found.tokenization.overhead_tokens < 6.5);
}

static void without_token_ids_words_are_calibrated(void **state)
{
    struct probing *q = *state;
    q->shop.tokens_per_word = 1.3;
    q->shop.overhead = 5;
    ask_tokens(q);
    assert_null(q->found.tokenize_path);
    assert_calibrated(q);
    assert_int_equal(q->sentences, 0);
}

static void token_ids_that_are_refused_give_way_to_words(void **state)
{
    struct probing *q = *state;
    q->shop.tokenizer = VLLM_TOKENIZER;
    q->shop.takes_ids = false;
    q->shop.tokens_per_word = 1.3;
    q->shop.overhead = 5;
    ask_tokens(q);
    assert_calibrated(q);
    assert_string_equal(q->found.tokenize_path, "/tokenize"); /* still counts texts */
    assert_non_null(strstr(q->said, "no token ids"));
}

static void chat_prompts_are_words(void **state)
{
    struct probing *q = *state;
    chat(q);
    q->shop.tokenizer = VLLM_TOKENIZER;
    q->shop.tokens_per_word = 1.3;
    q->shop.overhead = 5;
    ask_tokens(q);
    assert_int_equal(q->shop.tokenized, 0);
    assert_calibrated(q);
}

static void a_small_context_is_calibrated_with_fewer_words(void **state)
{
    struct probing *q = *state;
    q->shop.context = 512;
    q->shop.tokens_per_word = 1.3;
    q->shop.overhead = 5;
    ask_tokens(q);
    assert_calibrated(q);
}

static void a_server_without_usage_leaves_one_token_a_word(void **state)
{
    struct probing *q = *state;
    q->shop.usage = false;
    ask_tokens(q);
    assert_false(q->found.usage);
    assert_true(q->found.tokenization.tokens_per_word == 0);
    assert_non_null(strstr(q->said, "one token a word"));
}

static void texts_are_counted_by_the_server(void **state)
{
    static const char *const PATHS[] = {NULL, "/tokenize", "/v1/tokenize", "!/tokenize"};
    struct probing *q = *state;
    for (enum tokenizer form = VLLM_TOKENIZER; form <= LLAMA_TOKENIZER; form++) {
        struct probe_counter c = {&q->target, "m", PATHS[form]};
        int64_t n = 0;
        q->shop.tokenizer = form;
        assert_int_equal(probe_count_tokens(&c, slice_of("so many plain words"), &n, &q->err), OK);
        assert_int_equal(n, 4);
    }
}

static void a_counter_that_fails_names_its_path(void **state)
{
    struct probing *q = *state;
    struct probe_counter c = {&q->target, "m", "!/tokenize"};
    int64_t n = 0;
    assert_int_equal(probe_count_tokens(&c, slice_of("words"), &n, &q->err), ERR_HTTP);
    assert_non_null(strstr(q->err.text, " /tokenize"));
}

/* --- metrics --- */

static int note_sample(void *context, const struct sample_record *s)
{
    char *out = context;
    size_t n = strlen(out);
    snprintf(out + n, 512 - n, "%s{%s} %g at %lld\n", s->name, s->labels, s->value,
             (long long)s->at_ns);
    return 0;
}

static void metrics_are_kept_without_buckets(void **state)
{
    struct probing *q = *state;
    struct scratch scratch;
    struct record_writer *w;
    struct record_reader *r;
    struct run_record run = {.kind = "run",
                             .mode = "open",
                             .target = "",
                             .backend = "",
                             .engine = "",
                             .engine_version = "",
                             .model = "",
                             .command = "",
                             .ramp = "",
                             .on_cap = "",
                             .workload = "",
                             .workload_json = "{}",
                             .goodput = "",
                             .slo = "",
                             .options_json = "{}",
                             .host_json = "{}",
                             .context_json = "{}"};
    char path[128], got[512] = "";
    scratch_make(&scratch);
    scratch_path(&scratch, "m.db", path);
    q->shop.metrics = "# TYPE vllm:num_requests_running gauge\n"
                      "vllm:num_requests_running{model_name=\"m\"} 3.0\n"
                      "ttft_bucket{le=\"1\"} 5\nttft_sum 2.5\nttft_count 5\n";
    assert_int_equal(record_writer_open(path, false, &w, &q->err), OK);
    assert_int_equal(record_writer_begin(w, &run, &q->err), OK);
    assert_true(probe_metrics(&q->target, w, 77));
    q->shop.metrics = NULL;
    assert_false(probe_metrics(&q->target, w, 78));
    q->shop.metrics = "<html>a 1</html>";
    assert_false(probe_metrics(&q->target, w, 79));
    assert_int_equal(record_writer_finish(w, &run, &q->err), OK);
    assert_int_equal(record_writer_close(w, &q->err), OK);
    assert_int_equal(record_reader_open(path, &r, &q->err), OK);
    assert_int_equal(record_reader_samples(r, run.id, note_sample, got, &q->err), OK);
    record_reader_close(r);
    assert_string_equal(got, "vllm:num_requests_running{model_name=\"m\"} 3 at 77\n"
                             "ttft_sum{} 2.5 at 77\nttft_count{} 5 at 77\n");
    scratch_remove(&scratch);
}

#define PROBE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROBE_TEST(the_first_model_is_taken_and_the_engine_noted),
        PROBE_TEST(a_model_by_name_needs_no_list),
        PROBE_TEST(without_a_model_the_user_is_told_to_name_one),
        PROBE_TEST(a_missing_key_is_asked_for),
        PROBE_TEST(a_web_page_is_no_api),
        PROBE_TEST(a_stream_that_never_ends_properly_is_refused),
        PROBE_TEST(a_server_error_keeps_its_words),
        PROBE_TEST(nobody_listening_is_said),
        PROBE_TEST(a_ctrl_c_ends_the_questions),
        PROBE_TEST(fields_are_left_out_one_by_one_whatever_the_wording),
        PROBE_TEST(without_continuous_usage_the_final_usage_is_still_asked_for),
        PROBE_TEST(chat_gets_the_other_name_of_max_tokens),
        PROBE_TEST(a_complaint_without_a_name_costs_all_that_a_strict_server_may_not_know),
        PROBE_TEST(a_server_that_refuses_everything_is_quoted_and_no_field_blamed),
        PROBE_TEST(token_ids_are_found_in_every_known_form),
        PROBE_TEST(without_token_ids_words_are_calibrated),
        PROBE_TEST(token_ids_that_are_refused_give_way_to_words),
        PROBE_TEST(chat_prompts_are_words),
        PROBE_TEST(a_small_context_is_calibrated_with_fewer_words),
        PROBE_TEST(a_server_without_usage_leaves_one_token_a_word),
        PROBE_TEST(texts_are_counted_by_the_server),
        PROBE_TEST(a_counter_that_fails_names_its_path),
        PROBE_TEST(metrics_are_kept_without_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
