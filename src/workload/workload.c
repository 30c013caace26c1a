#include "workload/workload.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "workload/custom.h"
#include "workload/datafile.h"
#include "workload/items.h"
#include "workload/profile.h"
#include "workload/sharegpt.h"
#include "workload/synthetic.h"
#include "workload/words.h"

/* Longer than any context there is; keeps products of lengths far from the edge of an int64_t. */
#define LENGTH_MAX INT64_C(100000000)

/* ShareGPT conversations kept when nobody knows how many will be asked for. */
enum { SHAREGPT_DEFAULT_ITEMS = 5000 };

struct workload {
    struct workload_spec spec; /* its strings are not kept */
    const struct profile *profile;
    struct items items;
    struct synthetic synthetic;
};

static bool is_drawn(const struct workload_spec *s)
{
    return s->dataset == DATASET_PROFILE || s->dataset == DATASET_RANDOM;
}

/* ---- opening ---- */

static int check_length(int64_t n, int64_t low, const char *option, struct err *e)
{
    if (n >= low && n <= LENGTH_MAX)
        return OK;
    return err_set(e, ERR_USAGE, "%s is %lld; it must be from %lld to %lld tokens", option,
                   (long long)n, (long long)low, (long long)LENGTH_MAX);
}

static int check_random(const struct workload_spec *s, struct err *e)
{
    int rc = check_length(s->input_len, 1, "--random-input-len", e);
    if (rc == OK && s->ladder_count == 0)
        rc = check_length(s->output_len, 1, "--random-output-len", e);
    if (rc < 0)
        return rc;
    if (!(s->range_ratio >= 0 && s->range_ratio < 1))
        return err_set(e, ERR_USAGE,
                       "--random-range-ratio is %g; it must be at least 0 (every length as asked) "
                       "and below 1",
                       s->range_ratio);
    return OK;
}

static int check_profile(struct workload *w, struct err *e)
{
    w->profile = profile_find(w->spec.profile);
    if (w->profile)
        return OK;
    struct buf names = {0};
    for (unsigned i = 0; profile_at(i); i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", profile_at(i)->name);
    int rc = err_set(e, ERR_USAGE, "there is no workload profile \"%s\"; choose one of %s",
                     w->spec.profile ? w->spec.profile : "", buf_cstr(&names));
    buf_release(&names);
    return rc;
}

static int check_spec(struct workload *w, struct err *e)
{
    const struct workload_spec *s = &w->spec;
    if (s->ladder_count > WORKLOAD_MAX_LADDER)
        return err_set(e, ERR_USAGE, "the output ladder has %zu rungs; at most %d are possible",
                       s->ladder_count, WORKLOAD_MAX_LADDER);
    int rc = OK;
    for (size_t i = 0; i < s->ladder_count && rc == OK; i++)
        rc = check_length(s->ladder[i], 1, "a rung of the output ladder", e);
    if (rc == OK)
        rc = check_length(s->prefix_len, 0, "--random-prefix-len", e);
    if (rc == OK && s->dataset != DATASET_RANDOM)
        rc = check_length(s->output_len, 0, "the output length", e);
    if (rc < 0)
        return rc;
    if (s->dataset == DATASET_PROFILE)
        return check_profile(w, e);
    if (s->dataset == DATASET_RANDOM)
        return check_random(s, e);
    if (!s->path || !*s->path)
        return err_set(e, ERR_USAGE, "the %s dataset is a file; name it with --dataset-path FILE",
                       workload_name(w));
    return OK;
}

/* What the ShareGPT filter takes for the output length: with a ladder its lowest rung, so that a
 * high one does not shut every conversation out. */
static int64_t filter_output_len(const struct workload_spec *s)
{
    if (s->ladder_count == 0)
        return s->output_len;
    int64_t least = s->ladder[0];
    for (size_t i = 1; i < s->ladder_count; i++)
        least = s->ladder[i] < least ? s->ladder[i] : least;
    return least;
}

static int read_items(struct workload *w, const struct token_counter *counter, struct err *e)
{
    const struct workload_spec *s = &w->spec;
    struct datafile f;
    int rc = datafile_open(s->path, &f, e);
    if (rc < 0)
        return rc;
    if (s->dataset == DATASET_CUSTOM) {
        rc = custom_parse(f.text, s->path, s->chat, &w->items, e);
    } else {
        struct sharegpt_spec g = {
            .name = s->path,
            .seed = s->seed,
            .shuffle = s->shuffle,
            .output_len = filter_output_len(s),
            .wanted = s->count_hint > 0 ? (size_t)s->count_hint : SHAREGPT_DEFAULT_ITEMS,
        };
        rc = sharegpt_parse(f.text, &g, counter, &w->items, e);
    }
    datafile_close(&f);
    return rc;
}

int workload_open(const struct workload_spec *spec, const struct token_counter *counter,
                  struct workload **out, struct err *e)
{
    struct workload *w = MEM_NEW(struct workload);
    w->spec = *spec;
    int rc = check_spec(w, e);
    if (rc == OK && !is_drawn(spec))
        rc = read_items(w, counter, e);
    if (rc < 0) {
        workload_close(w);
        return rc;
    }
    w->spec.profile = w->profile ? w->profile->name : NULL;
    w->spec.path = NULL;
    workload_set_tokenization(w, &(struct tokenization){0});
    *out = w;
    return OK;
}

void workload_close(struct workload *w)
{
    if (!w)
        return;
    items_release(&w->items);
    synthetic_release(&w->synthetic);
    free(w);
}

void workload_set_tokenization(struct workload *w, const struct tokenization *t)
{
    struct synthetic old = w->synthetic;
    int64_t prefix_len = is_drawn(&w->spec) ? w->spec.prefix_len : 0;
    synthetic_init(&w->synthetic, w->spec.seed, prefix_len, w->spec.chat, t);
    w->synthetic.nonce_salt = w->spec.nonce_salt;
    synthetic_release(&old);
}

/* ---- lengths ---- */

static int64_t draw_log_normal(struct rng *r, double mu, double sigma, int64_t low, int64_t high)
{
    double x = exp(mu + sigma * rng_normal(r));
    if (x <= (double)low)
        return low;
    return x >= (double)high ? high : llround(x);
}

/* Uniform over the whole numbers of [⌊len(1−r)⌋, ⌈len(1+r)⌉], as vLLM's random dataset. The bounds
 * are taken before binary fractions blur them: 100 × 1.1 is 110 and not a little more. */
static int64_t draw_within(struct rng *r, int64_t len, double ratio)
{
    const double blur = 1e-9 * (double)len;
    int64_t low = (int64_t)floor((double)len * (1 - ratio) + blur);
    int64_t high = (int64_t)ceil((double)len * (1 + ratio) - blur);
    if (low < 1)
        low = 1;
    return low + (int64_t)rng_below(r, (uint64_t)(high - low + 1));
}

static void draw_lengths(const struct workload *w, bool warmup, uint64_t index, int64_t *input,
                         int64_t *output)
{
    const struct workload_spec *s = &w->spec;
    const struct profile *f = w->profile;
    struct rng r = rng_at(s->seed, synthetic_stream(RNG_LENGTH, warmup), index);
    if (f) {
        *input = draw_log_normal(&r, f->input_mu, f->sigma, f->input_min, f->input_max);
        *output = draw_log_normal(&r, f->output_mu, f->sigma, f->output_min, f->output_max);
        if (s->output_len > 0)
            *output = s->output_len;
    } else {
        *input = draw_within(&r, s->input_len, s->range_ratio);
        *output = s->ladder_count > 0 ? 0 : draw_within(&r, s->output_len, s->range_ratio);
    }
    *input += s->prefix_len;
}

/* The run goes through the items in their order, round and round; the warm-up takes any. */
static const struct item *item_for(const struct workload *w, bool warmup, uint64_t index)
{
    if (!warmup)
        return &w->items.v[index % w->items.n];
    struct rng r = rng_at(w->spec.seed, synthetic_stream(RNG_SHUFFLE, warmup), index);
    return &w->items.v[rng_below(&r, w->items.n)];
}

void workload_lengths(const struct workload *w, bool warmup, uint64_t index, int64_t *input_tokens,
                      int64_t *output_tokens)
{
    const struct workload_spec *s = &w->spec;
    if (is_drawn(s)) {
        draw_lengths(w, warmup, index, input_tokens, output_tokens);
    } else {
        const struct item *i = item_for(w, warmup, index);
        *input_tokens = i->input_tokens;
        *output_tokens = s->output_len > 0 ? s->output_len : i->output_tokens;
    }
    if (s->ladder_count > 0)
        *output_tokens = s->ladder[index % s->ladder_count];
}

/* ---- prompts ---- */

static bool wants_nonce(const struct workload_spec *s, bool warmup, bool repeated)
{
    if (is_drawn(s))
        return s->cache_bust == CACHE_BUST_ON; /* otherwise fresh by seed */
    if (warmup)
        return true; /* its items are the run's: without a nonce it would fill the cache for them */
    if (s->cache_bust == CACHE_BUST_AUTO)
        return s->dataset == DATASET_SHAREGPT || repeated;
    return s->cache_bust == CACHE_BUST_ON;
}

static enum nonce nonce_of(const struct workload_spec *s, bool warmup, bool repeated)
{
    if (wants_nonce(s, warmup, repeated))
        return NONCE_OF_REQUEST;
    return s->nonce_salt != 0 ? NONCE_OF_LOAD : NONCE_NONE;
}

static struct slice with_nonce(const struct workload *w, enum nonce nonce, bool warmup,
                               uint64_t index, const struct item *i, struct arena *a)
{
    size_t at = i->nonce_at, used = NONCE_HEX_BYTES + 1;
    char *text = arena_alloc(a, i->text.n + used);
    memcpy(text, i->text.p, at);
    synthetic_nonce(&w->synthetic, nonce, warmup, index, text + at);
    text[at + NONCE_HEX_BYTES] = ' ';
    memcpy(text + at + used, i->text.p + at, i->text.n - at);
    return slice_make(text, i->text.n + used);
}

static void take_item(const struct workload *w, bool warmup, uint64_t index, struct arena *a,
                      struct prompt *out)
{
    const struct item *i = item_for(w, warmup, index);
    enum nonce nonce = nonce_of(&w->spec, warmup, out->repeated);
    out->text = nonce != NONCE_NONE && i->nonce_at != ITEM_NO_NONCE
                    ? with_nonce(w, nonce, warmup, index, i, a)
                    : arena_copy(a, i->text);
}

void workload_outline(const struct workload *w, bool warmup, uint64_t index, struct prompt *out)
{
    const struct workload_spec *s = &w->spec;
    *out = (struct prompt){.rung = -1, .source = index};
    workload_lengths(w, warmup, index, &out->input_tokens, &out->output_tokens);
    if (s->ladder_count > 0)
        out->rung = (int)(index % s->ladder_count);
    if (!is_drawn(s)) {
        const struct item *i = item_for(w, warmup, index);
        out->kind = i->kind;
        out->source = i->source;
        out->repeated = !warmup && index >= w->items.n;
    }
    if (w->items.estimated)
        out->input_tokens = 0; /* a guess is nothing to hold the server to */
    /* A dataset's lengths are a bound, as vLLM sends them; drawn ones and rungs are a promise. */
    out->exact_output = is_drawn(s) || s->ladder_count > 0;
}

void workload_draw(const struct workload *w, bool warmup, uint64_t index, struct arena *a,
                   struct prompt *out)
{
    const struct workload_spec *s = &w->spec;
    workload_outline(w, warmup, index, out);
    if (is_drawn(s))
        synthetic_make(&w->synthetic, warmup, index, out->input_tokens, nonce_of(s, warmup, false),
                       a, out);
    else
        take_item(w, warmup, index, a, out);
}

/* ---- facts ---- */

size_t workload_items(const struct workload *w)
{
    return w->items.n;
}

const int64_t *workload_arrivals_ns(const struct workload *w)
{
    return w->items.at_ns;
}

bool workload_synthetic(const struct workload *w)
{
    return is_drawn(&w->spec);
}

bool workload_unshared(const struct workload *w)
{
    return is_drawn(&w->spec) && w->spec.prefix_len == 0;
}

bool workload_lengths_estimated(const struct workload *w)
{
    return w->items.estimated;
}

uint64_t workload_skipped(const struct workload *w)
{
    return w->items.skipped;
}

const char *workload_name(const struct workload *w)
{
    switch (w->spec.dataset) {
    case DATASET_PROFILE:
        return w->profile->name;
    case DATASET_RANDOM:
        return "random";
    case DATASET_SHAREGPT:
        return "sharegpt";
    case DATASET_CUSTOM:
        return "custom";
    }
    BUG("a dataset without a name");
}

void workload_words(uint64_t seed, uint32_t stream, uint64_t index, size_t words, struct buf *out)
{
    struct rng r = rng_at(seed, stream, index);
    if (words == 0 || buf_reserve(out, words * (WORDS_MAX_BYTES + 1)) < 0)
        return;
    out->n += words_put(&r, words, out->p + out->n);
}
