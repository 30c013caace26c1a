#ifndef LOADLINE_SIM_DEFINITIONS_H
#define LOADLINE_SIM_DEFINITIONS_H

/* Models and GPUs of the user's own, from a JSON text:
 *
 *     {"models": [{"name": "mine", "params_b": 8, "layers": 32, "hidden": 4096, …}],
 *      "gpus":   [{"name": "next", "like": "b200", "memory_gib": 288, "bandwidth_tb_s": 8}]}
 *
 * "like" names a known one (or one above in the same text) to take everything else from. Pure; the caller reads
 * the file. docs/engine.md has the fields. */

#include "base/err.h"
#include "base/slice.h"
#include "sim/catalog.h"

struct definitions;

/* ERR_INPUT with a sentence that names the field; *out is set only on OK. */
int definitions_parse(struct slice text, struct definitions **out, struct err *e);
void definitions_free(struct definitions *d);

/* By name, upper or lower case; NULL when unknown, or when d is NULL. */
const struct sim_model *definitions_model(const struct definitions *d, struct slice name);
const struct sim_gpu *definitions_gpu(const struct definitions *d, struct slice name);

#endif
