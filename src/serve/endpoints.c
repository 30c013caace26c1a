#include "serve/endpoints.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "serve/ask.h"
#include "serve/generation.h"
#include "serve/reply.h"

static const char json_type[] = "application/json";

static const char *model_name(const struct client *c)
{
    return c->server->config->model->name;
}

static void answer_health(struct client *c)
{
    client_respond(c, 200, NULL, slice_make(NULL, 0));
}

static void answer_version(struct client *c)
{
    client_respond(c, 200, json_type, slice_of("{\"version\":\"" SERVE_VERSION "\"}"));
}

static void answer_models(struct client *c)
{
    struct buf body = {0};
    buf_printf(
        &body,
        "{\"object\":\"list\",\"data\":[{\"id\":\"%s\",\"object\":\"model\",\"created\":%lld,"
        "\"owned_by\":\"loadline\",\"root\":\"%s\",\"parent\":null,\"max_model_len\":%lld}]}",
        model_name(c), (long long)c->server->created_s, model_name(c),
        (long long)c->server->config->max_model_len);
    client_respond(c, 200, json_type, buf_slice(&body));
    buf_release(&body);
}

static void answer_metrics(struct client *c)
{
    struct server *s = c->server;
    struct buf body = {0};
    const struct exposition *counted[2 * SIM_MAX_REPLICAS]; /* for prompts and for decoding */
    struct engine_counts engines[2 * SIM_MAX_REPLICAS] = {0};
    int n = cluster_engines(s->cluster);
    for (int i = 0; i < n; i++) {
        counted[i] = &s->counted[i];
        engines[i] = cluster_counts(s->cluster, i);
    }
    engines[0].running += (int64_t)s->metronome.count;
    engines[0].generated_tokens += s->metronome.tokens;
    exposition_page(&body, model_name(c), counted, engines, n);
    lateness_page(&body, &s->lateness);
    client_respond(c, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&body));
    buf_release(&body);
}

static bool knows_model(const struct client *c, const struct ask *a)
{
    return a->model.n == 0 || slice_is_nocase(buf_slice(&a->model), model_name(c));
}

static void refuse_model(struct client *c)
{
    char why[160];
    snprintf(why, sizeof why, "this server has no such model; it serves '%s'", model_name(c));
    client_refuse(c, 404, why, "model", NULL);
}

/* Reads the body. False when it was refused. */
static bool read_ask(struct client *c, enum ask_kind kind, struct ask *a)
{
    struct ask_fault fault;
    int vocabulary = c->server->config->model->vocabulary;
    if (ask_parse(kind, buf_slice(&c->body), vocabulary, a, &fault) < 0)
        client_refuse(c, 400, fault.err.text, fault.param, NULL);
    else if (!knows_model(c, a))
        refuse_model(c);
    else
        return true;
    ask_release(a);
    return false;
}

/* The faults that leave no answer. True when the request had one of them. */
static bool fail_at_once(struct client *c)
{
    switch (c->fault.kind) {
    case FAULT_RESET:
        client_reset(c);
        return true;
    case FAULT_429:
        client_refuse(c, 429, "too many requests, as --fault wanted it", NULL, NULL);
        return true;
    case FAULT_500:
        client_refuse(c, 500, "the engine failed, as --fault wanted it to", NULL, NULL);
        return true;
    default:
        return false;
    }
}

static void generate(struct client *c, enum ask_kind kind)
{
    struct ask a;
    struct ask_fault fault = {0};
    if (!read_ask(c, kind, &a))
        return;
    if (c->request_id[0])
        c->server->loaded = true;
    c->fault = fault_draw(&c->server->options->faults, c->server->options->seed,
                          slice_of(c->request_id), a.stream);
    if (!fail_at_once(c) && generation_begin(c, &a, kind == ASK_CHAT, &fault) < 0)
        client_refuse(c, 400, fault.err.text, fault.param, NULL);
    ask_release(&a);
}

static void answer_completion(struct client *c)
{
    generate(c, ASK_COMPLETION);
}

static void answer_chat(struct client *c)
{
    generate(c, ASK_CHAT);
}

static void answer_tokenize(struct client *c)
{
    struct ask a;
    struct buf body = {0};
    if (!read_ask(c, ASK_TOKENIZE, &a))
        return;
    buf_printf(&body, "{\"count\":%lld,\"max_model_len\":%lld,\"tokens\":[",
               (long long)a.prompt_tokens, (long long)c->server->config->max_model_len);
    for (size_t at = 0; at < a.ids.n; at += sizeof(uint32_t)) {
        uint32_t id;
        memcpy(&id, a.ids.p + at, sizeof id);
        if (at > 0)
            buf_putc(&body, ',');
        reply_put_count(&body, id);
    }
    buf_puts(&body, "]}");
    client_respond(c, 200, json_type, buf_slice(&body));
    buf_release(&body);
    ask_release(&a);
}

static void answer_reset(struct client *c)
{
    cluster_forget_prefixes(c->server->cluster);
    answer_health(c);
}

static const struct endpoint_row {
    const char *path, *method;
    void (*answer)(struct client *c);
    bool always; /* also while the server starts */
} table[] = {
    {"/v1/completions", "POST", answer_completion, false},
    {"/v1/chat/completions", "POST", answer_chat, false},
    {"/v1/models", "GET", answer_models, false},
    {"/health", "GET", answer_health, false},
    {"/version", "GET", answer_version, true},
    {"/metrics", "GET", answer_metrics, true},
    {"/tokenize", "POST", answer_tokenize, false},
    {"/reset_prefix_cache", "POST", answer_reset, false},
};

static void answer_row(struct client *c, const struct endpoint_row *row)
{
    if (strcmp(c->method, row->method) != 0)
        client_refuse(c, 405, "this path has another method: see the Allow header", NULL,
                      row->method);
    else if (!row->always && clock_mono_ns() < c->server->ready_ns)
        client_refuse(c, 503, "the model is being loaded: try again when /health answers 200", NULL,
                      NULL);
    else
        row->answer(c);
}

void endpoints_answer(struct client *c)
{
    char *query = strchr(c->target, '?');
    if (query)
        *query = '\0';
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(c->target, table[i].path) == 0) {
            answer_row(c, &table[i]);
            return;
        }
    }
    client_refuse(c, 404, "no such path: try /v1/completions, /v1/chat/completions or /v1/models",
                  NULL, NULL);
}
