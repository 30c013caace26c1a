#ifndef LOADLINE_CLI_SIMSPEC_H
#define LOADLINE_CLI_SIMSPEC_H

/* The text behind "sim:" with the file its key "definitions" names, which the simulator, that does no I/O, cannot read. */

#include "sim/spec.h"

struct simspec {
    struct sim_config config;
    struct definitions *definitions; /* what config may point into */
};

/* ERR_USAGE, ERR_INPUT or ERR_IO with a sentence; *out needs no release then. */
int simspec_open(const char *text, struct simspec *out, struct err *e);
void simspec_release(struct simspec *s);

#endif
