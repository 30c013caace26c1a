#ifndef LOADLINE_SERVE_GENERATION_H
#define LOADLINE_SERVE_GENERATION_H

/* One answer in the making: a request inside an engine, whose tokens go to a client. Ends by its last
 * token, by generation_abort, or by generation_free when the client has gone. */

#include <stdbool.h>
#include <stdint.h>

#include "serve/ask.h"
#include "serve/client.h"
#include "sim/engine.h"

struct generation;

/* Plans the answer and queues it, taking the ask's token ids; a stream's head goes out at once. ERR_INPUT with the reason when prompt
 * and output do not fit the context (fault->param names the field). */
int generation_begin(struct client *c, struct ask *a, bool chat, struct ask_fault *fault);

/* Tokens of the generation's request, that leave together. */
void generation_token(struct generation *g, const struct engine_token *t, int64_t now_ns);

/* How many tokens of their step they stand for: with the first goes its prompt. */
int64_t generation_step_tokens(const struct generation *g, const struct engine_token *t);

/* The server ends: tells the client. */
void generation_abort(struct generation *g);

/* Takes it out of the engine and forgets it. */
void generation_free(struct generation *g);

#endif
