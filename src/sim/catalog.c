#include "sim/catalog.h"

#include <stdint.h>
#include <string.h>

#define BILLION 1e9
#define KIB     1024.0
#define TB_S    1e12
#define TFLOPS  1e12

enum { NAME_MAX_BYTES = 32 }; /* longer names are compared by their beginning */

/* bf16, fp8, and four bits with a scale of eight for each sixteen. */
static const double element_bytes[SIM_PRECISIONS] = {2, 1, 0.5625};

const struct sim_model *catalog_model(struct slice name)
{
    const struct sim_model *m;
    for (size_t i = 0; (m = catalog_model_at(i)); i++)
        if (slice_is_nocase(name, m->name))
            return m;
    return NULL;
}

const struct sim_gpu *catalog_gpu(struct slice name)
{
    const struct sim_gpu *g;
    for (size_t i = 0; (g = catalog_gpu_at(i)); i++)
        if (slice_is_nocase(name, g->name))
            return g;
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
    const char *best = catalog_model_at(0)->name;
    for (size_t i = 1; catalog_model_at(i); i++)
        if (edits(name, slice_of(catalog_model_at(i)->name)) < edits(name, slice_of(best)))
            best = catalog_model_at(i)->name;
    return is_near(name, best) ? best : NULL;
}

const char *catalog_nearest_gpu(struct slice name)
{
    const char *best = catalog_gpu_at(0)->name;
    for (size_t i = 1; catalog_gpu_at(i); i++)
        if (edits(name, slice_of(catalog_gpu_at(i)->name)) < edits(name, slice_of(best)))
            best = catalog_gpu_at(i)->name;
    return is_near(name, best) ? best : NULL;
}

double catalog_element_bytes(enum sim_precision p)
{
    return element_bytes[p];
}

double catalog_quantised_bytes(const struct sim_model *m, enum sim_precision p)
{
    /* OCP's MXFP4, in which such models are published: a scale of eight bits for each 32. */
    return m->experts.alone_quantised && p == SIM_FP4 ? 0.53125 : element_bytes[p];
}

double catalog_kv_bytes(const struct sim_model *m, double bytes)
{
    double elements =
        m->latent.kv_rank ? m->latent.kv_rank + m->latent.rope : 2.0 * m->kv_heads * m->head_dim;
    return m->layers * elements * bytes;
}

double catalog_weight_bytes(const struct sim_model *m, enum sim_precision p)
{
    double bf16 = element_bytes[SIM_BF16];
    double embeddings = 2.0 * m->vocabulary * m->hidden;
    double quantised = m->params - embeddings;
    if (m->experts.alone_quantised)
        quantised = 3.0 * m->hidden * m->experts.ff * m->experts.count * m->layers;
    return quantised * catalog_quantised_bytes(m, p) + (m->params - quantised) * bf16;
}

static void describe_model(struct buf *out, const struct sim_model *m)
{
    static const char *const native[SIM_PRECISIONS] = {"bf16", "fp8", "fp4"};
    buf_printf(out, "  %-20s %7.1f %7.1f   %-9s %7.1f %9d\n", m->name, m->params / BILLION,
               m->active_params / BILLION, native[m->native],
               catalog_kv_bytes(m, element_bytes[SIM_BF16]) / KIB, m->context_tokens);
}

static void describe_flops(struct buf *out, double flops)
{
    if (flops > 0)
        buf_printf(out, " %7.0f", flops / TFLOPS);
    else
        buf_printf(out, " %7s", "-");
}

static void describe_gpu(struct buf *out, const struct sim_gpu *g)
{
    buf_printf(out, "  %-14s %-24s %4.0f %6.2f", g->name, g->title, g->memory_gib,
               g->bandwidth / TB_S);
    for (int p = 0; p < SIM_PRECISIONS; p++)
        describe_flops(out, g->flops[p]);
    buf_puts(out, g->estimated ? " *\n" : "\n");
}

void catalog_describe(struct buf *out)
{
    buf_puts(out, "Models                params B  active   published KiB/token   context\n");
    for (size_t i = 0; catalog_model_at(i); i++)
        describe_model(out, catalog_model_at(i));
    buf_puts(out, "\nGPUs                                       GiB   TB/s    bf16     fp8     fp4"
                  "\n");
    for (size_t i = 0; catalog_gpu_at(i); i++)
        describe_gpu(out, catalog_gpu_at(i));
    buf_puts(out,
             "TFLOP/s without sparsity. * Its efficiencies are estimated: those of the nearest\n"
             "architecture that was measured.\n");
}
