#ifndef LOADLINE_TESTS_JANSSON_ORACLE_H
#define LOADLINE_TESTS_JANSSON_ORACLE_H

/* What jansson makes of a text; apart from the test because its header and base/json.h share names. */

#include <stdbool.h>

#include "base/buf.h"

enum verdict { REFUSED, ACCEPTED, MAY_DIFFER };

enum verdict jansson_says(struct slice text);

/* Appends the characters of a text that is one string. */
bool jansson_text(struct slice text, struct buf *out);

#endif
