#ifndef LOADLINE_MEASURE_BOUNDS_H
#define LOADLINE_MEASURE_BOUNDS_H

/* Latency objectives as people write them.
 *   --goodput  "ttft:500ms tpot:50ms"                      per request, every bound must hold
 *   --slo      "p99 ttft < 500ms and p99 tpot < 50ms"      a share of offered requests
 *              "goodput(ttft < 500ms, tpot < 50ms) >= 99%" the share that meets all of them at once
 * Units are required. Errors point at the column. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum { BOUNDS_MAX = 8 };

enum bound_metric { /* what one request has one value of */
    BOUND_TTFT,
    BOUND_TTFT_SERVICE,
    BOUND_TTFA,
    BOUND_TPOT,
    BOUND_E2E,
    BOUND_METRICS,
};
const char *bound_metric_name(enum bound_metric m);

struct bound {
    enum bound_metric metric;
    int64_t limit_ns;  /* a request meets it when its value is < limit */
};

struct bounds {
    struct bound list[BOUNDS_MAX];
    size_t n;
};

struct objective { /* a request is good when it meets all bounds, and a share p of the offered must be good */
    struct bounds bounds;
    double p;          /* 0.99 for p99 */
};

struct objectives {
    struct objective list[BOUNDS_MAX];
    size_t n;
};

/* "p99 ttft < 500 ms", "goodput(ttft < 500 ms, tpot < 50 ms) >= 99 %". Returns out. */
enum { OBJECTIVE_TEXT = 256 };
const char *objective_text(const struct objective *o, char *out, size_t room);

int bounds_parse_goodput(struct slice text, struct bounds *out, struct err *e);
int bounds_parse_slo(struct slice text, struct objectives *out, struct err *e);

#endif
