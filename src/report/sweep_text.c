#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <stdio.h>

#include "base/units.h"
#include "report/sweep_curve.h"

bool sweep_report_invalid(const struct sweep_report *r)
{
    return r->floor && r->floor->verdict == VERDICT_INVALID;
}

static const struct level *level_at(const struct sweep_report *r, int i)
{
    return i >= 0 ? &r->sweep->sweep.levels[i] : NULL;
}

static const char *slo_text(const struct sweep_report *r, char *out, size_t room)
{
    const struct objectives *slo = &r->sweep->sweep.spec.slo;
    char one[OBJECTIVE_TEXT];
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < slo->n && n < room; i++)
        n += (size_t)snprintf(out + n, room - n, "%s%s", i > 0 ? " and " : "",
                              objective_text(&slo->list[i], one, sizeof one));
    return out;
}

/* ---- what it comes to ---- */

static void put_headline(struct layout *l, const struct sweep_report *r)
{
    const struct level *floor = level_at(r, r->result.floor),
                       *ceiling = level_at(r, r->result.ceiling);
    char low[SWEEP_LOAD_TEXT], high[SWEEP_LOAD_TEXT], line[256];
    enum layout_tone tone = TONE_WARN;
    const char *word = "UNDECIDED";
    if (sweep_report_invalid(r)) {
        word = "INVALID";
        tone = TONE_BAD;
        snprintf(line, sizeof line,
                 "the run that the floor rests on may be wrong: do not use it (loadline report "
                 "--run %" PRId64 ")",
                 floor->run_id);
    } else if (r->result.end == SWEEP_NO_SLO) {
        word = "CURVE";
        tone = TONE_PLAIN;
        snprintf(line, sizeof line, "no SLO was given, so no limit was looked for");
    } else if (r->result.end == SWEEP_NEVER_MET) {
        word = "NOT MET";
        tone = TONE_BAD;
        snprintf(line, sizeof line, "the SLO is missed even at the lowest level");
    } else if (floor && ceiling) {
        word = "FLOOR";
        tone = TONE_GOOD;
        snprintf(line, sizeof line, "%s met; ceiling: %s missed", sweep_load_text(floor, low),
                 sweep_load_text(ceiling, high));
    } else if (floor) {
        word = "FLOOR";
        tone = TONE_GOOD;
        snprintf(line, sizeof line, "%s met; no level was shown to miss the SLO",
                 sweep_load_text(floor, low));
    } else if (ceiling) {
        snprintf(line, sizeof line, "no level was shown to meet the SLO; ceiling: %s missed",
                 sweep_load_text(ceiling, high));
    } else {
        snprintf(line, sizeof line, "no level was shown to meet the SLO, and none to miss it");
    }
    if (r->result.end == SWEEP_UNFINISHED) {
        layout_put(l, TONE_WARN, "UNFINISHED");
        buf_puts(l->out, "  ");
        layout_wrap(l, TONE_PLAIN, LAYOUT_LABEL, 12,
                    "the sweep was interrupted; what follows is what it had by then");
    }
    layout_put(l, tone, word);
    size_t used = layout_width(slice_of(word));
    buf_puts(l->out, "  ");
    layout_wrap(l, TONE_PLAIN, LAYOUT_LABEL, (unsigned)used + 2, line);
    layout_newline(l);
}

static void put_about(struct layout *l, const struct sweep_report *r)
{
    const struct sweep *s = &r->sweep->sweep;
    char text[4 * OBJECTIVE_TEXT], spent[24], budget[24];
    layout_field(l, 0, "Target", "%s %s %s %s %s", r->run->target, LAYOUT_SEPARATOR, r->run->model,
                 LAYOUT_SEPARATOR,
                 r->run->engine_version[0] ? r->run->engine_version : r->run->engine);
    layout_field(l, 0, "Load", "%s prompts %s %s %s seed %" PRIu64, r->run->workload,
                 LAYOUT_SEPARATOR, s->spec.kind == LOAD_OF_USERS ? "closed loop" : "open loop",
                 LAYOUT_SEPARATOR, r->run->seed);
    units_format_ns(s->spent_ns, spent, sizeof spent);
    units_format_ns(s->spec.budget_ns, budget, sizeof budget);
    if (s->spec.level_ns > 0) {
        char each[24];
        units_format_ns(s->spec.level_ns, each, sizeof each);
        layout_field(l, 0, "Sweep", "%zu level%s of %s, %s in all", s->count,
                     s->count == 1 ? "" : "s", each, spent);
    } else {
        layout_field(l, 0, "Sweep", "%zu level%s in %s of %s", s->count, s->count == 1 ? "" : "s",
                     spent, budget);
    }
    if (s->spec.slo.n > 0)
        layout_field(l, 0, "SLO", "%s", slo_text(r, text, sizeof text));
}

/* What a certificate rests on: the tightest of the objectives. */
static void put_rests_on(struct layout *l, const struct level *v, size_t objectives)
{
    for (size_t i = 0; i < objectives; i++) {
        const struct slo_result *o = &v->slo[i];
        char text[OBJECTIVE_TEXT], share[LAYOUT_NUMBER], n[LAYOUT_NUMBER], worth[LAYOUT_NUMBER];
        layout_field(l, 0, "", "%s: %" PRIu64 " of %s over (%s), worth %s independent",
                     objective_text(&o->objective, text, sizeof text), o->test.misses,
                     layout_count((double)o->test.n, n), layout_percent(o->test.share, share),
                     layout_count(floor(o->test.n_eff), worth));
    }
}

bool sweep_report_doubts_floor(const struct check *c)
{
    bool of_percentiles = strcmp(c->id, "sample-size") == 0 || strcmp(c->id, "intervals") == 0;
    return c->status == CHECK_FAIL && c->severity != SEVERITY_NOTE && !of_percentiles;
}

static void put_certificates(struct layout *l, const struct sweep_report *r)
{
    const struct sweep *s = &r->sweep->sweep;
    const struct level *floor = level_at(r, r->result.floor),
                       *ceiling = level_at(r, r->result.ceiling);
    char load[SWEEP_LOAD_TEXT], time[24];
    if (floor) {
        units_format_ns(floor->window.end_ns - floor->window.start_ns, time, sizeof time);
        layout_field(l, 0, "Floor", "%s, shown to meet the SLO at 5 %% over %s",
                     sweep_load_text(floor, load), time);
        put_rests_on(l, floor, s->spec.slo.n);
    }
    if (r->floor && r->floor->verdict != VERDICT_VALID)
        for (size_t i = 0; i < r->floor->check_count; i++) {
            const struct check *c = &r->floor->checks[i];
            if (sweep_report_doubts_floor(c))
                layout_field(l, 0, "", "%s there: %s (wanted: %s)", c->id, c->value, c->threshold);
        }
    if (ceiling)
        layout_field(l, 0, "Ceiling", "%s, shown to miss it (5 %% shared by all levels)",
                     sweep_load_text(ceiling, load));
}

static void put_guesses(struct layout *l, const struct sweep_report *r)
{
    const struct sweep *s = &r->sweep->sweep;
    char text[OBJECTIVE_TEXT], number[LAYOUT_NUMBER], load[SWEEP_LOAD_TEXT], time[24];
    const char *unit = s->spec.kind == LOAD_OF_USERS ? "users" : "requests/s";
    if (isfinite(r->result.crossing) && r->result.crossing > 0)
        layout_field(l, 0, "Crossing", "near %s %s by point estimates: a guess, not a result",
                     layout_rate(r->result.crossing, number), unit);
    if (r->result.binding >= 0 && s->spec.slo.n > 0)
        layout_field(l, 0, "Binding", "%s",
                     objective_text(&s->spec.slo.list[r->result.binding], text, sizeof text));
    if (r->result.knee >= 0)
        layout_field(l, 0, "Knee", "near %s: from there on latency turns up (Kneedle)",
                     sweep_load_text(level_at(r, r->result.knee), load));
    if (r->result.saturated >= 0)
        layout_field(l, 0, "Saturated", "from %s on the queue grows without end",
                     sweep_load_text(level_at(r, r->result.saturated), load));
    if (!r->result.monotone)
        layout_field(l, 0, "Caution",
                     "latency does not rise with the load beyond its noise: the server, or its "
                     "host, changed during the sweep");
    if (isfinite(r->result.more_s) && r->result.more_s > 0) {
        units_format_ns((int64_t)(r->result.more_s * 1e9), time, sizeof time);
        layout_field(l, 0, "More", "a floor within 5 %% of the crossing takes a budget of about %s",
                     time);
    }
}

/* ---- all of it ---- */

static bool is_search(const struct sweep *s)
{
    return s->spec.given_count == 0 && s->spec.kind == LOAD_AT_RATE;
}

/* What the words of the table mean, of those that stand there. */
static void put_notes(struct layout *l, const struct sweep_report *r)
{
    const struct sweep *s = &r->sweep->sweep;
    bool grows = false, cut = false;
    for (size_t i = 0; i < s->count; i++) {
        grows |= s->levels[i].overloaded;
        cut |= s->levels[i].point.cut;
    }
    char text[512];
    snprintf(text, sizeof text, "%s%s%s",
             cut ? "climb and narrow levels are cut short and place the search: no floor rests on "
                   "them; of answers that had not ended, what had come counts. "
                 : "",
             grows ? "grows: what waits went on growing. " : "",
             r->result.floor >= 0
                 ? "The floor holds for this mix, these arrivals and a server that "
                   "stays as it was."
                 : "");
    if (text[0]) {
        layout_newline(l);
        layout_wrap(l, TONE_DIM, 0, 0, text);
    }
}

static void put_next(struct layout *l, const struct sweep_report *r, const char *run_file)
{
    const struct sweep *s = &r->sweep->sweep;
    if (r->result.end == SWEEP_UNFINISHED)
        layout_field(l, 0, "Next", "loadline sweep --resume %s", run_file);
    else if (r->result.floor >= 0)
        layout_field(l, 0, "Next", "loadline plan %s --rate R: replicas for a demand", run_file);
    else if (r->result.end == SWEEP_NO_SLO)
        layout_field(l, 0, "Next", "the same with --slo, for the load up to which it is met");
    else if (r->result.end == SWEEP_NEVER_MET)
        layout_field(l, 0, "Next", "%s, or another --slo",
                     is_search(s) ? "a faster server" : "lower levels, a faster server");
    else
        layout_field(l, 0, "Next", "the same with %s: what was measured is too little to tell",
                     s->spec.level_ns > 0 ? "a longer --duration" : "a larger --budget");
}

void sweep_report_text(const struct sweep_report *r, const struct report_style *style,
                       struct buf *out)
{
    struct layout l = {out, style->columns, style->color};
    put_headline(&l, r);
    put_about(&l, r);
    put_certificates(&l, r);
    put_guesses(&l, r);
    layout_heading(&l, r->sweep->sweep.spec.kind == LOAD_OF_USERS ? "Curve (load: users), ms"
                                                                  : "Curve (load: requests/s), ms");
    sweep_put_table(&l, r->sweep);
    sweep_put_picture(&l, r);
    if (r->closed)
        sweep_put_both(&l, r);
    put_notes(&l, r);
    if (style->run_file) {
        layout_newline(&l);
        layout_field(&l, 0, "Run file", "%s, from which every figure above can be recomputed",
                     style->run_file);
        put_next(&l, r, style->run_file);
    }
}
