/* Any bytes as token gaps: they decode or are refused, and what decodes goes back in and out the
 * same. */

#include <stdlib.h>

#include "record/gaps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct gap *g)
{
    struct buf b = {0};
    struct gap back;
    gaps_put(&b, g);
    struct slice in = buf_slice(&b);
    if (gaps_take(&in, &back) != OK || in.n != 0 || back.gap_ns != g->gap_ns ||
        back.width_ns != g->width_ns || back.tokens != g->tokens)
        abort();
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_make((const char *)data, size);
    struct gap g;
    while (in.n > 0 && gaps_take(&in, &g) == OK) {
        if (g.gap_ns < 0 || g.width_ns < 0)
            abort();
        check_round_trip(&g);
    }
    return 0;
}
