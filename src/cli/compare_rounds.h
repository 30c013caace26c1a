#ifndef LOADLINE_CLI_COMPARE_ROUNDS_H
#define LOADLINE_CLI_COMPARE_ROUNDS_H

/* Two targets in interleaved blocks, A B B A A B …, into one run file. */

#include "cli/compare_options.h"

struct compare_rounds {
    const struct compare_options *options; /* complete */
    const char *const *targets;            /* of COMPARE_SIDES */
    const char *command;                   /* as it may be stored */
};

enum { COMPARE_PATH = 512 };

/* path gets the run file's name, "" when there is none to report on: nothing was loaded then. ERR_INTERRUPTED when the user
 * stopped it. */
int compare_rounds_run(const struct compare_rounds *r, char path[COMPARE_PATH], struct err *e);

#endif
