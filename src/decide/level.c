#include "decide/level.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "measure/concurrency.h"
#include "stats/moments.h"
#include "stats/rank.h"
#include "stats/special.h"

/* Of a step of a climb, what still shows the step before. */
static const double settling_share = 1.0 / 3;
static const double burst_share = 0.9;  /* behind it the batch runs empty */
static const double growth_of_step = 3; /* of the waits */
static const double growth_of_waits = 1.5, growth_of_pace = 1.25;
enum { MEDIAN_LEAST = 10 }; /* requests, for a median of them */

static const char *const stage_names[] = {
    [LEVEL_SINGLE] = "single", [LEVEL_BURST] = "burst",     [LEVEL_CLIMB] = "climb",
    [LEVEL_NARROW] = "narrow", [LEVEL_CONFIRM] = "confirm", [LEVEL_GIVEN] = "level",
};

enum { STAGES = sizeof stage_names / sizeof stage_names[0] };

const char *level_stage_name(enum level_stage s)
{
    return stage_names[s];
}

int level_stage_of(const char *name)
{
    for (int i = 0; i < STAGES; i++)
        if (strcmp(stage_names[i], name) == 0)
            return i;
    return -1;
}

bool level_on_curve(const struct level *l)
{
    return l->stage != LEVEL_SINGLE && l->stage != LEVEL_BURST && l->offered > 0;
}

/* Mean stays after which a server that was busy before has forgotten it, unless a queue was left.
 */
static const double warm_e2es = 2;

/* Users begin all at once and wait for each other as they never will again: also where a level is
 * too short to fill up (measure/window.h), a mean stay of theirs is left out. */
static void leave_out_start(struct level *l)
{
    struct window *w = &l->window;
    int64_t stay_ns = w->fill_ns / WINDOW_FILL_E2ES;
    if (w->start_ns < stay_ns && stay_ns < w->end_ns / 2)
        w->start_ns = stay_ns;
}

static void find_window(struct level *l, const struct probed *p)
{
    struct window *w = &l->window;
    window_find(&p->run, &p->set, w);
    if (l->point.cut) {
        w->start_ns = (int64_t)(settling_share * (double)l->point.duration_ns);
        w->end_ns = l->point.duration_ns;
        w->steady = false;
    } else if (!l->point.from_idle && l->stage == LEVEL_CONFIRM) {
        double start = warm_e2es / WINDOW_FILL_E2ES * (double)w->fill_ns;
        start = fmax(start, (double)w->in_flight.at_ns);
        w->start_ns = (int64_t)fmax(start, (double)w->tpot.at_ns);
    } else if (l->stage == LEVEL_GIVEN && l->point.kind == LOAD_OF_USERS) {
        leave_out_start(l);
    }
}

static void count(struct level *l, const struct sample_set *set)
{
    struct moments e2e = {0};
    uint64_t ended = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        ended += q->outcome == OUTCOME_OK && window_holds(&l->window, q->end_ns);
        if (q->phase != 1 || !window_holds(&l->window, q->intended_ns))
            continue;
        l->offered++;
        l->failed += q->outcome != OUTCOME_OK;
        l->completed += q->outcome == OUTCOME_OK;
        if (q->outcome == OUTCOME_OK && !isnan(q->value_ns[LATENCY_E2E]))
            moments_add(&e2e, q->value_ns[LATENCY_E2E]);
    }
    l->completed_per_s = (double)ended / window_s(&l->window);
    l->e2e_mean_ns = e2e.n > 0 ? e2e.mean : NAN;
}

/* What decides how long requests stay. Of those that were cut off, what is known of them counts
 * too. */
static void measure_stay(struct level *l, const struct sample_set *set)
{
    struct moments ttft = {0};
    double decode_ns = 0, tokens = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        int64_t length = q->asked_output > q->output_tokens ? q->asked_output : q->output_tokens;
        if (length > l->longest_output)
            l->longest_output = length;
        if (!window_holds(&l->window, q->intended_ns))
            continue;
        if (!isnan(q->value_ns[LATENCY_TTFT]))
            moments_add(&ttft, q->value_ns[LATENCY_TTFT]);
        if (q->output_tokens > 1 && !isnan(q->value_ns[LATENCY_TPOT])) {
            decode_ns += q->value_ns[LATENCY_TPOT] * (double)(q->output_tokens - 1);
            tokens += (double)(q->output_tokens - 1);
        }
    }
    l->ttft_mean_ns = ttft.n > 0 ? ttft.mean : NAN;
    l->pace_ns = tokens > 0 ? decode_ns / tokens : NAN;
}

/* How long a request has waited for its first token, as far as that is known. */
static double waited_ns(const struct sample *q)
{
    double ttft_ns = q->value_ns[LATENCY_TTFT];
    return isnan(ttft_ns) && q->end_ns != RECORD_NONE ? (double)(q->end_ns - q->intended_ns)
                                                      : ttft_ns;
}

static double pace_ns(const struct sample *q)
{
    return q->value_ns[LATENCY_TPOT];
}

/* The median over the last third of the window over that of its first; NAN where either has too few
 * values for one. */
static double growth_of(const struct sample_set *set, const struct window *w,
                        double (*value)(const struct sample *))
{
    double *early = MEM_ARRAY(double, 2 * set->n + 1), *late = early + set->n, growth = NAN;
    size_t e = 0, l = 0;
    int64_t third_ns = (w->end_ns - w->start_ns) / 3;
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        double x = value(q);
        if (isnan(x) || !window_holds(w, q->intended_ns))
            continue;
        if (q->intended_ns < w->start_ns + third_ns)
            early[e++] = x;
        else if (q->intended_ns > w->end_ns - third_ns)
            late[l++] = x;
    }
    if (e >= MEDIAN_LEAST && l >= MEDIAN_LEAST)
        growth = rank_select(late, l, rank_of(0.5, l)) / rank_select(early, e, rank_of(0.5, e));
    free(early);
    return growth;
}

/* In seconds the requests in flight may grow by chance, and in a step they grow anyway, from those
 * of the step before. More than the server carries also shows in what each request gets: in its
 * wait, or in its pace while there is room for more of them at once. */
static bool is_overloaded(const struct level *l, const struct sample_set *set,
                          const struct overload *o)
{
    double waits = growth_of(set, &l->window, waited_ns);
    if (l->point.cut)
        return waits > growth_of_step;
    return o->overloaded &&
           (waits > growth_of_waits || growth_of(set, &l->window, pace_ns) > growth_of_pace);
}

static double burst_rate(const struct sample_set *set)
{
    double *end = MEM_ARRAY(double, set->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++)
        if (set->list[i].phase == 1 && set->list[i].outcome == OUTCOME_OK)
            end[n++] = (double)set->list[i].end_ns / 1e9;
    double rate = NAN;
    if (n > 0) {
        size_t k = rank_of(burst_share, n);
        rate = (double)k / rank_select(end, n, k);
    }
    free(end);
    return rate;
}

static double smoothed_tail(const struct sample_set *set, const struct window *w,
                            const struct objective *o, double *spread)
{
    struct moments m = {0};
    uint64_t lost = 0;
    for (size_t i = 0; i < set->n; i++) {
        double x;
        if (!window_holds(w, set->list[i].intended_ns) ||
            !objectives_nearness(&set->list[i], &o->bounds, &x))
            continue;
        if (isinf(x))
            lost++;
        else if (x > 0)
            moments_add(&m, log(x));
    }
    *spread = m.n > 1 ? moments_sd(&m) : NAN;
    if (m.n == 0)
        return lost > 0 ? INFINITY : NAN;
    if ((double)lost > (1 - o->p) * (double)(m.n + lost))
        return INFINITY;
    return exp(m.mean + special_normal_quantile(o->p) * moments_sd(&m));
}

static const struct objective ttft_p99_in_s = {
    .bounds = {.list = {{.metric = BOUND_TTFT, .limit_ns = NS_PER_S}}, .n = 1}, .p = 0.99};

void level_measure(struct level *l, const struct probed *p, const struct objectives *slo)
{
    struct concurrency c;
    struct overload o;
    double spread;
    l->run_id = p->run_id;
    find_window(l, p);
    count(l, &p->set);
    measure_stay(l, &p->set);
    concurrency_sweep(&p->set, &l->window, &c);
    overload_judge(&p->set, &l->window, &c, &o);
    l->overloaded = l->point.kind == LOAD_AT_RATE && is_overloaded(l, &p->set, &o);
    if (l->stage == LEVEL_BURST)
        l->completed_per_s = burst_rate(&p->set);
    for (size_t i = 0; i < slo->n; i++) {
        objectives_slo(&p->set, &l->window, &slo->list[i], &l->slo[i]);
        l->tail[i] = smoothed_tail(&p->set, &l->window, &slo->list[i], &l->spread[i]);
    }
    l->ttft_p99_s = smoothed_tail(&p->set, &l->window, &ttft_p99_in_s, &spread);
}
