#include "measure/summary.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "measure/cache.h"
#include "measure/claim.h"
#include "measure/concurrency.h"
#include "measure/events.h"
#include "measure/instrument.h"
#include "measure/latency.h"
#include "measure/objectives.h"
#include "measure/pacing.h"
#include "measure/samples.h"
#include "measure/shifts.h"
#include "measure/verdict.h"
#include "measure/window.h"
#include "stats/rank.h"

static const double default_percentiles[] = {50, 75, 90, 95, 99, 99.9};

/* What a run claims when nobody named percentiles: the default list's p99.9 is shown, not claimed.
 */
static const double default_claim = 99;

static const char *const latency_names[LATENCY_METRICS] = {
    [LATENCY_TTFT] = "ttft_ms",       [LATENCY_TTFT_SERVICE] = "ttft_service_ms",
    [LATENCY_TTFA] = "ttfa_ms",       [LATENCY_TPOT] = "tpot_ms",
    [LATENCY_ITL] = "itl_ms",         [LATENCY_E2E] = "e2e_ms",
    [LATENCY_CONNECT] = "connect_ms",
};

const char *latency_metric_name(enum latency_metric m)
{
    return latency_names[m];
}

static int use_options(struct summary *s, const struct summary_options *o, struct err *e)
{
    if (o)
        s->options = *o;
    struct summary_options *used = &s->options;
    if (used->percentile_count == 0) {
        used->percentile_count = sizeof default_percentiles / sizeof default_percentiles[0];
        memcpy(used->percentiles, default_percentiles, sizeof default_percentiles);
    }
    if (used->percentile_count > SUMMARY_MAX_PERCENTILES)
        return err_set(e, ERR_USAGE, "--metric-percentiles: %zu are too many; %d is the most",
                       used->percentile_count, SUMMARY_MAX_PERCENTILES);
    for (size_t i = 0; i < used->percentile_count; i++) {
        double p = used->percentiles[i];
        if (!(p > 0 && p < 100))
            return err_set(e, ERR_USAGE, "--metric-percentiles: %g does not lie between 0 and 100",
                           p);
        if (i > 0 && p <= used->percentiles[i - 1])
            return err_set(e, ERR_USAGE, "--metric-percentiles: %g must be above the %g before it",
                           p, used->percentiles[i - 1]);
    }
    if (!used->goodput)
        used->goodput = s->run.goodput;
    if (!used->slo)
        used->slo = s->run.slo;
    return OK;
}

static const char *keep(struct arena *a, const char *text)
{
    return arena_strndup(a, text ? text : "", text ? strlen(text) : 0);
}

/* The reader's strings live as long as the reader; a summary outlives it. */
static void keep_strings(struct summary *s)
{
    struct run_record *run = &s->run;
    const char **const strings[] = {
        &run->kind,           &run->target,        &run->backend,      &run->engine,
        &run->engine_version, &run->model,         &run->command,      &run->mode,
        &run->ramp,           &run->on_cap,        &run->workload,     &run->workload_json,
        &run->goodput,        &run->slo,           &run->options_json, &run->host_json,
        &run->context_json,   &s->options.goodput, &s->options.slo,
    };
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        *strings[i] = keep(&s->arena, *strings[i]);
}

static double mean_of(const struct mean_of *m)
{
    return m->n > 0 ? m->sum / (double)m->n : NAN;
}

/* Asked and got are of the same requests where some asked for a length. */
static void fill_lengths(const struct lengths *l, double *asked, double *got)
{
    *asked = mean_of(&l->asked);
    *got = mean_of(l->asked.n > 0 ? &l->got_of_asked : &l->got);
}

static enum token_source commonest_source(const struct sample_set *set)
{
    unsigned best = TOKENS_NONE;
    for (unsigned i = 0; i <= TOKENS_EVENTS; i++)
        if (set->by_source[i] > set->by_source[best])
            best = i;
    return (enum token_source)best;
}

static void fill_counts(struct summary *s, const struct sample_set *set)
{
    s->offered = set->offered;
    s->sent = set->sent;
    s->completed = set->completed;
    s->failed = set->failed;
    s->dropped = set->dropped;
    for (unsigned i = 0; i < OUTCOME_COUNT; i++)
        s->errors[i] = set->outcomes[i];
    s->errors[OUTCOME_OK] = 0;
    s->tail_requests = set->tail;
    s->warmup_requests = set->warmup;
    s->resends = set->resends;
    s->repeated_prompts = set->repeated;
    memcpy(s->first_error, set->first_error, sizeof s->first_error);
    s->prompt_tokens = set->prompt_tokens;
    s->output_tokens = set->output_tokens;
    s->cached_tokens = set->cached_tokens;
    s->cached_known = set->cached_known > 0;
    s->output_source = commonest_source(set);
    s->tokens_per_event = set->events_with_tokens > 0
                              ? (double)set->event_tokens / (double)set->events_with_tokens
                              : NAN;
    fill_lengths(&set->input, &s->asked_input_mean, &s->got_input_mean);
    fill_lengths(&set->output, &s->asked_output_mean, &s->got_output_mean);
}

static void fill_rates(struct summary *s, const struct sample_set *set, const struct window *w,
                       const struct events *ev)
{
    double length = window_s(w);
    uint64_t offered = 0;
    for (size_t i = 0; i < set->n; i++)
        offered += set->list[i].phase == 1 && window_holds(w, set->list[i].intended_ns);
    s->offered_per_s = (double)offered / length;
    s->requests_per_s = (double)ev->completions / length;
    s->output_tokens_per_s = ev->output_tokens / length;
    s->prompt_tokens_per_s = ev->prompt_tokens / length;
    s->total_tokens_per_s = s->output_tokens_per_s + s->prompt_tokens_per_s;
}

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

static void fill_window(struct summary *s, const struct window *w)
{
    static const char *const by[] = {[WINDOW_WHOLE] = "none",
                                     [WINDOW_BY_FILL] = "fill",
                                     [WINDOW_BY_IN_FLIGHT] = "in-flight",
                                     [WINDOW_BY_TPOT] = "tpot"};
    s->window_start_s = seconds(w->start_ns);
    s->window_end_s = seconds(w->end_ns);
    s->steady = w->steady;
    s->search.by = by[w->by];
    s->search.filled = w->filled;
    s->search.fill_s = seconds(w->fill_ns);
    s->search.in_flight_s = w->in_flight.judged ? seconds(w->in_flight.at_ns) : NAN;
    s->search.in_flight_settled = w->in_flight.settled;
    s->search.tpot_s = w->tpot.judged ? seconds(w->tpot.at_ns) : NAN;
    s->search.tpot_settled = w->tpot.settled;
}

static void fill_ground(struct summary *s, const struct claim_ground *g)
{
    s->ground.bar = claim_bar_name(g->bar);
    s->ground.turnover_s = g->turnover_s;
    s->ground.turnovers = g->turnovers;
    s->ground.memory = g->memory;
    s->ground.memory_lag = g->lag;
    s->ground.in_flight_rho = g->rho;
}

static void fill_changes(const struct shifts *found, double unit, struct change_list *out)
{
    *out = (struct change_list){.judged = found->judged, .n = found->n};
    for (size_t i = 0; i < found->n; i++) {
        out->list[i].at_s = seconds(found->list[i].at_ns);
        out->list[i].before = found->list[i].before / unit;
        out->list[i].after = found->list[i].after / unit;
    }
}

/* Returns the median ttft, which the checks need whatever percentiles were asked for. */
static double fill_latencies(struct summary *s, const struct sample_set *set,
                             const struct window *w, const struct events *ev,
                             const struct claim_ground *ground)
{
    double *values = MEM_ARRAY(double, set->n + 1);
    double ttft_p50_ms = NAN;
    struct latency_wanted wanted = {s->options.percentiles, s->options.percentile_count, s->claimed,
                                    ground};
    for (int m = 0; m < LATENCY_METRICS; m++) {
        if (m == LATENCY_ITL) {
            latency_of_gaps(&ev->gaps, &wanted, &s->latency[m]);
            continue;
        }
        size_t n = latency_collect(set, w, (enum latency_metric)m, values);
        latency_of_values(values, n, &wanted, &s->latency[m]);
        if (m == LATENCY_TTFT && n > 0)
            ttft_p50_ms = rank_select(values, n, rank_of(0.5, n)) / 1e6;
    }
    free(values);
    s->stalled_share = ev->judged > 0 ? (double)ev->stalled / (double)ev->judged : NAN;
    s->longest_stall_ms = ev->gaps.n > 0 ? (double)ev->longest_ns / 1e6 : NAN;
    s->itl_left_out = ev->left_out;
    s->rung_count = latency_rungs(set, w, s->rungs);
    return ttft_p50_ms;
}

static int fill_objectives(struct summary *s, const struct sample_set *set, const struct window *w,
                           struct err *e)
{
    struct bounds b;
    struct objectives slo;
    s->goodput_per_s = s->goodput_fraction = NAN;
    if (s->options.goodput[0] != '\0') {
        int rc = bounds_parse_goodput(slice_of(s->options.goodput), &b, e);
        if (rc < 0)
            return rc;
        struct goodput g = objectives_goodput(set, w, &b);
        s->has_goodput = true;
        s->goodput_per_s = g.per_s;
        s->goodput_fraction = g.fraction;
    }
    if (s->options.slo[0] == '\0')
        return OK;
    int rc = bounds_parse_slo(slice_of(s->options.slo), &slo, e);
    if (rc < 0)
        return rc;
    s->slo_met = true;
    for (size_t i = 0; i < slo.n; i++) {
        objectives_slo(set, w, &slo.list[i], &s->slo[i]);
        s->slo_met = s->slo_met && s->slo[i].met;
    }
    s->slo_count = slo.n;
    s->slo_decision = objectives_decide(s->slo, s->slo_count, SUMMARY_SLO_ALPHA, SUMMARY_SLO_ALPHA);
    return OK;
}

/* The highest percentile that the run speaks about: of its SLO, else of those asked for, else p99.
 */
static double highest_claim(const struct summary *s, const struct summary_options *asked)
{
    double highest = 0;
    for (size_t i = 0; i < s->slo_count; i++)
        if (100 * s->slo[i].objective.p > highest)
            highest = 100 * s->slo[i].objective.p;
    if (highest > 0)
        return highest;
    return asked && asked->percentile_count > 0
               ? s->options.percentiles[s->options.percentile_count - 1]
               : default_claim;
}

static int take_finding(void *context, const struct finding_record *f)
{
    struct summary *s = context;
    if (s->finding_count == sizeof s->findings / sizeof s->findings[0])
        return 0;
    snprintf(s->findings[s->finding_count].severity, sizeof s->findings[0].severity, "%s",
             f->severity);
    snprintf(s->findings[s->finding_count].text, sizeof s->findings[0].text, "%s", f->text);
    s->finding_count++;
    return 0;
}

static void take_calibration(struct record_reader *r, struct summary *s)
{
    const char *text = record_reader_meta(r, "calibration");
    if (text[0])
        s->calibration_json = arena_strndup(&s->arena, text, strlen(text));
}

static int read_sides(struct record_reader *r, struct summary *s, const struct sample_set *set,
                      struct err *e)
{
    int rc = instrument_read(r, &s->run, set, s, e);
    take_calibration(r, s);
    if (rc == 0)
        rc = cache_read(r, s->run.id, &s->cache_hit_share, e);
    return rc == 0 ? record_reader_findings(r, s->run.id, take_finding, s, e) : rc;
}

static void fill_pacing(struct summary *s, const struct pacing *p)
{
    s->instrument.schedule_lag_p50_ms = p->lag_p50_ms;
    s->instrument.schedule_lag_p99_ms = p->lag_p99_ms;
    s->instrument.schedule_lag_max_ms = p->lag_max_ms;
    s->started_per_s = p->started_per_s;
    s->cap_waited = p->waited;
}

static int summarise(struct record_reader *r, const struct summary_options *asked,
                     const struct sample_set *set, struct summary *s, struct err *e)
{
    struct window w;
    struct events ev;
    window_find(&s->run, set, &w);
    int rc = fill_objectives(s, set, &w, e);
    if (rc == 0)
        rc = events_read(r, s->run.id, &w, s->options.itl_per_token, &ev, e);
    if (rc != 0)
        return rc;
    struct concurrency c;
    struct overload o;
    struct pacing p;
    struct claim_ground ground;
    struct shifts shifts[SHIFT_SERIES];
    concurrency_sweep(set, &w, &c);
    overload_judge(set, &w, &c, &o);
    shifts_find(set, &w, shifts);
    claim_survey(set, &w, &c, &o, &ground);
    pacing_judge(&s->run, set, &p);

    s->claimed = highest_claim(s, asked);
    fill_counts(s, set);
    fill_window(s, &w);
    fill_rates(s, set, &w, &ev);
    fill_ground(s, &ground);
    fill_changes(&shifts[SHIFT_IN_FLIGHT], 1, &s->in_flight_changes);
    fill_changes(&shifts[SHIFT_TPOT], 1e6, &s->tpot_changes);
    double ttft_p50_ms = fill_latencies(s, set, &w, &ev, &ground);
    events_release(&ev);
    s->concurrency_mean = c.mean;
    s->concurrency_peak = c.peak;
    fill_pacing(s, &p);
    rc = read_sides(r, s, set, e);
    if (rc != 0)
        return rc;
    struct evidence v = {set, &w, &c, &o, &p, &ground, shifts, ttft_p50_ms};
    verdict_reach(s, &v);
    return OK;
}

int summary_of_run(struct record_reader *r, int64_t run_id, const struct summary_options *o,
                   struct summary *out, struct err *e)
{
    struct sample_set set = {0};
    *out = (struct summary){0};
    int rc = record_reader_run(r, run_id, &out->run, e);
    if (rc == 0)
        rc = use_options(out, o, e);
    if (rc == 0) {
        keep_strings(out);
        rc = samples_read(r, run_id, &set, e);
    }
    if (rc == 0)
        rc = summarise(r, o, &set, out, e);
    samples_release(&set);
    if (rc != 0)
        summary_release(out);
    return rc;
}

void summary_release(struct summary *s)
{
    arena_release(&s->arena);
    *s = (struct summary){0};
}
