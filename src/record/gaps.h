#ifndef LOADLINE_RECORD_GAPS_H
#define LOADLINE_RECORD_GAPS_H

/* Token events of one request, packed. For each event in order: varint(gap << 2 | many << 1 | censored),
 * then varint(tokens) if many (tokens ≠ 1), then varint(width) if censored. gap: ns since the event before
 * (0 for the first, whose time is the request's first_token_ns). A censored event arrived within
 * (stamp − width, stamp]; its gap is counted to the stamp. A typical event takes four bytes. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/varint.h"

struct gap {
    int64_t gap_ns;    /* ≥ 0 */
    int64_t width_ns;  /* > 0 when censored, else 0 */
    uint64_t tokens;   /* generated tokens the event carried; may be 0 */
};

static inline int gaps_put(struct buf *out, const struct gap *g)
{
    char bytes[3 * VARINT_MAX_BYTES];
    uint64_t gap = g->gap_ns > 0 ? (uint64_t)g->gap_ns : 0;
    size_t n = varint_write(bytes, gap << 2 | (uint64_t)(g->tokens != 1) << 1 |
                                       (uint64_t)(g->width_ns > 0));
    if (g->tokens != 1)
        n += varint_write(bytes + n, g->tokens);
    if (g->width_ns > 0)
        n += varint_write(bytes + n, (uint64_t)g->width_ns);
    return buf_append(out, bytes, n);
}

/* Takes one event off the front of in. ERR_INPUT on malformed bytes. */
static inline int gaps_take(struct slice *in, struct gap *g)
{
    uint64_t head, tokens = 1, width = 0;
    if (varint_take(in, &head) < 0)
        return ERR_INPUT;
    if ((head & 2) && varint_take(in, &tokens) < 0)
        return ERR_INPUT;
    if ((head & 1) && varint_take(in, &width) < 0)
        return ERR_INPUT;
    if (width > INT64_MAX)
        return ERR_INPUT;
    *g = (struct gap){(int64_t)(head >> 2), (int64_t)width, tokens};
    return OK;
}

#endif
