#include "measure/checks.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

/* Thresholds of docs/metrics.md. */
static const double rate_off_provisional = 0.01, rate_off_invalid = 0.05;
static const double schedule_sigmas = 4; /* of the count that the arrival process may draw */
static const double errors_note = 0.001, errors_provisional = 0.01, errors_invalid = 0.1;
static const double length_off = 0.01;
static const double window_min_s = 60;

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

struct coverage {
    uint64_t missing, twice;
};

/* Requests are numbered as they are offered, so up to the last measured one every number must be
 * there once. The numbers of a climb go on from level to level. */
static struct coverage coverage_of(const struct run_record *run, const struct sample_set *set)
{
    struct coverage c = {0};
    uint64_t *index = MEM_ARRAY(uint64_t, set->n + 1);
    uint64_t last = 0, next = 0;
    for (size_t i = 0; i < set->n; i++) {
        index[i] = set->list[i].index;
        if (set->list[i].phase == 1 && index[i] > last)
            last = index[i];
    }
    qsort(index, set->n, sizeof *index, by_value);
    if (strcmp(run->kind, "climb") == 0)
        next = index[0];
    for (size_t i = 0; i < set->n && index[i] <= last; i++) {
        if (index[i] < next) {
            c.twice++;
            continue;
        }
        c.missing += index[i] - next;
        next = index[i] + 1;
    }
    free(index);
    return c;
}

static void check_outcomes(struct summary *s, const struct evidence *v)
{
    struct coverage c = coverage_of(&s->run, v->set);
    const struct run_record *run = &s->run;
    bool exact =
        run->finished && !run->interrupted && run->num_prompts > 0 && run->duration_ns == 0;
    uint64_t asked = (uint64_t)run->num_prompts;
    if (exact && s->offered < asked && asked - s->offered > c.missing)
        c.missing = asked - s->offered;
    bool failed = c.missing > 0 || c.twice > 0 || v->set->unended > 0;
    check_put(s, "outcomes", SEVERITY_INVALID, check_when(failed),
              "every offered request once, with one end",
              "Requests are missing from the run file or stand in it twice: its figures are not of "
              "what was offered. Run again; if it happens again, report it as a bug.",
              "%" PRIu64 " missing, %" PRIu64 " twice, %" PRIu64 " without an end", c.missing,
              c.twice, v->set->unended);
    check_put(
        s, "in-flight-identity", SEVERITY_INVALID, check_when(!v->concurrency->identity),
        "integral of in-flight = sum of stays, to the ns",
        "Some request ends before it begins: the times in the run file cannot be trusted. Run "
        "again; if it happens again, report it as a bug.",
        "%s", v->concurrency->identity ? "equal" : "not equal");
}

static void check_interrupted(struct summary *s)
{
    bool failed = s->run.interrupted || !s->run.finished;
    check_put(s, "interrupted", SEVERITY_INVALID, check_when(failed), "ran to its end",
              "Run again and let it finish; a shorter run needs a smaller --num-prompts or "
              "--duration.",
              "%s",
              !s->run.finished     ? "the record breaks off: killed, or no room to write"
              : s->run.interrupted ? "stopped before its end"
                                   : "ran to its end");
}

static void check_errors(struct summary *s)
{
    /* What a Ctrl-C cut off is our doing; the check `interrupted` speaks of it. */
    uint64_t cut = s->run.interrupted ? s->errors[OUTCOME_CANCELLED] : 0;
    double share = s->offered > 0 ? (double)(s->failed - cut) / (double)s->offered : 0;
    enum severity severity = share > errors_invalid       ? SEVERITY_INVALID
                             : share > errors_provisional ? SEVERITY_PROVISIONAL
                                                          : SEVERITY_NOTE;
    check_put(
        s, "errors", severity, check_when(share > errors_note),
        "0.1 %; 1 % provisional, 10 % invalid",
        "Look at the error kinds above and at the server's log. Failed requests are in no latency, "
        "so what is left looks better than it was.",
        "%.3g %% of offered", 100 * share);
    check_put(s, "completed", SEVERITY_INVALID, check_when(s->completed == 0),
              "at least one request",
              "No request succeeded: there is nothing to measure. Mend the errors first.",
              "%" PRIu64 " completed", s->completed);
}

static double share_of_offered(const struct summary *s, uint64_t n)
{
    return s->offered > 0 ? (double)n / (double)s->offered : 0;
}

/* What we had no descriptor for is load that was asked for and not offered, whatever the mode. */
static void check_descriptors(struct summary *s, uint64_t without)
{
    double share = share_of_offered(s, without);
    enum severity severity = share > rate_off_invalid       ? SEVERITY_INVALID
                             : share > rate_off_provisional ? SEVERITY_PROVISIONAL
                                                            : SEVERITY_NOTE;
    check_put(s, "descriptors", severity, check_when(without > 0),
              "none; 1 % provisional, 5 % invalid",
              "The client had no file descriptor left for these requests, so the server saw less "
              "load than was asked for. Raise ulimit -n, or ask for less at once.",
              "%" PRIu64 " dropped for want of one (%.3g %% of offered)", without, 100 * share);
}

static void check_dropped(struct summary *s, uint64_t without_descriptor)
{
    check_descriptors(s, without_descriptor);
    if (!mode_is(s, "open"))
        return;
    uint64_t dropped = s->dropped - without_descriptor;
    check_put(s, "dropped", SEVERITY_NOTE, check_when(dropped > 0), "none",
              "Dropped requests miss every SLO and goodput bound and are in no latency. Raise "
              "--max-concurrency, or use --on-cap queue to see what waiting costs.",
              "%" PRIu64 " (%.3g %% of offered)", dropped, 100 * share_of_offered(s, dropped));
    if (s->run.max_concurrency <= 0)
        return;
    double waited = share_of_offered(s, s->cap_waited);
    check_put(s, "cap-queued", SEVERITY_NOTE, check_when(s->cap_waited > 0), "none",
              "The cap held requests back; their latency counts from their intended time. Raise "
              "--max-concurrency to let the server do the queueing.",
              "%" PRIu64 " waited (%.3g %%)", s->cap_waited, 100 * waited);
}

/* How far the schedule itself lies from the rate asked, where chance does not explain it: its
 * arrivals are random. The mean of n gaps has a standard error of cv/√n whatever n is; its inverse,
 * the rate, has none for few of them. */
static double drawn_off(const struct summary *s, double scheduled)
{
    const struct run_record *run = &s->run;
    double off = fabs(run->request_rate / scheduled - 1);
    double cv = run->burstiness > 0 ? 1 / sqrt(run->burstiness) : 1;
    double n = s->offered > 1 ? (double)(s->offered - 1) : 1;
    return off > schedule_sigmas * cv / sqrt(n) ? off : 0;
}

static void check_rate(struct summary *s, const struct evidence *v)
{
    const char *id = "achieved-rate", *threshold = "within 1 %; beyond 5 % invalid";
    const struct pacing *p = v->pacing;
    if (!mode_is(s, "open"))
        return;
    if (isnan(p->scheduled_per_s) || isnan(p->started_per_s)) {
        check_put(s, id, SEVERITY_PROVISIONAL, CHECK_SKIPPED, threshold, "", "too few requests");
        return;
    }
    bool capped = s->run.max_concurrency > 0;
    double off = capped ? 0 : fabs(p->started_per_s / p->scheduled_per_s - 1);
    bool steady_rate = /* times from a data set have no burstiness */
        !isnan(s->run.burstiness) && s->run.ramp[0] == '\0' && isfinite(s->run.request_rate) &&
        s->run.request_rate > 0;
    if (steady_rate && drawn_off(s, p->scheduled_per_s) > off)
        off = drawn_off(s, p->scheduled_per_s);
    char asked[40] = "";
    if (steady_rate)
        snprintf(asked, sizeof asked, ", %.4g/s asked", s->run.request_rate);
    check_put(
        s, id, check_grade(off, rate_off_invalid), check_when(off > rate_off_provisional),
        threshold,
        "The load was not what was asked for. Give the client more cores or --threads, or ask "
        "for less.",
        "%.4g/s started, %.4g/s scheduled%s", p->started_per_s, p->scheduled_per_s, asked);
}

static void check_steady(struct summary *s, const struct window *w, const struct overload *o)
{
    const char *id = "steady-window", *threshold = "settled within the first half of the run";
    char fill[CHECK_NUMBER], run[CHECK_NUMBER];
    if (!w->steady && o->overloaded) {
        check_put(s, id, SEVERITY_PROVISIONAL, CHECK_FAIL, threshold,
                  "The server gets more than it can serve, so there is nothing to wait for: see "
                  "the check overload.",
                  "the queue grows all along");
        return;
    }
    if (!w->filled) {
        check_put(
            s, id, SEVERITY_PROVISIONAL, CHECK_FAIL, threshold,
            "The figures hold the filling-up of the server, when it is not busy yet. Run at least "
            "ten mean end-to-end latencies long, with --duration or more --num-prompts.",
            "the load takes %s s to fill, the run is %s s",
            check_number((double)w->fill_ns / 1e9, fill),
            check_number((double)w->end_ns / 1e9, run));
        return;
    }
    bool in_flight = w->in_flight.judged && !w->in_flight.settled;
    bool pace = w->tpot.judged && !w->tpot.settled;
    check_put(
        s, id, SEVERITY_PROVISIONAL, check_when(!w->steady), threshold,
        "The server was still changing when the run was half over: the figures are of a state on "
        "its way to another. Run longer, with --duration or more --num-prompts; if it never "
        "settles, the load is at the server's limit or beyond.",
        "%s%s%s%s", in_flight ? "in-flight" : "", in_flight && pace ? " and " : "",
        pace ? "tpot" : "", w->steady ? "settled" : " not settled");
}

static void check_window(struct summary *s, const struct evidence *v)
{
    if (mode_is(s, "offline"))
        return;
    char length[CHECK_NUMBER];
    check_steady(s, v->window, v->overload);
    check_put(
        s, "window-length", SEVERITY_PROVISIONAL, check_when(window_s(v->window) < window_min_s),
        "at least 60 s",
        "Run longer, with --duration 2m or more --num-prompts: short windows miss rare stalls "
        "and slow drifts.",
        "%s s", check_number(window_s(v->window), length));
}

static void check_length(struct summary *s, const char *id, double asked, double got,
                         const char *advice)
{
    if (!s->run.synthetic)
        return;
    if (isnan(asked) || isnan(got)) {
        check_put(s, id, SEVERITY_PROVISIONAL, CHECK_SKIPPED, "within 1 % of asked", "",
                  "the server tells no count");
        return;
    }
    check_put(s, id, SEVERITY_PROVISIONAL, check_when(fabs(got / asked - 1) > length_off),
              "within 1 % of asked", advice, "%.5g tokens of %.5g asked", got, asked);
}

static void check_lengths(struct summary *s)
{
    check_length(s, "input-length", s->asked_input_mean, s->got_input_mean,
                 "The server counts the prompts otherwise than they were made (template, special "
                 "tokens, another tokenizer). Compare runs by the tokens got.");
    check_length(s, "output-length", s->asked_output_mean, s->got_output_mean,
                 "Outputs ended early or ran over. See that the server takes ignore_eos and "
                 "min_tokens, or compare runs by the tokens got.");
}

static void check_mode_notes(struct summary *s)
{
    if (mode_is(s, "closed"))
        check_put(s, "closed-loop", SEVERITY_NOTE, CHECK_FAIL, "open loop",
                  "A closed loop waits when the server is slow, so it cannot show overload. For "
                  "latency under a given demand use --request-rate.",
                  "closed loop");
    if (s->run.fixed_output)
        check_put(s, "fixed-length", SEVERITY_NOTE, CHECK_FAIL, "varied output lengths",
                  "One fixed length lets requests end in step and hides scheduling effects. Use a "
                  "profile or --random-range-ratio.",
                  "one fixed output length");
}

static bool has_key(const json_t *context, const char *const *names)
{
    for (; *names; names++)
        if (json_object_get(context, *names))
            return true;
    return false;
}

static void check_context(struct summary *s)
{
    static const char *const hardware[] = {"gpu", "hardware", "accelerator", "cpu", NULL};
    static const char *const version[] = {"engine_version", "version", "engine", NULL};
    static const char *const precision[] = {"precision", "dtype", "quantization", NULL};
    json_t *context = json_loads(s->run.context_json, 0, NULL);
    bool no_hardware = !has_key(context, hardware);
    bool no_version = s->run.engine_version[0] == '\0' && !has_key(context, version);
    bool no_precision = !has_key(context, precision);
    json_decref(context);
    bool failed = no_hardware || no_version || no_precision;
    char missing[80];
    snprintf(missing, sizeof missing, "%s%s%s", no_hardware ? ", hardware" : "",
             no_version ? ", engine version" : "", no_precision ? ", precision" : "");
    check_put(s, "context", SEVERITY_NOTE, check_when(failed),
              "hardware, engine version, precision",
              "Say what was measured: --context gpu=…, --context engine_version=…, "
              "--context precision=….",
              "%s%s", failed ? "missing: " : "complete", failed ? missing + 2 : "");
}

void checks_of_run(struct summary *s, const struct evidence *v)
{
    check_outcomes(s, v);
    check_interrupted(s);
    check_errors(s);
    check_dropped(s, v->set->no_descriptor);
    check_rate(s, v);
    check_window(s, v);
    checks_of_claims(s, v);
    check_lengths(s);
    check_mode_notes(s);
    check_put(
        s, "warmup", SEVERITY_NOTE, check_when(s->warmup_requests == 0), "some requests",
        "The first requests may have met a cold server. Leave --warmup-requests at its default.",
        "%" PRIu64 " request%s", s->warmup_requests, s->warmup_requests == 1 ? "" : "s");
    check_context(s);
}
