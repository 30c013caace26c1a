#ifndef LOADLINE_SERVE_PLAN_H
#define LOADLINE_SERVE_PLAN_H

/* What an answer will be, settled when it is asked for: the words follow from a seed, so its length, the
 * reason it ends and where a stop string cuts it are known before the first token. */

#include <stdint.h>

#include "base/rng.h"
#include "serve/ask.h"
#include "serve/exposition.h"

struct plan {
    int64_t output_tokens;  /* the end-of-text token included */
    enum finish finish;
    bool ends_silently;     /* the last token is end-of-text and has no words */
    uint64_t text_bytes;    /* the answer's text is cut to as many; UINT64_MAX without a stop string */
    struct rng words;       /* at the first word */
};

/* Appends the token ids of the answer's words, uint32_t each: what a later prompt that repeats them can find cached. */
void plan_ids(const struct plan *p, int vocabulary, struct buf *out);

/* `limit` is the longest output allowed; `number` tells requests apart that are not repeatable. */
struct plan plan_answer(const struct ask *a, uint64_t seed, uint64_t number, int64_t limit);

#endif
