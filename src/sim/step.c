#include "sim/step.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

#define US 1e-6

/* Norms, rotary embedding, cache write, activation and residual: a kernel each, too short for more
 * than its launch unless many tokens pass; they stream at this share of the bandwidth. */
#define SMALL_KERNELS      5
#define SMALL_KERNEL_S     (2 * US)
#define SMALL_MEMORY_SHARE 0.75

/* Behind the router's product: choosing, counting, sorting and gathering rows, and summing the
 * experts' outputs. */
#define ROUTING_KERNELS 6

/* The smallest number of rows that tensor cores multiply by an expert's weights at once. */
#define EXPERT_TILE_ROWS 16

/* A sampled row's logits, in four bytes each, are gathered from the GPUs and passed over by
 * temperature, penalties, softmax (twice) and the choice, reading and writing. */
#define LOGIT_BYTES  4.0
#define LOGIT_PASSES 6.0

/* Below this ratio the smaller of two times adds nothing to their norm. */
#define NEGLIGIBLE 1e-6

/* ---- matrix products ---- */

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* The law for weights of a format on this GPU. Four bits on a GPU without such arithmetic are
 * unpacked on the way into bf16 products. That was not measured; the nearest that was are the
 * kernels for eight bits, which also scale blocks on the way: their shares and launch time, of the
 * bf16 peak. */
struct lane {
    double memory, math; /* bytes/s, FLOP/s */
    double t0_s, p;
    double weight_bytes, row_bytes;
};

static struct lane lane_of(const struct sim_config *c, enum sim_precision p)
{
    const struct sim_gpu *g = c->gpu;
    bool native = g->flops[p] > 0 && g->product[p].p > 0;
    const struct sim_product_fit *f = &g->product[p];
    if (!native)
        f = &g->product[g->product[SIM_FP8].p > 0 ? SIM_FP8 : SIM_BF16];
    enum sim_precision run = native ? p : SIM_BF16;
    return (struct lane){
        .memory = f->memory_share * g->bandwidth,
        .math = f->math_share * g->flops[run],
        .t0_s = f->t0_us * US,
        .p = f->p,
        .weight_bytes = catalog_quantised_bytes(c->model, p),
        .row_bytes = catalog_element_bytes(run),
    };
}

static struct step_product product(const struct lane *a, double k, double n)
{
    return (struct step_product){
        .weights_s = k * n * a->weight_bytes / a->memory,
        .row_s = (k * a->row_bytes + n * catalog_element_bytes(SIM_BF16)) / a->memory,
        .math_s = 2 * k * n / a->math,
        .t0_s = a->t0_s,
        .p = a->p,
    };
}

static void add(struct step_products *s, const struct lane *a, double k, double n)
{
    s->each[s->count++] = product(a, k, n);
}

static double norm(double x, double y, double p)
{
    double high = x > y ? x : y, low = x > y ? y : x;
    if (low <= NEGLIGIBLE * high)
        return high;
    return high * pow(1 + pow(low / high, p), 1 / p);
}

static double product_seconds(const struct step_product *g, double rows)
{
    return g->t0_s + norm(g->weights_s + rows * g->row_s, rows * g->math_s, g->p);
}

static double products_seconds(const struct step_products *s, double rows)
{
    double t = 0;
    for (int i = 0; i < s->count; i++)
        t += product_seconds(&s->each[i], rows);
    return t;
}

/* Of the experts those are read that a row has chosen; each computes whole tiles of rows. */
static double experts_seconds(const struct step_law *law, double rows)
{
    double touched = law->expert_count * (1 - pow(1 - law->chosen / law->expert_count, rows));
    double chosen = rows * law->chosen;
    double tiles = touched * EXPERT_TILE_ROWS, half_empty = chosen + tiles / 2;
    double computed = tiles > half_empty ? tiles : half_empty;
    double t = 0;
    for (int i = 0; i < law->experts.count; i++) {
        const struct step_product *g = &law->experts.each[i];
        t += g->t0_s + norm(touched * g->weights_s + chosen * g->row_s, computed * g->math_s, g->p);
    }
    return t;
}

/* ---- the law of a configuration ---- */

static void attention_products(struct step_law *law, const struct sim_config *c,
                               const struct lane *a)
{
    const struct sim_model *m = c->model;
    double h = m->hidden, heads = (double)m->heads / c->tp;
    struct step_products *s = &law->attention;
    if (!m->latent.kv_rank) {
        double kv_heads = m->kv_heads > c->tp ? (double)m->kv_heads / c->tp : 1;
        add(s, a, h, (heads + 2 * kv_heads) * m->head_dim);
        add(s, a, heads * m->head_dim, h);
        return;
    }
    /* Down to the latent vectors on every rank, up to the heads, keys and values folded into
     * queries and outputs, and out. */
    add(s, a, h, m->latent.q_rank + m->latent.kv_rank + m->latent.rope);
    add(s, a, m->latent.q_rank, heads * (m->latent.key + m->latent.rope));
    add(s, a, heads * m->latent.key, m->latent.kv_rank);
    add(s, a, m->latent.kv_rank, heads * m->latent.value);
    add(s, a, heads * m->latent.value, h);
}

static void feed_forward(struct step_products *s, const struct lane *a, double h, double width)
{
    add(s, a, h, 2 * width);
    add(s, a, width, h);
}

static void expert_products(struct step_law *law, const struct sim_config *c, const struct lane *a,
                            const struct lane *bf16)
{
    const struct sim_model *m = c->model;
    double width = (double)m->experts.ff / c->tp;
    feed_forward(&law->experts, a, m->hidden, width);
    law->router = product(bf16, m->hidden, m->experts.count);
    if (m->experts.shared)
        feed_forward(&law->shared, a, m->hidden, width * m->experts.shared);
    law->chosen = m->experts.chosen;
    law->expert_count = m->experts.count;
    law->expert_layers = m->layers - m->experts.dense_layers;
}

static void attention_kernels(struct step_law *law, const struct sim_config *c)
{
    const struct sim_model *m = c->model;
    const struct sim_gpu *g = c->gpu;
    double heads = (double)m->heads / c->tp;
    int cuts = c->tp < m->kv_heads ? c->tp : m->kv_heads;
    double math = g->flops[SIM_BF16];
    double memory = g->decode.memory_share * g->bandwidth;
    double pair_flop = 4 * heads * m->head_dim;
    law->decode_token_s = spec_kv_bytes(c) / m->layers / cuts / memory;
    if (m->latent.kv_rank) {
        pair_flop = 2 * heads * (m->latent.key + m->latent.rope + m->latent.value);
        law->decode_math_s = 2 * heads * (2 * m->latent.kv_rank + m->latent.rope) /
                             (g->product[SIM_BF16].math_share * math);
    }
    law->decode_t0_s = g->decode.t0_us * US;
    law->prefill_pair_s = pair_flop / (math * g->prefill.math_share);
    law->prefill_half_tokens = g->prefill.half_tokens;
    law->prefill_t0_s = g->prefill.t0_us * US;
    law->window_layers = m->window.layers;
    law->window_tokens = m->window.tokens;
}

static void small_kernels(struct step_law *law, const struct sim_config *c)
{
    const struct sim_model *m = c->model;
    double memory = SMALL_MEMORY_SHARE * c->gpu->bandwidth, bytes = catalog_element_bytes(SIM_BF16);
    double hidden = 8.0 * m->hidden;
    law->small_s = SMALL_KERNELS * SMALL_KERNEL_S;
    law->small_token_s = bytes * (hidden + 3.0 * m->ff / c->tp) / memory;
    int widths = m->experts.chosen + m->experts.shared;
    law->small_expert_token_s = bytes * (hidden + 3.0 * widths * m->experts.ff / c->tp) / memory;
}

static void reduces(struct step_law *law, const struct sim_config *c)
{
    int size = -1;
    for (int tp = c->tp; tp > 1; tp /= 2)
        size++;
    if (size < 0)
        return;
    const struct sim_reduce_fit *f = &c->gpu->reduce[size];
    /* Gathering moves half of what reducing and handing out does. */
    law->sample_row_s += f->b_us * US * c->model->vocabulary / 2e6;
    law->reduce_s = 2 * f->a_us * US;
    law->reduce_token_s = 2 * f->b_us * US * c->model->hidden / 1e6;
}

struct step_law step_law_of(const struct sim_config *c)
{
    const struct sim_model *m = c->model;
    struct lane bf16 = lane_of(c, SIM_BF16), format = lane_of(c, c->precision);
    struct step_law law = {
        .step_s = c->step_s,
        .sequence_s = c->sequence_s,
        .host_hidden = c->host_hidden,
        .layers = m->layers,
        .head = product(&bf16, m->hidden, (double)m->vocabulary / c->tp),
    };
    attention_products(&law, c, m->experts.alone_quantised ? &bf16 : &format);
    feed_forward(&law.dense, &format, m->hidden, (double)m->ff / c->tp);
    if (m->experts.count)
        expert_products(&law, c, &format, &bf16);
    attention_kernels(&law, c);
    small_kernels(&law, c);
    law.sample_row_s =
        m->vocabulary * LOGIT_BYTES * LOGIT_PASSES / (SMALL_MEMORY_SHARE * c->gpu->bandwidth);
    reduces(&law, c);
    return law;
}

/* ---- one step ---- */

static double decode_attention(const struct step_law *law, const struct step_batch *b)
{
    if (b->decodes == 0)
        return 0;
    double token_s =
        law->decode_token_s > law->decode_math_s ? law->decode_token_s : law->decode_math_s;
    int whole = law->layers - law->window_layers;
    return law->layers * law->decode_t0_s +
           token_s * (whole * (double)b->decode_context_tokens +
                      law->window_layers * (double)b->decode_window_tokens);
}

/* Pairs of tokens a chunk attends to when each sees `window` at most. */
static double pairs_seen(const struct step_chunk *c, double window)
{
    double l = (double)c->tokens, o = (double)c->offset;
    double before = least(window - o, l); /* tokens of the chunk that see everything */
    if (before <= 0)
        return l * window;
    return before * (o + before / 2) + (l - before) * window;
}

static double prefill_attention(const struct step_law *law, const struct step_batch *b)
{
    if (b->chunk_count == 0)
        return 0;
    double whole = 0, windowed = 0;
    for (size_t i = 0; i < b->chunk_count; i++) {
        double l = (double)b->chunks[i].tokens;
        double slower = (l + law->prefill_half_tokens) / l;
        whole += slower * l * ((double)b->chunks[i].offset + l / 2);
        if (law->window_layers)
            windowed += slower * pairs_seen(&b->chunks[i], (double)law->window_tokens);
    }
    return law->layers * law->prefill_t0_s +
           law->prefill_pair_s *
               ((law->layers - law->window_layers) * whole + law->window_layers * windowed);
}

/* All layers but for attention. */
static double layers_seconds(const struct step_law *law, double rows)
{
    int dense = law->layers - law->expert_layers;
    double layer =
        products_seconds(&law->attention, rows) + law->reduce_s + rows * law->reduce_token_s;
    double t = law->layers * (layer + law->small_s);
    if (dense)
        t += dense * (products_seconds(&law->dense, rows) + rows * law->small_token_s);
    if (law->expert_layers)
        t += law->expert_layers *
             (experts_seconds(law, rows) + products_seconds(&law->shared, rows) +
              product_seconds(&law->router, rows) + ROUTING_KERNELS * SMALL_KERNEL_S +
              rows * law->small_expert_token_s);
    return t;
}

static double head_seconds(const struct step_law *law, double rows)
{
    return rows > 0 ? product_seconds(&law->head, rows) + rows * law->sample_row_s : 0;
}

struct step_memo { /* by number of rows; below 0 where not yet known */
    int64_t rows;
    double *layers_s, *head_s;
};

void step_law_remember(struct step_law *law, int64_t rows)
{
    struct step_memo *m = MEM_NEW(struct step_memo);
    m->rows = rows;
    m->layers_s = MEM_ARRAY(double, (size_t)rows + 1);
    m->head_s = MEM_ARRAY(double, (size_t)rows + 1);
    for (int64_t i = 0; i <= rows; i++)
        m->layers_s[i] = m->head_s[i] = -1;
    law->memo = m;
}

void step_law_forget(struct step_law *law)
{
    if (!law->memo)
        return;
    free(law->memo->layers_s);
    free(law->memo->head_s);
    free(law->memo);
    law->memo = NULL;
}

static double remembered(const struct step_law *law, double *known_s, int64_t rows,
                         double (*work_out)(const struct step_law *, double))
{
    if (rows > law->memo->rows)
        return work_out(law, (double)rows);
    if (known_s[rows] < 0)
        known_s[rows] = work_out(law, (double)rows);
    return known_s[rows];
}

static double gpu_seconds(const struct step_law *law, const struct step_batch *b)
{
    int64_t rows = b->decodes + b->drafts;
    int64_t sampled = rows + b->prompts_done;
    for (size_t i = 0; i < b->chunk_count; i++)
        rows += b->chunks[i].tokens;
    double attention = decode_attention(law, b) + prefill_attention(law, b);
    if (!law->memo)
        return layers_seconds(law, (double)rows) + attention + head_seconds(law, (double)sampled);
    return remembered(law, law->memo->layers_s, rows, layers_seconds) + attention +
           remembered(law, law->memo->head_s, sampled, head_seconds);
}

double step_seconds(const struct step_law *law, const struct step_batch *b)
{
    double sequences = (double)b->decodes + (double)b->chunk_count;
    double host = law->step_s + law->sequence_s * sequences;
    double gpu = gpu_seconds(law, b);
    if (law->host_hidden)
        return gpu > host ? gpu : host;
    return gpu + host;
}
