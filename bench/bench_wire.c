/* User CPU of the receive path for one token event: HTTP/1.1 chunk framing, the event stream, and
 * the walk over the chat chunk's JSON. Replays a synthetic stream as reads of a given size would
 * deliver it.
 *
 *     bench_wire [EVENTS_PER_READ]      default 1: each event in a read of its own */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "wire/http1.h"
#include "wire/sse.h"

enum { EVENTS = 100 * 1000, REPETITIONS = 15 };

enum depth { HTTP, HTTP_SSE, HTTP_SSE_JSON };

struct load {
    struct buf bytes;
    size_t *end; /* of each event in bytes, the head belonging to the first */
};

struct totals {
    uint64_t body_bytes, events, text_bytes, finished;
    int64_t tokens;
};

static void make_load(struct load *l)
{
    static const char *const word[] = {" the",  " of",   " mark", "ing",
                                       " tide", " hull", ",",     " deep"};
    struct buf event = {0};
    l->end = MEM_ARRAY(size_t, EVENTS);
    buf_puts(&l->bytes, "HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; "
                        "charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n");
    for (int i = 0; i < EVENTS; i++) {
        buf_clear(&event);
        buf_printf(
            &event,
            "data: {\"id\":\"chatcmpl-7f3c9a52d1e84b0f\",\"object\":\"chat.completion.chunk\","
            "\"created\":1735689600,\"model\":\"meta-llama/Llama-3.1-8B-Instruct\",\"choices\":"
            "[{\"index\":0,\"delta\":{\"content\":\"%s\"},\"logprobs\":null,"
            "\"finish_reason\":%s}],\"usage\":{\"prompt_tokens\":512,\"total_tokens\":%d,"
            "\"completion_tokens\":%d}}\n\n",
            word[i % 8], i == EVENTS - 1 ? "\"stop\"" : "null", 512 + i, i);
        buf_printf(&l->bytes, "%zx\r\n", event.n);
        buf_put(&l->bytes, buf_slice(&event));
        buf_puts(&l->bytes, "\r\n");
        l->end[i] = l->bytes.n;
    }
    buf_puts(&l->bytes, "0\r\n\r\n");
    printf("%d events of %zu bytes\n", EVENTS, event.n);
    buf_release(&event);
}

static void read_delta(struct json *j, struct totals *t)
{
    struct slice key, text;
    for (json_enter_object(j); json_next_key(j, &key);) {
        if (slice_is(key, "content") && json_peek(j) == JSON_STRING) {
            json_string(j, &text);
            t->text_bytes += text.n;
        } else {
            json_skip(j);
        }
    }
}

static void read_choice(struct json *j, struct totals *t)
{
    struct slice key, text;
    for (json_enter_object(j); json_next_key(j, &key);) {
        if (slice_is(key, "delta")) {
            read_delta(j, t);
        } else if (slice_is(key, "text") && json_peek(j) == JSON_STRING) {
            json_string(j, &text);
            t->text_bytes += text.n;
        } else if (slice_is(key, "finish_reason") && json_peek(j) == JSON_STRING) {
            json_skip(j);
            t->finished++;
        } else {
            json_skip(j);
        }
    }
}

static void read_usage(struct json *j, struct totals *t)
{
    struct slice key;
    for (json_enter_object(j); json_next_key(j, &key);) {
        if (slice_is(key, "completion_tokens"))
            json_int(j, &t->tokens);
        else
            json_skip(j);
    }
}

static void read_chunk(struct slice data, struct totals *t)
{
    struct json j = json_of(data);
    struct slice key;
    for (json_enter_object(&j); json_next_key(&j, &key);) {
        if (slice_is(key, "choices"))
            for (json_enter_array(&j); json_next_item(&j);)
                read_choice(&j, t);
        else if (slice_is(key, "usage"))
            read_usage(&j, t);
        else
            json_skip(&j);
    }
    if (json_end(&j) < 0)
        BUG("the bench's own chunk is malformed");
}

static void read_body(struct sse *s, struct slice data, enum depth depth, struct totals *t)
{
    bool got;
    do {
        struct sse_event event;
        int64_t used = sse_parse(s, data, &event, &got);
        if (used < 0)
            BUG("the bench's own stream is malformed");
        data = slice_make(data.p + used, data.n - (size_t)used);
        if (got) {
            t->events++;
            if (depth == HTTP_SSE_JSON)
                read_chunk(event.data, t);
        }
    } while (got);
}

static void read_bytes(struct http1 *h, struct sse *s, struct slice in, enum depth depth,
                       struct totals *t)
{
    struct http1_event ev;
    do {
        int64_t used = http1_parse(h, in, &ev);
        if (used < 0)
            BUG("the bench's own message is malformed");
        in = slice_make(in.p + used, in.n - (size_t)used);
        if (ev.type != HTTP1_BODY)
            continue;
        t->body_bytes += ev.data.n;
        if (depth >= HTTP_SSE)
            read_body(s, ev.data, depth, t);
    } while (ev.type != HTTP1_MORE && ev.type != HTTP1_END);
}

static double ns_per_event(const struct load *l, enum depth depth, int events_per_read,
                           struct totals *t)
{
    struct http1 h;
    struct sse s;
    size_t at = 0;
    *t = (struct totals){0};
    http1_init(&h, HTTP1_RESPONSE);
    sse_init(&s, 0);
    int64_t begin = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int i = events_per_read - 1; at < l->bytes.n; i += events_per_read) {
        size_t end = i < EVENTS ? l->end[i] : l->bytes.n;
        read_bytes(&h, &s, slice_make(l->bytes.p + at, end - at), depth, t);
        at = end;
    }
    int64_t ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
    http1_release(&h);
    sse_release(&s);
    return (double)ns / EVENTS;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static const char *const name[] = {"http1", "http1+sse", "http1+sse+json"};
    int events_per_read = argc > 1 ? atoi(argv[1]) : 1;
    struct load l = {0};
    if (events_per_read < 1) {
        fprintf(stderr, "usage: bench_wire [EVENTS_PER_READ]\n");
        return 1;
    }
    make_load(&l);
    for (enum depth d = HTTP; d <= HTTP_SSE_JSON; d++) {
        double ns[REPETITIONS];
        struct totals t;
        for (int i = 0; i < REPETITIONS; i++)
            ns[i] = ns_per_event(&l, d, events_per_read, &t);
        qsort(ns, REPETITIONS, sizeof ns[0], compare);
        if ((d >= HTTP_SSE && t.events != EVENTS) ||
            (d == HTTP_SSE_JSON && (t.finished != 1 || t.tokens != EVENTS - 1)))
            BUG("events were lost");
        printf("%-15s %6.1f ns of CPU per event (median of %d; least %.1f)\n", name[d],
               ns[REPETITIONS / 2], REPETITIONS, ns[0]);
    }
    buf_release(&l.bytes);
    free(l.end);
    return 0;
}
