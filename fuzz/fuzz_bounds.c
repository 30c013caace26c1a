/* Both grammars of latency bounds: whatever is accepted is sane, whatever is refused says why. */

#include "measure/bounds.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(int rc, const struct err *e)
{
    if (rc != OK && (rc != ERR_USAGE || e->text[0] != '-'))
        abort();
}

static void check_bounds(const struct bounds *b)
{
    if (b->n < 1 || b->n > BOUNDS_MAX)
        abort();
    for (size_t i = 0; i < b->n; i++)
        if (b->list[i].limit_ns <= 0)
            abort();
}

static void check_objectives(const struct objectives *o)
{
    char text[OBJECTIVE_TEXT];
    if (o->n < 1 || o->n > BOUNDS_MAX)
        abort();
    for (size_t i = 0; i < o->n; i++) {
        check_bounds(&o->list[i].bounds);
        if (!(o->list[i].p > 0 && o->list[i].p < 1) ||
            objective_text(&o->list[i], text, sizeof text)[0] == '\0')
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make((const char *)data, size);
    struct bounds b;
    struct objectives o;
    struct err e = {0};
    int rc = bounds_parse_goodput(text, &b, &e);
    check_refusal(rc, &e);
    if (rc == OK)
        check_bounds(&b);
    rc = bounds_parse_slo(text, &o, &e);
    check_refusal(rc, &e);
    if (rc == OK)
        check_objectives(&o);
    return 0;
}
