#include "measure/shifts.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "measure/concurrency.h"
#include "stats/changes.h"
#include "stats/decorrelate.h"

static const double level = 0.01;
enum { PERMUTATIONS = 499, SEED = 1 };

struct series { /* values in time order, and when each was */
    double *value;
    int64_t *at_ns;
    size_t n;
};

static struct series in_flight(const struct sample_set *set, const struct window *w)
{
    struct series s = {MEM_ARRAY(double, SHIFTS_PARTS), MEM_ARRAY(int64_t, SHIFTS_PARTS),
                       set->n > 0 ? SHIFTS_PARTS : 0};
    concurrency_levels(set, w->start_ns, w->end_ns, SHIFTS_PARTS, s.value);
    for (size_t k = 0; k < SHIFTS_PARTS; k++)
        s.at_ns[k] = w->start_ns + (int64_t)(window_s(w) * 1e9 * (double)k / SHIFTS_PARTS);
    return s;
}

static struct series pace(const struct sample_set *set, const struct window *w)
{
    struct series s = {MEM_ARRAY(double, set->n + 1), MEM_ARRAY(int64_t, set->n + 1), 0};
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        if (!window_samples(w, q) || isnan(q->value_ns[LATENCY_TPOT]))
            continue;
        s.at_ns[s.n] = q->intended_ns;
        s.value[s.n++] = q->value_ns[LATENCY_TPOT];
    }
    return s;
}

static double mean_of(const double *x, size_t from, size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += x[i];
    return sum / (double)(to - from);
}

static void search(const struct series *s, struct shifts *out)
{
    double means[DECORRELATE_MOST];
    struct decorrelated d;
    struct change found[SHIFTS_MOST];
    *out = (struct shifts){0};
    decorrelate(s->value, s->n, means, &d);
    out->judged = d.found;
    if (!d.found)
        return;
    struct changes_options o = {level, SHIFTS_LEAST_BATCHES, PERMUTATIONS, SEED, d.rho1};
    out->n = changes_find(means, d.n, &o, found, SHIFTS_MOST);
    for (size_t i = 0; i < out->n; i++) {
        size_t from = i > 0 ? found[i - 1].at : 0, to = i + 1 < out->n ? found[i + 1].at : d.n;
        out->list[i] =
            (struct shift){s->at_ns[found[i].at * d.size], mean_of(means, from, found[i].at),
                           mean_of(means, found[i].at, to)};
    }
}

void shifts_find(const struct sample_set *set, const struct window *w,
                 struct shifts out[SHIFT_SERIES])
{
    for (size_t i = 0; i < SHIFT_SERIES; i++)
        out[i] = (struct shifts){0};
    if (!w->filled)
        return;
    struct series series[SHIFT_SERIES] = {
        [SHIFT_IN_FLIGHT] = in_flight(set, w), [SHIFT_TPOT] = pace(set, w)};
    for (size_t i = 0; i < SHIFT_SERIES; i++) {
        search(&series[i], &out[i]);
        free(series[i].value);
        free(series[i].at_ns);
    }
}
