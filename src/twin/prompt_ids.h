#ifndef LOADLINE_TWIN_PROMPT_IDS_H
#define LOADLINE_TWIN_PROMPT_IDS_H

/* A prompt's token ids, as the served engine would make them of the request's body. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "workload/prompt.h"

/* Appends uint32_t each and returns how many; −1 for messages that the engine refuses, such as one that holds a picture.
 * A text for a chat is its only message. *hash is that of the prompt's bytes, from which the answer follows. */
int64_t prompt_ids(const struct prompt *p, bool chat, int vocabulary, struct buf *out,
                   uint64_t *hash);

#endif
