#ifndef LOADLINE_SERVE_EXPOSITION_H
#define LOADLINE_SERVE_EXPOSITION_H

/* What /metrics shows: the Prometheus text format with vLLM's metric names. */

#include <stdint.h>

#include "base/buf.h"
#include "sim/engine.h"

enum { EXPOSITION_TTFT_BOUNDS = 22 };

enum finish { FINISH_STOP, FINISH_LENGTH, FINISH_ABORT, FINISH_REASONS };

const char *finish_name(enum finish f);

struct exposition { /* what the server counts for one replica, besides the engine's own counts */
    uint64_t finished[FINISH_REASONS];
    uint64_t prompt_tokens;                      /* of requests that got their first token */
    uint64_t ttft_count[EXPOSITION_TTFT_BOUNDS + 1]; /* per bucket, the last above every bound */
    double ttft_sum_s;
};

void exposition_first_token(struct exposition *x, int64_t prompt_tokens, int64_t ttft_ns);

/* One page over all replicas, each with its own "engine" label. */
void exposition_page(struct buf *out, const char *model, const struct exposition *const *counted,
                     const struct engine_counts *engines, int replicas);

#endif
