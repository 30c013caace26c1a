/* What a run file says of its sweep: whatever is accepted is written as what is accepted again. */

#include "decide/sweep_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct sweep_spec *s)
{
    if (s->given_count > SWEEP_MAX_GIVEN || s->budget_ns < 0 || s->level_ns < 0 ||
        s->slo.n > BOUNDS_MAX || (s->kind != LOAD_AT_RATE && s->kind != LOAD_OF_USERS))
        abort();
    for (size_t i = 0; i < s->given_count; i++)
        if (!(s->given[i] > 0))
            abort();
}

static void write_and_read(const struct sweep_spec *s)
{
    struct sweep_spec again;
    struct buf b = {0};
    struct err e = {0};
    sweep_file_put_spec(s, "", &b);
    if (sweep_file_take_spec(buf_cstr(&b), &again, &e) != OK || again.kind != s->kind ||
        again.given_count != s->given_count || again.budget_ns != s->budget_ns ||
        again.level_ns != s->level_ns || again.stop_at_saturation != s->stop_at_saturation ||
        memcmp(again.given, s->given, s->given_count * sizeof *s->given) != 0)
        abort();
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sweep_spec s;
    struct err e = {0};
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (sweep_file_take_spec(text, &s, &e) == OK) {
        check(&s);
        write_and_read(&s);
    } else if (e.text[0] == '\0') {
        abort();
    }
    free(text);
    return 0;
}
