#ifndef LOADLINE_SERVE_EXPOSITION_H
#define LOADLINE_SERVE_EXPOSITION_H

/* What /metrics shows: the Prometheus text format with vLLM's metric names. */

#include <stdint.h>

#include "base/buf.h"
#include "serve/buckets.h"
#include "sim/engine.h"

enum finish { FINISH_STOP, FINISH_LENGTH, FINISH_ABORT, FINISH_REASONS };

const char *finish_name(enum finish f);

/* Histograms. Where nothing else is said: with the last token of a request that was not cut short. */
enum exposition_of {
    EXPOSITION_FIRST_TOKEN,      /* s from the arrival; with the first token */
    EXPOSITION_BETWEEN_TOKENS,   /* s; with each message of tokens behind the first */
    EXPOSITION_PER_OUTPUT_TOKEN, /* s, the mean of the tokens behind the first, where there are any */
    EXPOSITION_WHOLE,            /* s from the arrival to the last token, in three parts: */
    EXPOSITION_QUEUE,            /* until it was first admitted, */
    EXPOSITION_PREFILL,          /* to the first token, */
    EXPOSITION_DECODE,           /* to the last */
    EXPOSITION_STEP_TOKENS,      /* of a step that gave out any: those, and prompts whose first token was among them */
    EXPOSITION_HISTOGRAMS,
};

struct exposition { /* what the server counts for one replica, besides the engine's own counts */
    uint64_t finished[FINISH_REASONS];
    uint64_t prompt_tokens; /* of requests that got their first token */
    struct buckets of[EXPOSITION_HISTOGRAMS];
};

void exposition_add(struct exposition *x, enum exposition_of what, double value);
void exposition_add_ns(struct exposition *x, enum exposition_of what, int64_t ns);

/* One page over all replicas, each with its own "engine" label. */
void exposition_page(struct buf *out, const char *model, const struct exposition *const *counted,
                     const struct engine_counts *engines, int replicas);

#endif
