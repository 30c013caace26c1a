#ifndef LOADLINE_SERVE_LATENESS_H
#define LOADLINE_SERVE_LATENESS_H

/* How well the server kept its times: of every step that sent anything, how long after its due time the first send of its
 * burst began (lateness), and from there to the end of the last (width). */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hist.h"
#include "serve/buckets.h"

struct lateness_of { /* one of the two */
    struct hist hist;
    struct buckets buckets; /* seconds, as /metrics shows them */
};

struct lateness {
    struct lateness_of first_write, width;
    uint64_t bursts, sends;
};

void lateness_add(struct lateness *l, int64_t late_ns, int64_t width_ns, uint32_t sends);

/* Two histograms in the Prometheus text format. */
void lateness_page(struct buf *out, const struct lateness *l);

/* "12 sends in 3 bursts; …" for people. Returns out. */
const char *lateness_line(const struct lateness *l, char *out, size_t out_bytes);

#endif
