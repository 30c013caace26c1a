#include "report/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/units.h"
#include "record/virtual.h"
#include "report/calibration_quote.h"
#include "report/layout.h"
#include "report/tables.h"
#include "report/verdict_line.h"

enum {
    DEFAULT_METRICS = 1 << LATENCY_TTFT | 1 << LATENCY_TPOT | 1 << LATENCY_ITL | 1 << LATENCY_E2E
};

/* Parts of a line that are joined by separators; a short part is never broken. */
struct parts {
    char text[1536];
    size_t n;
};

enum { UNBROKEN_COLUMNS = 48 };

static void add(struct parts *p, const char *bytes, size_t n)
{
    size_t room = sizeof p->text - 1 - p->n;
    n = n < room ? n : room;
    memcpy(p->text + p->n, bytes, n);
    p->n += n;
    p->text[p->n] = '\0';
}

static void part(struct parts *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void part(struct parts *p, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bool whole = layout_width(slice_of(text)) <= UNBROKEN_COLUMNS;
    if (p->n > 0)
        add(p, " " LAYOUT_SEPARATOR " ", sizeof LAYOUT_SEPARATOR + 1);
    for (const char *c = text; *c; c++) {
        if (*c == ' ' && whole)
            add(p, LAYOUT_HARD_BLANK, sizeof LAYOUT_HARD_BLANK - 1);
        else
            add(p, c, 1);
    }
}

static void put_target(struct layout *l, const struct run_record *run)
{
    struct parts p = {0};
    bool version = run->engine_version[0] != '\0';
    bool named = slice_starts(slice_of(run->engine_version), run->engine); /* "vllm 0.9.1" */
    if (run->target[0] != '\0')
        part(&p, "%s", run->target);
    if (run->model[0] != '\0')
        part(&p, "%s", run->model);
    if (run->engine[0] != '\0')
        part(&p, "%s%s%s", named ? "" : run->engine, version && !named ? " " : "",
             run->engine_version);
    if (run->backend[0] != '\0')
        part(&p, "%s", run->backend);
    layout_field(l, 0, "Target", "%s", p.n > 0 ? p.text : "unknown");
}

static const char *arrivals_text(const struct run_record *run, char *out, size_t n)
{
    if (isnan(run->burstiness))
        snprintf(out, n, "at the data set's times");
    else if (run->burstiness == 1)
        snprintf(out, n, "Poisson");
    else if (isinf(run->burstiness))
        snprintf(out, n, "constant gaps");
    else
        snprintf(out, n, "burstiness %.3g", run->burstiness);
    return out;
}

/* As it was typed. */
static const char *plain(double x, char *out)
{
    snprintf(out, LAYOUT_NUMBER, "%.6g", x);
    return out;
}

static void put_open_load(struct layout *l, const struct summary *s)
{
    const struct run_record *run = &s->run;
    struct parts p = {0};
    char arrivals[40], asked[LAYOUT_NUMBER], got[LAYOUT_NUMBER], end[LAYOUT_NUMBER];
    bool trace = isnan(run->burstiness) && run->ramp[0] == '\0';
    part(&p, "open loop, %s", arrivals_text(run, arrivals, sizeof arrivals));
    if (run->ramp[0] != '\0')
        part(&p, "%s ramp from %s to %s requests/s asked, %s started", run->ramp,
             plain(run->ramp_start, asked), plain(run->ramp_end, end),
             layout_rate(s->started_per_s, got));
    else if (trace)
        part(&p, "%s requests/s started", layout_rate(s->started_per_s, got));
    else if (isnan(s->started_per_s))
        part(&p, "%s requests/s asked", plain(run->request_rate, asked));
    else
        part(&p, "%s requests/s asked, %s started", plain(run->request_rate, asked),
             layout_rate(s->started_per_s, got));
    if (run->max_concurrency > 0)
        part(&p, "at most %" PRId64 " in flight, then %s", run->max_concurrency, run->on_cap);
    layout_field(l, 0, "Load", "%s", p.text);
}

static void put_load(struct layout *l, const struct summary *s)
{
    const struct run_record *run = &s->run;
    if (slice_is(slice_of(run->mode), "closed"))
        layout_field(l, 0, "Load", "closed loop, %" PRId64 " users", run->max_concurrency);
    else if (slice_is(slice_of(run->mode), "offline"))
        layout_field(l, 0, "Load", "offline, everything at once");
    else
        put_open_load(l, s);

    struct parts p = {0};
    char number[LAYOUT_NUMBER], time[LAYOUT_NUMBER];
    if (run->workload[0] != '\0')
        part(&p, "%s prompts", run->workload);
    if (run->num_prompts > 0)
        part(&p, "%s requests", layout_count((double)run->num_prompts, number));
    if (run->duration_ns > 0)
        part(&p, "for %s", units_format_ns(run->duration_ns, time, sizeof time));
    part(&p, "seed %" PRIu64, run->seed);
    layout_field(l, 0, "", "%s", p.text);
}

/* What the window waited for; "" where it begins with the run. */
static const char *waited_for(const struct summary *s)
{
    if (slice_is(slice_of(s->search.by), "fill"))
        return " (the load had filled up)";
    if (slice_is(slice_of(s->search.by), "in-flight"))
        return " (in-flight had settled)";
    return slice_is(slice_of(s->search.by), "tpot") ? " (tpot had settled)" : "";
}

static void put_window(struct layout *l, const struct summary *s)
{
    char from[LAYOUT_NUMBER], to[LAYOUT_NUMBER], mean[LAYOUT_NUMBER], number[LAYOUT_NUMBER];
    bool offline = slice_is(slice_of(s->run.mode), "offline");
    snprintf(from, sizeof from, "%.4g", s->window_start_s);
    snprintf(to, sizeof to, "%.4g", s->window_end_s);
    layout_field(l, 0, "Window", "%s s%s to %s s%s, after %" PRIu64 " warm-up request%s", from,
                 waited_for(s), to,
                 s->steady ? ""
                 : offline ? " (the whole run)"
                           : " (not steady)",
                 s->warmup_requests, s->warmup_requests == 1 ? "" : "s");
    layout_field(l, 0, "In flight", "%s mean, %s peak", layout_rate(s->concurrency_mean, mean),
                 layout_count((double)s->concurrency_peak, number));
}

static void put_errors(struct layout *l, const struct summary *s)
{
    struct parts p = {0};
    for (int i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++)
        if (s->errors[i] > 0 && i != OUTCOME_DROPPED)
            part(&p, "%s %" PRIu64, outcome_name((enum outcome)i), s->errors[i]);
    if (p.n > 0)
        layout_field(l, 0, "", "%s", p.text);
    bool says_more = s->first_error[0] != '\0';
    for (int i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++)
        says_more = says_more && strcmp(s->first_error, outcome_name((enum outcome)i)) != 0;
    if (says_more)
        layout_field(l, 0, "", "for example: %s", s->first_error);
}

static void put_requests(struct layout *l, const struct summary *s)
{
    struct parts p = {0};
    char number[LAYOUT_NUMBER];
    part(&p, "%s offered", layout_count((double)s->offered, number));
    part(&p, "%s completed", layout_count((double)s->completed, number));
    part(&p, "%s failed", layout_count((double)s->failed, number));
    part(&p, "%s dropped", layout_count((double)s->dropped, number));
    if (s->resends > 0)
        part(&p, "%s sent twice", layout_count((double)s->resends, number));
    if (s->cap_waited > 0)
        part(&p, "%s waited for the cap", layout_count((double)s->cap_waited, number));
    layout_field(l, 0, "Requests", "%s", p.text);
    put_errors(l, s);
}

static const char *const source_words[] = {
    [TOKENS_USAGE] = "the server's usage",
    [TOKENS_CONTINUOUS] = "the server's continuous usage",
    [TOKENS_TOKENIZER] = "a tokenizer",
    [TOKENS_EVENTS] = "stream events",
};

static void tokens_part(struct parts *p, const char *what, double asked, double got)
{
    char a[LAYOUT_NUMBER], g[LAYOUT_NUMBER];
    if (isnan(asked) && isnan(got))
        part(p, "%s unknown", what);
    else if (isnan(asked))
        part(p, "%s %s got", what, layout_rate(got, g));
    else if (isnan(got))
        part(p, "%s %s asked, got unknown", what, layout_rate(asked, a));
    else
        part(p, "%s %s asked, %s got", what, layout_rate(asked, a), layout_rate(got, g));
}

static void put_tokens(struct layout *l, const struct summary *s)
{
    struct parts p = {0};
    char share[LAYOUT_NUMBER];
    tokens_part(&p, "input", s->asked_input_mean, s->got_input_mean);
    tokens_part(&p, "output", s->asked_output_mean, s->got_output_mean);
    if (s->output_source != TOKENS_NONE)
        part(&p, "counted by %s",
             virtual_run(&s->run) ? "the simulated engine" : source_words[s->output_source]);
    if (!isnan(s->tokens_per_event))
        part(&p, "%.2f tokens/event", s->tokens_per_event);
    layout_field(l, 0, "Tokens", "%s", p.text);
    p = (struct parts){0};
    if (s->cached_known)
        part(&p, "%s of %s prompt tokens cached",
             layout_count((double)s->cached_tokens, (char[LAYOUT_NUMBER]){0}),
             layout_count((double)s->prompt_tokens, (char[LAYOUT_NUMBER]){0}));
    if (!isnan(s->cache_hit_share))
        part(&p, "%s hits by the server's counters", layout_percent(s->cache_hit_share, share));
    if (s->repeated_prompts > 0)
        part(&p, "%" PRIu64 " prompts repeated", s->repeated_prompts);
    if (p.n > 0)
        layout_field(l, 0, "Cache", "%s", p.text);
}

static void put_throughput(struct layout *l, const struct summary *s)
{
    char requests[LAYOUT_NUMBER], output[LAYOUT_NUMBER], total[LAYOUT_NUMBER];
    layout_field(l, 0, "Throughput", "%s requests/s · %s output tokens/s · %s total tokens/s",
                 layout_rate(s->requests_per_s, requests),
                 layout_rate(s->output_tokens_per_s, output),
                 layout_rate(s->total_tokens_per_s, total));
    if (s->has_goodput)
        layout_field(l, 0, "Goodput", "%s requests/s, %s of offered, at %s",
                     layout_rate(s->goodput_per_s, requests),
                     layout_percent(s->goodput_fraction, output), s->options.goodput);
}

static const char *beyond(const struct summary *s)
{
    switch (s->slo_decision) {
    case SLO_PASS:
        return "PASS: shown beyond this sample, at 5 % for a steady server under this load";
    case SLO_FAIL:
        return "FAIL: shown beyond this sample, at 5 % for a steady server under this load";
    default:
        return "UNDECIDED beyond this sample: run longer, or at a rate further from the limit";
    }
}

static void put_slo(struct layout *l, const struct summary *s)
{
    for (size_t i = 0; i < s->slo_count; i++) {
        const struct slo_result *r = &s->slo[i];
        struct parts p = {0};
        char objective[OBJECTIVE_TEXT], share[LAYOUT_NUMBER], allowed[LAYOUT_NUMBER];
        char worth[LAYOUT_NUMBER];
        part(&p, "%s: %s", r->met ? "met" : "NOT met",
             objective_text(&r->objective, objective, sizeof objective));
        part(&p, "%" PRIu64 " of %" PRIu64 " over: %s, %s %% allowed", r->test.misses, r->test.n,
             layout_percent(r->test.share, share), plain(100 * r->allowed_share, allowed));
        part(&p, "worth %s independent requests", layout_count(floor(r->test.n_eff), worth));
        layout_field(l, 0, i == 0 ? "SLO" : "", "%s", p.text);
    }
    if (s->slo_count > 0)
        layout_field(l, 0, "", "%s", beyond(s));
}

/* How many independent values would make each shown metric's claimed percentile as certain. */
static void put_worth(struct layout *l, const struct summary *s, unsigned metrics)
{
    struct parts p = {0};
    if (slice_is(slice_of(s->run.mode), "offline"))
        return;
    for (int m = 0; m < LATENCY_METRICS; m++) {
        char name[24], worth[LAYOUT_NUMBER], n[LAYOUT_NUMBER];
        const struct latency *x = &s->latency[m];
        if (!(metrics >> m & 1) || x->n == 0)
            continue;
        snprintf(name, sizeof name, "%s", latency_metric_name((enum latency_metric)m));
        name[strlen(name) - strlen("_ms")] = '\0';
        part(&p, "%s %s of %s", name, layout_count(floor(x->n_eff_claimed), worth),
             layout_count((double)x->n, n));
    }
    if (p.n > 0)
        layout_field(l, 0, "Worth", "at p%.5g, in independent values: %s", s->claimed, p.text);
}

static void put_stalls(struct layout *l, const struct summary *s)
{
    char share[LAYOUT_NUMBER], longest[LAYOUT_NUMBER], left[LAYOUT_NUMBER];
    if (isnan(s->stalled_share))
        return;
    layout_field(l, 0, "Stalls",
                 "%s of requests have a gap over 10 × their median; longest %s" LAYOUT_HARD_BLANK
                 "ms",
                 layout_percent(s->stalled_share, share), layout_ms(s->longest_stall_ms, longest));
    if (s->itl_left_out > 0)
        layout_field(l, 0, "", "itl leaves out %s gap%s: an end is known only to a wide bound",
                     layout_count((double)s->itl_left_out, left), s->itl_left_out == 1 ? "" : "s");
}

static void put_instrument(struct layout *l, const struct summary *s)
{
    struct parts p = {0};
    char a[LAYOUT_NUMBER], b[LAYOUT_NUMBER];
    if (virtual_run(&s->run)) {
        layout_field(l, 0, "Instrument",
                     "none: virtual time; these are the simulated engine's own times, without "
                     "client or network");
        return;
    }
    if (!isnan(s->instrument.rx_stamped_fraction))
        part(&p, "%s kernel stamps", layout_percent(s->instrument.rx_stamped_fraction, a));
    if (!isnan(s->instrument.censored_fraction))
        part(&p, "%s censored, %s by us", layout_percent(s->instrument.censored_fraction, a),
             layout_percent(s->instrument.censored_ours_fraction, b));
    if (!isnan(s->instrument.read_lag_p99_ms))
        part(&p, "read lag p99 %s ms", layout_ms(s->instrument.read_lag_p99_ms, a));
    if (!isnan(s->instrument.schedule_lag_p99_ms))
        part(&p, "start lag p99 %s ms", layout_ms(s->instrument.schedule_lag_p99_ms, a));
    if (!isnan(s->instrument.cpu_total_us_per_event))
        part(&p, "%s µs CPU a token event", layout_rate(s->instrument.cpu_total_us_per_event, a));
    if (!isnan(s->instrument.busy_fraction))
        part(&p, "%s busy, %s spinning", layout_percent(s->instrument.busy_fraction, a),
             layout_percent(s->instrument.spin_fraction, b));
    if (p.n > 0)
        layout_field(l, 0, "Instrument", "%s", p.text);
    char quote[512];
    if (calibration_quote(s, quote, sizeof quote))
        layout_field(l, 0, p.n > 0 ? "" : "Instrument", "%s", quote);
}

static void put_check(struct layout *l, const struct check *c)
{
    const char *word = verdict_line_check(c);
    enum layout_tone tone =
        c->status == CHECK_FAIL && c->severity != SEVERITY_NOTE ? TONE_BOLD : TONE_DIM;
    char line[256];
    buf_puts(l->out, "  ");
    layout_put(l, tone, word);
    for (size_t i = strlen(word); i < LAYOUT_LABEL; i++)
        buf_putc(l->out, ' ');
    snprintf(line, sizeof line, "%s: %s (wanted: %s)", c->id, c->value, c->threshold);
    layout_wrap(l, TONE_PLAIN, LAYOUT_LABEL + 2, LAYOUT_LABEL + 2, line);
    if (c->advice[0] != '\0')
        layout_field(l, 2, "", "%s", c->advice);
}

/* Where nothing was completed, only what made it so is worth reading. */
static bool shows(const struct summary *s, const struct check *c, const struct report_style *style)
{
    bool counts = s->completed > 0 || c->severity == SEVERITY_INVALID;
    return (c->status == CHECK_FAIL && counts) || style->all_checks;
}

/* Gravest first. */
static void put_checks(struct layout *l, const struct summary *s, const struct report_style *style)
{
    bool any = false;
    for (size_t i = 0; i < s->check_count; i++)
        any = any || shows(s, &s->checks[i], style);
    if (!any)
        return;
    layout_heading(l, style->all_checks ? "Checks" : "What to know");
    for (int severity = SEVERITY_INVALID; severity >= SEVERITY_NOTE; severity--)
        for (size_t i = 0; i < s->check_count; i++)
            if (s->checks[i].status == CHECK_FAIL && (int)s->checks[i].severity == severity &&
                shows(s, &s->checks[i], style))
                put_check(l, &s->checks[i]);
    for (size_t i = 0; i < s->check_count; i++)
        if (s->checks[i].status != CHECK_FAIL && style->all_checks)
            put_check(l, &s->checks[i]);
}

static void put_findings(struct layout *l, const struct summary *s)
{
    if (s->finding_count == 0)
        return;
    layout_heading(l, "Seen during the run");
    for (size_t i = 0; i < s->finding_count; i++)
        layout_field(l, 2, s->findings[i].severity, "%s", s->findings[i].text);
}

static bool failed(const struct summary *s, const char *id)
{
    for (size_t i = 0; i < s->check_count; i++)
        if (slice_is(slice_of(s->checks[i].id), id))
            return s->checks[i].status == CHECK_FAIL;
    return false;
}

static void put_longer(struct layout *l, const struct summary *s)
{
    const int64_t minute_ns = INT64_C(60000000000);
    char number[LAYOUT_NUMBER];
    if (s->run.duration_ns > 0) {
        int64_t minutes = (2 * s->run.duration_ns + minute_ns - 1) / minute_ns;
        layout_field(l, 0, "Next", "the same for longer: --duration %" PRId64 "m",
                     minutes > 2 ? minutes : 2);
    } else {
        layout_field(l, 0, "Next", "the same for longer: --num-prompts %s, or --duration 2m",
                     plain(2 * (double)s->offered, number));
    }
}

/* One thing worth trying after this run. */
static void put_next(struct layout *l, const struct summary *s)
{
    char rate[LAYOUT_NUMBER];
    layout_rate(0.8 * s->requests_per_s, rate);
    if (failed(s, "interrupted"))
        layout_field(l, 0, "Next", "run again and let it end");
    else if (s->completed == 0)
        layout_field(l, 0, "Next", "mend the errors, then run again");
    else if (s->verdict == VERDICT_INVALID)
        layout_field(l, 0, "Next", "mend what is listed as INVALID, then run again");
    else if (failed(s, "overload") && !s->steady)
        layout_field(l, 0, "Next", "half that --request-rate, to see the server keep up");
    else if (failed(s, "overload"))
        layout_field(l, 0, "Next", "--request-rate %s, below what the server reached here", rate);
    else if (failed(s, "intervals") && slice_is(slice_of(s->ground.bar), "waiting"))
        layout_field(l, 0, "Next", "--request-rate %s, further from the server's limit", rate);
    else if (failed(s, "steady-window") || failed(s, "window-length") || failed(s, "sample-size") ||
             failed(s, "intervals"))
        put_longer(l, s);
    else if (failed(s, "closed-loop"))
        layout_field(l, 0, "Next",
                     "--request-rate %s, to see latency under a demand that does not "
                     "wait",
                     rate);
    else if (slice_is(slice_of(s->run.mode), "offline"))
        layout_field(l, 0, "Next",
                     "--request-rate %s, to see latency at a demand below this throughput", rate);
    else
        layout_field(l, 0, "Next", "a higher --request-rate, until latency turns up");
}

static void put_foot(struct layout *l, const struct summary *s, const struct report_style *style,
                     bool marked)
{
    layout_newline(l);
    layout_wrap(
        l, TONE_DIM, 0, 0,
        "Percentiles are ranks, the ⌈np⌉-th smallest value, never interpolated; 95 % intervals "
        "allow for the likeness of requests near in time. ttft and e2e count from the intended "
        "arrival.");
    if (marked)
        layout_wrap(
            l, TONE_DIM, 0, 0,
            "* no bound: too few requests, or too alike, to say how far this percentile is from "
            "the long run's.");
    layout_newline(l);
    if (style->run_file)
        layout_field(l, 0, "Run file", "%s, from which every figure above can be recomputed",
                     style->run_file);
    put_next(l, s);
}

void report_text(const struct summary *s, const struct report_style *style, struct buf *out)
{
    struct layout l = {out,
                       style->columns > LAYOUT_MIN_COLUMNS ? style->columns : LAYOUT_MIN_COLUMNS,
                       style->color};
    unsigned metrics = style->metrics ? style->metrics : DEFAULT_METRICS;
    verdict_line(&l, s);
    layout_newline(&l);
    put_target(&l, &s->run);
    put_load(&l, s);
    if (s->offered == 0) {
        put_findings(&l, s);
        layout_newline(&l);
        if (style->run_file)
            layout_field(&l, 0, "Run file", "%s", style->run_file);
        put_next(&l, s);
        return;
    }
    put_window(&l, s);
    put_requests(&l, s);
    put_tokens(&l, s);
    put_throughput(&l, s);
    put_slo(&l, s);
    bool marked = tables_latency(&l, s, metrics);
    tables_ladder(&l, s);
    layout_newline(&l);
    put_worth(&l, s, metrics);
    put_stalls(&l, s);
    put_instrument(&l, s);
    put_checks(&l, s, style);
    put_findings(&l, s);
    put_foot(&l, s, style, marked);
}
