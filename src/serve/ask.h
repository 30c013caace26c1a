#ifndef LOADLINE_SERVE_ASK_H
#define LOADLINE_SERVE_ASK_H

/* Bodies of requests, read and checked: what is asked of the engine. Pure; prompts become token ids while they
 * are read, and their text is not kept. Fields that are unknown are passed over, as real servers do; null is the same as
 * absent. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum { ASK_MAX_STOPS = 16 };

enum ask_kind { ASK_COMPLETION, ASK_CHAT, ASK_TOKENIZE };

struct ask_range { /* bytes of ask.texts */
    size_t at, n;
};

struct ask {
    struct buf model;        /* empty when not named */
    bool has_prompt;
    int64_t prompt_tokens;
    uint64_t prompt_hash;    /* text_hash of its bytes */
    struct buf ids;          /* of the prompt, uint32_t each */
    int64_t max_tokens;      /* −1 when not given */
    int64_t min_tokens;
    bool stream, ignore_eos, include_usage, continuous_usage;
    bool repeatable;         /* temperature 0 or a seed: the same prompt gets the same answer */
    int64_t seed;
    struct buf texts;        /* stop strings */
    struct ask_range stops[ASK_MAX_STOPS];
    size_t stop_count;
};

/* What is wrong, for the error body. */
struct ask_fault {
    struct err err;
    const char *param; /* the field; NULL when the body as a whole */
};

/* OK, ERR_PROTOCOL (not JSON) or ERR_INPUT (a field of wrong type or value). Release `out` in any case. */
int ask_parse(enum ask_kind kind, struct slice body, int vocabulary, struct ask *out,
              struct ask_fault *fault);
void ask_release(struct ask *a);

static inline struct slice ask_stop(const struct ask *a, size_t i)
{
    return slice_make(a->texts.p + a->stops[i].at, a->stops[i].n);
}

#endif
