#include "sim/spec_options.h"

#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/units.h"

enum {
    MAX_SEQS = 1 << 16,
    MAX_TOKENS = 1 << 24,
    MAX_DRAFTS = 16,
    MAX_NOISE_SEED = 1000000000,
    MAX_START_S = 86400,
    NAME_SHOWN = 64,
    NO_CHUNKS = MAX_TOKENS, /* a prompt is cut only by the step's budget */
};

/* vLLM's defaults by size of GPU for its API server (EngineArgs, v1). */
#define LARGE_GPU_GIB 70.0
enum {
    LARGE_BATCHED_TOKENS = 8192,
    LARGE_SEQS = 1024,
    SMALL_BATCHED_TOKENS = 2048,
    SMALL_SEQS = 256,
};

/* SGLang: --max-prefill-tokens, --chunked-prefill-size, and the least max_running_requests. */
enum { SGLANG_PREFILL_TOKENS = 16384, SGLANG_CHUNK_TOKENS = 8192, SGLANG_SEQS = 2048 };

/* TensorRT-LLM: max_num_tokens and max_batch_size. */
enum { TRTLLM_TOKENS = 8192, TRTLLM_SEQS = 2048 };

/* TGI: --waiting-served-ratio, --max-waiting-tokens, --max-batch-prefill-tokens; its batch is
 * bounded by memory alone. */
#define TGI_WAITING_SERVED_RATIO 0.3
enum { TGI_WAITING_TOKENS = 20, TGI_PREFILL_TOKENS = 4096, TGI_SEQS = 1024 };

/* Host work of a step, and of each of its sequences (docs/engine.md says whence). */
#define STEP_S     1e-3
#define SEQUENCE_S 14e-6

/* An NDR InfiniBand port: 400 Gbit/s. */
#define LINK_GB_S 50.0
#define GB        1e9

#define ACCEPTANCE 0.7

/* ---- the table of keys ---- */

enum kind { COUNT, INT, NUMBER, CHOICE, SWITCH, TEXT };

struct key {
    const char *name;
    enum kind kind;
    size_t at;
    double low, high; /* of numbers */
    const char *const *choices;
};

static const char *const engines[] = {"vllm", "sglang", "tgi", "trtllm", NULL};
static const char *const precisions[] = {"bf16", "fp8", "fp4", NULL};
static const char *const kv_precisions[] = {"bf16", "fp8", NULL};
static const char *const routers[] = {"least-loaded", "round-robin", NULL};
static const char *const policies[] = {"fcfs", "priority", "lpm", NULL};
static const char *const capacities[] = {"no-evict", "max-utilization", NULL};

#define AT(field) offsetof(struct sim_config, field)

static const struct key keys[] = {
    {"engine", CHOICE, AT(engine), 0, 0, engines},
    {"precision", CHOICE, AT(precision), 0, 0, precisions},
    {"kv_precision", CHOICE, AT(kv_precision), 0, 0, kv_precisions},
    {"replicas", INT, AT(replicas), 1, SIM_MAX_REPLICAS, NULL},
    {"router", CHOICE, AT(router), 0, 0, routers},
    {"prefill_replicas", INT, AT(prefill_replicas), 0, SIM_MAX_REPLICAS, NULL},
    {"link_gb_s", NUMBER, AT(link_bytes_per_s), 0.001, 1e6, NULL},
    {"policy", CHOICE, AT(policy), 0, 0, policies},
    {"capacity", CHOICE, AT(capacity), 0, 0, capacities},
    {"prefix_caching", SWITCH, AT(prefix_caching), 0, 0, NULL},
    {"draft_tokens", INT, AT(draft_tokens), 0, MAX_DRAFTS, NULL},
    {"acceptance", NUMBER, AT(acceptance), 0, 1, NULL},
    {"async_scheduling", SWITCH, AT(host_hidden), 0, 0, NULL},
    {"noise", NUMBER, AT(noise_cv), 0, 1, NULL},
    {"drift", NUMBER, AT(drift_cv), 0, 1, NULL},
    {"noise_seed", COUNT, AT(noise_seed), 0, MAX_NOISE_SEED, NULL},
    {"step_scale", NUMBER, AT(step_scale), 0.1, 10, NULL},
    {"max_num_seqs", COUNT, AT(max_num_seqs), 1, MAX_SEQS, NULL},
    {"max_num_batched_tokens", COUNT, AT(max_num_batched_tokens), 1, MAX_TOKENS, NULL},
    {"chunk_tokens", COUNT, AT(chunk_tokens), 1, MAX_TOKENS, NULL},
    {"max_model_len", COUNT, AT(max_model_len), 1, MAX_TOKENS, NULL},
    {"waiting_served_ratio", NUMBER, AT(waiting_served_ratio), 0, 1000, NULL},
    {"max_waiting_tokens", COUNT, AT(max_waiting_tokens), 0, MAX_TOKENS, NULL},
    {"start_s", NUMBER, AT(start_s), 0, MAX_START_S, NULL},
    {"definitions", TEXT, 0, 0, 0, NULL},
};

enum { KEYS = sizeof keys / sizeof keys[0] };

/* Bytes of a name worth repeating in a message. */
static int shown(struct slice name)
{
    return name.n < NAME_SHOWN ? (int)name.n : NAME_SHOWN;
}

static int read_choice(const struct key *k, struct slice value, int *out, struct err *e)
{
    for (int i = 0; k->choices[i]; i++)
        if (slice_is(value, k->choices[i])) {
            *out = i;
            return OK;
        }
    struct buf known = {0};
    for (int i = 0; k->choices[i]; i++)
        buf_printf(&known, "%s%s", i == 0 ? "" : k->choices[i + 1] ? ", " : " and ", k->choices[i]);
    int rc = err_set(e, ERR_USAGE, "sim: %s=%.*s: %s are known", k->name, shown(value), value.p,
                     buf_cstr(&known));
    buf_release(&known);
    return rc;
}

static int read_switch(const struct key *k, struct slice value, bool *out, struct err *e)
{
    if (!slice_is(value, "on") && !slice_is(value, "off"))
        return err_set(e, ERR_USAGE, "sim: %s=%.*s: on and off are known", k->name, shown(value),
                       value.p);
    *out = slice_is(value, "on");
    return OK;
}

static int read_value(const struct key *k, struct slice value, struct sim_config *c, struct err *e)
{
    char *at = (char *)c + k->at;
    int64_t count = 0;
    int choice = 0, rc = OK;
    switch (k->kind) {
    case COUNT:
        return units_count(value, k->name, (int64_t)k->low, (int64_t)k->high, (int64_t *)(void *)at,
                           e);
    case INT:
        rc = units_count(value, k->name, (int64_t)k->low, (int64_t)k->high, &count, e);
        *(int *)(void *)at = (int)count;
        return rc;
    case NUMBER:
        return units_number(value, k->name, k->low, k->high, (double *)(void *)at, e);
    case CHOICE:
        rc = read_choice(k, value, &choice, e);
        memcpy(at, &choice, sizeof choice); /* an enumeration: as wide as an int */
        return rc;
    case SWITCH:
        return read_switch(k, value, (bool *)at, e);
    case TEXT:
        return OK;
    }
    return OK;
}

static int refuse_key(struct slice name, struct err *e)
{
    struct buf known = {0};
    for (int i = 0; i < KEYS; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", keys[i].name);
    int rc = err_set(e, ERR_USAGE, "sim: unknown option \"%.*s\"; known are %s", shown(name),
                     name.p, buf_cstr(&known));
    buf_release(&known);
    return rc;
}

static int read_option(struct slice name, struct slice value, struct sim_config *c, struct err *e)
{
    for (int i = 0; i < KEYS; i++) {
        if (!slice_is(name, keys[i].name))
            continue;
        int rc = read_value(&keys[i], value, c, e);
        if (rc == OK && keys[i].at == AT(link_bytes_per_s) && keys[i].kind == NUMBER)
            c->link_bytes_per_s *= GB;
        return rc;
    }
    return refuse_key(name, e);
}

/* ---- all keys ---- */

struct slice spec_take_until(struct slice *text, char c)
{
    size_t n = 0;
    while (n < text->n && text->p[n] != c)
        n++;
    struct slice head = slice_make(text->p, n);
    size_t used = n < text->n ? n + 1 : n;
    text->p = used ? text->p + used : text->p;
    text->n -= used;
    return head;
}

void spec_defaults(struct sim_config *c)
{
    c->precision = c->model->native;
    if (c->precision == SIM_FP8 && c->gpu->flops[SIM_FP8] <= 0)
        c->precision = SIM_BF16;
    c->replicas = 1;
    c->link_bytes_per_s = LINK_GB_S * GB;
    c->prefix_caching = c->engine != SIM_TGI;
    c->acceptance = ACCEPTANCE;
    c->step_scale = 1;
    c->step_s = STEP_S;
    c->sequence_s = SEQUENCE_S;
    /* SGLang and TensorRT-LLM work ahead unless told not to; vLLM does since 0.14. */
    c->host_hidden = c->engine == SIM_SGLANG || c->engine == SIM_TRTLLM;
    c->chunk_tokens = NO_CHUNKS;
    c->waiting_served_ratio = TGI_WAITING_SERVED_RATIO;
    c->max_waiting_tokens = TGI_WAITING_TOKENS;
    if (c->engine == SIM_SGLANG)
        c->chunk_tokens = SGLANG_CHUNK_TOKENS;
}

/* The limits an engine takes when none are given. */
static void default_limits(struct sim_config *c)
{
    bool large = c->gpu->memory_gib >= LARGE_GPU_GIB && !c->gpu->small_batches;
    int64_t tokens = large ? LARGE_BATCHED_TOKENS : SMALL_BATCHED_TOKENS;
    int64_t seqs = large ? LARGE_SEQS : SMALL_SEQS;
    if (c->engine == SIM_SGLANG) {
        tokens = SGLANG_PREFILL_TOKENS;
        seqs = SGLANG_SEQS;
    } else if (c->engine == SIM_TGI) {
        tokens = TGI_PREFILL_TOKENS;
        seqs = TGI_SEQS;
    } else if (c->engine == SIM_TRTLLM) {
        tokens = TRTLLM_TOKENS;
        seqs = TRTLLM_SEQS;
    }
    if (c->max_num_batched_tokens == 0)
        c->max_num_batched_tokens = tokens;
    if (c->max_num_seqs == 0)
        c->max_num_seqs = seqs < c->max_num_batched_tokens ? seqs : c->max_num_batched_tokens;
}

int spec_read_options(struct slice query, struct sim_config *c, struct err *e)
{
    for (struct slice rest = query; rest.n > 0;) {
        struct slice value = spec_take_until(&rest, '&');
        struct slice name = spec_take_until(&value, '=');
        if (slice_is(name, "engine") && read_option(name, value, c, e) < 0)
            return ERR_USAGE;
    }
    spec_defaults(c);
    while (query.n > 0) {
        struct slice value = spec_take_until(&query, '&');
        struct slice name = spec_take_until(&value, '=');
        int rc = read_option(name, value, c, e);
        if (rc < 0)
            return rc;
    }
    default_limits(c);
    return OK;
}
