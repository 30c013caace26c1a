#ifndef LOADLINE_CLI_DEMAND_H
#define LOADLINE_CLI_DEMAND_H

/* A demand as people write it. Errors name the option and say what to write. */

#include "cli/options.h"
#include "decide/capacity.h"

enum { DEMAND_MAX_RATES = 32 };

/* "10,20,50", given once or several times: requests per second, ascending, each once. */
int demand_rates(const struct option_list *texts, double out[DEMAND_MAX_RATES], size_t *n,
                 struct err *e);

/* "20%" → 0.2; from 0 to 1000 %. */
int demand_percent(const char *text, const char *what, double *out, struct err *e);

/* "5%/min": a share a second (s), minute (min) or hour (h). */
int demand_growth(const char *text, const char *what, struct capacity_growth *out, struct err *e);

#endif
