#include "base/hist.h"

#include <math.h>

#include "base/varint.h"

enum { SUB = 1 << HIST_SUB_BITS };

static unsigned bucket_of(int64_t value_ns)
{
    uint64_t v = value_ns > 0 ? (uint64_t)value_ns : 0;
    if (v < 2 * SUB)
        return (unsigned)v;
    unsigned top = 63u - (unsigned)__builtin_clzll(v);
    unsigned octave = top - HIST_SUB_BITS; /* ≥ 1 */
    unsigned bucket = (octave << HIST_SUB_BITS) + (unsigned)(v >> octave);
    return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

static int64_t upper_edge_ns(unsigned bucket)
{
    if (bucket < 2 * SUB)
        return bucket;
    unsigned octave = (bucket >> HIST_SUB_BITS) - 1;
    uint64_t mantissa = (bucket & (SUB - 1)) + SUB;
    return (int64_t)(((mantissa + 1) << octave) - 1);
}

void hist_clear(struct hist *h)
{
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        atomic_store_explicit(&h->count[i], 0, memory_order_relaxed);
    atomic_store_explicit(&h->total, 0, memory_order_relaxed);
    atomic_store_explicit(&h->max_ns, 0, memory_order_relaxed);
}

/* One writer, so a load and a store make an increment: no locked instruction on the hot path. */
static void bump(struct hist *h, unsigned bucket, uint32_t by)
{
    uint32_t c = atomic_load_explicit(&h->count[bucket], memory_order_relaxed);
    atomic_store_explicit(&h->count[bucket], c + by, memory_order_relaxed);
    uint64_t t = atomic_load_explicit(&h->total, memory_order_relaxed);
    atomic_store_explicit(&h->total, t + by, memory_order_relaxed);
}

static void raise_max(struct hist *h, int64_t value_ns)
{
    if (value_ns > atomic_load_explicit(&h->max_ns, memory_order_relaxed))
        atomic_store_explicit(&h->max_ns, value_ns, memory_order_relaxed);
}

void hist_add(struct hist *h, int64_t value_ns)
{
    bump(h, bucket_of(value_ns), 1);
    raise_max(h, value_ns);
}

void hist_merge(struct hist *into, const struct hist *from)
{
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        uint32_t c = atomic_load_explicit(&from->count[i], memory_order_relaxed);
        if (c > 0)
            bump(into, i, c);
    }
    raise_max(into, atomic_load_explicit(&from->max_ns, memory_order_relaxed));
}

int64_t hist_quantile_ns(const struct hist *h, double p)
{
    uint64_t total = atomic_load_explicit(&h->total, memory_order_relaxed);
    uint64_t rank = (uint64_t)ceil(p * (double)total);
    uint64_t seen = 0;
    int64_t max = atomic_load_explicit(&h->max_ns, memory_order_relaxed);
    if (total == 0)
        return 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += atomic_load_explicit(&h->count[i], memory_order_relaxed);
        if (seen >= rank && seen > 0) {
            int64_t edge = upper_edge_ns(i);
            return edge < max && i < HIST_BUCKETS - 1 ? edge : max;
        }
    }
    return max;
}

void hist_encode(const struct hist *h, struct buf *out)
{
    unsigned next = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        uint32_t c = atomic_load_explicit(&h->count[i], memory_order_relaxed);
        if (c == 0)
            continue;
        varint_put(out, i - next);
        varint_put(out, c);
        next = i + 1;
    }
}

/* Takes the next pair; *at goes from the bucket after the last one to the bucket the pair names. */
static int take_pair(struct slice *in, uint64_t *at, uint64_t *count)
{
    uint64_t skip;
    if (varint_take(in, &skip) < 0 || varint_take(in, count) < 0)
        return ERR_INPUT;
    if (skip >= HIST_BUCKETS || *at + skip >= HIST_BUCKETS || *count > UINT32_MAX)
        return ERR_INPUT;
    *at += skip;
    return OK;
}

int hist_decode(struct hist *h, struct slice in)
{
    uint64_t at = 0, count;
    for (struct slice look = in; look.n > 0; at++) /* all of it, before h is touched */
        if (take_pair(&look, &at, &count) < 0)
            return ERR_INPUT;
    for (at = 0; in.n > 0 && take_pair(&in, &at, &count) == OK; at++) {
        bump(h, (unsigned)at, (uint32_t)count);
        raise_max(h, upper_edge_ns((unsigned)at));
    }
    return OK;
}
