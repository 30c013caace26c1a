#include "measure/window.h"

#include <string.h>

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

void window_find(const struct run_record *run, const struct sample_set *set, struct window *out)
{
    struct window w = {.end_ns = natural_end_ns(run, set)};
    if (w.end_ns <= 0)
        w.end_ns = 1; /* nothing was offered: rates over it are 0 */
    double mean_e2e = set->e2e_ns.n > 0 ? set->e2e_ns.sum / (double)set->e2e_ns.n : 0;
    double fill = WINDOW_FILL_E2ES * mean_e2e;
    w.wanted_start_ns = fill < 0 ? 0 : fill < 9e18 ? (int64_t)fill : INT64_MAX;
    if (strcmp(run->mode, "offline") != 0 && w.wanted_start_ns <= w.end_ns / 2) {
        w.start_ns = w.wanted_start_ns;
        w.steady = completed_within(set, &w) >= WINDOW_MIN_REQUESTS;
        if (!w.steady)
            w.start_ns = 0;
    }
    w.completed = completed_within(set, &w);
    *out = w;
}
