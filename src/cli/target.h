#ifndef LOADLINE_CLI_TARGET_H
#define LOADLINE_CLI_TARGET_H

/* TARGET on the command line → something requests can be sent to. */

#include <stdbool.h>

#include "cli/child.h"
#include "net/exchange.h"

struct target {
    const char *text;         /* as given */
    bool sim;
    struct child child;
    struct endpoint endpoint;
    bool open;
};

/* Starts the engine of a sim: target, resolves others. A trailing "/v1" of a URL is taken as part of the paths. Engines
 * that are compared have one seed and each a noise_seed of its own, unless the text gives one; 0 for a single one. Call
 * before any thread exists. target_close stops the engine. */
int target_open(const char *text, uint64_t seed, unsigned noise_seed, const struct tls_options *tls,
                struct target *out, struct err *e);
void target_close(struct target *t);

/* Checks the form of the text alone, without touching anything. */
int target_check(const char *text, struct err *e);

#endif
