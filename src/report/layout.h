#ifndef LOADLINE_REPORT_LAYOUT_H
#define LOADLINE_REPORT_LAYOUT_H

/* Text for a terminal of so many columns: labels with values that wrap under themselves, right-aligned cells, numbers
 * at a readable precision. Widths count code points. Text from a server or a file is made harmless: control characters
 * and broken UTF-8 become '?'. */

#include <stdbool.h>

#include "base/buf.h"

enum layout_tone { TONE_PLAIN, TONE_DIM, TONE_BOLD, TONE_GOOD, TONE_WARN, TONE_BAD };

struct layout {
    struct buf *out;
    unsigned columns; /* ≥ LAYOUT_MIN_COLUMNS */
    bool color;
};

/* Between the parts of a line; dropped where a line ends. A hard blank prints as a blank and is never a line's end. */
#define LAYOUT_SEPARATOR  "·"
#define LAYOUT_HARD_BLANK "\xc2\xa0"

enum { LAYOUT_MIN_COLUMNS = 60, LAYOUT_LABEL = 13, LAYOUT_NUMBER = 24 };

size_t layout_width(struct slice text);

/* Appends text in a tone. No wrapping. */
void layout_put(struct layout *l, enum layout_tone tone, const char *text);

/* A label of LAYOUT_LABEL columns, dim, behind `indent` blanks, and the formatted text, wrapped at blanks under its own
 * beginning. An empty label continues the field above. */
void layout_field(struct layout *l, unsigned indent, const char *label, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Text wrapped between `indent` and the right edge; `used` columns of the first line are taken already. */
void layout_wrap(struct layout *l, enum layout_tone tone, unsigned indent, unsigned used,
                 const char *text);

/* A blank line and a heading, bold. */
void layout_heading(struct layout *l, const char *text);

void layout_newline(struct layout *l);

/* Right-aligned within width columns (at least one blank in front). */
void layout_cell(struct layout *l, enum layout_tone tone, unsigned width, const char *text);

/* Numbers. Each returns out, of LAYOUT_NUMBER bytes; "-" for NAN. */
const char *layout_ms(double ms, char *out);    /* 0.123 1.23 12.3 123 1,234 */
const char *layout_rate(double x, char *out);   /* likewise: three significant digits or all of them before the point */
const char *layout_count(double x, char *out);  /* whole, with separators: 12,345 */
const char *layout_percent(double share, char *out); /* 0.0123 → "1.23 %", 0.000123 → "0.01 %" */

#endif
