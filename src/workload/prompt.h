#ifndef LOADLINE_WORKLOAD_PROMPT_H
#define LOADLINE_WORKLOAD_PROMPT_H

/* One request as the workload means it, before any protocol gives it a body. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum prompt_kind {
    PROMPT_TEXT,     /* text: UTF-8 */
    PROMPT_TOKENS,   /* tokens[0..token_count) */
    PROMPT_MESSAGES, /* text: a JSON array of chat messages, as the user wrote it */
};

struct prompt {
    enum prompt_kind kind;
    struct slice text;
    const uint32_t *tokens;
    size_t token_count;
    int64_t input_tokens;  /* length asked for or counted beforehand; 0 unknown */
    int64_t output_tokens; /* length asked for; 0: the server decides */
    bool exact_output;     /* synthetic: ask for min_tokens and ignore_eos, so that exactly output_tokens come */
    int rung;              /* place of output_tokens in the ladder; −1 without one */
    uint64_t source;       /* place in the dataset's file, from 0; the index itself for drawn prompts */
    bool repeated;         /* an item used before in this run */
};

#endif
