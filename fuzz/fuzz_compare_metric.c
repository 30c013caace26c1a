/* The grammars of --metrics and --fail-if: whatever is accepted prints as what is accepted again,
 * whatever is refused says why. */

#include "decide/compare_metric.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void refused(int rc, const struct err *e)
{
    if (rc != ERR_USAGE || e->text[0] != '-')
        abort();
}

static void try_metrics(struct slice text)
{
    struct compare_metrics m, again;
    struct err e = {0};
    struct buf printed = {0};
    struct summary_options o;
    char name[COMPARE_NAME];
    int rc = compare_metrics_parse(text, &m, &e);
    if (rc < 0) {
        refused(rc, &e);
        return;
    }
    if (m.n < 1 || m.n > COMPARE_MAX_METRICS)
        abort();
    for (size_t i = 0; i < m.n; i++)
        buf_printf(&printed, "%s%s", i > 0 ? "," : "", compare_metric_name(&m.list[i], name));
    compare_metrics_options(&m, &o);
    for (size_t i = 0; i + 1 < o.percentile_count; i++)
        if (!(o.percentiles[i] < o.percentiles[i + 1]))
            abort();
    /* Names have ten digits: two that differ beyond them print alike. */
    if (compare_metrics_parse(buf_slice(&printed), &again, &e) < 0 &&
        !strstr(e.text, "named twice"))
        abort();
    buf_release(&printed);
}

static void try_gates(struct slice text)
{
    struct compare_gates g = {0}, again = {0};
    struct err e = {0};
    struct buf printed = {0};
    int rc = compare_gates_parse(text, &g, &e);
    if (rc < 0) {
        refused(rc, &e);
        return;
    }
    for (size_t i = 0; i < g.n; i++) {
        if (!(g.list[i].limit >= 0 && g.list[i].limit <= 10))
            abort();
        buf_puts(&printed, i > 0 ? " or " : "");
        compare_gate_put(&g.list[i], &printed);
    }
    if (compare_gates_parse(buf_slice(&printed), &again, &e) < 0 || again.n != g.n)
        abort();
    buf_release(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make((const char *)data, size);
    try_metrics(text);
    try_gates(text);
    return 0;
}
