#include "stats/isotonic.h"

#include <stdlib.h>

#include "base/mem.h"

struct pool { /* of neighbours that share one value */
    double value, weight;
    size_t count;
};

static bool in_order(const struct pool *a, const struct pool *b, bool rising)
{
    return rising ? a->value <= b->value : a->value >= b->value;
}

static void merge(struct pool *into, const struct pool *next)
{
    double weight = into->weight + next->weight;
    into->value += (next->value - into->value) * (next->weight / weight);
    into->weight = weight;
    into->count += next->count;
}

void isotonic_fit(const double *y, const double *w, size_t n, bool rising, double *out)
{
    struct pool *pools = MEM_ARRAY(struct pool, n + 1);
    size_t top = 0; /* pools so far; each is in order with the one before */
    for (size_t i = 0; i < n; i++) {
        pools[top++] = (struct pool){y[i], w ? w[i] : 1, 1};
        while (top > 1 && !in_order(&pools[top - 2], &pools[top - 1], rising)) {
            merge(&pools[top - 2], &pools[top - 1]);
            top--;
        }
    }
    for (size_t k = 0, i = 0; k < top; k++)
        for (size_t j = 0; j < pools[k].count; j++)
            out[i++] = pools[k].value;
    free(pools);
}
