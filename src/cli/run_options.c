#include "cli/run_options.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/units.h"
#include "record/virtual.h"
#include "workload/profile.h"

#define AT(field) offsetof(struct run_options, field)
#define COUNT_MAX 1e15

#define DEFAULT_TIMEOUT_NS (600 * NS_PER_S)
enum { DEFAULT_PROMPTS = 1000, DEFAULT_INPUT = 1024, DEFAULT_OUTPUT = 128 };

const struct option LOAD_OPTIONS[] = {
    {OPTION_GROUP, "Load", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_NUMBER, "request-rate", 0, "R",
     "requests per second, open loop; inf without a cap: all at once", AT(request_rate), 1e-6,
     INFINITY, NULL, false},
    {OPTION_NUMBER, "burstiness", 0, "B",
     "shape of the gaps: 1 Poisson (default), < 1 burstier, inf constant", AT(burstiness), 1e-3,
     INFINITY, NULL, false},
    {OPTION_COUNT, "max-concurrency", 0, "C",
     "alone: closed loop of C users; with a rate: cap on requests in flight", AT(max_concurrency),
     1, 1e6, NULL, false},
    {OPTION_CHOICE, "on-cap", 0, "queue|drop",
     "over the cap: wait, the clock running (default), or drop and count", AT(on_cap), 0, 0,
     "queue|drop", false},
    {OPTION_COUNT, "num-prompts", 0, "N", "exactly N requests (default 1000)", AT(num_prompts), 1,
     COUNT_MAX, NULL, false},
    {OPTION_DURATION, "duration", 0, "TIME",
     "offer for TIME (30s, 5m), then go on until all that began has ended", AT(duration_ns), 0, 0,
     NULL, false},
    {OPTION_CHOICE, "ramp-up-strategy", 0, "linear|exponential",
     "let the rate go from --ramp-up-start-rps to --ramp-up-end-rps", AT(ramp_strategy), 0, 0,
     "linear|exponential", false},
    {OPTION_NUMBER, "ramp-up-start-rps", 0, "R", "rate at the start of a ramp", AT(ramp_start),
     1e-6, 1e9, NULL, false},
    {OPTION_NUMBER, "ramp-up-end-rps", 0, "R", "rate at its end", AT(ramp_end), 1e-6, 1e9, NULL,
     false},
    {OPTION_COUNT, "num-runs", 0, "K", "repeat the load K times, fresh prompts each (default 1)",
     AT(num_runs), 1, 1000, NULL, false},
    {0},
};

const struct option PACE_OPTIONS[] = {
    {OPTION_GROUP, "Around the load", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_COUNT, "warmup-requests", 0, "N",
     "requests beforehand that are not counted (default 50; a search of sweep: none)",
     AT(warmup_requests), 0, 1e6, NULL, false},
    {OPTION_DURATION, "timeout", 0, "TIME",
     "a request fails that long after its intended time (default 10m)", AT(timeout_ns), 0, 0, NULL,
     false},
    {OPTION_COUNT, "threads", 0, "T", "driver threads (default 1)", AT(threads), 1, 256, NULL,
     false},
    {OPTION_COUNT, "preconnect", 0, "N", "open N connections before the start", AT(preconnect), 0,
     1e6, NULL, false},
    {OPTION_FLAG, "offline", 0, NULL,
     "sim: targets: in virtual time, without a server, as fast as the machine can", AT(offline), 0,
     0, NULL, false},
    {0},
};

const struct option REQUEST_OPTIONS[] = {
    {OPTION_GROUP, "Requests", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_TEXT, "dataset-name", 0, "NAME",
     "lengths by profile: chat (default), code_generation, long_context_qa, summarization, "
     "translation, generation, reasoning; or random, sharegpt, custom",
     AT(dataset_name), 0, 0,
     "chat|code_generation|long_context_qa|summarization|translation|generation|reasoning|random|"
     "sharegpt|custom",
     false},
    {OPTION_PATH, "dataset-path", 0, "FILE",
     "sharegpt: the ShareGPT JSON file; custom: JSONL with prompt or messages, optional "
     "output_tokens and at_ms",
     AT(dataset_path), 0, 0, NULL, false},
    {OPTION_COUNT, "random-input-len", 0, "N", "random: tokens in (default 1024)",
     AT(random_input_len), 1, 1e7, NULL, false},
    {OPTION_COUNT, "random-output-len", 0, "N", "random: tokens out (default 128)",
     AT(random_output_len), 1, 1e7, NULL, false},
    {OPTION_NUMBER, "random-range-ratio", 0, "X",
     "random: lengths uniform within 1 - X and 1 + X times (default 0: exact)",
     AT(random_range_ratio), 0, 0.999999, NULL, false},
    {OPTION_COUNT, "random-prefix-len", 0, "N", "tokens that all drawn prompts share in front",
     AT(random_prefix_len), 0, 1e7, NULL, false},
    {OPTION_COUNT, "output-len", 0, "N", "tokens out, instead of the dataset's", AT(output_len), 1,
     1e7, NULL, false},
    {OPTION_TEXT, "output-ladder", 0, "N,N,...",
     "output lengths taken in turn, reported one by one: 32,64,128,256,512", AT(ladder), 0, 0, NULL,
     false},
    {OPTION_CHOICE, "cache-bust", 0, "auto|on|off",
     "a nonce at the head of prompts (auto: of those that are sent again)", AT(cache_bust), 0, 0,
     "auto|on|off", false},
    {OPTION_COUNT, "seed", 0, "N", "same seed, same load (default: fresh)", AT(seed), 0, 9e18, NULL,
     false},
    {0},
};

const struct option SERVER_OPTIONS[] = {
    {OPTION_GROUP, "Server", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_CHOICE, "backend", 0, "NAME", "openai (completions, default) or openai-chat",
     AT(backend), 0, 0, "openai|openai-chat", false},
    {OPTION_TEXT, "endpoint", 0, "PATH", "path of the requests (default: the backend's)",
     AT(endpoint), 0, 0, NULL, false},
    {OPTION_TEXT, "model", 0, "NAME", "default: the first that the server lists", AT(model), 0, 0,
     NULL, false},
    {OPTION_TEXT, "api-key", 0, "KEY", "sent as a bearer token (or set OPENAI_API_KEY)",
     AT(api_key), 0, 0, NULL, true},
    {OPTION_LIST, "header", 0, "'NAME: VALUE'", "an extra header; may be repeated", AT(headers), 0,
     0, NULL, true},
    {OPTION_TEXT, "extra-body", 0, "JSON", "members to add to every request body", AT(extra_body),
     0, 0, NULL, false},
    {OPTION_NUMBER, "temperature", 0, "T", "default 0", AT(temperature), 0, 100, NULL, false},
    {OPTION_NUMBER, "top-p", 0, "P", "default 1", AT(top_p), 0, 1, NULL, false},
    {OPTION_FLAG, "ignore-eos", 0, NULL,
     "let datasets too run to their full length (drawn prompts always do)", AT(ignore_eos), 0, 0,
     NULL, false},
    {OPTION_FLAG, "no-stream", 0, NULL, "ask for whole answers instead of streams", AT(no_stream),
     0, 0, NULL, false},
    {OPTION_PATH, "cacert", 0, "FILE", "trust the certificates in FILE too", AT(cacert), 0, 0, NULL,
     false},
    {OPTION_FLAG, "insecure", 0, NULL, "do not verify the server's certificate", AT(insecure), 0, 0,
     NULL, false},
    {0},
};

const struct option FILE_OPTIONS[] = {
    {OPTION_GROUP, "Results", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_PATH, "output", 'o', "FILE", "the run file (default: a dated name here)", AT(output), 0,
     0, NULL, false},
    {OPTION_PATH, "json", 0, "FILE", "write the summary as JSON; - is standard output", AT(json), 0,
     0, NULL, false},
    {OPTION_LIST, "context", 0, "KEY=VALUE",
     "what a reader must know (gpu, gpus, engine_version, precision); may be repeated", AT(context),
     0, 0, NULL, false},
    {OPTION_FLAG, "save-output", 0, NULL, "keep the text of every answer in the run file",
     AT(save_output), 0, 0, NULL, false},
    {OPTION_FLAG, "quiet", 'q', NULL, "no progress", AT(quiet), 0, 0, NULL, false},
    {OPTION_FLAG, "help", 'h', NULL, "this text", AT(help), 0, 0, NULL, false},
    {0},
};

static const struct option FIGURE_OPTIONS[] = {
    {OPTION_GROUP, "Figures", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_TEXT, "slo", 0, "EXPR",
     "objective, exit 4 if not met: \"p99 ttft < 500ms and p99 tpot < 50ms\"", AT(slo), 0, 0, NULL,
     false},
    {OPTION_TEXT, "goodput", 0, "BOUNDS", "count requests within \"ttft:500ms tpot:50ms\"",
     AT(goodput), 0, 0, NULL, false},
    {OPTION_TEXT, "percentile-metrics", 0, "LIST",
     "rows of the table: ttft,tpot,itl,e2e (default), ttft_service, ttfa, connect",
     AT(percentile_metrics), 0, 0, NULL, false},
    {OPTION_TEXT, "metric-percentiles", 0, "LIST", "default 50,75,90,95,99,99.9", AT(percentiles),
     0, 0, NULL, false},
    {OPTION_CHOICE, "itl", 0, "event|per-token",
     "per-token spreads a burst over its tokens; needs continuous usage", AT(itl), 0, 0,
     "event|per-token", false},
    {OPTION_FLAG, "all-checks", 0, NULL, "show the checks that passed too", AT(all_checks), 0, 0,
     NULL, false},
    {0},
};

const struct option_set RUN_OPTIONS = {
    {LOAD_OPTIONS, PACE_OPTIONS, REQUEST_OPTIONS, SERVER_OPTIONS, FIGURE_OPTIONS, FILE_OPTIONS}};

void run_options_defaults(struct run_options *o)
{
    *o = (struct run_options){.temperature = 0,
                              .top_p = 1,
                              .request_rate = NAN,
                              .burstiness = NAN,
                              .max_concurrency = -1,
                              .num_prompts = -1,
                              .duration_ns = -1,
                              .num_runs = 1,
                              .ramp_start = NAN,
                              .ramp_end = NAN,
                              .timeout_ns = DEFAULT_TIMEOUT_NS,
                              .warmup_requests = RUN_WARMUP_REQUESTS,
                              .threads = 1,
                              .preconnect = 0,
                              .random_input_len = -1,
                              .random_output_len = -1,
                              .random_prefix_len = -1,
                              .output_len = -1,
                              .seed = -1,
                              .random_range_ratio = NAN};
}

/* --- load --- */

static int plan_ramp(const struct run_options *o, struct arrivals_spec *a, struct err *e)
{
    if (!o->ramp_strategy) {
        if (!isnan(o->ramp_start) || !isnan(o->ramp_end))
            return err_set(e, ERR_USAGE, "a ramp needs --ramp-up-strategy linear or exponential");
        return OK;
    }
    if (isnan(o->ramp_start) || isnan(o->ramp_end))
        return err_set(e, ERR_USAGE,
                       "--ramp-up-strategy needs --ramp-up-start-rps and --ramp-up-end-rps");
    if (!isnan(o->request_rate))
        return err_set(e, ERR_USAGE,
                       "--request-rate and a ramp exclude each other: the ramp gives the rate");
    a->ramp = strcmp(o->ramp_strategy, "linear") == 0 ? RAMP_LINEAR : RAMP_EXPONENTIAL;
    a->ramp_start = o->ramp_start;
    a->ramp_end = o->ramp_end;
    a->rate = fmax(o->ramp_start, o->ramp_end);
    return OK;
}

static int plan_mode(const struct run_options *o, struct load_spec *l, struct err *e)
{
    bool has_rate = !isnan(o->request_rate), has_cap = o->max_concurrency > 0;
    bool ramp = l->arrivals.ramp != RAMP_NONE;
    bool trace = o->dataset_name && strcmp(o->dataset_name, "custom") == 0;
    l->max_concurrency = has_cap ? o->max_concurrency : 0;
    if (has_rate && isfinite(o->request_rate)) {
        l->mode = LOAD_OPEN;
        l->arrivals.rate = o->request_rate;
    } else if (ramp) {
        l->mode = LOAD_OPEN;
    } else if (has_cap) {
        l->mode = LOAD_CLOSED;
    } else if (has_rate) {
        l->mode = LOAD_OFFLINE;
        l->arrivals.rate = INFINITY;
    } else if (trace) {
        l->mode = LOAD_OPEN; /* its at_ms give the arrivals; checked when the file has been read */
        l->arrivals.rate = 0;
    } else {
        return err_set(
            e, ERR_USAGE,
            "how much load? Give --request-rate R (open loop, requests per second), "
            "--max-concurrency C (closed loop, C users), or both (a cap); loadline sweep "
            "finds out how much the server carries");
    }
    if (l->mode != LOAD_OPEN && !isnan(o->burstiness))
        return err_set(e, ERR_USAGE,
                       "--burstiness shapes arrivals: it needs a finite --request-rate");
    if (o->on_cap && !(l->mode == LOAD_OPEN && has_cap))
        return err_set(e, ERR_USAGE, "--on-cap needs --request-rate and --max-concurrency");
    if (l->mode == LOAD_OFFLINE && o->duration_ns >= 0)
        return err_set(e, ERR_USAGE,
                       "--request-rate inf sends everything at once: give --num-prompts, not "
                       "--duration");
    return OK;
}

static int plan_load(const struct run_options *o, struct load_spec *l, struct err *e)
{
    l->arrivals.burstiness = isnan(o->burstiness) ? 1 : o->burstiness;
    int rc = plan_ramp(o, &l->arrivals, e);
    if (rc == OK)
        rc = plan_mode(o, l, e);
    if (rc < 0)
        return rc;
    if (o->duration_ns == 0 || o->timeout_ns == 0)
        return err_set(e, ERR_USAGE, "--%s must be longer than 0",
                       o->duration_ns == 0 ? "duration" : "timeout");
    l->on_cap = o->on_cap && strcmp(o->on_cap, "drop") == 0 ? ON_CAP_DROP : ON_CAP_QUEUE;
    l->duration_ns = o->duration_ns > 0 ? o->duration_ns : 0;
    l->num_prompts = o->num_prompts > 0   ? (uint64_t)o->num_prompts
                     : l->duration_ns > 0 ? 0
                                          : DEFAULT_PROMPTS;
    if (l->arrivals.ramp != RAMP_NONE) {
        l->arrivals.ramp_requests = l->num_prompts;
        l->arrivals.ramp_ns = l->duration_ns;
    }
    return OK;
}

/* --- workload --- */

static int plan_ladder(const char *text, struct workload_spec *w, struct err *e)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        if (w->ladder_count == WORKLOAD_MAX_LADDER)
            return err_set(e, ERR_USAGE, "--output-ladder has more than %d lengths",
                           WORKLOAD_MAX_LADDER);
        int rc = units_count(slice_make(p, n), "--output-ladder", 1, 10000000,
                             &w->ladder[w->ladder_count], e);
        if (rc < 0)
            return rc;
        w->ladder_count++;
        p += n;
        p += *p == ',';
    }
    return w->ladder_count > 0 ? OK : err_set(e, ERR_USAGE, "--output-ladder is empty");
}

static const char *profile_name_at(const void *context, size_t i)
{
    static const char *const OTHERS[] = {"random", "sharegpt", "custom", NULL};
    unsigned profiles = 0;
    (void)context;
    while (profile_at(profiles))
        profiles++;
    return i < profiles ? profile_at((unsigned)i)->name : OTHERS[i - profiles];
}

static int plan_dataset(const struct run_options *o, struct workload_spec *w, struct err *e)
{
    bool lengths =
        o->random_input_len > 0 || o->random_output_len > 0 || !isnan(o->random_range_ratio);
    const char *name = o->dataset_name ? o->dataset_name : lengths ? "random" : "chat";
    w->profile = name;
    if (strcmp(name, "random") == 0)
        w->dataset = DATASET_RANDOM;
    else if (strcmp(name, "sharegpt") == 0)
        w->dataset = DATASET_SHAREGPT;
    else if (strcmp(name, "custom") == 0)
        w->dataset = DATASET_CUSTOM;
    else if (profile_find(name))
        w->dataset = DATASET_PROFILE;
    else {
        const char *near = options_nearest(name, profile_name_at, NULL);
        return err_set(e, ERR_USAGE,
                       "--dataset-name %s is not known%s%s%s; there are chat, "
                       "code_generation, long_context_qa, summarization, "
                       "translation, generation, reasoning, random, sharegpt and "
                       "custom",
                       name, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    }
    bool file = w->dataset == DATASET_SHAREGPT || w->dataset == DATASET_CUSTOM;
    if (file && !o->dataset_path)
        return err_set(e, ERR_USAGE, "--dataset-name %s needs --dataset-path FILE", name);
    if (!file && o->dataset_path)
        return err_set(e, ERR_USAGE, "--dataset-path goes with --dataset-name sharegpt or custom");
    if (lengths && w->dataset != DATASET_RANDOM)
        return err_set(e, ERR_USAGE,
                       "--random-input-len, --random-output-len and --random-range-ratio go with "
                       "--dataset-name random, not %s",
                       name);
    if (file && o->random_prefix_len > 0)
        return err_set(e, ERR_USAGE, "--random-prefix-len goes with drawn prompts, not with %s",
                       name);
    return OK;
}

static int plan_workload(const struct run_options *o, struct run_plan *p, struct err *e)
{
    struct workload_spec *w = &p->workload;
    int rc = plan_dataset(o, w, e);
    if (rc < 0)
        return rc;
    if (o->ladder && (o->output_len > 0 || o->random_output_len > 0))
        return err_set(e, ERR_USAGE,
                       "--output-ladder gives the output lengths: leave out the "
                       "other option for them");
    if (o->ladder && (rc = plan_ladder(o->ladder, w, e)) < 0)
        return rc;
    w->path = o->dataset_path;
    w->output_len = o->output_len > 0 ? o->output_len : 0;
    if (w->dataset == DATASET_RANDOM) {
        if (o->output_len > 0 && o->random_output_len > 0)
            return err_set(e, ERR_USAGE, "--output-len and --random-output-len say the same thing");
        w->input_len = o->random_input_len > 0 ? o->random_input_len : DEFAULT_INPUT;
        if (w->output_len == 0)
            w->output_len = o->random_output_len > 0 ? o->random_output_len : DEFAULT_OUTPUT;
        w->range_ratio = isnan(o->random_range_ratio) ? 0 : o->random_range_ratio;
    }
    w->prefix_len = o->random_prefix_len > 0 ? o->random_prefix_len : 0;
    const char *bust = o->cache_bust ? o->cache_bust : "auto";
    w->cache_bust = strcmp(bust, "on") == 0    ? CACHE_BUST_ON
                    : strcmp(bust, "off") == 0 ? CACHE_BUST_OFF
                                               : CACHE_BUST_AUTO;
    w->chat = p->protocol->chat;
    w->shuffle = w->dataset == DATASET_SHAREGPT;
    w->count_hint = (int64_t)p->load.num_prompts;
    return OK;
}

/* --- what is sent and shown --- */

/* In virtual time nothing is sent. What concerns the connection alone does not matter there; what
 * would change the answers or is to be kept of them is not there to be had. */
static int check_offline(const struct run_options *o, struct err *e)
{
    const char *option = o->extra_body    ? "--extra-body"
                         : o->no_stream   ? "--no-stream"
                         : o->save_output ? "--save-output"
                                          : NULL;
    if (!o->offline || !option)
        return OK;
    return err_set(e, ERR_USAGE,
                   "%s needs a server: with --offline there are no bodies and no texts, only when "
                   "each token leaves the engine",
                   option);
}

static int plan_api(const struct run_options *o, struct run_plan *p, struct err *e)
{
    p->protocol = protocol_find(o->backend ? o->backend : "openai");
    p->path = o->endpoint ? o->endpoint : p->protocol->path;
    if (p->path[0] != '/')
        return err_set(e, ERR_USAGE, "--endpoint must begin with a slash, like %s",
                       p->protocol->path);
    p->api = (struct api_options){.model = o->model,
                                  .stream = !o->no_stream,
                                  .exact_output = o->ignore_eos,
                                  .fields = API_IGNORE_EOS | API_MIN_TOKENS | API_STREAM_OPTIONS |
                                            API_CONTINUOUS_USAGE | API_TEMPERATURE | API_TOP_P |
                                            API_MAX_TOKENS,
                                  .temperature = o->temperature,
                                  .top_p = o->top_p,
                                  .extra_body = o->extra_body};
    for (size_t i = 0; i < o->headers.n; i++) {
        const char *colon = strchr(o->headers.items[i], ':');
        if (!colon || colon == o->headers.items[i] || strpbrk(o->headers.items[i], "\r\n"))
            return err_set(e, ERR_USAGE, "--header wants 'Name: value' on one line");
    }
    if (o->api_key && strpbrk(o->api_key, "\r\n"))
        return err_set(e, ERR_USAGE, "--api-key must be one line");
    int rc = check_offline(o, e);
    if (rc < 0)
        return rc;
    if (!o->extra_body)
        return OK;
    return api_check_extra_body(o->extra_body, &p->api.overridden, e);
}

static int plan_percentiles(const char *text, struct summary_options *s, struct err *e)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        if (s->percentile_count == SUMMARY_MAX_PERCENTILES)
            return err_set(e, ERR_USAGE, "--metric-percentiles has more than %d",
                           SUMMARY_MAX_PERCENTILES);
        double *into = &s->percentiles[s->percentile_count];
        int rc = units_number(slice_make(p, n), "--metric-percentiles", 0.001, 99.9999, into, e);
        if (rc < 0)
            return rc;
        if (s->percentile_count > 0 && into[0] <= into[-1])
            return err_set(e, ERR_USAGE, "--metric-percentiles must rise: 50,90,99");
        s->percentile_count++;
        p += n;
        p += *p == ',';
    }
    return OK;
}

/* "ttft", "ttft_ms" or vLLM's "e2el". */
static int metric_of(struct slice name)
{
    for (int m = 0; m < LATENCY_METRICS; m++) {
        struct slice full = slice_of(latency_metric_name((enum latency_metric)m));
        if (slice_eq(name, full) || slice_eq(name, slice_make(full.p, full.n - 3)))
            return m;
    }
    return slice_is(name, "e2el") ? LATENCY_E2E : -1;
}

static int plan_metrics(const char *text, unsigned *metrics, struct err *e)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        int m = metric_of(slice_make(p, n));
        if (m < 0)
            return err_set(e, ERR_USAGE,
                           "--percentile-metrics: \"%.*s\" is none of ttft, ttft_service, ttfa, "
                           "tpot, itl, e2e, connect",
                           (int)n, p);
        *metrics |= 1u << m;
        p += n;
        p += *p == ',';
    }
    return OK;
}

int run_plan_summary(const struct run_options *o, struct run_plan *p, struct err *e)
{
    struct bounds bounds;
    struct objectives objectives;
    int rc = OK;
    p->summary.itl_per_token = o->itl && strcmp(o->itl, "per-token") == 0;
    p->summary.goodput = o->goodput;
    p->summary.slo = o->slo;
    if (o->goodput)
        rc = bounds_parse_goodput(slice_of(o->goodput), &bounds, e);
    if (rc == OK && o->slo)
        rc = bounds_parse_slo(slice_of(o->slo), &objectives, e);
    if (rc == OK && o->percentiles)
        rc = plan_percentiles(o->percentiles, &p->summary, e);
    if (rc == OK && o->percentile_metrics)
        rc = plan_metrics(o->percentile_metrics, &p->metrics, e);
    return rc;
}

/* Whether an item before the i-th begins with the same n bytes: its key and the equals sign. */
static bool is_context_before(const struct run_options *o, size_t i, size_t n)
{
    for (size_t k = 0; k < i; k++)
        if (strncmp(o->context.items[k], o->context.items[i], n) == 0)
            return true;
    return false;
}

static int plan_context(const struct run_options *o, struct run_plan *p, struct err *e)
{
    struct buf json = {0};
    buf_putc(&json, '{');
    for (size_t i = 0; i < o->context.n; i++) {
        const char *item = o->context.items[i], *equals = strchr(item, '=');
        if (!equals || equals == item) {
            buf_release(&json);
            return err_set(e, ERR_USAGE,
                           "--context wants KEY=VALUE, for example gpu=H100, not "
                           "\"%s\"",
                           item);
        }
        if (strncmp(item, VIRTUAL_KEY "=", sizeof VIRTUAL_KEY) == 0) {
            buf_release(&json);
            return err_set(e, ERR_USAGE,
                           "--context " VIRTUAL_KEY " is for loadline to say; choose another key");
        }
        if (is_context_before(o, i, (size_t)(equals - item) + 1)) {
            buf_release(&json);
            return err_set(e, ERR_USAGE, "--context gives \"%.*s\" twice", (int)(equals - item),
                           item);
        }
        buf_puts(&json, i > 0 ? "," : "");
        json_put_string(&json, slice_make(item, (size_t)(equals - item)));
        buf_putc(&json, ':');
        json_put_string(&json, slice_of(equals + 1));
    }
    buf_putc(&json, '}');
    buf_cstr(&json);
    p->context_json = json.p;
    return OK;
}

void run_plan_add_context(struct run_plan *p, const char *key, const char *value)
{
    struct json j = json_of(slice_of(p->context_json));
    struct slice have;
    bool empty = true;
    for (json_enter_object(&j); json_next_key(&j, &have); json_skip(&j)) {
        if (slice_is(have, key))
            return;
        empty = false;
    }
    struct buf json = {0};
    buf_append(&json, p->context_json, strlen(p->context_json) - 1); /* without the brace */
    buf_puts(&json, empty ? "" : ",");
    json_put_string(&json, slice_of(key));
    buf_putc(&json, ':');
    json_put_string(&json, slice_of(value));
    buf_putc(&json, '}');
    buf_cstr(&json);
    free(p->context_json);
    p->context_json = json.p;
}

static void note_workload(struct run_plan *p)
{
    const struct workload_spec *w = &p->workload;
    struct buf json = {0};
    buf_puts(&json, "{\"dataset\":");
    json_put_string(&json, slice_of(w->profile));
    if (w->path) {
        buf_puts(&json, ",\"path\":");
        json_put_string(&json, slice_of(w->path));
    }
    if (w->dataset == DATASET_RANDOM)
        buf_printf(&json, ",\"input_len\":%lld,\"output_len\":%lld,\"range_ratio\":%g",
                   (long long)w->input_len, (long long)w->output_len, w->range_ratio);
    else if (w->output_len > 0)
        buf_printf(&json, ",\"output_len\":%lld", (long long)w->output_len);
    buf_printf(&json, ",\"prefix_len\":%lld,\"cache_bust\":\"%s\"", (long long)w->prefix_len,
               w->cache_bust == CACHE_BUST_ON    ? "on"
               : w->cache_bust == CACHE_BUST_OFF ? "off"
                                                 : "auto");
    for (size_t i = 0; i < w->ladder_count; i++)
        buf_printf(&json, "%s%lld", i == 0 ? ",\"output_ladder\":[" : ",", (long long)w->ladder[i]);
    buf_puts(&json, w->ladder_count > 0 ? "]}" : "}");
    buf_cstr(&json);
    p->workload_json = json.p;
}

void run_plan_note_api(struct run_plan *p)
{
    struct buf json = {0};
    buf_printf(&json, "{\"stream\":%s,\"temperature\":%g,\"top_p\":%g,\"fields\":[",
               p->api.stream ? "true" : "false", p->api.temperature, p->api.top_p);
    const char *comma = "";
    for (unsigned f = 1; f <= API_MAX_TOKENS; f <<= 1) {
        if (!(p->api.fields & f))
            continue;
        buf_printf(&json, "%s\"%s\"", comma, api_field_name((enum api_field)f));
        comma = ",";
    }
    buf_printf(&json, "],\"extra_body\":%s}", p->api.extra_body ? p->api.extra_body : "{}");
    buf_cstr(&json);
    free(p->options_json);
    p->options_json = json.p;
}

static void plan_seed(const struct run_options *o, struct run_plan *p)
{
    p->seed_given = o->seed >= 0;
    p->seed = (uint64_t)o->seed;
    /* 62 bits: whatever is drawn must be a seed that --seed takes, here and at the engine. */
    if (!p->seed_given && getrandom(&p->seed, sizeof p->seed, 0) == sizeof p->seed)
        p->seed >>= 2;
}

int run_plan_make(const struct run_options *o, struct run_plan *out, struct err *e)
{
    *out = (struct run_plan){0};
    int rc = plan_api(o, out, e);
    if (rc == OK)
        rc = plan_load(o, &out->load, e);
    if (rc == OK)
        rc = plan_workload(o, out, e);
    if (rc == OK)
        rc = run_plan_summary(o, out, e);
    if (rc == OK)
        rc = plan_context(o, out, e);
    if (rc < 0)
        return rc;
    plan_seed(o, out);
    note_workload(out);
    return OK;
}

void run_plan_release(struct run_plan *p)
{
    free(p->context_json);
    free(p->workload_json);
    free(p->options_json);
    *p = (struct run_plan){0};
}
