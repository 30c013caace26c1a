#ifndef LOADLINE_BASE_HIST_H
#define LOADLINE_BASE_HIST_H

/* A log-linear histogram of non-negative nanoseconds: exact below 64 ns, then 32 buckets an octave, so
 * a value read back is at most 1/32 (3.2 %) above the one put in, and never below it. For the live
 * line and for lags; figures that are reported as results come from every stored value instead.
 * Fixed size, no allocation; one thread adds, and one other may read at the same time. */

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

enum {
    HIST_SUB_BITS = 5,
    HIST_OCTAVES = 42, /* up to 2^47 ns, 39 hours; larger values land in the last bucket */
    HIST_BUCKETS = (HIST_OCTAVES + 1) << HIST_SUB_BITS,
};

struct hist {
    _Atomic uint32_t count[HIST_BUCKETS];
    _Atomic uint64_t total;
    _Atomic int64_t max_ns;
};

void hist_clear(struct hist *h);
void hist_add(struct hist *h, int64_t value_ns);
void hist_merge(struct hist *into, const struct hist *from);

/* Upper edge of the bucket that holds rank ⌈p·n⌉, at most the largest value; 0 when empty. */
int64_t hist_quantile_ns(const struct hist *h, double p);

/* Bytes for the run file: varint pairs (buckets skipped, count) in bucket order. Decoding adds the
 * counts to h; ERR_INPUT on anything malformed. The maximum comes back as its bucket's upper edge. */
void hist_encode(const struct hist *h, struct buf *out);
int hist_decode(struct hist *h, struct slice in);

#endif
