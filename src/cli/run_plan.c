#include "cli/run_plan.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/units.h"
#include "record/virtual.h"
#include "workload/profile.h"

enum { DEFAULT_PROMPTS = 1000, DEFAULT_INPUT = 1024, DEFAULT_OUTPUT = 128 };

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
