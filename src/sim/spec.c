#include "sim/spec.h"

#include <stdio.h>

#include "base/units.h"

#define GIB (1024.0 * 1024.0 * 1024.0)

#define DEFAULT_MODEL "llama-3.1-8b"
#define DEFAULT_GPU   "h100"

/* vLLM: gpu_memory_utilization's default, and what a running server keeps besides weights and cache
 * (activations of the largest step, captured graphs; more for mixtures of experts; communication
 * buffers when several GPUs share the model). */
#define MEMORY_SHARE         0.9
#define RESERVE_DENSE_GIB    5.5
#define RESERVE_EXPERTS_GIB  8.0
#define RESERVE_ONE_GPU_GIB  0.15
#define RESERVE_MANY_GPU_GIB 0.6

/* vLLM's defaults by size of GPU for its API server (EngineArgs, v1). */
#define LARGE_GPU_GIB 70.0

enum {
    LARGE_BATCHED_TOKENS = 8192,
    LARGE_SEQS = 1024,
    SMALL_BATCHED_TOKENS = 2048,
    SMALL_SEQS = 256,
    MAX_TP = 8,              /* GPUs of one host */
    MIN_CACHE_TOKENS = 2048, /* one conversation of ordinary length */
    MAX_SEQS = 1 << 16,
    MAX_TOKENS = 1 << 24,
    NAME_SHOWN = 64,
};

double spec_weight_bytes(const struct sim_config *c)
{
    return c->model->params * (c->precision == SIM_FP8 ? 1.0 : 2.0);
}

static const char *precision_name(enum sim_precision p)
{
    return p == SIM_FP8 ? "fp8" : "bf16";
}

static double usable_gib(const struct sim_config *c, int tp)
{
    bool experts = c->model->active_params < c->model->params;
    return MEMORY_SHARE * c->gpu->memory_gib - (experts ? RESERVE_EXPERTS_GIB : RESERVE_DENSE_GIB) -
           (tp > 1 ? RESERVE_MANY_GPU_GIB : RESERVE_ONE_GPU_GIB);
}

static double cache_tokens(const struct sim_config *c, int tp)
{
    double room = usable_gib(c, tp) * GIB - spec_weight_bytes(c) / tp;
    int cuts = tp < c->model->kv_heads ? tp : c->model->kv_heads;
    return room / (c->model->kv_bytes_per_token / cuts);
}

static int refuse_fit(const struct sim_config *c, struct err *e)
{
    char advice[96] = "no number of GPUs on one host makes it fit: take another GPU";
    for (int tp = c->tp * 2; tp <= MAX_TP; tp *= 2) {
        if (c->model->heads % tp == 0 && cache_tokens(c, tp) >= MIN_CACHE_TOKENS) {
            snprintf(advice, sizeof advice, "try @%sx%d", c->gpu->name, tp);
            break;
        }
    }
    return err_set(
        e, ERR_USAGE,
        "%s in %s does not fit %d × %s: weights take %.1f GiB a GPU, and of its %.0f GiB "
        "%.1f remain for weights and KV cache (%.0f %% used, less what the engine keeps for "
        "itself); %s",
        c->model->name, precision_name(c->precision), c->tp, c->gpu->name,
        spec_weight_bytes(c) / c->tp / GIB, c->gpu->memory_gib, usable_gib(c, c->tp),
        MEMORY_SHARE * 100, advice);
}

/* Bytes of a name worth repeating in a message. */
static int name_shown(struct slice name)
{
    return name.n < NAME_SHOWN ? (int)name.n : NAME_SHOWN;
}

static int parse_model(struct slice name, struct sim_config *c, struct err *e)
{
    c->model = catalog_model(name.n ? name : slice_of(DEFAULT_MODEL));
    if (c->model)
        return OK;
    struct buf known = {0};
    for (size_t i = 0; catalog_model_at(i); i++)
        buf_printf(&known, "%s%s", i ? ", " : "", catalog_model_at(i)->name);
    const char *near = catalog_nearest_model(name);
    int rc = err_set(e, ERR_USAGE, "sim: no model \"%.*s\"%s%s%s known are %s", name_shown(name),
                     name.p, near ? "; did you mean " : ";", near ? near : "", near ? "?" : "",
                     buf_cstr(&known));
    buf_release(&known);
    return rc;
}

/* "h100x4" → 4 and "h100". A GPU's own name may end so (mi300x): it is looked up first. */
static int take_tp(struct slice *name)
{
    size_t digits = name->n;
    while (digits > 0 && name->p[digits - 1] >= '0' && name->p[digits - 1] <= '9')
        digits--;
    if (digits == name->n || digits < 2 || (name->p[digits - 1] | 0x20) != 'x')
        return 1;
    int tp = 0;
    for (size_t i = digits; i < name->n; i++)
        tp = tp > MAX_TP ? tp : tp * 10 + (name->p[i] - '0');
    name->n = digits - 1;
    return tp;
}

static int refuse_gpu(struct slice name, struct err *e)
{
    struct buf known = {0};
    for (size_t i = 0; catalog_gpu_at(i); i++)
        buf_printf(&known, "%s%s", i ? ", " : "", catalog_gpu_at(i)->name);
    const char *near = catalog_nearest_gpu(name);
    int rc = err_set(e, ERR_USAGE,
                     "sim: no GPU \"%.*s\"%s%s%s known are %s, each with x2, x4 or x8 behind it",
                     name_shown(name), name.p, near ? "; did you mean " : ";", near ? near : "",
                     near ? "?" : "", buf_cstr(&known));
    buf_release(&known);
    return rc;
}

static int parse_gpu(struct slice text, struct sim_config *c, struct err *e)
{
    struct slice name = text.n ? text : slice_of(DEFAULT_GPU);
    c->tp = 1;
    c->gpu = catalog_gpu(name);
    if (!c->gpu) {
        c->tp = take_tp(&name);
        c->gpu = catalog_gpu(name);
    }
    if (!c->gpu)
        return refuse_gpu(name, e);
    if (c->tp < 1 || c->tp > MAX_TP || (c->tp & (c->tp - 1)) != 0)
        return err_set(e, ERR_USAGE, "sim: \"%.*s\": a model is shared by 1, 2, 4 or 8 GPUs",
                       name_shown(text), text.p);
    if (c->model->heads % c->tp != 0)
        return err_set(e, ERR_USAGE,
                       "sim: the %d attention heads of %s cannot be shared by %d GPUs",
                       c->model->heads, c->model->name, c->tp);
    return OK;
}

static int parse_precision(struct slice value, struct sim_config *c, struct err *e)
{
    if (slice_is(value, "bf16")) {
        c->precision = SIM_BF16;
    } else if (slice_is(value, "fp8")) {
        if (c->gpu->fp8_flops <= 0)
            return err_set(e, ERR_USAGE, "sim: the %s has no FP8 arithmetic; take precision=bf16",
                           c->gpu->title);
        c->precision = SIM_FP8;
    } else {
        return err_set(e, ERR_USAGE, "sim: precision=%.*s: bf16 and fp8 are known",
                       name_shown(value), value.p);
    }
    return OK;
}

static int parse_option(struct slice key, struct slice value, struct sim_config *c, struct err *e)
{
    int64_t n = 0;
    int rc = OK;
    if (slice_is(key, "engine")) {
        if (!slice_is(value, "vllm"))
            rc = err_set(e, ERR_USAGE, "sim: engine=%.*s: vllm is known", name_shown(value),
                         value.p);
    } else if (slice_is(key, "precision")) {
        rc = parse_precision(value, c, e);
    } else if (slice_is(key, "replicas")) {
        rc = units_count(value, "replicas", 1, SIM_MAX_REPLICAS, &n, e);
        c->replicas = (int)n;
    } else if (slice_is(key, "noise")) {
        rc = units_number(value, "noise", 0, 1, &c->noise_cv, e);
    } else if (slice_is(key, "max_num_seqs")) {
        rc = units_count(value, "max_num_seqs", 1, MAX_SEQS, &c->max_num_seqs, e);
    } else if (slice_is(key, "max_num_batched_tokens")) {
        rc = units_count(value, "max_num_batched_tokens", 1, MAX_TOKENS, &c->max_num_batched_tokens,
                         e);
    } else if (slice_is(key, "max_model_len")) {
        rc = units_count(value, "max_model_len", 1, MAX_TOKENS, &c->max_model_len, e);
    } else {
        rc = err_set(e, ERR_USAGE,
                     "sim: unknown option \"%.*s\"; known are engine, precision, replicas, noise, "
                     "max_num_seqs, max_num_batched_tokens, max_model_len",
                     name_shown(key), key.p);
    }
    return rc;
}

/* Takes the text up to the first `c` off the front of *text, and that character with it. */
static struct slice take_until(struct slice *text, char c)
{
    const char *at = text->n ? memchr(text->p, c, text->n) : NULL;
    size_t n = at ? (size_t)(at - text->p) : text->n;
    struct slice head = slice_make(text->p, n);
    size_t used = at ? n + 1 : n;
    text->p = used ? text->p + used : text->p;
    text->n -= used;
    return head;
}

static int parse_options(struct slice query, struct sim_config *c, struct err *e)
{
    while (query.n > 0) {
        struct slice value = take_until(&query, '&');
        struct slice key = take_until(&value, '=');
        int rc = parse_option(key, value, c, e);
        if (rc < 0)
            return rc;
    }
    return OK;
}

/* What was not given: vLLM's defaults; the context is cut to what the cache can hold, as a request
 * that never fits could never end. */
static int settle(struct sim_config *c, struct err *e)
{
    double tokens = cache_tokens(c, c->tp);
    if (tokens < MIN_CACHE_TOKENS)
        return refuse_fit(c, e);
    c->kv_blocks = (int64_t)(tokens / SIM_BLOCK_TOKENS);
    bool large = c->gpu->memory_gib >= LARGE_GPU_GIB && !c->gpu->small_batches;
    if (c->max_num_batched_tokens == 0)
        c->max_num_batched_tokens = large ? LARGE_BATCHED_TOKENS : SMALL_BATCHED_TOKENS;
    if (c->max_num_seqs == 0) {
        c->max_num_seqs = large ? LARGE_SEQS : SMALL_SEQS;
        if (c->max_num_seqs > c->max_num_batched_tokens)
            c->max_num_seqs = c->max_num_batched_tokens;
    }
    int64_t room = c->kv_blocks * SIM_BLOCK_TOKENS;
    if (c->max_model_len > c->model->context_tokens)
        return err_set(e, ERR_USAGE, "sim: max_model_len=%lld is more than the %d tokens of %s",
                       (long long)c->max_model_len, c->model->context_tokens, c->model->name);
    if (c->max_model_len > room)
        return err_set(e, ERR_USAGE,
                       "sim: max_model_len=%lld does not fit the KV cache of %lld tokens",
                       (long long)c->max_model_len, (long long)room);
    if (c->max_model_len == 0)
        c->max_model_len = c->model->context_tokens < room ? c->model->context_tokens : room;
    if (c->max_num_batched_tokens < c->max_num_seqs)
        return err_set(
            e, ERR_USAGE,
            "sim: max_num_batched_tokens=%lld is less than max_num_seqs=%lld, so not every "
            "sequence could get a token in each step",
            (long long)c->max_num_batched_tokens, (long long)c->max_num_seqs);
    return OK;
}

int spec_parse(struct slice text, struct sim_config *out, struct err *e)
{
    struct sim_config c = {.replicas = 1};
    struct slice query = text;
    struct slice gpu = take_until(&query, '?');
    struct slice model = take_until(&gpu, '@');
    int rc = parse_model(model, &c, e);
    if (rc == OK)
        rc = parse_gpu(gpu, &c, e);
    if (rc == OK)
        rc = parse_options(query, &c, e);
    if (rc == OK)
        rc = settle(&c, e);
    if (rc == OK)
        *out = c;
    return rc;
}

const char *spec_describe(const struct sim_config *c, char *out, size_t out_bytes)
{
    int n = snprintf(out, out_bytes,
                     "%s (%s) on %d × %s%s, KV cache of %lld tokens, up to %lld sequences and %lld "
                     "tokens a step",
                     c->model->name, precision_name(c->precision), c->tp, c->gpu->title,
                     c->gpu->estimated ? " (efficiencies estimated)" : "",
                     (long long)c->kv_blocks * SIM_BLOCK_TOKENS, (long long)c->max_num_seqs,
                     (long long)c->max_num_batched_tokens);
    if (c->replicas > 1 && n > 0 && (size_t)n < out_bytes)
        snprintf(out + n, out_bytes - (size_t)n, ", %d replicas", c->replicas);
    return out;
}
