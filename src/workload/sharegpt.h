#ifndef LOADLINE_WORKLOAD_SHAREGPT_H
#define LOADLINE_WORKLOAD_SHAREGPT_H

/* The ShareGPT dataset: a JSON array of {"conversations": [{"value": "…"}, …]}. The first turn is the
 * prompt, the second one's tokens are the output length. Taken and left out by the rules of vLLM's
 * benchmark (benchmarks/datasets, is_valid_sequence), so that figures compare. */

#include "base/err.h"
#include "base/slice.h"
#include "workload/items.h"
#include "workload/workload.h"

struct sharegpt_spec {
    const char *name;   /* of the file, for messages */
    uint64_t seed;
    bool shuffle;
    int64_t output_len; /* > 0: instead of the second turn's tokens */
    size_t wanted;      /* conversations to keep at most; only as many are tokenised as that takes */
};

/* Fills out (zeroed by the caller, who releases it on failure as well). counter may be NULL: estimates. */
int sharegpt_parse(struct slice text, const struct sharegpt_spec *spec,
                   const struct token_counter *counter, struct items *out, struct err *e);

#endif
