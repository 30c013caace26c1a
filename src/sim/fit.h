#ifndef LOADLINE_SIM_FIT_H
#define LOADLINE_SIM_FIT_H

/* What a GPU's memory leaves for the KV cache, after vLLM: a share of it is used, weights and what a running
 * server keeps for itself go first. */

#include "sim/spec.h"

/* Tokens the cache of one replica holds; less than one when the weights do not fit. */
double fit_cache_tokens(const struct sim_config *c);

/* OK, or ERR_USAGE with the arithmetic and what to try. */
int fit_check(const struct sim_config *c, struct err *e);

#endif
