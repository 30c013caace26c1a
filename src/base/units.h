#ifndef LOADLINE_BASE_UNITS_H
#define LOADLINE_BASE_UNITS_H

/* Numbers as people write them, and back. Parsers take the whole text or fail with a sentence that
 * says what was wrong with it; `what` names the option or field for that sentence. */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

/* "500ms", "1.5s", "2m", "1h", "250us", "80ns" → nanoseconds. A bare number is refused: it needs a unit
 * (0 alone is allowed). Negative is refused. */
int units_duration_ns(struct slice text, const char *what, int64_t *out, struct err *e);

/* A finite decimal number within [low, high]. "inf" is accepted when high is INFINITY. */
int units_number(struct slice text, const char *what, double low, double high, double *out,
                 struct err *e);

/* A whole number within [low, high]; "10k" and "2M" are accepted as thousands and millions. */
int units_count(struct slice text, const char *what, int64_t low, int64_t high, int64_t *out,
                struct err *e);

/* "350 us", "12.3 ms", "4.56 s", "3m 20s": four significant characters, the fitting unit. out ≥ 24 bytes.
 * Returns out. */
const char *units_format_ns(int64_t ns, char *out, unsigned long out_bytes);

/* "950", "12.3k", "4.56M". */
const char *units_format_count(double x, char *out, unsigned long out_bytes);

#endif
