#include "serve/generation.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/fault_send.h"
#include "serve/pace.h"
#include "serve/plan.h"
#include "serve/reply.h"
#include "sim/text.h"

enum {
    /* Bytes a reader of a stream may leave unread, besides what the kernel holds for it. */
    MAX_BACKLOG_BYTES = 1 << 20,
    ID_BYTES = 40,
};

struct generation {
    struct client *client;
    int engine;                      /* where it began: who counts it */
    struct cluster_request *request; /* NULL once its last token is out */
    struct beat *beat;               /* likewise, under a metronome */
    uint32_t number;                 /* in the truth */
    struct buf ids;                  /* of the prompt and the answer */
    struct plan plan;
    bool chat, stream, include_usage, continuous_usage;
    bool chunked; /* an HTTP/1.0 client gets the bare stream */
    int64_t prompt_tokens, cached_tokens;
    int64_t done;    /* tokens given out */
    uint64_t spoken; /* bytes of text given out */
    int64_t arrived_ns, created_s;
    int64_t admitted_ns, first_ns, newest_ns; /* its first step's begin; its tokens */
    char id[ID_BYTES];
    struct buf event; /* stream: an event's front, then its back from back_at */
    size_t back_at;
    struct buf text; /* stream: of the tokens that leave together; otherwise the answer so far */
};

static struct reply_answer answer_of(const struct generation *g)
{
    return (struct reply_answer){.id = g->id,
                                 .model = g->client->server->config->model->name,
                                 .created_s = g->created_s,
                                 .chat = g->chat};
}

static struct exposition *counted(const struct generation *g)
{
    return &g->client->server->counted[g->engine];
}

static struct reply_usage usage_of(const struct generation *g)
{
    return (struct reply_usage){.prompt_tokens = g->prompt_tokens,
                                .output_tokens = g->done,
                                .cached_tokens = g->cached_tokens};
}

/* ---- beginning ---- */

static int refuse_length(const struct server *s, const struct ask *a, bool chat,
                         struct ask_fault *fault)
{
    long long longest = (long long)s->config->max_model_len;
    long long prompt = (long long)a->prompt_tokens;
    if (prompt >= longest || a->max_tokens < 0) {
        fault->param = chat ? "messages" : "prompt";
        return err_set(&fault->err, ERR_INPUT,
                       "the prompt has %lld tokens, and this model's context holds %lld with the "
                       "output: shorten it",
                       prompt, longest);
    }
    fault->param = "max_tokens";
    return err_set(&fault->err, ERR_INPUT,
                   "%lld output tokens were asked for behind a prompt of %lld: together more than "
                   "the %lld tokens of this model's context",
                   (long long)a->max_tokens, prompt, longest);
}

static void prepare_event(struct generation *g)
{
    struct reply_answer a = answer_of(g);
    reply_event_front(&g->event, &a);
    g->back_at = g->event.n;
    reply_event_back(&g->event, &a);
}

static void send_head(struct generation *g)
{
    struct client *c = g->client;
    struct buf *out = &c->server->scratch;
    if (!g->chunked)
        c->close_after = true;
    struct reply_head head = {.status = 200,
                              .content_type = "text/event-stream; charset=utf-8",
                              .request_id = slice_of(c->request_id),
                              .date = server_date(c->server),
                              .chunked = g->chunked,
                              .until_close = !g->chunked,
                              .keep_alive = !c->close_after};
    buf_clear(out);
    reply_head(out, &head);
    if (c->fault.kind == FAULT_SLOW_HEADERS)
        client_drip(c, out->p, out->n);
    else
        client_send(c, out->p, out->n, MAX_BACKLOG_BYTES);
}

static void enter(struct generation *g, struct ask *a)
{
    struct server *s = g->client->server;
    g->ids = a->ids;
    a->ids = (struct buf){0};
    plan_ids(&g->plan, s->config->model->vocabulary, &g->ids);
    struct engine_ask ask = {.prompt_tokens = g->prompt_tokens,
                             .output_tokens = g->plan.output_tokens,
                             .ids = (const uint32_t *)(const void *)g->ids.p,
                             .id_count = (int64_t)(g->ids.n / sizeof(uint32_t)),
                             .owner = g};
    g->request = cluster_ask(s->cluster, &ask);
    if (!g->request)
        BUG("the engine refused lengths that were checked");
    g->engine = cluster_engine_of(g->request);
}

int generation_begin(struct client *c, struct ask *a, bool chat, struct ask_fault *fault)
{
    struct server *s = c->server;
    int64_t limit = spec_output_limit(s->config, a->prompt_tokens, a->max_tokens, chat);
    if (limit < 1)
        return refuse_length(s, a, chat, fault);
    struct generation *g = MEM_NEW(struct generation);
    uint64_t number = s->requests++;
    *g = (struct generation){.client = c,
                             .plan = plan_answer(a, s->options->seed, number, limit),
                             .chat = chat,
                             .stream = a->stream,
                             .include_usage = a->include_usage,
                             .continuous_usage = a->continuous_usage,
                             .chunked = c->http.minor > 0,
                             .prompt_tokens = a->prompt_tokens,
                             .arrived_ns = clock_mono_ns(),
                             .created_s = clock_real_ns() / NS_PER_S};
    snprintf(g->id, sizeof g->id, "%s-%016llx", chat ? "chatcmpl" : "cmpl",
             (unsigned long long)number);
    if (s->truth)
        g->number = truth_add_request(s->truth, slice_of(c->request_id), g->arrived_ns,
                                      g->plan.output_tokens);
    if (s->metronome.interval_ns > 0)
        g->beat = metronome_join(&s->metronome, g->plan.output_tokens, g);
    else
        enter(g, a);
    c->generation = g;
    if (g->stream) {
        prepare_event(g);
        send_head(g);
    }
    return OK;
}

void generation_free(struct generation *g)
{
    if (g->request)
        cluster_cancel(g->client->server->cluster, g->request);
    if (g->beat)
        metronome_leave(&g->client->server->metronome, g->beat);
    if (g->request || g->beat)
        counted(g)->finished[FINISH_ABORT]++;
    buf_release(&g->ids);
    buf_release(&g->event);
    buf_release(&g->text);
    free(g);
}

/* ---- tokens ---- */

/* The next token's text. */
static struct slice next_text(struct generation *g, bool last)
{
    if (last && g->plan.ends_silently)
        return slice_make(NULL, 0);
    struct slice word = text_word(&g->plan.words);
    uint64_t left = g->plan.text_bytes - g->spoken;
    if (word.n > left)
        word.n = (size_t)left;
    g->spoken += word.n;
    return word;
}

static void put_event(struct generation *g, struct slice text, bool first, bool last,
                      struct buf *out)
{
    if (first && g->chat) {
        struct reply_answer a = answer_of(g);
        reply_role_event(out, &a);
    }
    buf_append(out, g->event.p, g->back_at);
    buf_put(out, text);
    buf_append(out, g->event.p + g->back_at, g->event.n - g->back_at);
    if (last) {
        buf_putc(out, '"');
        buf_puts(out, finish_name(g->plan.finish));
        buf_puts(out, "\"}]");
    } else {
        buf_puts(out, "null}]");
    }
    if (g->continuous_usage) {
        buf_puts(out, ",\"usage\":");
        struct reply_usage u = usage_of(g);
        reply_usage(out, &u);
    }
    buf_puts(out, "}\n\n");
}

/* What follows the last token in the same message. */
static void put_end(struct generation *g, struct buf *out)
{
    if (g->include_usage) {
        struct reply_answer a = answer_of(g);
        struct reply_usage u = usage_of(g);
        reply_usage_event(out, &a, &u);
    }
    buf_puts(out, "data: [DONE]\n\n");
}

/* That a message to come ends `count` tokens, the newest one being the last of them. */
static struct client_mark mark_of(const struct generation *g, int64_t count)
{
    const struct truth *t = g->client->server->truth;
    return (struct client_mark){.request = g->number,
                                .token = (uint32_t)(g->done - count),
                                .count = (uint32_t)count,
                                .step = t ? truth_steps(t) : 0};
}

/* One message for the `count` tokens of a step: the chunk's size, the event, the chunk's end. False
 * when the client is gone, and the generation with it. */
static bool send_event(struct generation *g, struct slice text, int64_t count, bool first,
                       bool last)
{
    struct client *c = g->client;
    struct buf *out = &c->server->scratch;
    bool faulty = c->fault.kind != FAULT_NONE;
    struct client_mark mark = mark_of(g, count);
    buf_clear(out);
    size_t begin = g->chunked && !faulty ? reply_chunk_begin(out) : 0;
    put_event(g, text, first, last, out);
    if (last)
        put_end(g, out);
    if (faulty)
        return fault_send(c, &(struct fault_message){.data = buf_slice(out),
                                                     .chunked = g->chunked,
                                                     .last = last,
                                                     .done = g->done,
                                                     .tokens = g->plan.output_tokens,
                                                     .mark = mark});
    if (g->chunked)
        begin = reply_chunk_end(out, begin);
    if (g->chunked && last)
        buf_puts(out, "0\r\n\r\n");
    return client_send_tokens(c, out->p + begin, out->n - begin, MAX_BACKLOG_BYTES, &mark);
}

static void send_answer(struct generation *g)
{
    struct buf body = {0};
    struct client *c = g->client;
    struct reply_answer a = answer_of(g);
    struct reply_usage u = usage_of(g);
    reply_body(&body, &a, buf_slice(&g->text), finish_name(g->plan.finish), &u);
    struct client_mark mark = mark_of(g, g->done);
    generation_free(g);
    c->generation = NULL;
    client_respond_tokens(c, buf_slice(&body), &mark);
    client_resume(c);
    buf_release(&body);
}

/* The text of the next `count` tokens: appended to what there is, or to nothing in a stream. */
static void put_text(struct generation *g, const struct engine_token *t)
{
    if (g->stream)
        buf_clear(&g->text);
    for (int64_t i = 0; i < t->count; i++)
        buf_put(&g->text, next_text(g, t->last && i + 1 == t->count));
}

/* Times at which tokens were handed over here, whatever the sends take. */
static void note_times(struct generation *g, const struct engine_token *t, int64_t now_ns)
{
    struct exposition *x = counted(g);
    if (g->done == 0) {
        /* A step begins when the one before was due to end: a little before, when that ended late.
         */
        bool later = t->admitted_ns > g->arrived_ns;
        g->admitted_ns = later ? t->admitted_ns : g->arrived_ns;
        g->first_ns = now_ns;
        g->cached_tokens = t->cached;
        x->prompt_tokens += (uint64_t)g->prompt_tokens;
        exposition_add_ns(x, EXPOSITION_FIRST_TOKEN, now_ns - g->arrived_ns);
    } else {
        exposition_add_ns(x, EXPOSITION_BETWEEN_TOKENS, now_ns - g->newest_ns);
    }
    g->newest_ns = now_ns;
}

static void note_end(const struct generation *g)
{
    struct exposition *x = counted(g);
    int64_t behind_first = g->plan.output_tokens - 1, decode_ns = g->newest_ns - g->first_ns;
    x->finished[g->plan.finish]++;
    exposition_add_ns(x, EXPOSITION_WHOLE, g->newest_ns - g->arrived_ns);
    exposition_add_ns(x, EXPOSITION_QUEUE, g->admitted_ns - g->arrived_ns);
    exposition_add_ns(x, EXPOSITION_PREFILL, g->first_ns - g->admitted_ns);
    exposition_add_ns(x, EXPOSITION_DECODE, decode_ns);
    if (behind_first > 0)
        exposition_add(x, EXPOSITION_PER_OUTPUT_TOKEN,
                       (double)decode_ns / (double)NS_PER_S / (double)behind_first);
}

int64_t generation_step_tokens(const struct generation *g, const struct engine_token *t)
{
    return t->index == 0 ? g->prompt_tokens + t->count : t->count;
}

void generation_token(struct generation *g, const struct engine_token *t, int64_t now_ns)
{
    struct client *c = g->client;
    bool first = g->done == 0, last = t->last; /* the tokens are gone when a client is */
    note_times(g, t, now_ns);
    if (last) {
        g->request = NULL;
        g->beat = NULL;
        note_end(g);
    }
    put_text(g, t);
    g->done += t->count;
    if (!g->stream) {
        if (last)
            send_answer(g);
        return;
    }
    if (send_event(g, buf_slice(&g->text), t->count, first, last) && last) {
        generation_free(g);
        c->generation = NULL;
        client_answered(c);
        client_resume(c);
    }
}

void generation_abort(struct generation *g)
{
    static const char why[] = "the server is shutting down";
    struct client *c = g->client;
    struct buf out = {0};
    bool stream = g->stream, chunked = g->chunked;
    generation_free(g);
    c->generation = NULL;
    c->close_after = true;
    if (!stream) {
        client_refuse(c, 503, why, NULL, NULL);
        return;
    }
    size_t begin = chunked ? reply_chunk_begin(&out) : 0;
    reply_error_event(&out, 503, why);
    if (chunked) {
        begin = reply_chunk_end(&out, begin);
        buf_puts(&out, "0\r\n\r\n");
    }
    if (client_send(c, out.p + begin, out.n - begin, MAX_BACKLOG_BYTES))
        client_end(c);
    buf_release(&out);
}
