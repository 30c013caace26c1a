#ifndef LOADLINE_WORKLOAD_WORDS_H
#define LOADLINE_WORKLOAD_WORDS_H

/* Plain words whose number is their number of tokens, nearly, at any server: what drawn prompts are made of. */

#include <stddef.h>

#include "base/rng.h"
#include "base/slice.h"

enum { WORDS_MAX_BYTES = 8 };

size_t words_count(void);
struct slice words_at(size_t i); /* i < words_count() */

/* Writes `words` drawn words with single blanks between them to out, which has room for
 * words · (WORDS_MAX_BYTES + 1) bytes. Returns the bytes written; no NUL. */
size_t words_put(struct rng *r, size_t words, char *out);

#endif
