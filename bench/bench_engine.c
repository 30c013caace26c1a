/* How fast the simulated engine is, without a clock: generated tokens a second at 32 concurrent
 * requests, and a trace of long prompts that share their beginnings, prefix cache on. bench_engine
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "base/rng.h"
#include "sim/cluster.h"

static const double target_tokens_per_s = 1e6;
static const double target_trace_s = 1.0;

enum {
    USERS = 32,
    DECODE_REQUESTS = 64000,
    TRACE_REQUESTS = 24000,
    DOCUMENTS = 40, /* prompts begin with one of them */
    DOCUMENT_TOKENS = 4300,
    QUESTION_TOKENS = 4300, /* mean, from half to one and a half: unlike any other */
    ANSWER_TOKENS = 180,    /* mean, the same */
    VOCABULARY = 128000,
};

static const double trace_rate_per_s = 3;

/* Of this thread, as other work on the machine is no concern of ours. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct sim_config config_of(const char *text)
{
    struct sim_config c;
    struct err e;
    if (spec_parse(slice_of(text), &c, &e) < 0) {
        fprintf(stderr, "bench_engine: %s\n", e.text);
        exit(1);
    }
    return c;
}

static int64_t around(struct rng *r, int64_t mean)
{
    return mean / 2 + (int64_t)rng_below(r, (uint64_t)mean + 1);
}

/* ---- a closed loop ---- */

static void bench_decode(void)
{
    struct sim_config c = config_of("llama-3.1-8b@h100");
    struct engine *e = engine_new(&c, 1);
    struct rng lengths = rng_at(1, RNG_LENGTH, 0);
    uint64_t sent = 0;
    int64_t step_ns, virtual_ns = 0, begin_ns = cpu_ns();
    for (; sent < USERS; sent++)
        engine_submit(e, around(&lengths, 500), around(&lengths, 200), NULL);
    while (engine_step_begin(e, &step_ns)) {
        const struct engine_token *t;
        size_t n = engine_step_end(e, &t);
        virtual_ns += step_ns;
        for (size_t i = 0; i < n; i++)
            if (t[i].last && sent < DECODE_REQUESTS) {
                engine_submit(e, around(&lengths, 500), around(&lengths, 200), NULL);
                sent++;
            }
    }
    double s = (double)(cpu_ns() - begin_ns) * 1e-9;
    struct engine_counts n = engine_counts(e);
    double rate = (double)n.generated_tokens / s;
    printf("decode: %" PRIu64 " tokens in %" PRIu64
           " steps (%.0f simulated s) in %.2f s of CPU: %.1f "
           "million tokens/s (target ≥ %.0f): %s\n",
           n.generated_tokens, n.steps, (double)virtual_ns * 1e-9, s, rate / 1e6,
           target_tokens_per_s / 1e6, rate >= target_tokens_per_s ? "ok" : "MISSED");
    engine_free(e);
}

/* ---- a trace ---- */

struct request {
    int64_t arrival_ns, question, answer;
    uint32_t document;
    uint32_t *ids;
};

static struct request *make_trace(int64_t *prompt_tokens)
{
    struct request *all = MEM_ARRAY(struct request, TRACE_REQUESTS);
    struct rng r = rng_at(1, RNG_ARRIVAL, 0);
    double t = 0;
    for (int i = 0; i < TRACE_REQUESTS; i++) {
        t += rng_exponential(&r) / trace_rate_per_s;
        all[i] = (struct request){.arrival_ns = (int64_t)(t * 1e9),
                                  .question = around(&r, QUESTION_TOKENS),
                                  .answer = around(&r, ANSWER_TOKENS),
                                  .document = (uint32_t)rng_below(&r, DOCUMENTS)};
        *prompt_tokens += DOCUMENT_TOKENS + all[i].question;
    }
    return all;
}

static uint32_t id_of(uint32_t text, uint32_t at)
{
    uint32_t h = (text * 0x9e3779b9u) ^ (at * 0x85ebca6bu);
    return (uint32_t)((uint64_t)((h ^ (h >> 15)) * 0xc2b2ae35u) * VOCABULARY >> 32);
}

static void ask(struct cluster *c, struct request *r, uint32_t number)
{
    int64_t n = DOCUMENT_TOKENS + r->question;
    r->ids = mem_alloc((size_t)n * sizeof *r->ids);
    for (uint32_t i = 0; i < DOCUMENT_TOKENS; i++)
        r->ids[i] = id_of(r->document, i);
    for (uint32_t i = DOCUMENT_TOKENS; i < n; i++)
        r->ids[i] = id_of(DOCUMENTS + number, i);
    struct engine_ask a = {
        .prompt_tokens = n, .output_tokens = r->answer, .ids = r->ids, .id_count = n, .owner = r};
    if (!cluster_ask(c, &a))
        abort();
}

static int64_t run_trace(struct cluster *c, struct request *all)
{
    int64_t now_ns = 0;
    for (int next = 0;;) {
        int64_t due_ns = cluster_due_ns(c);
        if (next < TRACE_REQUESTS && all[next].arrival_ns <= due_ns) {
            now_ns = all[next].arrival_ns;
            ask(c, &all[next], (uint32_t)next);
            next++;
        } else if (due_ns == INT64_MAX) {
            return now_ns;
        } else {
            const struct engine_token *t;
            size_t n;
            int engine;
            cluster_run(c, due_ns, &t, &n, &engine, &now_ns);
            for (size_t i = 0; i < n; i++)
                if (t[i].last)
                    free(((struct request *)t[i].owner)->ids);
        }
        cluster_begin(c, now_ns);
    }
}

static void bench_trace(const char *text, bool judged)
{
    struct sim_config config = config_of(text);
    struct cluster *c = cluster_new(&config, 1);
    int64_t prompt_tokens = 0;
    struct request *all = make_trace(&prompt_tokens);
    int64_t begin_ns = cpu_ns();
    int64_t virtual_ns = run_trace(c, all);
    double s = (double)(cpu_ns() - begin_ns) * 1e-9;
    struct engine_counts n = cluster_counts(c, 0);
    printf("trace, %s: %d requests, mean %.0f tokens in, %.0f out, %.0f %% of prompts cached, "
           "%.0f simulated s, in %.2f s of CPU",
           text, TRACE_REQUESTS, (double)prompt_tokens / TRACE_REQUESTS,
           (double)n.generated_tokens / TRACE_REQUESTS,
           100 * (double)n.cached_prompt_tokens / (double)n.admitted_prompt_tokens,
           (double)virtual_ns * 1e-9, s);
    if (judged)
        printf(" (target ≤ %.0f s): %s", target_trace_s, s <= target_trace_s ? "ok" : "MISSED");
    printf("\n");
    cluster_free(c);
    free(all);
}

int main(void)
{
    bench_decode();
    bench_trace("llama-3.1-8b@h100", true);
    bench_trace("llama-3.1-8b@h100?engine=sglang", false);
    return 0;
}
