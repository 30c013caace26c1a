/* The levels of --rates and --concurrency: whatever is accepted rises and is within its bounds,
 * whatever is refused says where. */

#include "cli/sweep_levels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int rc, const struct sweep_spec *s, const struct err *e, const char *option)
{
    if (rc < 0) {
        if (rc != ERR_USAGE || strncmp(e->text, option, strlen(option)) != 0 ||
            !strstr(e->text, "column"))
            abort();
        return;
    }
    if (s->given_count > SWEEP_MAX_GIVEN)
        abort();
    for (size_t i = 0; i < s->given_count; i++) {
        double x = s->given[i];
        if (!(x > 0) || !isfinite(x) || (i > 0 && !(x > s->given[i - 1])))
            abort();
        if (s->kind == LOAD_OF_USERS && !(x == round(x) && x >= 1 && x <= 1e6))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sweep_spec s = {0};
    struct err e = {0};
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    int rc = sweep_levels_rates(text, &s, &e);
    check(rc, &s, &e, "--rates");
    rc = sweep_levels_users(text, &s, &e);
    check(rc, &s, &e, "--concurrency");
    free(text);
    return 0;
}
