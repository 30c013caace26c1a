#ifndef LOADLINE_WORKLOAD_WORKLOAD_H
#define LOADLINE_WORKLOAD_WORKLOAD_H

/* What is asked: prompts and lengths. Request `index` of a phase depends on the seed alone, never on threads
 * or order, so workload_draw may be called from any thread once the workload is ready. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "workload/prompt.h"

enum { WORKLOAD_MAX_LADDER = 32 };

enum dataset {
    DATASET_PROFILE,  /* log-normal or fixed lengths by name: chat, code_generation, … (profile.h) */
    DATASET_RANDOM,   /* vLLM's: input_len and output_len, each uniform within ± range_ratio of it */
    DATASET_SHAREGPT, /* the ShareGPT JSON file, vLLM's filter */
    DATASET_CUSTOM,   /* JSONL: prompt or messages, optional output_tokens, at_ms */
};

enum cache_bust { CACHE_BUST_AUTO, CACHE_BUST_ON, CACHE_BUST_OFF };

struct workload_spec {
    enum dataset dataset;
    const char *profile;       /* DATASET_PROFILE */
    const char *path;          /* SHAREGPT, CUSTOM */
    int64_t input_len, output_len; /* RANDOM; for others output_len > 0 overrides the data's */
    double range_ratio;        /* RANDOM, in [0, 1) */
    int64_t prefix_len;        /* shared tokens in front of every drawn prompt */
    int64_t ladder[WORKLOAD_MAX_LADDER]; /* output lengths taken in turn; replaces output_len */
    size_t ladder_count;
    enum cache_bust cache_bust;
    uint64_t seed;
    uint64_t nonce_salt;       /* for several loads of one seed on one server: 0 none; otherwise nonces are drawn with it, and
                                  prompts that would carry none begin with one that is the same for all of this load */
    bool chat;                 /* prompts become messages: words, never token ids */
    bool shuffle;              /* SHAREGPT: draw in random order (vLLM does); CUSTOM keeps the file's order */
    int64_t count_hint;        /* requests that will be asked for at most; 0 unknown (duration) */
};

/* How text becomes tokens at this server. Drawn prompts use the pool of token ids when there is one (exact
 * lengths on completions), else words, whose number is corrected by what the server reported. */
struct tokenization {
    const uint32_t *pool;      /* ids seen in the tokenisation of plain text: none special, all in vocabulary */
    size_t pool_count;
    double tokens_per_word;    /* 0: not calibrated, 1 is assumed */
    double overhead_tokens;    /* template and beginning-of-text tokens per prompt */
};

/* Counts the tokens of a text, by the server or as an estimate. Blocking; used while opening only. */
struct token_counter {
    int (*count)(void *context, struct slice text, int64_t *tokens, struct err *e);
    void *context;
};

struct workload;

/* Reads and checks datasets (file:line in every complaint; an empty one is an error). counter may be NULL:
 * lengths of dataset texts are then estimated as bytes / 4 and said to be. Those of CUSTOM always are: its
 * filter needs none, and usage tells in the end. The file may go once this has returned. */
int workload_open(const struct workload_spec *spec, const struct token_counter *counter,
                  struct workload **out, struct err *e);
void workload_close(struct workload *w);

/* Sets how drawn prompts are made; copies t. Call before the first draw. */
void workload_set_tokenization(struct workload *w, const struct tokenization *t);

/* Request `index`; `warmup` draws from other streams, and a dataset's items carry a nonce there whatever
 * cache_bust says, so that warm-up never fills a cache for the run. Memory in *out is from `a`. */
void workload_draw(const struct workload *w, bool warmup, uint64_t index, struct arena *a,
                   struct prompt *out);

/* The same without its text or tokens, which cost the most. */
void workload_outline(const struct workload *w, bool warmup, uint64_t index, struct prompt *out);

/* Lengths alone, without making the prompt (planning). Estimates too, where a prompt's own
 * input_tokens is 0 for unknown. */
void workload_lengths(const struct workload *w, bool warmup, uint64_t index, int64_t *input_tokens,
                      int64_t *output_tokens);

size_t workload_items(const struct workload *w);         /* of a dataset; 0 for drawn prompts */
const int64_t *workload_arrivals_ns(const struct workload *w); /* CUSTOM with at_ms on every line: one per item, ascending; else NULL */
bool workload_synthetic(const struct workload *w);       /* drawn prompts: lengths are promised */
bool workload_unshared(const struct workload *w);        /* drawn prompts without a prefix: none begins as another does */
bool workload_lengths_estimated(const struct workload *w);
uint64_t workload_skipped(const struct workload *w);     /* items left out by the filter */
const char *workload_name(const struct workload *w);     /* "chat", "random", "sharegpt", "custom" */

/* Text of `words` plain words drawn from rng stream and index, for calibration and tests. */
void workload_words(uint64_t seed, uint32_t stream, uint64_t index, size_t words, struct buf *out);

#endif
