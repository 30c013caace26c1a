/* The grammars of plan's --rate, --headroom and --growth: what is taken lies in its range, what is
 * refused says why and leaves things as they were. */

#include "cli/demand.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void refused(int rc, const struct err *e)
{
    if (rc != ERR_USAGE || e->text[0] != '-')
        abort();
}

static void try_rates(const char *text)
{
    const double most = 1e9;
    struct option_list once = {{text}, 1}, twice = {{text, text}, 2};
    double rates[DEMAND_MAX_RATES], again[DEMAND_MAX_RATES];
    struct err e = {0};
    size_t n = 99, m = 99;
    int rc = demand_rates(&once, rates, &n, &e);
    if (rc < 0) {
        refused(rc, &e);
        if (n != 99)
            abort();
        return;
    }
    if (n < 1 || n > DEMAND_MAX_RATES)
        abort();
    for (size_t i = 0; i < n; i++)
        if (!(rates[i] > (i > 0 ? rates[i - 1] : 0) && rates[i] <= most))
            abort();
    /* Given twice it is the same, while there is room to write it twice. */
    if (demand_rates(&twice, again, &m, &e) == OK &&
        (m != n || memcmp(rates, again, n * sizeof *rates) != 0))
        abort();
}

static void try_headroom(const char *text)
{
    struct err e = {0};
    double share = -1;
    int rc = demand_percent(text, "--headroom", &share, &e);
    if (rc < 0)
        refused(rc, &e);
    if (rc < 0 ? share != -1 : !(share >= 0 && share <= 10))
        abort();
}

static void try_growth(const char *text)
{
    const int64_t start_ns = INT64_C(3600000000000);
    struct err e = {0};
    struct capacity_growth g = {-1, -1};
    int rc = demand_growth(text, "--growth", &g, &e);
    if (rc < 0) {
        refused(rc, &e);
        if (g.share != -1 || g.per_ns != -1)
            abort();
        return;
    }
    if (!(g.share >= 0 && g.share <= 10) || g.per_ns <= 0 ||
        !(capacity_growth_in(&g, start_ns) >= 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    try_rates(text);
    try_headroom(text);
    try_growth(text);
    free(text);
    return 0;
}
