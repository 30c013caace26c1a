#ifndef LOADLINE_CLI_TERM_H
#define LOADLINE_CLI_TERM_H

/* What the terminal can do, and lines to the user. Messages go to standard error. */

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

struct term {
    bool tty;         /* the stream is a terminal */
    bool color;       /* … and NO_COLOR is not set and TERM is not dumb */
    unsigned columns; /* 80 when unknown; at least 40 */
};
struct term term_of(FILE *stream);

/* "loadline: …" on standard error. */
void term_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The exit code that goes with an error code. */
int term_exit_code(int err_code);

/* Prints the error and returns its exit code. */
int term_fail(const struct err *e);

#endif
