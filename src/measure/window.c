#include "measure/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/concurrency.h"
#include "stats/mser.h"

static const double level_within = 0.01;
enum { LEAST_VALUES = 4 * MSER_BATCH }; /* fewer are not judged by MSER-5 */

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Last moment anything is known to have happened; for runs that were killed before they could say.
 */
static int64_t last_moment_ns(const struct sample_set *set, bool ends)
{
    int64_t last = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        if (q->phase == 1 && !ends)
            last = larger(last, q->intended_ns);
        if (q->phase == 1 && ends && q->end_ns != RECORD_NONE)
            last = larger(last, q->end_ns);
    }
    return last;
}

static int64_t natural_end_ns(const struct run_record *run, const struct sample_set *set)
{
    if (strcmp(run->mode, "offline") == 0)
        return run->finished && run->drained_ns > 0 ? run->drained_ns : last_moment_ns(set, true);
    int64_t end = run->finished ? run->offered_end_ns : last_moment_ns(set, false);
    if (run->duration_ns > 0 && (end <= 0 || end > run->duration_ns))
        end = run->duration_ns;
    return end > 0 ? end : last_moment_ns(set, true);
}

static uint64_t completed_within(const struct sample_set *set, const struct window *w)
{
    uint64_t n = 0;
    for (size_t i = 0; i < set->n; i++)
        n += window_samples(w, &set->list[i]);
    return n;
}

static int64_t fill_ns(const struct sample_set *set)
{
    double mean_e2e = set->e2e_ns.n > 0 ? set->e2e_ns.sum / (double)set->e2e_ns.n : 0;
    double fill = WINDOW_FILL_E2ES * mean_e2e;
    return fill < 0 ? 0 : fill < 9e18 ? (int64_t)fill : INT64_MAX;
}

/* Both halves have the same mean, as far as anybody cares. What MSER-5 finds then is no warm-up: it
 * sees shapes, whatever their size. */
static bool level_throughout(const double *x, size_t n)
{
    double first = 0, second = 0;
    size_t half = n / 2;
    for (size_t i = 0; i < half; i++) {
        first += x[i];
        second += x[n - 1 - i];
    }
    return half > 0 && fabs(second - first) <= level_within * fabs(second);
}

/* Brings the first half into the range of the second, but for what is low before the mean of the
 * second half is reached for the first time: so it is while a load fills up. */
static void clip_to_second_half(double *x, size_t n)
{
    double low = x[n / 2], high = x[n / 2], sum = 0;
    for (size_t i = n / 2; i < n; i++) {
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
        sum += x[i];
    }
    size_t second = n - n / 2;
    double mean = sum / (double)second;
    bool filling = true;
    for (size_t i = 0; i < n / 2; i++) {
        filling = filling && x[i] < mean;
        x[i] = fmin(filling ? x[i] : fmax(x[i], low), high);
    }
}

/* The values to cut; x is changed. A stall in the first half, or a dip where requests failed, draws
 * MSER-5's least behind it, and it would be cut off and hidden. Clipped, it no longer does. */
static size_t settle(double *x, size_t n, struct window_cut *c)
{
    struct mser m, clipped;
    c->judged = n > 0;
    mser5(x, n, &m);
    if (!m.found) {
        c->settled = n >= LEAST_VALUES && level_throughout(x, n);
        return 0;
    }
    c->settled = true;
    clip_to_second_half(x, n);
    mser5(x, n, &clipped);
    return clipped.cut < m.cut ? clipped.cut : m.cut;
}

static struct window_cut cut_of_levels(const struct sample_set *set, int64_t end_ns)
{
    double level[WINDOW_LEVELS];
    struct window_cut c = {0};
    concurrency_levels(set, 0, end_ns, WINDOW_LEVELS, level);
    size_t cut = settle(level, set->n > 0 ? WINDOW_LEVELS : 0, &c);
    __extension__ __int128 at = (__int128)end_ns * (int64_t)cut / WINDOW_LEVELS;
    c.at_ns = (int64_t)at;
    return c;
}

static bool has_pace(const struct sample *q, int64_t end_ns)
{
    return q->phase == 1 && q->outcome == OUTCOME_OK && q->intended_ns <= end_ns &&
           !isnan(q->value_ns[LATENCY_TPOT]);
}

static struct window_cut cut_of_tpot(const struct sample_set *set, int64_t end_ns)
{
    double *tpot = MEM_ARRAY(double, set->n + 1);
    int64_t *at_ns = MEM_ARRAY(int64_t, set->n + 1);
    struct window_cut c = {0};
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        if (!has_pace(&set->list[i], end_ns))
            continue;
        at_ns[n] = set->list[i].intended_ns;
        tpot[n++] = set->list[i].value_ns[LATENCY_TPOT];
    }
    size_t cut = settle(tpot, n, &c);
    c.at_ns = cut > 0 ? at_ns[cut] : 0;
    free(tpot);
    free(at_ns);
    return c;
}

static void try_start(struct window *w, enum window_rule rule, int64_t start_ns)
{
    if (start_ns <= w->start_ns)
        return;
    w->start_ns = start_ns;
    w->by = rule;
}

static bool agrees(const struct window_cut *c)
{
    return !c->judged || c->settled;
}

static void find_start(const struct sample_set *set, struct window *w)
{
    w->by = WINDOW_BY_FILL;
    w->start_ns = w->fill_ns;
    if (w->in_flight.settled)
        try_start(w, WINDOW_BY_IN_FLIGHT, w->in_flight.at_ns);
    if (w->tpot.settled)
        try_start(w, WINDOW_BY_TPOT, w->tpot.at_ns);
    w->filled = w->fill_ns <= w->end_ns / 2 && completed_within(set, w) >= WINDOW_MIN_REQUESTS;
    w->steady = w->filled && agrees(&w->in_flight) && agrees(&w->tpot);
    if (!w->filled) {
        w->start_ns = 0;
        w->by = WINDOW_WHOLE;
    }
}

void window_find(const struct run_record *run, const struct sample_set *set, struct window *out)
{
    struct window w = {.end_ns = natural_end_ns(run, set), .fill_ns = fill_ns(set)};
    if (w.end_ns <= 0)
        w.end_ns = 1; /* nothing was offered: rates over it are 0 */
    if (strcmp(run->mode, "offline") != 0) {
        w.in_flight = cut_of_levels(set, w.end_ns);
        w.tpot = cut_of_tpot(set, w.end_ns);
        find_start(set, &w);
    }
    w.completed = completed_within(set, &w);
    *out = w;
}
