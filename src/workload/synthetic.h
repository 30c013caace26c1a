#ifndef LOADLINE_WORKLOAD_SYNTHETIC_H
#define LOADLINE_WORKLOAD_SYNTHETIC_H

/* Drawn prompts: so many tokens of words or of token ids, with a shared prefix and a nonce if asked for. */

#include "base/arena.h"
#include "base/rng.h"
#include "base/slice.h"
#include "workload/prompt.h"
#include "workload/workload.h"

enum { NONCE_HEX_BYTES = 16 };

enum nonce {
    NONCE_NONE,
    NONCE_OF_REQUEST,
    NONCE_OF_LOAD, /* the same for all requests: they go on sharing what they share */
};

/* A nonce of hexadecimal digits is so many tokens: 9.8 in GPT-2's vocabulary, 9.3 in cl100k, 9.4 in o200k (mean
 * of 200). Drawn texts give that many up to keep their length. */
#define NONCE_TOKENS 9.5

struct synthetic {
    uint64_t seed, nonce_salt;
    int64_t prefix_len;
    struct tokenization t; /* pool is our own copy; tokens_per_word is never 0 */
    struct {
        struct slice text;
        uint32_t *ids;
        size_t words, id_count;
    } prefix[2]; /* of the run, of the warm-up */
    struct arena arena; /* of the prefixes and the pool */
};

void synthetic_init(struct synthetic *s, uint64_t seed, int64_t prefix_len, bool chat,
                    const struct tokenization *t);
void synthetic_release(struct synthetic *s);

/* Sets kind and text or tokens of *out, whose length is to be input_tokens. */
void synthetic_make(const struct synthetic *s, bool warmup, uint64_t index, int64_t input_tokens,
                    enum nonce nonce, struct arena *a, struct prompt *out);

/* A nonce: NONCE_HEX_BYTES digits, no NUL. */
void synthetic_nonce(const struct synthetic *s, enum nonce nonce, bool warmup, uint64_t index,
                     char *out);

/* Stream of the run, or the warm-up's beside it. */
static inline uint32_t synthetic_stream(uint32_t stream, bool warmup)
{
    return warmup ? stream + RNG_WARMUP : stream;
}

#endif
