#include "decide/compare_single.h"

#include <math.h>

void compare_single_take(struct comparison *c, enum compare_side side, const struct summary *s)
{
    for (size_t i = 0; i < c->row_count; i++) {
        struct compare_row *r = &c->rows[i];
        if (r->metric.quantity != COMPARE_LATENCY || r->metric.percentile <= 0)
            continue;
        for (size_t k = 0; k < s->options.percentile_count; k++)
            if (s->options.percentiles[k] == r->metric.percentile)
                r->within[side] = s->latency[r->metric.latency].ci95[k];
    }
}

/* How far a value's logarithm lies from that of one of its bounds. */
static double reach(double value, double bound)
{
    return fabs(log(bound / value));
}

static void put_together(struct compare_row *r)
{
    const struct interval *wa = &r->within[COMPARE_A], *wb = &r->within[COMPARE_B];
    double a = r->value[COMPARE_A][0], b = r->value[COMPARE_B][0];
    if (!(a > 0 && b > 0))
        return;
    r->ratio = log(b / a);
    r->ci = (struct interval){r->ratio, r->ratio, false, false};
    if (wb->has_low && wb->low > 0 && wa->has_high) {
        r->ci.has_low = true;
        r->ci.low = r->ratio - hypot(reach(b, wb->low), reach(a, wa->high));
    }
    if (wb->has_high && wa->has_low && wa->low > 0) {
        r->ci.has_high = true;
        r->ci.high = r->ratio + hypot(reach(b, wb->high), reach(a, wa->low));
    }
}

void compare_single_end(struct comparison *c)
{
    for (size_t i = 0; i < c->row_count; i++)
        put_together(&c->rows[i]);
}
