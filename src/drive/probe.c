#include "drive/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "drive/answer.h"
#include "wire/prometheus.h"

enum {
    PROBE_OUTPUT_TOKENS = 4,
    PROBE_WORDS = 16,              /* of the first request */
    CALIBRATION_WORDS = 1500,      /* of the long one: a word's tokens are known to about 0.7 % */
    CALIBRATION_WORDS_SMALL = 200, /* where the context does not hold the long one */
    POOL_WORDS = 4000,             /* of the text whose tokens make the pool */
    POOL_MIN = 64,                 /* fewer different ids than this are no pool to draw from */
    POOL_TEST_TOKENS = 64,
    FIELD_TRIES = 8,
};

/* Side questions that may go unanswered must not hold up a run. */
#define SIDE_TIMEOUT_NS (5 * NS_PER_S)

static void say(const struct probe_target *t, const char *sentence)
{
    if (t->say)
        t->say(t->context, sentence);
}

static int ask(const struct probe_target *t, const char *path, struct slice body,
               int64_t timeout_ns, struct fetch_result *out, struct err *e)
{
    struct fetch_request q = {.path = path,
                              .header_lines = t->header_lines,
                              .header_count = t->header_count,
                              .body = body,
                              .timeout_ns = timeout_ns,
                              .max_body_bytes = ANSWER_MAX_WHOLE_BYTES,
                              .cancel_fd = t->cancel_fd};
    return fetch(t->endpoint, &q, out, e);
}

static int64_t side_timeout(const struct probe_target *t)
{
    return t->timeout_ns < SIDE_TIMEOUT_NS ? t->timeout_ns : SIDE_TIMEOUT_NS;
}

/* --- errors with the server's own words --- */

static bool looks_like_html(const struct fetch_result *r)
{
    struct slice head = slice_trim(slice_make(r->body.p, r->body.n < 64 ? r->body.n : 64));
    return slice_starts(slice_of(r->content_type), "text/html") ||
           slice_starts(head, "<!DOCTYPE") || slice_starts(head, "<html");
}

static int status_error(const struct probe_target *t, const char *path,
                        const struct fetch_result *r, struct err *e)
{
    char words[400] = "";
    const char *advice = "";
    const char *where = t->endpoint->addresses.n > 0 ? t->endpoint->addresses.list[0].text : "?";
    if (looks_like_html(r))
        snprintf(words, sizeof words, "an HTML page; is this the API's address?");
    else
        api_error_text(buf_slice(&r->body), words, sizeof words);
    size_t n = strlen(words);
    if (n > 0 && words[n - 1] == '.')
        words[n - 1] = '\0'; /* our sentence goes on */
    if (r->status == 401 || r->status == 403)
        advice = "; give the key with --api-key or OPENAI_API_KEY";
    else if (r->status == 404 && t->endpoint->url.path[0])
        advice = "; leave the path out of the target: --endpoint gives it";
    else if (r->status == 404)
        advice = "; check --model, --backend and --endpoint";
    else if (strcmp(path, "/v1/models") == 0)
        advice = "; give --model to do without";
    return err_set(e, ERR_HTTP, "the server at %s answered HTTP %d to %s: %s%s", where, r->status,
                   path, words[0] ? words : "(no message)", advice);
}

/* --- model and engine --- */

static void read_model(struct slice body, struct probe_result *out)
{
    struct json j = json_of(body);
    struct slice key, s;
    for (json_enter_object(&j); json_next_key(&j, &key);) {
        if (!slice_is(key, "data") || json_peek(&j) != JSON_ARRAY) {
            json_skip(&j);
            continue;
        }
        for (json_enter_array(&j); json_next_item(&j);) {
            if (out->model[0] || json_peek(&j) != JSON_OBJECT) {
                json_skip(&j);
                continue;
            }
            for (json_enter_object(&j); json_next_key(&j, &key);) {
                bool id = slice_is(key, "id"), owner = slice_is(key, "owned_by");
                if ((!id && !owner) || json_peek(&j) != JSON_STRING)
                    json_skip(&j);
                else if (json_string(&j, &s) && id)
                    snprintf(out->model, sizeof out->model, "%.*s", SLICE_ARG(s));
                else
                    snprintf(out->engine, sizeof out->engine, "%.*s", SLICE_ARG(s));
            }
        }
    }
}

static int find_model(const struct probe_target *t, const char *wanted, struct probe_result *out,
                      struct err *e)
{
    struct fetch_result r = {0};
    int rc = ask(t, "/v1/models", (struct slice){0}, t->timeout_ns, &r, e);
    if (rc < 0)
        return rc;
    if (r.status == 200 && !looks_like_html(&r))
        read_model(buf_slice(&r.body), out);
    if (wanted && wanted[0])
        snprintf(out->model, sizeof out->model, "%s", wanted);
    else if (!out->model[0] && r.status != 200)
        rc = status_error(t, "/v1/models", &r, e);
    else if (!out->model[0])
        rc = err_set(e, ERR_HTTP, "the server names no model at /v1/models%s; give --model",
                     looks_like_html(&r) ? " (it sent an HTML page: is this the API's address?)"
                                         : "");
    fetch_result_release(&r);
    return rc;
}

static void read_version(const struct probe_target *t, const char *path, const char *name,
                         struct probe_result *out)
{
    struct fetch_result r = {0};
    struct slice key, s;
    if (ask(t, path, (struct slice){0}, side_timeout(t), &r, NULL) < 0)
        return;
    struct json j = json_of(buf_slice(&r.body));
    if (r.status == 200 && json_peek(&j) == JSON_OBJECT) {
        for (json_enter_object(&j); json_next_key(&j, &key);) {
            if (slice_is(key, name) && json_peek(&j) == JSON_STRING && json_string(&j, &s))
                snprintf(out->engine_version, sizeof out->engine_version, "%.*s", SLICE_ARG(s));
            else
                json_skip(&j);
        }
    }
    fetch_result_release(&r);
}

static void find_version(const struct probe_target *t, struct probe_result *out)
{
    read_version(t, "/version", "version", out);
    if (!out->engine_version[0]) /* llama.cpp */
        read_version(t, "/props", "build_info", out);
}

int probe_answers(const struct probe_target *t, struct err *e)
{
    struct fetch_result r = {0};
    int rc = ask(t, "/v1/models", (struct slice){0}, side_timeout(t), &r, e);
    if (rc == OK && r.status >= 502 && r.status <= 504)
        rc = status_error(t, "/v1/models", &r, e);
    fetch_result_release(&r);
    return rc;
}

/* --- a request and its answer --- */

/* Reads a fetched answer as a driver would. */
static void feed_answer(const struct probe_target *t, const struct api_options *api,
                        const struct fetch_result *r, struct answer *a, struct request_record *q)
{
    struct answer_options o = {
        .protocol = t->protocol, .stream = api->stream, .ending = api->ending};
    struct stamp stamp = {.at_ns = r->times.end_ns, .after_ns = r->times.sent_ns, .read_id = 1};
    answer_init(a);
    answer_begin(a, &o);
    answer_head(a, r->status, slice_of(r->content_type), (struct slice){0});
    answer_body(a, buf_slice(&r->body), &stamp);
    answer_finish(a, TRANSPORT_COMPLETE, r->times.end_ns, 0, q);
}

static bool read_answer(const struct probe_target *t, const struct api_options *api,
                        const struct fetch_result *r, struct request_record *q, struct err *e)
{
    struct answer a;
    feed_answer(t, api, r, &a, q);
    bool ok = q->outcome == OUTCOME_OK;
    if (!ok)
        err_set(e, ERR_PROTOCOL, "the server at %s cannot be measured with --backend %s: %.*s",
                t->endpoint->addresses.list[0].text, t->protocol->name, SLICE_ARG(q->error));
    answer_release(&a);
    return ok;
}

static void find_ending(const struct probe_target *t, struct api_options *api,
                        const struct fetch_result *r)
{
    struct answer a;
    struct request_record q = {0};
    api->ending = API_ENDS_ANYHOW;
    feed_answer(t, api, r, &a, &q);
    if (a.finish_reason.n > 0)
        api->ending = a.done ? API_ENDS_WITH_REASON : API_ENDS_WITHOUT_DONE;
    if (api->ending == API_ENDS_WITHOUT_DONE)
        say(t, "the server ends its streams without a terminator: their finish_reason is taken for "
               "the end");
    answer_release(&a);
}

static int request_once(const struct probe_target *t, const struct api_options *api,
                        const struct prompt *prompt, struct fetch_result *out, struct err *e)
{
    struct buf body = {0};
    t->protocol->request(api, prompt, &body);
    int rc = ask(t, t->path, buf_slice(&body), t->timeout_ns, out, e);
    buf_release(&body);
    return rc;
}

/* Fields of `api` that the complaint names, or, when it names none, all that a strict server may
 * not know. */
static unsigned refused_fields(const struct api_options *api, struct slice complaint)
{
    unsigned named = 0;
    for (unsigned f = 1; f <= API_MAX_TOKENS; f <<= 1)
        if ((api->fields & f) && slice_find(complaint, slice_of(api_field_name((enum api_field)f))))
            named |= f;
    if (named & API_CONTINUOUS_USAGE) /* the complaint names its parent too */
        named &= ~(unsigned)API_STREAM_OPTIONS;
    if (named)
        return named;
    return api->fields & (API_IGNORE_EOS | API_MIN_TOKENS | API_CONTINUOUS_USAGE);
}

static void say_dropped(const struct probe_target *t, unsigned fields)
{
    char sentence[256];
    for (unsigned f = 1; f <= API_MAX_TOKENS; f <<= 1) {
        if (!(fields & f))
            continue;
        const char *name = api_field_name((enum api_field)f);
        if (f == API_MAX_TOKENS)
            snprintf(sentence, sizeof sentence,
                     "the server refuses max_tokens: max_completion_tokens is sent instead");
        else
            snprintf(sentence, sizeof sentence, "the server refuses %s: left out of all requests%s",
                     name,
                     f == API_IGNORE_EOS ? " (answers may end before the length asked for)" : "");
        say(t, sentence);
    }
}

/* One request, again with fewer fields as long as the server refuses some. That the fields were to
 * blame is said only when leaving them out helped. */
static int request_negotiated(const struct probe_target *t, struct api_options *api,
                              const struct prompt *prompt, struct probe_result *out,
                              struct fetch_result *r, struct err *e)
{
    unsigned dropped = 0;
    for (int i = 0; i < FIELD_TRIES; i++) {
        int rc = request_once(t, api, prompt, r, e);
        if (rc < 0)
            return rc;
        unsigned refused = 0;
        if (r->status == 400 || r->status == 422)
            refused = refused_fields(api, buf_slice(&r->body));
        if (refused == 0) {
            if (r->status == 200)
                say_dropped(t, dropped);
            out->refused |= dropped;
            return OK;
        }
        api->fields &= ~refused;
        dropped |= refused;
        fetch_result_release(r);
        *r = (struct fetch_result){0};
    }
    return err_set(e, ERR_HTTP, "the server refuses every form of the first request");
}

static struct prompt words_prompt(struct buf *text, size_t words, uint64_t seed, uint64_t index)
{
    buf_clear(text);
    workload_words(seed, RNG_WARMUP + RNG_PROMPT, UINT64_MAX - index, words, text);
    return (struct prompt){.kind = PROMPT_TEXT,
                           .text = buf_slice(text),
                           .output_tokens = PROBE_OUTPUT_TOKENS,
                           .exact_output = true,
                           .rung = -1};
}

int probe_server(const struct probe_target *t, struct api_options *api, struct probe_result *out,
                 struct err *e)
{
    struct fetch_result r = {0};
    struct request_record q = {0};
    struct buf text = {0};
    int rc = find_model(t, api->model, out, e);
    if (rc < 0)
        return rc;
    api->model = out->model;
    struct prompt prompt = words_prompt(&text, PROBE_WORDS, 0, 0);
    rc = request_negotiated(t, api, &prompt, out, &r, e);
    if (rc == OK && r.status == 200)
        find_ending(t, api, &r);
    if (rc == OK && r.status != 200)
        rc = status_error(t, t->path, &r, e);
    else if (rc == OK && !read_answer(t, api, &r, &q, e))
        rc = ERR_PROTOCOL;
    out->usage = rc == OK && q.prompt_tokens >= 0;
    if (rc == OK)
        find_version(t, out);
    fetch_result_release(&r);
    buf_release(&text);
    return rc;
}

/* --- tokens --- */

static int compare_u32(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

/* Token ids of the JSON array under "tokens": plain numbers or {"id": n}. Returns how many; ids may
 * be NULL. */
static size_t read_tokens(struct slice body, uint32_t *ids, size_t room, int64_t *count)
{
    struct json j = json_of(body);
    struct slice key;
    size_t n = 0;
    int64_t id;
    *count = -1;
    for (json_enter_object(&j); json_next_key(&j, &key);) {
        if (slice_is(key, "count") && json_peek(&j) == JSON_NUMBER) {
            json_int(&j, count);
        } else if (slice_is(key, "tokens") && json_peek(&j) == JSON_ARRAY) {
            for (json_enter_array(&j); json_next_item(&j); n++) {
                if (json_peek(&j) != JSON_NUMBER)
                    json_skip(&j);
                else if (json_int(&j, &id) && ids && n < room)
                    ids[n] = (uint32_t)id;
            }
        } else {
            json_skip(&j);
        }
    }
    if (json_end(&j) < 0)
        return 0;
    if (*count < 0)
        *count = (int64_t)n;
    return n;
}

static int tokenize(const struct probe_target *t, const char *path, const char *model,
                    struct slice text, struct fetch_result *r, struct err *e)
{
    struct buf body = {0};
    bool llama_cpp = path[0] == '!'; /* its field is named otherwise */
    buf_puts(&body, llama_cpp ? "{\"content\":" : "{\"model\":");
    if (!llama_cpp) {
        json_put_string(&body, slice_of(model));
        buf_puts(&body, ",\"add_special_tokens\":false,\"prompt\":");
    }
    json_put_string(&body, text);
    buf_putc(&body, '}');
    int rc = ask(t, llama_cpp ? path + 1 : path, buf_slice(&body), side_timeout(t), r, e);
    buf_release(&body);
    return rc;
}

static size_t unique(uint32_t *ids, size_t n)
{
    size_t kept = 0;
    qsort(ids, n, sizeof *ids, compare_u32);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    return kept;
}

/* Asks the known places in turn ("!" marks llama.cpp's form) and keeps the ids of a plain text. */
static void find_pool(const struct probe_target *t, uint64_t seed, struct probe_result *out)
{
    static const char *const PATHS[] = {"/tokenize", "/v1/tokenize", "!/tokenize"};
    struct buf text = {0};
    workload_words(seed, RNG_WARMUP + RNG_PROMPT, UINT64_MAX, POOL_WORDS, &text);
    for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS && !out->tokenize_path; i++) {
        struct fetch_result r = {0};
        int64_t count;
        if (tokenize(t, PATHS[i], out->model, buf_slice(&text), &r, NULL) == OK &&
            r.status == 200) {
            size_t n = read_tokens(buf_slice(&r.body), NULL, 0, &count);
            uint32_t *ids = MEM_ARRAY(uint32_t, n + 1);
            read_tokens(buf_slice(&r.body), ids, n, &count);
            n = unique(ids, n);
            if (count > 0)
                out->tokenize_path = PATHS[i];
            if (n >= POOL_MIN) {
                out->pool = ids;
                out->pool_count = n;
            } else {
                free(ids);
            }
        }
        fetch_result_release(&r);
    }
    buf_release(&text);
}

static int64_t counted_prompt(const struct probe_target *t, const struct api_options *api,
                              const struct prompt *prompt)
{
    struct fetch_result r = {0};
    struct request_record q = {.prompt_tokens = -1};
    if (request_once(t, api, prompt, &r, NULL) < 0 || r.status != 200 ||
        !read_answer(t, api, &r, &q, NULL))
        q.prompt_tokens = -1;
    fetch_result_release(&r);
    return q.prompt_tokens;
}

/* Prompt tokens the server counts for a prompt; −1 when it does not say. Some tell usage with whole
 * answers only (llama-cpp-python). */
static int64_t prompt_tokens_of(const struct probe_target *t, const struct api_options *api,
                                const struct prompt *prompt)
{
    struct api_options whole = *api;
    int64_t tokens = counted_prompt(t, api, prompt);
    whole.stream = false;
    return tokens < 0 && api->stream ? counted_prompt(t, &whole, prompt) : tokens;
}

/* Do token ids work as a prompt here, and what does the server add to them? */
static bool try_pool(const struct probe_target *t, const struct api_options *api,
                     struct probe_result *out)
{
    uint32_t ids[POOL_TEST_TOKENS];
    for (size_t i = 0; i < POOL_TEST_TOKENS; i++)
        ids[i] = out->pool[i * out->pool_count / POOL_TEST_TOKENS];
    struct prompt prompt = {.kind = PROMPT_TOKENS,
                            .tokens = ids,
                            .token_count = POOL_TEST_TOKENS,
                            .output_tokens = PROBE_OUTPUT_TOKENS,
                            .exact_output = true,
                            .rung = -1};
    int64_t got = prompt_tokens_of(t, api, &prompt);
    if (got < POOL_TEST_TOKENS || got > POOL_TEST_TOKENS + POOL_TEST_TOKENS / 4)
        return false;
    out->tokenization.overhead_tokens = (double)(got - POOL_TEST_TOKENS);
    return true;
}

/* What the server adds to every prompt (its template, a token at the beginning): a text and the
 * same text twice differ by the text alone. Exact but for a token at the seam, however few the
 * words are. */
static double overhead_of(const struct probe_target *t, const struct api_options *api,
                          const struct prompt *once, int64_t tokens)
{
    struct buf twice = {0};
    struct prompt prompt = *once;
    buf_put(&twice, once->text);
    buf_putc(&twice, ' ');
    buf_put(&twice, once->text);
    prompt.text = buf_slice(&twice);
    int64_t both = prompt_tokens_of(t, api, &prompt);
    buf_release(&twice);
    return both > tokens ? fmax(0, (double)(2 * tokens - both)) : 0;
}

static void calibrate_words(const struct probe_target *t, const struct api_options *api,
                            uint64_t seed, struct probe_result *out)
{
    static const size_t SIZES[] = {CALIBRATION_WORDS, CALIBRATION_WORDS_SMALL};
    struct buf text = {0};
    struct prompt prompt = words_prompt(&text, PROBE_WORDS, seed, 1);
    int64_t few = prompt_tokens_of(t, api, &prompt);
    double overhead = few > 0 ? overhead_of(t, api, &prompt, few) : 0;
    for (size_t i = 0; few > 0 && i < 2 && out->tokenization.tokens_per_word <= 0; i++) {
        prompt = words_prompt(&text, SIZES[i], seed, 2);
        int64_t many = prompt_tokens_of(t, api, &prompt);
        if (many <= few)
            continue;
        out->tokenization.tokens_per_word = ((double)many - overhead) / (double)SIZES[i];
        out->tokenization.overhead_tokens = overhead;
    }
    if (out->tokenization.tokens_per_word <= 0)
        say(t, "the server does not say how many tokens a prompt has: one token a word is assumed");
    buf_release(&text);
}

void probe_word_lengths(const struct probe_target *t, const struct api_options *api, uint64_t seed,
                        struct probe_result *out)
{
    out->tokenization = (struct tokenization){0};
    calibrate_words(t, api, seed, out);
}

int probe_tokenization(const struct probe_target *t, const struct api_options *api, uint64_t seed,
                       struct probe_result *out, struct err *e)
{
    (void)e;
    out->tokenization = (struct tokenization){0};
    if (!t->protocol->chat && !out->pool)
        find_pool(t, seed, out);
    if (!t->protocol->chat && out->pool && try_pool(t, api, out)) {
        out->tokenization.pool = out->pool;
        out->tokenization.pool_count = out->pool_count;
        return OK;
    }
    if (!t->protocol->chat && out->pool)
        say(t,
            "the server takes no token ids as a prompt: words are sent, their number calibrated");
    calibrate_words(t, api, seed, out);
    return OK;
}

int probe_count_tokens(void *context, struct slice text, int64_t *tokens, struct err *e)
{
    const struct probe_counter *c = context;
    const char *path = c->path[0] == '!' ? c->path + 1 : c->path;
    struct fetch_result r = {0};
    int rc = tokenize(c->target, c->path, c->model, text, &r, e);
    if (rc == OK && r.status != 200)
        rc = status_error(c->target, path, &r, e);
    if (rc == OK) {
        read_tokens(buf_slice(&r.body), NULL, 0, tokens);
        if (*tokens < 0)
            rc = err_set(e, ERR_PROTOCOL, "the server's answer to %s holds no tokens", path);
    }
    fetch_result_release(&r);
    return rc;
}

bool probe_metrics(const struct probe_target *t, struct record_writer *w, int64_t at_ns)
{
    struct fetch_result r = {0};
    bool any = false;
    if (ask(t, "/metrics", (struct slice){0}, side_timeout(t), &r, NULL) == OK && r.status == 200 &&
        !looks_like_html(&r)) {
        struct slice page = buf_slice(&r.body);
        struct prometheus_sample m;
        while (prometheus_next(&page, &m)) {
            if (m.name.n > 7 && memcmp(m.name.p + m.name.n - 7, "_bucket", 7) == 0)
                continue;
            char *name = mem_strndup(m.name.p, m.name.n);
            char *labels = mem_strndup(m.labels.p, m.labels.n);
            record_writer_sample(w,
                                 &(struct sample_record){at_ns, "/metrics", name, labels, m.value});
            free(name);
            free(labels);
            any = true;
        }
    }
    fetch_result_release(&r);
    return any;
}

void probe_release(struct probe_result *r)
{
    free(r->pool);
    *r = (struct probe_result){0};
}
