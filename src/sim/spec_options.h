#ifndef LOADLINE_SIM_SPEC_OPTIONS_H
#define LOADLINE_SIM_SPEC_OPTIONS_H

/* The keys behind "?" in a sim: target. */

#include "sim/spec.h"

/* What the engine itself would take: to be called when c->engine is known, before any other key. */
void spec_defaults(struct sim_config *c);

/* Finds the key "engine" first, as the others' defaults depend on it, then reads all. The model, the GPU and tp
 * are in c already. */
int spec_read_options(struct slice query, struct sim_config *c, struct err *e);

/* Takes the text up to the first `c` off the front of *text, and that character with it. */
struct slice spec_take_until(struct slice *text, char c);

#endif
