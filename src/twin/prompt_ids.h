#ifndef LOADLINE_TWIN_PROMPT_IDS_H
#define LOADLINE_TWIN_PROMPT_IDS_H

/* A prompt's token ids, as the served engine would make them of its text. */

#include "base/buf.h"
#include "workload/prompt.h"

/* Appends uint32_t each; returns how many. */
int64_t prompt_ids(const struct prompt *p, int vocabulary, struct buf *out);

#endif
