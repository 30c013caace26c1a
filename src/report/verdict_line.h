#ifndef LOADLINE_REPORT_VERDICT_LINE_H
#define LOADLINE_REPORT_VERDICT_LINE_H

/* The first thing a reader sees: the verdict, and in one short sentence why. */

#include "measure/summary.h"
#include "report/layout.h"

void verdict_line(struct layout *l, const struct summary *s);

const char *verdict_line_word(enum verdict v);            /* "VALID", … */
enum layout_tone verdict_line_tone(enum verdict v);
const char *verdict_line_check(const struct check *c);    /* "INVALID", "PROVISIONAL", "NOTE", "pass", "skipped" */

#endif
