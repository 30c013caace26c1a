#include "sim/definitions.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/mem.h"

enum {
    MAX_EACH = 64,
    NAME_BYTES = 64,
    NAME_SHOWN = 64,
};

#define BILLION   1e9
#define TERA      1e12
#define MAX_WHOLE 16777216.0 /* no size of a model comes near */

struct definitions {
    struct arena names;
    struct sim_model models[MAX_EACH];
    struct sim_gpu gpus[MAX_EACH];
    size_t model_count, gpu_count;
};

/* ---- fields ---- */

struct field {
    const char *name;
    size_t at;
    bool whole;
    double low, high, scale;
};

#define M(field) offsetof(struct sim_model, field)
#define G(field) offsetof(struct sim_gpu, field)
#define WHOLE(name, at, low)                                                                       \
    {                                                                                              \
        name, at, true, low, MAX_WHOLE, 1                                                          \
    }
#define SHARE(name, at)                                                                            \
    {                                                                                              \
        name, at, false, 0.001, 1, 1                                                               \
    }

static const struct field model_fields[] = {
    {"params_b", M(params), false, 0.001, 1e5, BILLION},
    {"active_params_b", M(active_params), false, 0.001, 1e5, BILLION},
    WHOLE("layers", M(layers), 1),
    WHOLE("hidden", M(hidden), 1),
    WHOLE("heads", M(heads), 1),
    WHOLE("kv_heads", M(kv_heads), 1),
    WHOLE("head_dim", M(head_dim), 1),
    WHOLE("ff", M(ff), 0),
    WHOLE("vocabulary", M(vocabulary), 64),
    WHOLE("context", M(context_tokens), 16),
    WHOLE("experts", M(experts.count), 0),
    WHOLE("experts_per_token", M(experts.chosen), 1),
    WHOLE("expert_ff", M(experts.ff), 1),
    WHOLE("shared_experts", M(experts.shared), 0),
    WHOLE("dense_layers", M(experts.dense_layers), 0),
    WHOLE("window", M(window.tokens), 1),
    WHOLE("window_layers", M(window.layers), 0),
    WHOLE("kv_lora", M(latent.kv_rank), 0),
    WHOLE("rope_dim", M(latent.rope), 0),
    WHOLE("q_lora", M(latent.q_rank), 1),
    WHOLE("key_dim", M(latent.key), 1),
    WHOLE("value_dim", M(latent.value), 1),
};

#define MEMORY_SHARE(p) G(product[p].memory_share)
#define MATH_SHARE(p)   G(product[p].math_share)

static const struct field gpu_fields[] = {
    {"memory_gib", G(memory_gib), false, 1, 1e5, 1},
    {"bandwidth_tb_s", G(bandwidth), false, 0.001, 1e4, TERA},
    {"bf16_tflops", G(flops[SIM_BF16]), false, 0.001, 1e7, TERA},
    {"fp8_tflops", G(flops[SIM_FP8]), false, 0, 1e7, TERA},
    {"fp4_tflops", G(flops[SIM_FP4]), false, 0, 1e7, TERA},
    SHARE("bf16_memory_share", MEMORY_SHARE(SIM_BF16)),
    SHARE("bf16_math_share", MATH_SHARE(SIM_BF16)),
    SHARE("fp8_memory_share", MEMORY_SHARE(SIM_FP8)),
    SHARE("fp8_math_share", MATH_SHARE(SIM_FP8)),
    SHARE("fp4_memory_share", MEMORY_SHARE(SIM_FP4)),
    SHARE("fp4_math_share", MATH_SHARE(SIM_FP4)),
    SHARE("decode_share", G(decode.memory_share)),
    SHARE("prefill_share", G(prefill.math_share)),
};

static int refuse(struct err *e, const char *kind, struct slice key, const char *why)
{
    int n = key.n < NAME_SHOWN ? (int)key.n : NAME_SHOWN;
    return err_set(e, ERR_INPUT, "definitions: %s: \"%.*s\" %s", kind, n, key.p, why);
}

static int read_number(struct json *j, const struct field *f, void *object, struct slice key,
                       const char *kind, struct err *e)
{
    double v;
    if (json_peek(j) != JSON_NUMBER || !json_double(j, &v))
        return refuse(e, kind, key, "must be a number");
    if (!(v >= f->low && v <= f->high))
        return err_set(e, ERR_INPUT, "definitions: %s: \"%s\" must lie between %g and %g", kind,
                       f->name, f->low, f->high);
    if (f->whole && v != (double)(int)v)
        return refuse(e, kind, key, "must be a whole number");
    if (f->whole)
        *(int *)(void *)((char *)object + f->at) = (int)v;
    else
        *(double *)(void *)((char *)object + f->at) = v * f->scale;
    return OK;
}

/* ---- one definition ---- */

struct kind {
    const char *word;
    const struct field *fields;
    size_t field_count, bytes;
    const void *(*known)(const struct definitions *d, struct slice name);
    const char **(*name)(void *object);
};

static const void *known_model(const struct definitions *d, struct slice name)
{
    const struct sim_model *m = definitions_model(d, name);
    return m ? m : catalog_model(name);
}

static const void *known_gpu(const struct definitions *d, struct slice name)
{
    const struct sim_gpu *g = definitions_gpu(d, name);
    return g ? g : catalog_gpu(name);
}

static const char **model_name(void *object)
{
    return &((struct sim_model *)object)->name;
}

static const char **gpu_name(void *object)
{
    return &((struct sim_gpu *)object)->name;
}

static const struct kind model_kind = {"model",
                                       model_fields,
                                       sizeof model_fields / sizeof model_fields[0],
                                       sizeof(struct sim_model),
                                       known_model,
                                       model_name};
static const struct kind gpu_kind = {
    "gpu",     gpu_fields, sizeof gpu_fields / sizeof gpu_fields[0], sizeof(struct sim_gpu),
    known_gpu, gpu_name};

static bool name_allowed(struct slice name)
{
    if (name.n == 0 || name.n > NAME_BYTES)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (unsigned char)((c | 0x20) - 'a') < 26;
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_')
            return false;
    }
    return true;
}

static int read_text(struct json *j, const struct kind *k, struct slice key, struct slice *out,
                     struct err *e)
{
    if (json_peek(j) != JSON_STRING || !json_string(j, out) || !name_allowed(*out))
        return refuse(e, k->word, key,
                      "must be a string of 1 to 64 letters, digits, dots, dashes, underscores");
    return OK;
}

/* Names first, as the rest is written over what "like" brings. */
static int read_names(struct json j, const struct kind *k, struct definitions *d, void *object,
                      struct err *e)
{
    struct slice key, name = {0}, like = {0};
    json_enter_object(&j);
    while (json_next_key(&j, &key)) {
        bool is_name = slice_is(key, "name");
        if (!is_name && !slice_is(key, "like"))
            json_skip(&j);
        else if (read_text(&j, k, key, is_name ? &name : &like, e) < 0)
            return ERR_INPUT;
    }
    if (j.failed)
        return OK; /* said by who reads the whole text */
    if (name.n == 0)
        return err_set(e, ERR_INPUT, "definitions: a %s has no \"name\"", k->word);
    const void *base = like.n ? k->known(d, like) : NULL;
    if (like.n && !base)
        return refuse(e, k->word, like, "is not known, and was to be \"like\"");
    if (base)
        memcpy(object, base, k->bytes);
    *k->name(object) = arena_strndup(&d->names, name.p, name.n);
    return OK;
}

static int read_field(struct json *j, const struct kind *k, void *object, struct slice key,
                      struct err *e)
{
    if (slice_is(key, "name") || slice_is(key, "like")) {
        json_skip(j);
        return OK;
    }
    for (size_t i = 0; i < k->field_count; i++)
        if (slice_is(key, k->fields[i].name))
            return read_number(j, &k->fields[i], object, key, k->word, e);
    return refuse(e, k->word, key, "is not a known field");
}

static int read_object(struct json *j, const struct kind *k, struct definitions *d, void *object,
                       struct err *e)
{
    struct slice key;
    if (json_peek(j) != JSON_OBJECT)
        return err_set(e, ERR_INPUT, "definitions: a %s must be an object", k->word);
    int rc = read_names(*j, k, d, object, e);
    json_enter_object(j);
    while (rc == OK && json_next_key(j, &key))
        rc = read_field(j, k, object, key, e);
    return rc;
}

/* ---- what belongs together ---- */

static int lacking(const char *kind, const char *name, const char *what, struct err *e)
{
    return err_set(e, ERR_INPUT, "definitions: the %s \"%s\" %s", kind, name, what);
}

static int check_model(struct sim_model *m, struct err *e)
{
    if (m->active_params <= 0)
        m->active_params = m->params;
    if (m->params <= 0 || !m->layers || !m->hidden || !m->heads || !m->kv_heads || !m->head_dim ||
        !m->vocabulary || !m->context_tokens)
        return lacking("model", m->name,
                       "needs params_b, layers, hidden, heads, kv_heads, head_dim, vocabulary and "
                       "context, or \"like\"",
                       e);
    if (m->active_params > m->params)
        return lacking("model", m->name, "has more active parameters than parameters", e);
    if (m->experts.count &&
        (!m->experts.chosen || !m->experts.ff || m->experts.chosen > m->experts.count))
        return lacking("model", m->name,
                       "has experts, so it needs expert_ff and experts_per_token, which is not "
                       "above their number",
                       e);
    if (m->experts.dense_layers > m->layers || m->window.layers > m->layers)
        return lacking("model", m->name, "has more dense_layers or window_layers than layers", e);
    if (!m->ff && (!m->experts.count || m->experts.dense_layers))
        return lacking("model", m->name, "has layers without experts, so it needs ff", e);
    if (m->window.layers && !m->window.tokens)
        return lacking("model", m->name, "has window_layers, so it needs window", e);
    if (m->latent.kv_rank && (!m->latent.q_rank || !m->latent.key || !m->latent.value))
        return lacking("model", m->name, "has kv_lora, so it needs q_lora, key_dim and value_dim",
                       e);
    if (catalog_weight_bytes(m, SIM_FP4) <= 0 || 2.0 * m->vocabulary * m->hidden >= m->params)
        return lacking("model", m->name, "has embeddings larger than its parameters", e);
    return OK;
}

static int check_gpu(struct sim_gpu *g, struct err *e)
{
    if (g->memory_gib <= 0 || g->product[SIM_BF16].p <= 0)
        return lacking("gpu", g->name, "needs \"like\", the GPU whose efficiencies it takes", e);
    g->title = g->name;
    g->estimated = true;
    return OK;
}

/* ---- the whole text ---- */

static int read_models(struct json *j, struct definitions *d, struct err *e)
{
    while (json_next_item(j)) {
        if (d->model_count == MAX_EACH)
            return err_set(e, ERR_INPUT, "definitions: 64 models at most");
        struct sim_model *m = &d->models[d->model_count];
        if (read_object(j, &model_kind, d, m, e) < 0)
            return ERR_INPUT;
        if (j->failed)
            break;
        if (check_model(m, e) < 0)
            return ERR_INPUT;
        d->model_count++;
    }
    return OK;
}

static int read_gpus(struct json *j, struct definitions *d, struct err *e)
{
    while (json_next_item(j)) {
        if (d->gpu_count == MAX_EACH)
            return err_set(e, ERR_INPUT, "definitions: 64 GPUs at most");
        struct sim_gpu *g = &d->gpus[d->gpu_count];
        if (read_object(j, &gpu_kind, d, g, e) < 0)
            return ERR_INPUT;
        if (j->failed)
            break;
        if (check_gpu(g, e) < 0)
            return ERR_INPUT;
        d->gpu_count++;
    }
    return OK;
}

static int read_all(struct json *j, struct definitions *d, struct err *e)
{
    struct slice key;
    if (json_peek(j) != JSON_OBJECT)
        return err_set(e, ERR_INPUT,
                       "definitions: the text must be an object with \"models\" and \"gpus\"");
    json_enter_object(j);
    while (json_next_key(j, &key)) {
        bool models = slice_is(key, "models");
        if (!models && !slice_is(key, "gpus"))
            return refuse(e, "the file", key, "is not known; \"models\" and \"gpus\" are");
        if (json_peek(j) != JSON_ARRAY)
            return refuse(e, "the file", key, "must be a list");
        json_enter_array(j);
        if ((models ? read_models(j, d, e) : read_gpus(j, d, e)) < 0)
            return ERR_INPUT;
    }
    if (json_end(j) < 0)
        return err_set(e, ERR_INPUT, "definitions: not JSON: error at byte %zu", json_offset(j));
    return OK;
}

int definitions_parse(struct slice text, struct definitions **out, struct err *e)
{
    struct definitions *d = MEM_NEW(struct definitions);
    struct json j = json_of(text);
    int rc = read_all(&j, d, e);
    if (rc < 0)
        definitions_free(d);
    else
        *out = d;
    return rc;
}

void definitions_free(struct definitions *d)
{
    if (!d)
        return;
    arena_release(&d->names);
    free(d);
}

const struct sim_model *definitions_model(const struct definitions *d, struct slice name)
{
    for (size_t i = 0; d && i < d->model_count; i++)
        if (slice_is_nocase(name, d->models[i].name))
            return &d->models[i];
    return NULL;
}

const struct sim_gpu *definitions_gpu(const struct definitions *d, struct slice name)
{
    for (size_t i = 0; d && i < d->gpu_count; i++)
        if (slice_is_nocase(name, d->gpus[i].name))
            return &d->gpus[i];
    return NULL;
}
