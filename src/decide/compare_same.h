#ifndef LOADLINE_DECIDE_COMPARE_SAME_H
#define LOADLINE_DECIDE_COMPARE_SAME_H

/* Was the same asked of both? What differs besides the servers themselves, in words. */

#include "decide/compare.h"

/* Appends what differs between the loads of two runs, parts joined by "; ": model, prompts, arrivals, length, form of the
 * requests. Returns how many parts. */
size_t compare_load_differences(const struct run_record *a, const struct run_record *b, struct buf *out);

/* The same of the lengths that came: tokens in and out of a request, when they differ by more than 1 %. Where the seeds differ
 * lengths are drawn anew, so what was got is compared with what was asked for, or, unknown, held to 10 %. */
size_t compare_length_differences(const struct comparison *c, struct buf *out);

#endif
