#ifndef LOADLINE_SERVE_BUCKETS_H
#define LOADLINE_SERVE_BUCKETS_H

/* A histogram as Prometheus knows it: values counted below fixed bounds, and their sum. */

#include <stdint.h>

#include "base/buf.h"

enum { BUCKETS_MAX = 22 };

struct buckets_bounds { /* upper bounds, rising */
    int n;
    double at[BUCKETS_MAX];
};

struct buckets {                     /* zeros at first; one set of bounds for all its life */
    uint64_t count[BUCKETS_MAX + 1]; /* of each alone; behind the last bound, what lies above all */
    double sum;
};

void buckets_add(struct buckets *b, const struct buckets_bounds *bounds, double value);

/* Lines NAME_bucket, NAME_sum and NAME_count of the text format. labels: "a=\"b\",c=\"d\"", or ""
 * for none. */
void buckets_put(struct buf *out, const char *name, const char *labels, const struct buckets *b,
                 const struct buckets_bounds *bounds);

#endif
