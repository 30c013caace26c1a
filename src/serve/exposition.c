#include "serve/exposition.h"

#include <stdio.h>

#include "base/clock.h"

/* Upper bounds of vLLM's time_to_first_token_seconds, in seconds. */
static const double ttft_bounds_s[EXPOSITION_TTFT_BOUNDS] = {
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
    1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560,
};

const char *finish_name(enum finish f)
{
    static const char *const names[FINISH_REASONS] = {"stop", "length", "abort"};
    return names[f];
}

void exposition_first_token(struct exposition *x, int64_t prompt_tokens, int64_t ttft_ns)
{
    double s = (double)ttft_ns / (double)NS_PER_S;
    int bucket = 0;
    while (bucket < EXPOSITION_TTFT_BOUNDS && s > ttft_bounds_s[bucket])
        bucket++;
    x->ttft_count[bucket]++;
    x->ttft_sum_s += s;
    x->prompt_tokens += (uint64_t)prompt_tokens;
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

static void put_ttft(const struct page *p, int replica)
{
    const struct exposition *x = p->counted[replica];
    uint64_t below = 0;
    char label[48];
    for (int b = 0; b < EXPOSITION_TTFT_BOUNDS; b++) {
        below += x->ttft_count[b];
        snprintf(label, sizeof label, ",le=\"%g\"", ttft_bounds_s[b]);
        sample(p, "time_to_first_token_seconds_bucket", label, replica, (double)below);
    }
    below += x->ttft_count[EXPOSITION_TTFT_BOUNDS];
    sample(p, "time_to_first_token_seconds_bucket", ",le=\"+Inf\"", replica, (double)below);
    sample(p, "time_to_first_token_seconds_sum", "", replica, x->ttft_sum_s);
    sample(p, "time_to_first_token_seconds_count", "", replica, (double)below);
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
    describe(out, "time_to_first_token_seconds", "histogram",
             "From the whole request to its first token.");
    for (int i = 0; i < replicas; i++)
        put_ttft(&p, i);
}
