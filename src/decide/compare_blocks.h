#ifndef LOADLINE_DECIDE_COMPARE_BLOCKS_H
#define LOADLINE_DECIDE_COMPARE_BLOCKS_H

/* Blocks one by one into a comparison: their values, what they were, and what their checks say. */

#include "decide/compare.h"

enum { COMPARE_MAX_TALLIES = SUMMARY_MAX_CHECKS };

struct compare_tally { /* of one check: blocks in which it failed */
    const char *id;
    size_t invalid[COMPARE_SIDES], provisional[COMPARE_SIDES];
};

struct compare_blocks { /* zero-initialise */
    struct compare_tally tally[COMPARE_MAX_TALLIES];
    size_t tally_count;
    size_t n[COMPARE_SIDES];
    uint64_t fewest;      /* requests in the latency sample of a block; UINT64_MAX before the first */
    struct { double got_in, got_out, asked_in, asked_out, per_event, cached; } sum[COMPARE_SIDES];
    uint64_t got[COMPARE_SIDES], asked[COMPARE_SIDES], streams[COMPARE_SIDES], told[COMPARE_SIDES];
};

/* Block `at` (from 0) of a side. */
void compare_blocks_take(struct compare_blocks *b, struct comparison *c, enum compare_side side, size_t at,
                 const struct summary *s);

/* Means of the sides; what the checks say about the comparison becomes flaws. An INVALID check counts when a compared metric
 * rests on what it judges: any that says that requests are missing, and one that says that we were late when it failed in more
 * than a tenth of the blocks, since our lateness falls on both sides alike. */
void compare_blocks_end(struct compare_blocks *b, struct comparison *c);

#endif
