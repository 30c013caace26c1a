#include "workload/synthetic.h"

#include <math.h>
#include <string.h>

#include "workload/words.h"

/* With a pool the nonce takes the place of this many ids: the pool to this power is beyond
 * repetition. */
enum { NONCE_IDS = 4 };

static size_t words_of(const struct synthetic *s, double tokens)
{
    long long words = llround(tokens / s->t.tokens_per_word);
    return words > 0 ? (size_t)words : 0;
}

static void draw_ids(const struct synthetic *s, struct rng *r, uint32_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = s->t.pool[rng_below(r, s->t.pool_count)];
}

static void make_prefix(struct synthetic *s, bool warmup)
{
    struct rng r = rng_at(s->seed, synthetic_stream(RNG_PREFIX, warmup), 0);
    if (s->t.pool_count > 0) {
        size_t n = (size_t)s->prefix_len;
        s->prefix[warmup].ids = arena_alloc(&s->arena, n * sizeof(uint32_t));
        s->prefix[warmup].id_count = n;
        draw_ids(s, &r, s->prefix[warmup].ids, n);
        return;
    }
    size_t words = words_of(s, (double)s->prefix_len);
    char *text = arena_alloc(&s->arena, words * (WORDS_MAX_BYTES + 1));
    s->prefix[warmup].words = words;
    s->prefix[warmup].text = slice_make(text, words_put(&r, words, text));
}

void synthetic_init(struct synthetic *s, uint64_t seed, int64_t prefix_len, bool chat,
                    const struct tokenization *t)
{
    *s = (struct synthetic){.seed = seed, .prefix_len = prefix_len, .t = *t};
    if (!(s->t.tokens_per_word > 0))
        s->t.tokens_per_word = 1;
    if (chat || !t->pool)
        s->t.pool_count = 0;
    size_t bytes = s->t.pool_count * sizeof *t->pool;
    s->t.pool = bytes > 0 ? memcpy(arena_alloc(&s->arena, bytes), t->pool, bytes) : NULL;
    if (prefix_len > 0) {
        make_prefix(s, false);
        make_prefix(s, true);
    }
}

void synthetic_release(struct synthetic *s)
{
    arena_release(&s->arena);
}

static struct rng nonce_rng(const struct synthetic *s, enum nonce nonce, bool warmup,
                            uint64_t index)
{
    return rng_at(s->seed ^ s->nonce_salt, synthetic_stream(RNG_NONCE, warmup),
                  nonce == NONCE_OF_LOAD ? UINT64_MAX : index);
}

void synthetic_nonce(const struct synthetic *s, enum nonce nonce, bool warmup, uint64_t index,
                     char *out)
{
    static const char hex[] = "0123456789abcdef";
    struct rng r = nonce_rng(s, nonce, warmup, index);
    uint64_t x = rng_u64(&r);
    for (int i = 0; i < NONCE_HEX_BYTES; i++)
        out[i] = hex[x >> (4 * i) & 15];
}

static void make_tokens(const struct synthetic *s, bool warmup, uint64_t index,
                        int64_t input_tokens, enum nonce nonce, struct arena *a, struct prompt *out)
{
    long long asked = input_tokens - llround(s->t.overhead_tokens);
    size_t n = asked > 1 ? (size_t)asked : 1;
    /* The last id is always the request's own, however short the prompt. */
    size_t shared = s->prefix[warmup].id_count;
    if (shared > n - 1)
        shared = n - 1;
    uint32_t *ids = arena_alloc(a, n * sizeof *ids);
    if (shared > 0)
        memcpy(ids, s->prefix[warmup].ids, shared * sizeof *ids);
    struct rng r = rng_at(s->seed, synthetic_stream(RNG_PROMPT, warmup), index);
    draw_ids(s, &r, ids + shared, n - shared);
    if (nonce != NONCE_NONE) {
        struct rng head = nonce_rng(s, nonce, warmup, index);
        draw_ids(s, &head, ids, n < NONCE_IDS ? n : NONCE_IDS);
    }
    out->kind = PROMPT_TOKENS;
    out->tokens = ids;
    out->token_count = n;
}

/* The first `words` words of text. */
static struct slice head_words(struct slice text, size_t words)
{
    const char *p = text.p, *end = text.p + text.n;
    for (size_t i = 0; i < words; i++) {
        const char *blank = memchr(p, ' ', (size_t)(end - p));
        if (!blank)
            return text;
        p = blank + 1;
    }
    return slice_make(text.p, words > 0 ? (size_t)(p - 1 - text.p) : 0);
}

static void make_words(const struct synthetic *s, bool warmup, uint64_t index, int64_t input_tokens,
                       enum nonce nonce, struct arena *a, struct prompt *out)
{
    double tokens = (double)input_tokens - s->t.overhead_tokens;
    size_t n = words_of(s, nonce != NONCE_NONE ? tokens - NONCE_TOKENS : tokens);
    if (n < 1)
        n = 1;
    size_t shared = s->prefix[warmup].words;
    if (shared > n - 1)
        shared = n - 1;
    struct slice prefix = shared == s->prefix[warmup].words
                              ? s->prefix[warmup].text
                              : head_words(s->prefix[warmup].text, shared);
    char *text = arena_alloc(a, NONCE_HEX_BYTES + 1 + n * (WORDS_MAX_BYTES + 1));
    char *p = text;
    if (nonce != NONCE_NONE) {
        synthetic_nonce(s, nonce, warmup, index, p);
        p[NONCE_HEX_BYTES] = ' ';
        p += NONCE_HEX_BYTES + 1;
    }
    if (prefix.n > 0) {
        memcpy(p, prefix.p, prefix.n);
        p[prefix.n] = ' ';
        p += prefix.n + 1;
    }
    struct rng r = rng_at(s->seed, synthetic_stream(RNG_PROMPT, warmup), index);
    p += words_put(&r, n - shared, p);
    out->kind = PROMPT_TEXT;
    out->text = slice_make(text, (size_t)(p - text));
}

void synthetic_make(const struct synthetic *s, bool warmup, uint64_t index, int64_t input_tokens,
                    enum nonce nonce, struct arena *a, struct prompt *out)
{
    if (s->t.pool_count > 0)
        make_tokens(s, warmup, index, input_tokens, nonce, a, out);
    else
        make_words(s, warmup, index, input_tokens, nonce, a, out);
}
