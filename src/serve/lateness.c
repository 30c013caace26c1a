#include "serve/lateness.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/units.h"

static const struct buckets_bounds bounds_s = {
    .n = 15,
    .at = {1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 1}};

static void add(struct lateness_of *x, int64_t ns)
{
    buckets_add(&x->buckets, &bounds_s, (double)ns / (double)NS_PER_S);
    hist_add(&x->hist, ns);
}

void lateness_add(struct lateness *l, int64_t late_ns, int64_t width_ns, uint32_t sends)
{
    add(&l->first_write, late_ns);
    add(&l->width, width_ns);
    l->bursts++;
    l->sends += sends;
}

static void put(struct buf *out, const char *name, const char *help, const struct lateness_of *x)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
    buckets_put(out, name, "", &x->buckets, &bounds_s);
}

void lateness_page(struct buf *out, const struct lateness *l)
{
    put(out, "loadline_sim_burst_lateness_seconds", "From a step's due time to its first send.",
        &l->first_write);
    put(out, "loadline_sim_burst_width_seconds", "From a step's first send to its last.",
        &l->width);
}

const char *lateness_line(const struct lateness *l, char *out, size_t out_bytes)
{
    static const double quantiles[] = {0.5, 0.99, 1};
    char late[3][24], width[3][24];
    for (int i = 0; i < 3; i++) {
        units_format_ns(hist_quantile_ns(&l->first_write.hist, quantiles[i]), late[i], 24);
        units_format_ns(hist_quantile_ns(&l->width.hist, quantiles[i]), width[i], 24);
    }
    snprintf(out, out_bytes,
             "%" PRIu64 " sends in %" PRIu64 " bursts; first send after its due time: p50 %s, p99 "
             "%s, max %s; width of a burst: p50 %s, p99 %s, max %s",
             l->sends, l->bursts, late[0], late[1], late[2], width[0], width[1], width[2]);
    return out;
}
