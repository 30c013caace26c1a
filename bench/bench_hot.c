/* User CPU of the whole hot path behind the socket: HTTP/1.1, the event stream, the adapter, the
 * answer and the record's way into the writer's queue. Replays recorded answers of a chat server
 * with continuous usage, each event in a read of its own, as they come at a few hundred streams.
 *
 *     bench_hot [TOKENS]      default 500: tokens of the long answers
 *
 * Two lengths of answers tell apart what a token event costs and what an exchange costs.
 * record_writer_put is within the time; what the writer's own thread does afterwards is not. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/openai.h"
#include "base/clock.h"
#include "base/mem.h"
#include "drive/answer.h"
#include "record/writer.h"
#include "wire/http1.h"

enum { REPETITIONS = 15, EVENTS_EACH = 300 * 1000, EXCHANGES_EACH = 50 * 1000 };

struct recording { /* one answer, cut into reads */
    struct buf bytes;
    size_t *end; /* of each read */
    size_t reads;
    uint32_t tokens;
};

static void end_read(struct recording *r)
{
    r->end = mem_resize(r->end, (r->reads + 1) * sizeof *r->end);
    r->end[r->reads++] = r->bytes.n;
}

static void put_chunk(struct recording *r, const char *choice, int64_t tokens)
{
    struct buf event = {0};
    buf_printf(&event,
               "data: {\"id\":\"chatcmpl-7f3c9a52d1e84b0f\",\"object\":\"chat.completion.chunk\","
               "\"created\":1735689600,\"model\":\"meta-llama/Llama-3.1-8B-Instruct\",\"choices\":"
               "[%s],\"usage\":{\"prompt_tokens\":512,\"total_tokens\":%lld,"
               "\"completion_tokens\":%lld}}\n\n",
               choice, (long long)(512 + tokens), (long long)tokens);
    buf_printf(&r->bytes, "%zx\r\n", event.n);
    buf_put(&r->bytes, buf_slice(&event));
    buf_puts(&r->bytes, "\r\n");
    buf_release(&event);
}

/* vLLM's chat stream: role, tokens, the finish with the last of them, usage, terminator. */
static void record(struct recording *r, uint32_t tokens)
{
    static const char *const WORDS[] = {" the",  " of",   " mark", "ing",
                                        " tide", " hull", ",",     " deep"};
    r->tokens = tokens;
    buf_puts(&r->bytes,
             "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: uvicorn\r\n"
             "content-type: text/event-stream; charset=utf-8\r\n"
             "transfer-encoding: chunked\r\n\r\n");
    put_chunk(r,
              "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
              "\"logprobs\":null,\"finish_reason\":null}",
              0);
    end_read(r);
    for (uint32_t i = 0; i < tokens; i++) {
        char choice[160];
        snprintf(choice, sizeof choice,
                 "{\"index\":0,\"delta\":{\"content\":\"%s\"},\"logprobs\":null,"
                 "\"finish_reason\":%s}",
                 WORDS[i % 8], i + 1 == tokens ? "\"length\",\"stop_reason\":null" : "null");
        put_chunk(r, choice, i + 1);
        if (i + 1 < tokens)
            end_read(r);
    }
    put_chunk(r, "", tokens);
    buf_puts(&r->bytes, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    end_read(r);
}

/* What net does with a read's bytes, and drive with what net tells it. */
static void replay_read(struct http1 *h, struct answer *a, struct slice in,
                        const struct stamp *stamp)
{
    struct slice type = {0};
    struct http1_event ev;
    int status = 0;
    do {
        int64_t used = http1_parse(h, in, &ev);
        if (used < 0)
            BUG("the recording is malformed");
        in = slice_make(in.p + used, in.n - (size_t)used);
        if (ev.type == HTTP1_START)
            status = ev.status;
        else if (ev.type == HTTP1_HEADER && slice_is_nocase(ev.name, "content-type"))
            type = ev.value;
        else if (ev.type == HTTP1_HEAD_END)
            answer_head(a, status, type, (struct slice){0});
        else if (ev.type == HTTP1_BODY && answer_body(a, ev.data, stamp) < 0)
            BUG("the recording breaks the protocol");
    } while (ev.type != HTTP1_MORE && ev.type != HTTP1_END);
    answer_read_end(a, stamp);
}

struct hot { /* what a driver keeps from exchange to exchange */
    struct http1 parser;
    struct answer answer;
    struct record_writer *writer;
    int64_t now_ns;
    uint64_t reads, exchanges;
};

static void replay(struct hot *h, const struct recording *r)
{
    struct answer_options options = {.protocol = &openai_chat, .stream = true};
    struct request_record q = {.index = h->exchanges++, .phase = 1, .intended_ns = h->now_ns};
    size_t at = 0;
    http1_reset(&h->parser);
    answer_begin(&h->answer, &options);
    for (size_t i = 0; i < r->reads; i++) {
        struct stamp stamp = {.at_ns = h->now_ns,
                              .after_ns = h->now_ns - 5000,
                              .read_ns = h->now_ns + 5000,
                              .read_id = ++h->reads,
                              .kernel = true};
        replay_read(&h->parser, &h->answer, slice_make(r->bytes.p + at, r->end[i] - at), &stamp);
        h->now_ns += 20 * NS_PER_MS + (int64_t)(i * 7919 % 100000);
        at = r->end[i];
    }
    if (!answer_finish(&h->answer, TRANSPORT_COMPLETE, h->now_ns, 0, &q) ||
        q.outcome != OUTCOME_OK || q.events != r->tokens || q.output_tokens != r->tokens)
        BUG("the recording was not understood");
    record_writer_put(h->writer, &q);
}

/* User time of this thread: what the writer's thread does is not in it. */
static double user_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_THREAD, &u);
    return (double)u.ru_utime.tv_sec * 1e6 + (double)u.ru_utime.tv_usec;
}

static double us_per_exchange(struct hot *h, const struct recording *r, uint64_t exchanges)
{
    double begin = user_us();
    for (uint64_t i = 0; i < exchanges; i++)
        replay(h, r);
    return (user_us() - begin) / (double)exchanges;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *what, double *us)
{
    qsort(us, REPETITIONS, sizeof *us, compare);
    printf("%-34s %6.3f us of user CPU (median of %d; least %.3f)\n", what, us[REPETITIONS / 2],
           REPETITIONS, us[0]);
}

static void measure(struct hot *h, uint32_t tokens)
{
    struct recording brief = {0}, lengthy = {0};
    double exchange[REPETITIONS], event[REPETITIONS];
    record(&brief, 1);
    record(&lengthy, tokens);
    printf("events of %zu bytes, answers of 1 and of %u tokens\n",
           (lengthy.end[tokens / 2] - lengthy.end[0]) / (tokens / 2), tokens);
    for (int i = 0; i < REPETITIONS; i++) {
        exchange[i] = us_per_exchange(h, &brief, EXCHANGES_EACH);
        event[i] = (us_per_exchange(h, &lengthy, EVENTS_EACH / tokens) - exchange[i]) /
                   (double)(tokens - 1);
    }
    print("a token event", event);
    print("an exchange of one token event", exchange);
    buf_release(&brief.bytes);
    buf_release(&lengthy.bytes);
    free(brief.end);
    free(lengthy.end);
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/loadline-bench-XXXXXX", path[64];
    int tokens = argc > 1 ? atoi(argv[1]) : 500;
    struct run_record run = {.kind = "run", .mode = "open"};
    struct hot h = {.now_ns = NS_PER_S};
    struct err e;
    if (tokens < 10 || tokens > EVENTS_EACH || !mkdtemp(dir)) {
        fprintf(stderr, "usage: bench_hot [TOKENS], 10 or more; /tmp must be writable\n");
        return 1;
    }
    snprintf(path, sizeof path, "%s/run.db", dir);
    http1_init(&h.parser, HTTP1_RESPONSE);
    answer_init(&h.answer);
    int rc = record_writer_open(path, false, &h.writer, &e);
    if (rc == OK && (rc = record_writer_begin(h.writer, &run, &e)) == OK) {
        measure(&h, (uint32_t)tokens);
        rc = record_writer_close(h.writer, &e);
    }
    if (rc < 0)
        fprintf(stderr, "%s\n", e.text);
    answer_release(&h.answer);
    http1_release(&h.parser);
    unlink(path);
    rmdir(dir);
    return rc < 0;
}
