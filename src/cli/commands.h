#ifndef LOADLINE_CLI_COMMANDS_H
#define LOADLINE_CLI_COMMANDS_H

/* One row per command; main dispatches by it, help and completion list it. */

#include <stddef.h>

#include "cli/options.h"

struct command {
    const char *name, *operands, *what;
    int (*run)(int argc, char **argv); /* arguments behind the command's name; returns the exit code */
    const struct option_set *options; /* NULL: none */
    const char *examples;
};

extern const struct command COMMANDS[];
const struct command *command_find(const char *name);
const char *command_name_at(const void *context, size_t i); /* for options_nearest */

/* Usage, what it does, options and examples of one command. */
void command_help(const struct command *c);

int cmd_run(int argc, char **argv);
int cmd_sweep(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_sim(int argc, char **argv);
int cmd_sim_offline(int argc, char **argv); /* sim with --offline among its arguments: as run */
int cmd_compare(int argc, char **argv);
int cmd_calibrate(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_completion(int argc, char **argv);
int cmd_help(int argc, char **argv);

extern const struct option_set SWEEP_OPTIONS, COMPARE_OPTIONS, PLAN_OPTIONS, SIM_OPTIONS, CALIBRATE_OPTIONS,
    REPORT_OPTIONS;

#endif
