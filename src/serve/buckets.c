#include "serve/buckets.h"

#include <inttypes.h>

void buckets_add(struct buckets *b, const struct buckets_bounds *bounds, double value)
{
    int i = 0;
    while (i < bounds->n && value > bounds->at[i])
        i++;
    b->count[i]++;
    b->sum += value;
}

void buckets_put(struct buf *out, const char *name, const char *labels, const struct buckets *b,
                 const struct buckets_bounds *bounds)
{
    const char *comma = *labels ? "," : "";
    const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    uint64_t below = 0;
    for (int i = 0; i < bounds->n; i++) {
        below += b->count[i];
        buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, labels, comma,
                   bounds->at[i], below);
    }
    below += b->count[bounds->n];
    buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma, below);
    buf_printf(out, "%s_sum%s%s%s %.9g\n", name, open, labels, close, b->sum);
    buf_printf(out, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, below);
}
