#ifndef LOADLINE_CLI_SWEEP_TELL_H
#define LOADLINE_CLI_SWEEP_TELL_H

/* What a sweep says on standard error: its plan beforehand, each step when it begins, and how long it still takes. */

#include "decide/sweep.h"

enum { SWEEP_LABEL = 32 };

/* Of the sweep and, with n of 2, of the closed loop beside it. */
void sweep_tell_plan(const struct sweep_spec *specs, int n, const char *target);

/* The step that begins; spent and total of all sweeps of the command. */
void sweep_tell(const struct sweep *s, enum level_stage stage, const struct load_point *points,
                size_t n, int64_t spent_ns, int64_t total_ns);

/* What stands in front of the progress line: "climb", "level 2/5". */
void sweep_label(const struct sweep *s, enum level_stage stage, char out[SWEEP_LABEL]);

/* About how long all sweeps of the command still take. Given levels take as long as those before them took, answers that
 * were waited for included. */
double sweep_left_s(const struct sweep *s, int64_t spent_ns, int64_t total_ns);

#endif
