/* Both grammars of latency bounds: whatever is accepted is sane, whatever is refused says why. */

#include "measure/bounds.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int rc, const struct bounds *b, const struct err *e)
{
    if (rc != OK && (rc != ERR_USAGE || e->text[0] != '-'))
        abort();
    if (rc == OK && (b->n < 1 || b->n > BOUNDS_MAX))
        abort();
    for (size_t i = 0; rc == OK && i < b->n; i++)
        if (b->list[i].limit_ns <= 0 || !(b->list[i].p > 0 && b->list[i].p <= 1))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make((const char *)data, size);
    struct bounds b;
    struct err e = {0};
    check(bounds_parse_goodput(text, &b, &e), &b, &e);
    check(bounds_parse_slo(text, &b, &e), &b, &e);
    return 0;
}
