#ifndef LOADLINE_WORKLOAD_CUSTOM_H
#define LOADLINE_WORKLOAD_CUSTOM_H

/* The custom dataset: JSON Lines, one object a line:
 *     {"prompt": "…" | "messages": […], "output_tokens": 128, "at_ms": 20.5}
 * output_tokens and at_ms are optional; at_ms is on all lines or on none and never falls. Blank lines and other
 * keys are passed over. Every complaint says NAME:LINE. Lengths are estimated, never counted. */

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "workload/items.h"

/* Fills out (zeroed by the caller, who releases it on failure as well). With chat, messages are allowed. */
int custom_parse(struct slice text, const char *name, bool chat, struct items *out, struct err *e);

#endif
