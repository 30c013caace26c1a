#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/units.h"
#include "report/comparison.h"
#include "report/comparison_words.h"
#include "report/layout.h"
#include "report/verdict_line.h"

enum { NAME = 18, VALUE = 8, CHANGE = 8, INTERVAL = 17, P = 8, VERDICT = 12 };

/* Columns that a narrow terminal has to do without. */
struct columns {
    bool values, p;
};

static struct columns columns_for(unsigned width)
{
    unsigned least = NAME + CHANGE + INTERVAL + VERDICT;
    return (struct columns){.p = width >= least + P, .values = width >= least + P + 2 * VALUE};
}

/* --- head --- */

static void put_opening(struct layout *l, const struct comparison *c)
{
    const char *word = verdict_line_word(c->verdict);
    unsigned used = (unsigned)strlen(word) + 2;
    char text[800];
    const char *why = "nothing stands against this comparison";
    for (size_t i = 0; i < c->flaw_count; i++) {
        enum severity wanted =
            c->verdict == VERDICT_INVALID ? SEVERITY_INVALID : SEVERITY_PROVISIONAL;
        if (c->verdict != VERDICT_VALID && c->flaws[i].severity == wanted) {
            why = c->flaws[i].text;
            break;
        }
    }
    if (c->design == COMPARE_ROUNDS)
        snprintf(text, sizeof text, "%zu interleaved round%s: %s", c->complete,
                 c->complete == 1 ? "" : "s", why);
    else
        snprintf(text, sizeof text, "%s: %s", words_design(c->design), why);
    layout_put(l, verdict_line_tone(c->verdict), word);
    buf_puts(l->out, "  ");
    layout_wrap(l, TONE_PLAIN, used, used, text);
}

static void put_side(struct layout *l, const char *name, const struct compare_about *a)
{
    struct buf text = {0};
    const struct run_record *run = &a->run;
    if (a->blocks == 0)
        return; /* nothing is known of it */
    bool named = slice_starts(slice_of(run->engine_version), run->engine);
    buf_puts(&text, run->target);
    if (run->model[0])
        buf_printf(&text, " · %s", run->model);
    if (run->engine[0] || run->engine_version[0])
        buf_printf(&text, " · %s%s%s", named ? "" : run->engine,
                   run->engine[0] && run->engine_version[0] && !named ? LAYOUT_HARD_BLANK : "",
                   run->engine_version);
    layout_field(l, 0, name, "%s", buf_cstr(&text));
    buf_release(&text);
}

static void put_load(struct layout *l, const struct comparison *c)
{
    const struct run_record *run = &c->side[COMPARE_A].run;
    struct buf text = {0};
    char number[LAYOUT_NUMBER], time[LAYOUT_NUMBER];
    if (slice_is(slice_of(run->mode), "closed"))
        buf_printf(&text, "closed loop, %" PRId64 " users", run->max_concurrency);
    else if (slice_is(slice_of(run->mode), "offline"))
        buf_puts(&text, "everything at once");
    else
        buf_printf(&text, "open loop, %.6g requests/s", run->request_rate);
    if (run->workload[0])
        buf_printf(&text, " · %s prompts", run->workload);
    buf_puts(&text, " · ");
    if (run->num_prompts > 0)
        buf_printf(&text, "%s requests a %s", layout_count((double)run->num_prompts, number),
                   c->design == COMPARE_ROUNDS ? "block" : "run");
    else
        buf_printf(&text, "%s a %s", units_format_ns(run->duration_ns, time, sizeof time),
                   c->design == COMPARE_ROUNDS ? "block" : "run");
    if (c->same_seeds)
        buf_printf(&text, " · seed %" PRIu64, run->seed);
    layout_field(l, 0, "Load", "%s", buf_cstr(&text));
    buf_release(&text);
}

static void put_requests(struct layout *l, const struct comparison *c)
{
    char offered[2][LAYOUT_NUMBER], completed[2][LAYOUT_NUMBER];
    for (int s = 0; s < COMPARE_SIDES; s++) {
        layout_count((double)c->side[s].offered, offered[s]);
        layout_count((double)c->side[s].completed, completed[s]);
    }
    layout_field(l, 0, "Requests", "A %s offered, %s completed · B %s offered, %s completed",
                 offered[0], completed[0], offered[1], completed[1]);
    if (c->design != COMPARE_ROUNDS)
        layout_field(l, 0, "Runs", "%zu of A · %zu of B", c->side[COMPARE_A].blocks,
                     c->side[COMPARE_B].blocks);
}

/* --- the table --- */

static void put_name(struct layout *l, enum layout_tone tone, const char *name)
{
    char text[NAME + 1];
    snprintf(text, sizeof text, "%-*.*s", NAME, NAME, name);
    layout_put(l, tone, text);
}

static void put_head(struct layout *l, const struct columns *k)
{
    put_name(l, TONE_BOLD, "ms, tokens/s");
    if (k->values) {
        layout_cell(l, TONE_DIM, VALUE, "A");
        layout_cell(l, TONE_DIM, VALUE, "B");
    }
    layout_cell(l, TONE_DIM, CHANGE, "B to A");
    layout_cell(l, TONE_DIM, INTERVAL, "95 %");
    if (k->p)
        layout_cell(l, TONE_DIM, P, "p");
    layout_put(l, TONE_DIM, "  verdict");
    layout_newline(l);
}

static enum layout_tone tone_of(enum compare_verdict v)
{
    return v == COMPARE_WORSE        ? TONE_BAD
           : v == COMPARE_BETTER     ? TONE_GOOD
           : v == COMPARE_EQUIVALENT ? TONE_PLAIN
                                     : TONE_DIM;
}

/* A difference, and too small to matter. */
static bool is_small(const struct compare_row *r)
{
    return r->within_margin && (r->verdict == COMPARE_WORSE || r->verdict == COMPARE_BETTER);
}

static void put_verdict(struct layout *l, const struct comparison *c, const struct compare_row *r)
{
    char text[40];
    snprintf(text, sizeof text, "%s",
             r->verdict == COMPARE_NO_VERDICT ? "-" : compare_verdict_name(r->verdict));
    if (is_small(r))
        snprintf(text + strlen(text), sizeof text - strlen(text), " <%.3g%%", 100 * c->spec.margin);
    buf_puts(l->out, "  ");
    layout_put(l, tone_of(r->verdict), text);
}

static void put_row(struct layout *l, const struct comparison *c, const struct compare_row *r,
                    const struct columns *k)
{
    char name[COMPARE_NAME], number[LAYOUT_NUMBER], cell[WORDS_CELL];
    put_name(l, TONE_PLAIN, compare_metric_name(&r->metric, name));
    for (int s = 0; k->values && s < COMPARE_SIDES; s++)
        layout_cell(l, TONE_PLAIN, VALUE, layout_rate(r->median[s], number));
    layout_cell(l, TONE_PLAIN, CHANGE, words_change(r->ratio, cell));
    layout_cell(l, TONE_PLAIN, INTERVAL, words_interval(r->ratio, &r->ci, cell));
    if (k->p)
        layout_cell(l, TONE_PLAIN, P, words_p(r->p_holm, cell));
    put_verdict(l, c, r);
    layout_newline(l);
}

static void put_table(struct layout *l, const struct comparison *c)
{
    struct columns k = columns_for(l->columns);
    layout_newline(l);
    put_head(l, &k);
    for (size_t i = 0; i < c->row_count; i++)
        put_row(l, c, &c->rows[i], &k);
}

/* --- below it --- */

static void put_gates(struct layout *l, const struct comparison *c)
{
    static const char *const words[] = {"passes", "FAILS", "no answer"};
    static const enum layout_tone tones[] = {TONE_GOOD, TONE_BAD, TONE_WARN};
    if (c->gate_count == 0)
        return;
    layout_heading(l, "Fail if");
    for (size_t i = 0; i < c->gate_count; i++) {
        const struct compare_gate_result *g = &c->gates[i];
        struct buf text = {0};
        char state[16];
        compare_gate_put(&g->gate, &text);
        buf_puts(&text, ": ");
        words_gate(c, g, &text);
        snprintf(state, sizeof state, "  %-11s", words[g->state]);
        layout_put(l, tones[g->state], state);
        layout_wrap(l, TONE_PLAIN, LAYOUT_LABEL, LAYOUT_LABEL, buf_cstr(&text));
        buf_release(&text);
    }
}

static void put_flaw(struct layout *l, enum severity severity, const char *text)
{
    static const char *const words[] = {"NOTE", "PROVISIONAL", "INVALID"};
    static const enum layout_tone tones[] = {TONE_DIM, TONE_WARN, TONE_BAD};
    char label[16];
    snprintf(label, sizeof label, "  %-13s", words[severity]);
    layout_put(l, tones[severity], label);
    layout_wrap(l, TONE_PLAIN, LAYOUT_LABEL + 2, LAYOUT_LABEL + 2, text);
}

/* Why rows have no verdict: once for all that have the same reason, where some have one. */
static void put_reasons(struct layout *l, const struct comparison *c)
{
    for (size_t i = 0; i < c->row_count; i++) {
        const char *why = c->rows[i].why;
        char name[COMPARE_NAME];
        struct buf text = {0};
        bool said = why[0] == '\0';
        for (size_t k = 0; k < i; k++)
            said = said || strcmp(c->rows[k].why, why) == 0;
        if (said)
            continue;
        buf_printf(&text, "no verdict on %s", compare_metric_name(&c->rows[i].metric, name));
        for (size_t k = i + 1; k < c->row_count; k++)
            if (strcmp(c->rows[k].why, why) == 0)
                buf_printf(&text, ", %s", compare_metric_name(&c->rows[k].metric, name));
        buf_printf(&text, ": %s", why);
        put_flaw(l, SEVERITY_NOTE, buf_cstr(&text));
        buf_release(&text);
    }
}

/* All rows for one reason: the sentence above the table has said so. */
static bool reasons_are_said(const struct comparison *c)
{
    for (size_t i = 0; i < c->row_count; i++)
        if (strcmp(c->rows[i].why, c->rows[0].why) != 0)
            return false;
    return true;
}

/* The gravest first. */
static void put_flaws(struct layout *l, const struct comparison *c)
{
    bool reasons = !reasons_are_said(c);
    if (c->flaw_count == 0 && !reasons)
        return;
    layout_heading(l, "What to know");
    for (int severity = SEVERITY_INVALID; severity >= SEVERITY_NOTE; severity--)
        for (size_t i = 0; i < c->flaw_count; i++)
            if ((int)c->flaws[i].severity == severity)
                put_flaw(l, c->flaws[i].severity, c->flaws[i].text);
    if (reasons)
        put_reasons(l, c);
}

static const char *method_of(enum compare_design d)
{
    if (d == COMPARE_UNPAIRED_RUNS)
        return "A and B are medians of run-level values; B to A, 95 % and p are of Welch's t-test "
               "on "
               "their logarithms";
    if (d == COMPARE_SINGLE_RUNS)
        return "95 % is put together from the intervals within the two runs";
    return "A and B are medians over the rounds; B to A is the Hodges-Lehmann estimate of their "
           "ratio, 95 % and p are of the exact signed-rank test";
}

static bool any_small(const struct comparison *c)
{
    for (size_t i = 0; i < c->row_count; i++)
        if (is_small(&c->rows[i]))
            return true;
    return false;
}

static void put_method(struct layout *l, const struct comparison *c)
{
    struct buf text = {0};
    double margin = 100 * c->spec.margin;
    buf_puts(&text, method_of(c->design));
    if (c->design != COMPARE_SINGLE_RUNS)
        buf_printf(&text,
                   ", p adjusted for all metrics (Holm). Equivalent: no difference is shown, and "
                   "the interval lies within ± %.4g %%",
                   margin);
    buf_putc(&text, '.');
    if (any_small(c))
        buf_printf(&text,
                   " <%.3g%% behind a verdict: the difference is shown, and too small to matter.",
                   margin);
    layout_newline(l);
    layout_wrap(l, TONE_DIM, 0, 0, buf_cstr(&text));
    buf_release(&text);
}

static void put_foot(struct layout *l, const struct comparison *c, const struct report_style *style)
{
    struct buf rounds = {0};
    words_rounds(c, &rounds);
    if (rounds.n > 0 || style->run_file)
        layout_newline(l);
    if (rounds.n > 0)
        layout_field(l, 0, "To decide", "%s in all, if spread and ratio stay as they are: %s",
                     c->design == COMPARE_ROUNDS ? "rounds" : "runs of each", buf_cstr(&rounds));
    buf_release(&rounds);
    if (style->run_file)
        layout_field(l, 0, "Run file", "%s, from which every figure here can be recomputed",
                     style->run_file);
    put_method(l, c);
}

void comparison_text(const struct comparison *c, const struct report_style *style, struct buf *out)
{
    struct layout l = {out,
                       style->columns > LAYOUT_MIN_COLUMNS ? style->columns : LAYOUT_MIN_COLUMNS,
                       style->color};
    struct buf result = {0};
    bool any = c->side[COMPARE_A].blocks > 0 && c->side[COMPARE_B].blocks > 0;
    put_opening(&l, c);
    layout_newline(&l);
    put_side(&l, "A", &c->side[COMPARE_A]);
    put_side(&l, "B", &c->side[COMPARE_B]);
    if (any) {
        put_load(&l, c);
        put_requests(&l, c);
        words_result(c, &result);
        layout_newline(&l);
        layout_wrap(&l, TONE_BOLD, 0, 0, buf_cstr(&result));
        put_table(&l, c);
    }
    put_gates(&l, c);
    put_flaws(&l, c);
    put_foot(&l, c, style);
    buf_release(&result);
}
