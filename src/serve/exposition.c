#include "serve/exposition.h"

#include <stdio.h>

#include "base/clock.h"

/* Upper bounds of vLLM's histograms (vllm/v1/metrics/loggers.py). */
static const struct buckets_bounds first_tokens_s = {
    .n = 22, .at = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                    1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560}};
static const struct buckets_bounds token_gaps_s = {.n = 19,
                                                   .at = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
                                                          0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
                                                          20, 40, 80}};
static const struct buckets_bounds requests_s = {
    .n = 21, .at = {0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                    30,  40,  50,  60, 120, 240, 480, 960, 1920, 7680}};
static const struct buckets_bounds step_tokens = {
    .n = 13, .at = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384}};

static const struct {
    const char *name, *help;
    const struct buckets_bounds *bounds;
} histograms[EXPOSITION_HISTOGRAMS] = {
    [EXPOSITION_FIRST_TOKEN] = {"time_to_first_token_seconds",
                                "From the whole request to its first token.", &first_tokens_s},
    [EXPOSITION_BETWEEN_TOKENS] = {"inter_token_latency_seconds",
                                   "Between a request's messages of tokens.", &token_gaps_s},
    [EXPOSITION_PER_OUTPUT_TOKEN] = {"request_time_per_output_token_seconds",
                                     "Mean of a request's tokens behind the first.", &token_gaps_s},
    [EXPOSITION_WHOLE] = {"e2e_request_latency_seconds",
                          "From the whole request to its last token.", &requests_s},
    [EXPOSITION_QUEUE] = {"request_queue_time_seconds",
                          "From the whole request until it was first admitted.", &requests_s},
    [EXPOSITION_PREFILL] = {"request_prefill_time_seconds", "From then to its first token.",
                            &requests_s},
    [EXPOSITION_DECODE] = {"request_decode_time_seconds", "From its first token to its last.",
                           &requests_s},
    [EXPOSITION_STEP_TOKENS] =
        {"iteration_tokens_total",
         "Tokens that a step gave out, and prompts whose first was among them.", &step_tokens},
};

const char *finish_name(enum finish f)
{
    static const char *const names[FINISH_REASONS] = {"stop", "length", "abort"};
    return names[f];
}

void exposition_add(struct exposition *x, enum exposition_of what, double value)
{
    buckets_add(&x->of[what], histograms[what].bounds, value);
}

void exposition_add_ns(struct exposition *x, enum exposition_of what, int64_t ns)
{
    exposition_add(x, what, (double)ns / (double)NS_PER_S);
}

struct page {
    struct buf *out;
    const char *model;
    const struct exposition *const *counted;
    const struct engine_counts *engines;
    int replicas;
};

static void describe(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP vllm:%s %s\n# TYPE vllm:%s %s\n", name, help, name, type);
}

static void sample(const struct page *p, const char *name, const char *more, int replica, double v)
{
    buf_printf(p->out, "vllm:%s{engine=\"%d\",model_name=\"%s\"%s} %.17g\n", name, replica,
               p->model, more, v);
}

typedef double (*reading)(const struct exposition *x, const struct engine_counts *e);

static double running(const struct exposition *x, const struct engine_counts *e)
{
    (void)x;
    return (double)e->running;
}

static double waiting(const struct exposition *x, const struct engine_counts *e)
{
    (void)x;
    return (double)e->waiting;
}

static double cache_usage(const struct exposition *x, const struct engine_counts *e)
{
    (void)x;
    return (double)e->blocks_used / (double)e->blocks;
}

static double preemptions(const struct exposition *x, const struct engine_counts *e)
{
    (void)x;
    return (double)e->preemptions;
}

static double prompt_tokens(const struct exposition *x, const struct engine_counts *e)
{
    (void)e;
    return (double)x->prompt_tokens;
}

static double generation_tokens(const struct exposition *x, const struct engine_counts *e)
{
    (void)x;
    return (double)e->generated_tokens;
}

static double cache_queries(const struct exposition *x, const struct engine_counts *e)
{
    (void)x;
    return (double)e->admitted_prompt_tokens;
}

static double cache_hits(const struct exposition *x, const struct engine_counts *e)
{
    (void)x;
    return (double)e->cached_prompt_tokens;
}

static const struct metric {
    const char *name, *type, *help;
    reading read;
} metrics[] = {
    {"num_requests_running", "gauge", "Requests in the batch.", running},
    {"num_requests_waiting", "gauge", "Requests that wait to be admitted.", waiting},
    {"kv_cache_usage_perc", "gauge", "Share of KV cache in use, from 0 to 1.", cache_usage},
    {"num_preemptions_total", "counter", "Preemptions.", preemptions},
    {"prompt_tokens_total", "counter", "Prompt tokens computed.", prompt_tokens},
    {"generation_tokens_total", "counter", "Tokens generated.", generation_tokens},
    {"prefix_cache_queries_total", "counter", "Prompt tokens looked up in the prefix cache.",
     cache_queries},
    {"prefix_cache_hits_total", "counter", "Prompt tokens found in the prefix cache.", cache_hits},
};

static void put_finished(const struct page *p)
{
    describe(p->out, "request_success_total", "counter", "Requests ended, by reason.");
    for (int i = 0; i < p->replicas; i++)
        for (int f = 0; f < FINISH_REASONS; f++) {
            char label[48];
            snprintf(label, sizeof label, ",finished_reason=\"%s\"", finish_name((enum finish)f));
            sample(p, "request_success_total", label, i, (double)p->counted[i]->finished[f]);
        }
}

static void put_histogram(const struct page *p, enum exposition_of what)
{
    char name[64], labels[128];
    snprintf(name, sizeof name, "vllm:%s", histograms[what].name);
    describe(p->out, histograms[what].name, "histogram", histograms[what].help);
    for (int i = 0; i < p->replicas; i++) {
        snprintf(labels, sizeof labels, "engine=\"%d\",model_name=\"%s\"", i, p->model);
        buckets_put(p->out, name, labels, &p->counted[i]->of[what], histograms[what].bounds);
    }
}

void exposition_page(struct buf *out, const char *model, const struct exposition *const *counted,
                     const struct engine_counts *engines, int replicas)
{
    struct page p = {out, model, counted, engines, replicas};
    for (size_t m = 0; m < sizeof metrics / sizeof metrics[0]; m++) {
        describe(out, metrics[m].name, metrics[m].type, metrics[m].help);
        for (int i = 0; i < replicas; i++)
            sample(&p, metrics[m].name, "", i, metrics[m].read(counted[i], &engines[i]));
    }
    put_finished(&p);
    for (int h = 0; h < EXPOSITION_HISTOGRAMS; h++)
        put_histogram(&p, (enum exposition_of)h);
}
