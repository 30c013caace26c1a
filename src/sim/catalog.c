#include "sim/catalog.h"

#include <stdint.h>
#include <string.h>

/* Parameters, cache bytes, heads and contexts: the configuration files published with the weights.
 * Cache bytes/token = 2 (K and V) · layers · KV heads · head size · 2 bytes; deepseek-v3 keeps one
 * latent vector of 512 + 64 elements a layer instead. */
#define BILLION 1e9
#define KIB     1024.0

static const struct sim_model models[] = {
    {"llama-2-7b", 6.74 * BILLION, 6.74 * BILLION, 512 * KIB, 32, 32, 32000, 4096},
    {"llama-2-70b", 69.0 * BILLION, 69.0 * BILLION, 320 * KIB, 64, 8, 32000, 4096},
    {"llama-3-8b", 8.03 * BILLION, 8.03 * BILLION, 128 * KIB, 32, 8, 128256, 8192},
    {"llama-3.1-8b", 8.03 * BILLION, 8.03 * BILLION, 128 * KIB, 32, 8, 128256, 131072},
    {"llama-3.1-70b", 70.6 * BILLION, 70.6 * BILLION, 320 * KIB, 64, 8, 128256, 131072},
    {"llama-3.1-405b", 405.9 * BILLION, 405.9 * BILLION, 504 * KIB, 128, 8, 128256, 131072},
    {"mistral-7b", 7.25 * BILLION, 7.25 * BILLION, 128 * KIB, 32, 8, 32768, 32768},
    {"mixtral-8x7b", 46.7 * BILLION, 12.8 * BILLION, 128 * KIB, 32, 8, 32000, 32768},
    {"qwen2.5-7b", 7.62 * BILLION, 7.62 * BILLION, 56 * KIB, 28, 4, 152064, 32768},
    {"qwen3-8b", 8.19 * BILLION, 8.19 * BILLION, 144 * KIB, 32, 8, 151936, 40960},
    {"qwen3-32b", 32.8 * BILLION, 32.8 * BILLION, 256 * KIB, 64, 8, 151936, 40960},
    {"qwen3-coder-30b-a3b", 30.5 * BILLION, 3.0 * BILLION, 96 * KIB, 32, 4, 151936, 262144},
    {"gpt-oss-20b", 20.9 * BILLION, 3.6 * BILLION, 48 * KIB, 64, 8, 201088, 131072},
    {"gpt-oss-120b", 116.8 * BILLION, 5.1 * BILLION, 72 * KIB, 64, 8, 201088, 131072},
    {"deepseek-v3", 671.0 * BILLION, 36.6 * BILLION, 68.625 * KIB, 128, 1, 129280, 163840},
};

/* Memory, bandwidth and dense peaks: the makers' data sheets. Memory sold as 80 GB is 80 GiB of
 * address space on these boards. Shares: memory and math of bf16, of fp8, then decode attention. */
#define TB_S   1e12
#define TFLOPS 1e12

static const struct sim_gpu gpus[] = {
    {"a100", "A100 80 GB SXM", 80, 2.039 * TB_S, 312 * TFLOPS, 0, .761, .871, 0, 0, .659, true,
     false},
    {"h100", "H100 SXM", 80, 3.35 * TB_S, 989 * TFLOPS, 1978 * TFLOPS, .884, .816, .868, .469, .841,
     false, false},
    {"h200", "H200", 141, 4.8 * TB_S, 989 * TFLOPS, 1978 * TFLOPS, .838, .813, .860, .532, .788,
     false, false},
    {"l40s", "L40S", 48, .864 * TB_S, 362 * TFLOPS, 733 * TFLOPS, .780, .633, .752, .519, .838,
     false, false},
    {"b200", "B200", 180, 7.7 * TB_S, 2250 * TFLOPS, 4500 * TFLOPS, .825, .722, .803, .442, .881,
     false, false},
    {"gb200", "GB200", 186, 8.0 * TB_S, 2500 * TFLOPS, 5000 * TFLOPS, .818, .727, .788, .461, .907,
     false, false},
    {"rtx-pro-6000", "RTX PRO 6000 Blackwell", 96, 1.792 * TB_S, 468 * TFLOPS, 936 * TFLOPS, .838,
     .860, .844, .813, .841, false, false},
    {"a10", "A10", 24, .600 * TB_S, 125 * TFLOPS, 0, .761, .871, 0, 0, .659, false, true},
    {"a100-40", "A100 40 GB", 40, 1.555 * TB_S, 312 * TFLOPS, 0, .761, .871, 0, 0, .659, true,
     true},
    {"l4", "L4", 24, .300 * TB_S, 121 * TFLOPS, 242 * TFLOPS, .780, .633, .752, .519, .838, false,
     true},
    {"h100-pcie", "H100 PCIe", 80, 2.0 * TB_S, 756 * TFLOPS, 1513 * TFLOPS, .884, .816, .868, .469,
     .841, false, true},
    {"rtx-4090", "GeForce RTX 4090", 24, 1.008 * TB_S, 165 * TFLOPS, 330 * TFLOPS, .780, .633, .752,
     .519, .838, false, true},
    {"rtx-5090", "GeForce RTX 5090", 32, 1.792 * TB_S, 209 * TFLOPS, 419 * TFLOPS, .838, .860, .844,
     .813, .841, false, true},
    {"mi300x", "Instinct MI300X", 192, 5.3 * TB_S, 1307 * TFLOPS, 2615 * TFLOPS, .884, .816, .868,
     .469, .841, false, true},
    {"mi325x", "Instinct MI325X", 256, 6.0 * TB_S, 1307 * TFLOPS, 2615 * TFLOPS, .884, .816, .868,
     .469, .841, false, true},
    {"mi355x", "Instinct MI355X", 288, 8.0 * TB_S, 2500 * TFLOPS, 5000 * TFLOPS, .825, .722, .803,
     .442, .881, false, true},
};

enum {
    MODELS = sizeof models / sizeof models[0],
    GPUS = sizeof gpus / sizeof gpus[0],
    NAME_MAX_BYTES = 32, /* longer names are compared by their beginning */
};

const struct sim_model *catalog_model_at(size_t i)
{
    return i < MODELS ? &models[i] : NULL;
}

const struct sim_gpu *catalog_gpu_at(size_t i)
{
    return i < GPUS ? &gpus[i] : NULL;
}

const struct sim_model *catalog_model(struct slice name)
{
    for (size_t i = 0; i < MODELS; i++)
        if (slice_is_nocase(name, models[i].name))
            return &models[i];
    return NULL;
}

const struct sim_gpu *catalog_gpu(struct slice name)
{
    for (size_t i = 0; i < GPUS; i++)
        if (slice_is_nocase(name, gpus[i].name))
            return &gpus[i];
    return NULL;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, letters compared without case. */
static unsigned edits(struct slice a, struct slice b)
{
    unsigned row[NAME_MAX_BYTES + 1];
    a.n = a.n < NAME_MAX_BYTES ? a.n : NAME_MAX_BYTES;
    for (unsigned i = 0; i <= a.n; i++)
        row[i] = i;
    for (size_t k = 0; k < b.n; k++) {
        unsigned diagonal = row[0]++;
        for (size_t i = 0; i < a.n; i++) {
            unsigned same = diagonal + (lower(a.p[i]) != lower(b.p[k]));
            diagonal = row[i + 1];
            row[i + 1] = least(same, least(row[i], row[i + 1]) + 1);
        }
    }
    return row[a.n];
}

/* Further off, a name is another one rather than this one misspelt. */
static bool is_near(struct slice name, const char *known)
{
    return 2 * edits(name, slice_of(known)) <= strlen(known);
}

const char *catalog_nearest_model(struct slice name)
{
    size_t best = 0;
    for (size_t i = 1; i < MODELS; i++)
        if (edits(name, slice_of(models[i].name)) < edits(name, slice_of(models[best].name)))
            best = i;
    return is_near(name, models[best].name) ? models[best].name : NULL;
}

const char *catalog_nearest_gpu(struct slice name)
{
    size_t best = 0;
    for (size_t i = 1; i < GPUS; i++)
        if (edits(name, slice_of(gpus[i].name)) < edits(name, slice_of(gpus[best].name)))
            best = i;
    return is_near(name, gpus[best].name) ? gpus[best].name : NULL;
}

void catalog_describe(struct buf *out)
{
    buf_puts(out, "Models:\n");
    for (size_t i = 0; i < MODELS; i++) {
        const struct sim_model *m = &models[i];
        buf_printf(out, "  %-20s %6.1f B parameters", m->name, m->params / BILLION);
        if (m->active_params < m->params)
            buf_printf(out, " (%.1f B active)", m->active_params / BILLION);
        buf_printf(out, ", %.0f KiB of cache a token, context %d\n", m->kv_bytes_per_token / KIB,
                   m->context_tokens);
    }
    buf_puts(out, "GPUs:\n");
    for (size_t i = 0; i < GPUS; i++) {
        const struct sim_gpu *g = &gpus[i];
        buf_printf(out, "  %-20s %s: %.0f GB, %.2f TB/s, %.0f TFLOP/s bf16", g->name, g->title,
                   g->memory_gib, g->bandwidth / TB_S, g->bf16_flops / TFLOPS);
        if (g->fp8_flops > 0)
            buf_printf(out, ", %.0f fp8", g->fp8_flops / TFLOPS);
        buf_puts(out, g->estimated ? " (efficiencies estimated)\n" : "\n");
    }
}
