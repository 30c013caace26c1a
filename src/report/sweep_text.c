#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/units.h"
#include "report/layout.h"
#include "report/sweep_report.h"

bool sweep_report_invalid(const struct sweep_report *r)
{
    return r->floor && r->floor->verdict == VERDICT_INVALID;
}

static const struct level *level_at(const struct sweep_report *r, int i)
{
    return i >= 0 ? &r->sweep->sweep.levels[i] : NULL;
}

/* "8.12 requests/s", "32 users". */
static const char *load_text(const struct level *l, char *out, size_t room)
{
    char number[LAYOUT_NUMBER];
    if (l->point.kind == LOAD_OF_USERS)
        snprintf(out, room, "%" PRId64 " user%s", l->point.users, l->point.users == 1 ? "" : "s");
    else
        snprintf(out, room, "%s requests/s", layout_rate(l->point.rate, number));
    return out;
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
    char low[48], high[48], line[256];
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
        snprintf(line, sizeof line, "%s met; ceiling: %s missed", load_text(floor, low, sizeof low),
                 load_text(ceiling, high, sizeof high));
    } else if (floor) {
        word = "FLOOR";
        tone = TONE_GOOD;
        snprintf(line, sizeof line, "%s met; no level was shown to miss the SLO",
                 load_text(floor, low, sizeof low));
    } else if (ceiling) {
        snprintf(line, sizeof line, "no level was shown to meet the SLO; ceiling: %s missed",
                 load_text(ceiling, high, sizeof high));
    } else {
        snprintf(line, sizeof line, "no level was shown to meet the SLO, and none to miss it");
    }
    if (r->result.end == SWEEP_UNFINISHED) {
        layout_put(l, TONE_WARN, "UNFINISHED");
        layout_wrap(l, TONE_PLAIN, LAYOUT_LABEL, 10,
                    "  the sweep was interrupted; what follows is what it had by then");
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
    layout_field(l, 0, "Sweep", "%zu levels in %s of %s", s->count, spent, budget);
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

static void put_certificates(struct layout *l, const struct sweep_report *r)
{
    const struct sweep *s = &r->sweep->sweep;
    const struct level *floor = level_at(r, r->result.floor),
                       *ceiling = level_at(r, r->result.ceiling);
    char load[48], time[24];
    if (floor) {
        units_format_ns(floor->window.end_ns - floor->window.start_ns, time, sizeof time);
        layout_field(l, 0, "Floor", "%s, shown to meet the SLO at 5 %% over %s",
                     load_text(floor, load, sizeof load), time);
        put_rests_on(l, floor, s->spec.slo.n);
    }
    if (r->floor && r->floor->verdict != VERDICT_VALID)
        for (size_t i = 0; i < r->floor->check_count; i++) {
            const struct check *c = &r->floor->checks[i];
            if (c->status == CHECK_FAIL && c->severity != SEVERITY_NOTE)
                layout_field(l, 0, "", "%s there: %s (wanted: %s)", c->id, c->value, c->threshold);
        }
    if (ceiling)
        layout_field(l, 0, "Ceiling", "%s, shown to miss it (5 %% shared by all levels)",
                     load_text(ceiling, load, sizeof load));
}

static void put_guesses(struct layout *l, const struct sweep_report *r)
{
    const struct sweep *s = &r->sweep->sweep;
    char text[OBJECTIVE_TEXT], number[LAYOUT_NUMBER], load[48], time[24];
    const char *unit = s->spec.kind == LOAD_OF_USERS ? "users" : "requests/s";
    if (isfinite(r->result.crossing) && r->result.crossing > 0)
        layout_field(l, 0, "Crossing", "near %s %s by point estimates: a guess, not a result",
                     layout_rate(r->result.crossing, number), unit);
    if (r->result.binding >= 0 && s->spec.slo.n > 0)
        layout_field(l, 0, "Binding", "%s",
                     objective_text(&s->spec.slo.list[r->result.binding], text, sizeof text));
    if (r->result.knee >= 0)
        layout_field(l, 0, "Knee", "near %s: from there on latency turns up (Kneedle)",
                     load_text(level_at(r, r->result.knee), load, sizeof load));
    if (r->result.saturated >= 0)
        layout_field(l, 0, "Saturated", "from %s on the queue grows without end",
                     load_text(level_at(r, r->result.saturated), load, sizeof load));
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

/* ---- the curve ---- */

struct row {
    const struct level *level;
    const struct curve_point *point;
};

static int by_load(const void *a, const void *b)
{
    double x = level_load(((const struct row *)a)->level),
           y = level_load(((const struct row *)b)->level);
    return (x > y) - (x < y);
}

static size_t rows_of(const struct sweep_read *s, struct row *rows)
{
    size_t n = 0;
    for (size_t i = 0; i < s->sweep.count; i++)
        if (s->sweep.levels[i].point.kind != LOAD_AT_ONCE)
            rows[n++] = (struct row){&s->sweep.levels[i], &s->points[i]};
    qsort(rows, n, sizeof *rows, by_load);
    return n;
}

static const char *word_of(const struct sweep_read *s, const struct level *v,
                           enum layout_tone *tone)
{
    enum slo_decision d = sweep_decide(&s->sweep, v);
    *tone = d == SLO_PASS ? TONE_GOOD : d == SLO_FAIL ? TONE_BAD : TONE_DIM;
    return d == SLO_PASS   ? "met"
           : d == SLO_FAIL ? "missed"
           : v->overloaded ? "grows"
                           : level_stage_name(v->stage);
}

static void put_table(struct layout *l, const struct sweep_read *s)
{
    static const char *const head[] = {"load",     "done/s",   "tok/s",    "open",
                                       "ttft p50", "ttft p99", "tpot p50", "tpot p99"};
    static const unsigned width[] = {8, 8, 8, 7, 10, 10, 10, 10};
    struct row *rows = MEM_ARRAY(struct row, SWEEP_MAX_LEVELS);
    size_t n = rows_of(s, rows);
    for (size_t c = 0; c < sizeof head / sizeof head[0]; c++)
        layout_cell(l, TONE_DIM, width[c], head[c]);
    layout_newline(l);
    for (size_t i = 0; i < n; i++) {
        const struct curve_point *p = rows[i].point;
        char text[8][LAYOUT_NUMBER];
        enum layout_tone tone;
        layout_rate(level_load(rows[i].level), text[0]);
        layout_rate(p->requests_per_s, text[1]);
        layout_rate(p->output_tokens_per_s, text[2]);
        layout_rate(p->in_flight, text[3]);
        layout_ms(p->ttft_p50_ms, text[4]);
        layout_ms(p->ttft_p99_ms, text[5]);
        layout_ms(p->tpot_p50_ms, text[6]);
        layout_ms(p->tpot_p99_ms, text[7]);
        for (size_t c = 0; c < 8; c++)
            layout_cell(l, TONE_PLAIN, width[c], text[c]);
        const char *word = word_of(s, rows[i].level, &tone);
        buf_puts(l->out, "  ");
        layout_put(l, tone, word);
        layout_newline(l);
    }
    free(rows);
}

/* At the same throughput, or as near as there is: what each loop shows. */
static const struct row *nearest(const struct row *rows, size_t n, double requests_per_s)
{
    const struct row *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (!best || fabs(log(rows[i].point->requests_per_s / requests_per_s)) <
                         fabs(log(best->point->requests_per_s / requests_per_s)))
            best = &rows[i];
    return best;
}

static void put_closed(struct layout *l, const struct sweep_report *r)
{
    struct row *open = MEM_ARRAY(struct row, SWEEP_MAX_LEVELS);
    struct row *closed = MEM_ARRAY(struct row, SWEEP_MAX_LEVELS);
    size_t n = rows_of(r->sweep, open), m = rows_of(r->closed, closed);
    layout_heading(l, "Closed loop (load: users), ms");
    put_table(l, r->closed);
    const struct row *top = n > 0 ? &open[n - 1] : NULL;
    const struct row *same = top ? nearest(closed, m, top->point->requests_per_s) : NULL;
    if (same && same->point->ttft_p99_ms > 0) {
        char rate[LAYOUT_NUMBER], done[LAYOUT_NUMBER], a[LAYOUT_NUMBER], b[LAYOUT_NUMBER];
        char users[48];
        layout_newline(l);
        layout_field(
            l, 0, "Why it matters",
            "with %s requests/s arriving, %s/s were served and p99 ttft was %s ms. The closed "
            "loop of %s shows %s ms at about that throughput: its users wait for their "
            "answers before they ask again, so its queue cannot grow. Requests that come "
            "when they come see the open loop's figures.",
            layout_rate(level_load(top->level), rate),
            layout_rate(top->point->requests_per_s, done), layout_ms(top->point->ttft_p99_ms, a),
            load_text(same->level, users, sizeof users), layout_ms(same->point->ttft_p99_ms, b));
    }
    free(open);
    free(closed);
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
    put_table(&l, r->sweep);
    if (r->closed)
        put_closed(&l, r);
    layout_newline(&l);
    layout_wrap(&l, TONE_DIM, 0, 0,
                "climb and narrow levels are cut short and place the search: nothing is claimed of "
                "them; of answers that had not ended, what had come counts. grows: the queue did. "
                "The floor holds for this mix, these arrivals and a server that stays as it was.");
    if (style->run_file) {
        layout_newline(&l);
        layout_field(&l, 0, "Run file", "%s, from which every figure above can be recomputed",
                     style->run_file);
        layout_field(&l, 0, "Next",
                     r->result.end == SWEEP_UNFINISHED
                         ? "loadline sweep --resume %s"
                         : "loadline plan %s --rate R: replicas for a demand",
                     style->run_file);
    }
}
