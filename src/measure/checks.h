#ifndef LOADLINE_MEASURE_CHECKS_H
#define LOADLINE_MEASURE_CHECKS_H

/* The single checks in groups, each adding its rows to s->checks in the order of the report. */

#include <math.h>
#include <stdio.h>

#include "measure/verdict.h"

void checks_of_run(struct summary *s, const struct evidence *v);        /* did the run do what was asked */
void checks_of_claims(struct summary *s, const struct evidence *v);     /* how far beyond this run it speaks */
void checks_of_server(struct summary *s, const struct evidence *v);     /* what the server's state allows to claim */
void checks_of_instrument(struct summary *s, const struct evidence *v); /* did we measure well */

/* Adds a row. The advice is kept for a failure only. value_format and the rest print the value. */
void check_put(struct summary *s, const char *id, enum severity severity, enum check_status status,
               const char *threshold, const char *advice, const char *value_format, ...)
    __attribute__((format(printf, 7, 8)));

/* Three significant digits, and all of them before the point; returns out. */
enum { CHECK_NUMBER = 32 };
static inline const char *check_number(double x, char *out)
{
    snprintf(out, CHECK_NUMBER, fabs(x) >= 999.5 && fabs(x) < 1e15 ? "%.0f" : "%.3g", x);
    return out;
}

static inline enum check_status check_when(bool failed)
{
    return failed ? CHECK_FAIL : CHECK_PASS;
}

/* For a value that grows worse: INVALID from beyond `wrong` on. */
static inline enum severity check_grade(double value, double wrong)
{
    return value > wrong ? SEVERITY_INVALID : SEVERITY_PROVISIONAL;
}

static inline bool mode_is(const struct summary *s, const char *mode)
{
    return strcmp(s->run.mode, mode) == 0;
}

#endif
