#include "stats/holm.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

struct placed {
    double p;
    size_t place;
};

static int by_p(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    return (x->p > y->p) - (x->p < y->p);
}

void holm_adjust(const double *p, size_t m, double *out)
{
    struct placed *sorted = MEM_ARRAY(struct placed, m + 1);
    for (size_t i = 0; i < m; i++)
        sorted[i] = (struct placed){p[i], i};
    qsort(sorted, m, sizeof *sorted, by_p);
    double least = 0;
    for (size_t i = 0; i < m; i++) {
        least = fmin(1, fmax(least, (double)(m - i) * sorted[i].p));
        out[sorted[i].place] = least;
    }
    free(sorted);
}
