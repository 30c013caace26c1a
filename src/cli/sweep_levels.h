#ifndef LOADLINE_CLI_SWEEP_LEVELS_H
#define LOADLINE_CLI_SWEEP_LEVELS_H

/* The levels of a sweep as people write them. Errors point at the column. */

#include "decide/sweep.h"

/* "2,4,8", "1:16:5" (five from 1 to 16 in equal ratios), "auto": fills given and given_count, ascending. */
int sweep_levels_rates(const char *text, struct sweep_spec *spec, struct err *e);

/* "1,2,4,8", "1:64:7", and "auto" or "1:1.2xMAX": from one user to a fifth more than the server has use for. */
int sweep_levels_users(const char *text, struct sweep_spec *spec, struct err *e);

#endif
