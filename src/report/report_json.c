#include "report/report.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "record/virtual.h"
#include "report/json_values.h"

/* docs/metrics.md names every key. */
enum { SERIES_MAX_ROWS = 96 };

static json_t *moment(int64_t real_ns)
{
    char out[40];
    time_t seconds = (time_t)(real_ns / NS_PER_S);
    struct tm t;
    if (real_ns <= 0 || !gmtime_r(&seconds, &t))
        return json_null();
    size_t n = strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(out + n, sizeof out - n, ".%03dZ", (int)(real_ns % NS_PER_S / NS_PER_MS));
    return text(out);
}

static json_t *run_object(const struct run_record *run)
{
    json_t *o = json_object();
    put(o, "id", json_integer(run->id));
    put(o, "started_at", moment(run->started_real_ns));
    put(o, "command", text_or_null(run->command));
    put(o, "target", text_or_null(run->target));
    put(o, "backend", text_or_null(run->backend));
    put(o, "engine", text_or_null(run->engine));
    put(o, "engine_version", text_or_null(run->engine_version));
    put(o, "model", text_or_null(run->model));
    put(o, "workload", text_or_null(run->workload));
    put(o, "seed", whole(run->seed));
    return o;
}

/* A JSON object kept as text in the run file; an empty one for anything else. */
static json_t *kept_object(const char *json)
{
    json_t *o = json_loads(json, 0, NULL);
    if (json_is_object(o))
        return o;
    json_decref(o);
    return json_object();
}

static json_t *host_object(const struct summary *s)
{
    json_t *o = kept_object(s->run.host_json);
    put(o, "steal_fraction", real(s->instrument.steal_fraction));
    return o;
}

static json_t *load_object(const struct summary *s)
{
    const struct run_record *run = &s->run;
    bool open = slice_is(slice_of(run->mode), "open");
    json_t *o = json_object();
    put(o, "mode", text(run->mode));
    put(o, "request_rate", run->request_rate > 0 ? real(run->request_rate) : json_null());
    put(o, "burstiness", open ? real(run->burstiness) : json_null());
    put(o, "max_concurrency", whole_or_null(run->max_concurrency));
    put(o, "num_prompts", whole_or_null(run->num_prompts));
    put(o, "duration_s", run->duration_ns > 0 ? real((double)run->duration_ns / 1e9) : json_null());
    put(o, "offered_per_s", real(s->offered_per_s));
    put(o, "started_per_s", real(s->started_per_s));
    return o;
}

static json_t *window_object(const struct summary *s)
{
    json_t *o = json_object();
    put(o, "start_s", real(s->window_start_s));
    put(o, "end_s", real(s->window_end_s));
    put(o, "warmup_requests", whole(s->warmup_requests));
    put(o, "steady", json_boolean(s->steady));
    put(o, "start_by", text(s->search.by));
    put(o, "fill_s", real(s->search.fill_s));
    put(o, "in_flight_settled", json_boolean(s->search.in_flight_settled));
    put(o, "in_flight_s", real(s->search.in_flight_s));
    put(o, "tpot_settled", json_boolean(s->search.tpot_settled));
    put(o, "tpot_s", real(s->search.tpot_s));
    return o;
}

static json_t *changes_array(const struct change_list *c)
{
    if (!c->judged)
        return json_null();
    json_t *a = json_array();
    for (size_t i = 0; i < c->n; i++) {
        json_t *o = json_object();
        put(o, "at_s", real(c->list[i].at_s));
        put(o, "before", real(c->list[i].before));
        put(o, "after", real(c->list[i].after));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *changes_object(const struct summary *s)
{
    json_t *o = json_object();
    put(o, "in_flight", changes_array(&s->in_flight_changes));
    put(o, "tpot_ms", changes_array(&s->tpot_changes));
    return o;
}

static json_t *intervals_object(const struct summary *s)
{
    json_t *o = json_object();
    put(o, "barred_by", text(s->ground.bar));
    put(o, "claimed_percentile", real(s->claimed));
    put(o, "turnover_s", real(s->ground.turnover_s));
    put(o, "turnovers", real(s->ground.turnovers));
    put(o, "memory", real(s->ground.memory));
    put(o, "memory_lag", whole(s->ground.memory_lag));
    put(o, "in_flight_rho", real(s->ground.in_flight_rho));
    return o;
}

static json_t *requests_object(const struct summary *s)
{
    json_t *o = json_object(), *errors = json_object();
    put(o, "offered", whole(s->offered));
    put(o, "sent", whole(s->sent));
    put(o, "completed", whole(s->completed));
    put(o, "failed", whole(s->failed));
    put(o, "dropped", whole(s->dropped));
    for (int i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++)
        if (s->errors[i] > 0 && i != OUTCOME_DROPPED)
            put(errors, outcome_name((enum outcome)i), whole(s->errors[i]));
    put(o, "errors", errors);
    put(o, "first_error", text_or_null(s->first_error));
    put(o, "tail", whole(s->tail_requests));
    put(o, "resends", whole(s->resends));
    put(o, "cap_waited", whole(s->cap_waited));
    put(o, "repeated_prompts", whole(s->repeated_prompts));
    return o;
}

static json_t *tokens_object(const struct summary *s)
{
    json_t *o = json_object();
    put(o, "prompt", whole(s->prompt_tokens));
    put(o, "output", whole(s->output_tokens));
    put(o, "cached", s->cached_known ? whole(s->cached_tokens) : json_null());
    put(o, "output_source", text(token_source_name(s->output_source)));
    put(o, "per_event", real(s->tokens_per_event));
    put(o, "cache_hit_share", real(s->cache_hit_share));
    put(o, "asked_input_mean", real(s->asked_input_mean));
    put(o, "got_input_mean", real(s->got_input_mean));
    put(o, "asked_output_mean", real(s->asked_output_mean));
    put(o, "got_output_mean", real(s->got_output_mean));
    return o;
}

static json_t *throughput_object(const struct summary *s)
{
    json_t *o = json_object();
    put(o, "requests_per_s", real(s->requests_per_s));
    put(o, "output_tokens_per_s", real(s->output_tokens_per_s));
    put(o, "prompt_tokens_per_s", real(s->prompt_tokens_per_s));
    put(o, "total_tokens_per_s", real(s->total_tokens_per_s));
    return o;
}

static json_t *goodput_object(const struct summary *s)
{
    json_t *o = json_object();
    put(o, "requests_per_s", real(s->goodput_per_s));
    put(o, "fraction", real(s->goodput_fraction));
    put(o, "bounds", s->has_goodput ? text(s->options.goodput) : json_null());
    return o;
}

static json_t *latency_object(const struct latency *l, const struct summary_options *options)
{
    json_t *o = json_object(), *percentiles = json_object(), *ci = json_object();
    json_t *n_eff = json_object();
    put(o, "n", whole(l->n));
    put(o, "n_eff", real(l->n_eff));
    put(o, "mean", real(l->mean));
    put(o, "std", real(l->sd));
    put(o, "min", real(l->min));
    put(o, "max", real(l->max));
    for (size_t i = 0; i < options->percentile_count; i++) {
        char key[32];
        snprintf(key, sizeof key, "%.10g", options->percentiles[i]);
        put(percentiles, key, real(l->percentile[i]));
        put(ci, key, interval_array(&l->ci95[i]));
        put(n_eff, key, real(l->n_eff_of[i]));
    }
    put(o, "percentiles", percentiles);
    put(o, "ci95", ci);
    put(o, "n_eff_of", n_eff);
    put(o, "tail_ratio", real(l->tail_ratio));
    return o;
}

static json_t *latencies_object(const struct summary *s)
{
    json_t *o = json_object();
    for (int m = 0; m < LATENCY_METRICS; m++)
        put(o, latency_metric_name((enum latency_metric)m),
            latency_object(&s->latency[m], &s->options));
    return o;
}

static json_t *stalls_object(const struct summary *s)
{
    json_t *o = json_object();
    put(o, "share", real(s->stalled_share));
    put(o, "longest_ms", real(s->longest_stall_ms));
    put(o, "itl_left_out", whole(s->itl_left_out));
    return o;
}

static json_t *rungs_array(const struct summary *s)
{
    json_t *a = json_array();
    for (size_t i = 0; i < s->rung_count; i++) {
        const struct rung *r = &s->rungs[i];
        json_t *o = json_object();
        put(o, "output_tokens", json_integer(r->output_tokens));
        put(o, "n", whole(r->n));
        put(o, "ttft_p50_ms", real(r->ttft_p50_ms));
        put(o, "tpot_p50_ms", real(r->tpot_p50_ms));
        put(o, "tpot_p99_ms", real(r->tpot_p99_ms));
        put(o, "e2e_p50_ms", real(r->e2e_p50_ms));
        put(o, "e2e_p99_ms", real(r->e2e_p99_ms));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *lag_object(double p50, double p99, double max)
{
    json_t *o = json_object();
    put(o, "p50", real(p50));
    put(o, "p99", real(p99));
    put(o, "max", real(max));
    return o;
}

/* Without an instrument there are no figures of one: in virtual time all but the counts are null.
 */
static json_t *instrument_object(const struct summary *s)
{
    json_t *o = json_object();
    bool virtual = virtual_run(&s->run);
    put(o, "virtual_time", json_boolean(virtual));
    put(o, "rx_stamped_fraction", real(virtual ? NAN : s->instrument.rx_stamped_fraction));
    put(o, "censored_fraction", real(virtual ? NAN : s->instrument.censored_fraction));
    put(o, "censored_ours_fraction", real(virtual ? NAN : s->instrument.censored_ours_fraction));
    put(o, "read_lag_ms",
        lag_object(s->instrument.read_lag_p50_ms, s->instrument.read_lag_p99_ms,
                   s->instrument.read_lag_max_ms));
    put(o, "schedule_lag_ms",
        virtual ? lag_object(NAN, NAN, NAN)
                : lag_object(s->instrument.schedule_lag_p50_ms, s->instrument.schedule_lag_p99_ms,
                             s->instrument.schedule_lag_max_ms));
    put(o, "cpu_user_us_per_event", real(s->instrument.cpu_user_us_per_event));
    put(o, "cpu_total_us_per_event", real(s->instrument.cpu_total_us_per_event));
    put(o, "spin_fraction", real(s->instrument.spin_fraction));
    put(o, "busy_fraction", real(s->instrument.busy_fraction));
    put(o, "clock_steps", whole(s->instrument.clock_steps));
    json_t *calibration = s->calibration_json ? json_loads(s->calibration_json, 0, NULL) : NULL;
    put(o, "calibration", calibration ? calibration : json_null());
    return o;
}

static json_t *slo_object(const struct summary *s)
{
    static const char *const decisions[] = {"undecided", "pass", "fail"};
    json_t *o = json_object(), *a = json_array();
    for (size_t i = 0; i < s->slo_count; i++) {
        const struct slo_result *r = &s->slo[i];
        char objective[OBJECTIVE_TEXT];
        json_t *b = json_object(), *limits = json_object();
        for (size_t k = 0; k < r->objective.bounds.n; k++) {
            const struct bound *bound = &r->objective.bounds.list[k];
            put(limits, bound_metric_name(bound->metric), real((double)bound->limit_ns / 1e6));
        }
        put(b, "objective", text(objective_text(&r->objective, objective, sizeof objective)));
        put(b, "percentile", real(100 * r->objective.p));
        put(b, "limits_ms", limits);
        put(b, "offered", whole(r->test.n));
        put(b, "misses", whole(r->test.misses));
        put(b, "miss_share", real(r->test.share));
        put(b, "allowed_share", real(r->allowed_share));
        put(b, "n_eff", real(r->test.n_eff));
        put(b, "p_value_pass", real(r->test.p_bad));
        put(b, "p_value_fail", real(r->test.p_good));
        put(b, "met", json_boolean(r->met));
        json_array_append_new(a, b);
    }
    put(o, "expression", text(s->options.slo));
    put(o, "met", json_boolean(s->slo_met));
    put(o, "decision", text(decisions[s->slo_decision]));
    put(o, "bounds", a);
    return o;
}

static json_t *verdict_object(const struct summary *s)
{
    static const char *const verdicts[] = {"valid", "provisional", "invalid"};
    static const char *const severities[] = {"note", "provisional", "invalid"};
    static const char *const statuses[] = {"pass", "fail", "skipped"};
    json_t *o = json_object(), *a = json_array();
    for (size_t i = 0; i < s->check_count; i++) {
        const struct check *c = &s->checks[i];
        json_t *row = json_object();
        put(row, "id", text(c->id));
        put(row, "severity", text(severities[c->severity]));
        put(row, "status", text(statuses[c->status]));
        put(row, "value", text(c->value));
        put(row, "threshold", text(c->threshold));
        put(row, "advice", text(c->advice));
        json_array_append_new(a, row);
    }
    put(o, "status", text(verdicts[s->verdict]));
    put(o, "checks", a);
    return o;
}

static json_t *findings_array(const struct summary *s)
{
    json_t *a = json_array();
    for (size_t i = 0; i < s->finding_count; i++) {
        json_t *o = json_object();
        put(o, "severity", text(s->findings[i].severity));
        put(o, "text", text(s->findings[i].text));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *summary_object(const struct summary *s)
{
    json_t *o = json_object();
    put(o, "schema", text("loadline.summary/1"));
    put(o, "tool", json_values_tool());
    put(o, "run", run_object(&s->run));
    put(o, "host", host_object(s));
    put(o, "context", kept_object(s->run.context_json));
    put(o, "load", load_object(s));
    put(o, "window", window_object(s));
    put(o, "requests", requests_object(s));
    put(o, "tokens", tokens_object(s));
    put(o, "throughput", throughput_object(s));
    put(o, "goodput", goodput_object(s));
    if (s->slo_count > 0)
        put(o, "slo", slo_object(s));
    json_t *concurrency = json_object();
    put(concurrency, "mean", real(s->concurrency_mean));
    put(concurrency, "peak", whole(s->concurrency_peak));
    put(o, "concurrency", concurrency);
    put(o, "latency", latencies_object(s));
    put(o, "intervals", intervals_object(s));
    put(o, "changes", changes_object(s));
    put(o, "stalls", stalls_object(s));
    if (s->rung_count > 0)
        put(o, "rungs", rungs_array(s));
    put(o, "instrument", instrument_object(s));
    put(o, "findings", findings_array(s));
    put(o, "verdict", verdict_object(s));
    return o;
}

int report_json(const struct summary *s, struct buf *out, struct err *e)
{
    return json_values_dump(summary_object(s), out, e);
}

static json_t *series_row(const struct series_metric *m)
{
    json_t *o = json_object();
    put(o, "n", whole(m->n));
    put(o, "median", real(m->median));
    put(o, "mean", real(m->mean));
    put(o, "std", real(m->sd));
    put(o, "cv", real(m->cv));
    put(o, "ci95", interval_array(&m->ci95));
    return o;
}

int report_json_series(const struct summary *runs, size_t count, struct buf *out, struct err *e)
{
    struct series_metric rows[SERIES_MAX_ROWS];
    size_t row_count = summary_series(runs, count, rows, SERIES_MAX_ROWS);
    json_t *o = json_object(), *metrics = json_object(), *list = json_array();
    for (size_t i = 0; i < row_count; i++)
        put(metrics, rows[i].name, series_row(&rows[i]));
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, summary_object(&runs[i]));
    put(o, "schema", text("loadline.series/1"));
    put(o, "tool", json_values_tool());
    put(o, "metrics", metrics);
    put(o, "runs", list);
    return json_values_dump(o, out, e);
}
