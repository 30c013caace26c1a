#include "sim/spec.h"

#include <stdio.h>
#include <string.h>

#include "sim/fit.h"
#include "sim/spec_options.h"

#define DEFAULT_MODEL "llama-3.1-8b"
#define DEFAULT_GPU   "h100"

enum { NAME_SHOWN = 64, COMPLETION_DEFAULT_TOKENS = 16 };

double spec_kv_bytes(const struct sim_config *c)
{
    return catalog_kv_bytes(c->model, catalog_element_bytes(c->kv_precision));
}

const char *spec_precision_name(enum sim_precision p)
{
    static const char *const names[SIM_PRECISIONS] = {"bf16", "fp8", "fp4"};
    return names[p];
}

const char *spec_engine_name(enum sim_engine engine)
{
    static const char *const names[SIM_ENGINES] = {"vllm", "sglang", "tgi", "trtllm"};
    return names[engine];
}

/* Bytes of a name worth repeating in a message. */
static int name_shown(struct slice name)
{
    return name.n < NAME_SHOWN ? (int)name.n : NAME_SHOWN;
}

static int parse_model(struct slice name, const struct definitions *own, struct sim_config *c,
                       struct err *e)
{
    c->model = definitions_model(own, name);
    if (!c->model)
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
        tp = tp > SIM_MAX_TP ? tp : tp * 10 + (name->p[i] - '0');
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

static const struct sim_gpu *find_gpu(struct slice name, const struct definitions *own)
{
    const struct sim_gpu *g = definitions_gpu(own, name);
    return g ? g : catalog_gpu(name);
}

static int parse_gpu(struct slice text, const struct definitions *own, struct sim_config *c,
                     struct err *e)
{
    struct slice name = text.n ? text : slice_of(DEFAULT_GPU);
    c->tp = 1;
    c->gpu = find_gpu(name, own);
    if (!c->gpu) {
        c->tp = take_tp(&name);
        c->gpu = find_gpu(name, own);
    }
    if (!c->gpu)
        return refuse_gpu(name, e);
    if (c->tp < 1 || c->tp > SIM_MAX_TP || (c->tp & (c->tp - 1)) != 0)
        return err_set(e, ERR_USAGE, "sim: \"%.*s\": a model is shared by 1, 2, 4 or 8 GPUs",
                       name_shown(text), text.p);
    if (c->model->heads % c->tp != 0)
        return err_set(e, ERR_USAGE,
                       "sim: the %d attention heads of %s cannot be shared by %d GPUs",
                       c->model->heads, c->model->name, c->tp);
    return OK;
}

/* Choices that do not go together, or not with the GPU. */
static int check_choices(const struct sim_config *c, struct err *e)
{
    if (c->precision == SIM_FP8 && c->gpu->flops[SIM_FP8] <= 0)
        return err_set(e, ERR_USAGE, "sim: the %s has no FP8 arithmetic; take precision=bf16",
                       c->gpu->title);
    if (c->policy == SIM_PRIORITY && c->engine != SIM_VLLM)
        return err_set(e, ERR_USAGE, "sim: policy=priority is vllm's; %s has none",
                       spec_engine_name(c->engine));
    if (c->policy == SIM_LONGEST_PREFIX && c->engine != SIM_SGLANG)
        return err_set(e, ERR_USAGE, "sim: policy=lpm is sglang's; %s has none",
                       spec_engine_name(c->engine));
    if (c->capacity != SIM_NO_EVICT && c->engine != SIM_TRTLLM)
        return err_set(e, ERR_USAGE, "sim: capacity=max-utilization is trtllm's; %s has none",
                       spec_engine_name(c->engine));
    return OK;
}

/* The context is cut to what the cache can hold, as a request that never fits could never end. */
static int settle(struct sim_config *c, struct err *e)
{
    int rc = check_choices(c, e);
    if (rc == OK)
        rc = fit_check(c, e);
    if (rc < 0)
        return rc;
    c->kv_blocks = (int64_t)(fit_cache_tokens(c) / SIM_BLOCK_TOKENS);
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

int spec_parse_with(struct slice text, const struct definitions *own, struct sim_config *out,
                    struct err *e)
{
    struct sim_config c = {0};
    struct slice query = text;
    struct slice gpu = spec_take_until(&query, '?');
    struct slice model = spec_take_until(&gpu, '@');
    struct slice file = spec_definitions(text);
    if (file.n && !own)
        return err_set(e, ERR_USAGE, "sim: definitions=%.*s cannot be read here", name_shown(file),
                       file.p);
    int rc = parse_model(model, own, &c, e);
    if (rc == OK)
        rc = parse_gpu(gpu, own, &c, e);
    if (rc == OK)
        rc = spec_read_options(query, &c, e);
    if (rc == OK)
        rc = settle(&c, e);
    if (rc == OK)
        *out = c;
    return rc;
}

int spec_parse(struct slice text, struct sim_config *out, struct err *e)
{
    return spec_parse_with(text, NULL, out, e);
}

struct slice spec_definitions(struct slice text)
{
    struct slice found = slice_make(NULL, 0);
    spec_take_until(&text, '?');
    while (text.n > 0) {
        struct slice value = spec_take_until(&text, '&');
        struct slice name = spec_take_until(&value, '=');
        if (slice_is(name, "definitions"))
            found = value;
    }
    return found;
}

int64_t spec_output_limit(const struct sim_config *c, int64_t prompt_tokens, int64_t max_tokens,
                          bool chat)
{
    int64_t room = c->max_model_len - prompt_tokens;
    if (room < 1)
        return 0;
    if (max_tokens > 0)
        return max_tokens <= room ? max_tokens : 0;
    return chat || room < COMPLETION_DEFAULT_TOKENS ? room : COMPLETION_DEFAULT_TOKENS;
}

static void append(char *out, size_t out_bytes, const char *format, int n)
{
    size_t used = strlen(out);
    if (n > 0 && used < out_bytes)
        snprintf(out + used, out_bytes - used, format, n);
}

const char *spec_describe(const struct sim_config *c, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes,
             "%s (%s) on %d × %s%s, %s scheduler, KV cache of %lld tokens, up to %lld sequences "
             "and %lld tokens a step",
             c->model->name, spec_precision_name(c->precision), c->tp, c->gpu->title,
             c->gpu->estimated ? " (efficiencies estimated)" : "", spec_engine_name(c->engine),
             (long long)c->kv_blocks * SIM_BLOCK_TOKENS, (long long)c->max_num_seqs,
             (long long)c->max_num_batched_tokens);
    append(out, out_bytes, ", %d replicas", c->replicas > 1 ? c->replicas : 0);
    append(out, out_bytes, ", %d for prompts", c->prefill_replicas);
    append(out, out_bytes, ", %d drafts a token", c->draft_tokens);
    return out;
}
