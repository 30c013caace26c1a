#include "measure/pacing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/latency.h"
#include "stats/rank.h"

/* All times as doubles of ns: exact up to 104 days. */
struct slots {
    double *start, *end; /* sorted */
    size_t n;
};

static struct slots slots_of(const struct sample_set *set)
{
    struct slots s = {MEM_ARRAY(double, set->n + 1), MEM_ARRAY(double, set->n + 1), 0};
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        if (q->started_ns == RECORD_NONE)
            continue;
        s.start[s.n] = (double)q->started_ns;
        s.end[s.n++] = q->end_ns == RECORD_NONE ? INFINITY : (double)q->end_ns;
    }
    if (s.n > 0) {
        rank_sort(s.start, s.n);
        rank_sort(s.end, s.n);
    }
    return s;
}

/* How many of the sorted values lie below t. */
static size_t below(const double *sorted, size_t n, double t)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] < t)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool found_cap_full(const struct slots *s, const struct sample *q, int64_t cap)
{
    double t = (double)q->intended_ns;
    size_t begun = below(s->start, s->n, t), over = below(s->end, s->n, t);
    return begun >= over && begun - over >= (size_t)cap;
}

/* Held back by the cap: found it full, or others queued. A slot stands free for a moment between an
 * end and the next start; who arrives then goes to the end of the queue all the same. */
static bool held_back(const struct slots *s, const struct sample *q, int64_t cap,
                      int64_t *queued_until_ns)
{
    if (q->outcome == OUTCOME_DROPPED)
        return false;
    if (q->intended_ns >= *queued_until_ns && !found_cap_full(s, q, cap))
        return false;
    int64_t left_ns = q->started_ns != RECORD_NONE ? q->started_ns : q->end_ns;
    if (left_ns > *queued_until_ns)
        *queued_until_ns = left_ns;
    return true;
}

static void fill_lags(double *lag, size_t n, struct pacing *out)
{
    out->lag_p50_ms = out->lag_p99_ms = out->lag_max_ms = NAN;
    if (n == 0)
        return;
    rank_sort(lag, n);
    out->lag_p50_ms = latency_rank_ms(lag, n, 0.5);
    out->lag_p99_ms = latency_rank_ms(lag, n, 0.99);
    out->lag_max_ms = latency_rank_ms(lag, n, 1);
}

struct span {
    int64_t first, last;
    uint64_t n;
};

static void span_add(struct span *s, int64_t t)
{
    if (s->n == 0 || t < s->first)
        s->first = t;
    if (s->n == 0 || t > s->last)
        s->last = t;
    s->n++;
}

static double span_rate(const struct span *s)
{
    return s->n >= 2 && s->last > s->first ? (double)(s->n - 1) * 1e9 / (double)(s->last - s->first)
                                           : NAN;
}

void pacing_judge(const struct run_record *run, const struct sample_set *set, struct pacing *out)
{
    bool capped = strcmp(run->mode, "open") == 0 && run->max_concurrency > 0;
    struct slots slots = capped ? slots_of(set) : (struct slots){0};
    double *lag = MEM_ARRAY(double, set->n + 1);
    size_t n = 0;
    int64_t queued_until_ns = RECORD_NONE;
    struct span intended = {0}, started = {0};
    *out = (struct pacing){0};
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        bool held = capped && held_back(&slots, q, run->max_concurrency, &queued_until_ns);
        if (q->phase != 1)
            continue;
        span_add(&intended, q->intended_ns); /* also what was dropped at a cap: it was offered */
        out->waited += held;
        if (q->started_ns == RECORD_NONE)
            continue;
        span_add(&started, q->started_ns);
        if (!held)
            lag[n++] = (double)(q->started_ns - q->intended_ns);
    }
    fill_lags(lag, n, out);
    out->scheduled_per_s = span_rate(&intended);
    out->started_per_s = span_rate(&started);
    free(lag);
    free(slots.start);
    free(slots.end);
}
