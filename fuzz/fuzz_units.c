/* Numbers with units: what is taken lies in its range, what is not leaves a sentence. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int rc, bool in_range, const struct err *e)
{
    if (rc == OK ? !in_range : (rc != ERR_USAGE || e->code != ERR_USAGE || !e->text[0]))
        BUG("out of range, or refused without a word");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_make((const char *)data, size);
    struct err e = {0};
    char out[24];
    int64_t i = 0;
    double d = 0;
    check(units_duration_ns(in, "x", &i, &e), i >= 0, &e);
    units_format_ns(i, out, sizeof out);
    check(units_number(in, "x", -5, INFINITY, &d, &e), d >= -5, &e);
    units_format_count(d, out, sizeof out);
    check(units_count(in, "x", -10, 1000, &i, &e), true, &e);
    if (units_count(in, "x", -10, 1000, &i, &e) == OK && (i < -10 || i > 1000))
        BUG("out of range");
    if (size >= sizeof i) {
        memcpy(&i, data, sizeof i);
        memcpy(&d, data, sizeof d);
        if (strlen(units_format_ns(i, out, sizeof out)) + 1 >= sizeof out ||
            strlen(units_format_count(d, out, sizeof out)) + 1 >= sizeof out)
            BUG("a figure longer than its place");
    }
    return 0;
}
