#include "report/report.h"

#include <stdio.h>

#include "report/layout.h"
#include "report/verdict_line.h"

enum { SERIES_MAX_ROWS = 96, NAME = 22, CELL = 10 };

static enum verdict worst_of(const struct summary *runs, size_t count)
{
    enum verdict worst = VERDICT_VALID;
    for (size_t i = 0; i < count; i++)
        if (runs[i].verdict > worst)
            worst = runs[i].verdict;
    return worst;
}

static void put_verdicts(struct layout *l, const struct summary *runs, size_t count)
{
    enum verdict worst = worst_of(runs, count);
    char text[160];
    size_t valid = 0, provisional = 0;
    for (size_t i = 0; i < count; i++) {
        valid += runs[i].verdict == VERDICT_VALID;
        provisional += runs[i].verdict == VERDICT_PROVISIONAL;
    }
    snprintf(text, sizeof text, "%zu runs: %zu valid, %zu provisional, %zu invalid", count, valid,
             provisional, count - valid - provisional);
    layout_put(l, verdict_line_tone(worst), verdict_line_word(worst));
    buf_puts(l->out, "  ");
    unsigned used = (unsigned)strlen(verdict_line_word(worst)) + 2;
    layout_wrap(l, TONE_PLAIN, used, used, text);
}

static void put_row(struct layout *l, const struct series_metric *m)
{
    char number[LAYOUT_NUMBER], low[LAYOUT_NUMBER], high[LAYOUT_NUMBER];
    char name[64], interval[2 * LAYOUT_NUMBER + 8];
    snprintf(name, sizeof name, "  %-*.*s", NAME - 2, NAME - 2, m->name);
    layout_put(l, TONE_PLAIN, name);
    layout_cell(l, TONE_PLAIN, CELL, layout_rate(m->median, number));
    layout_cell(l, TONE_PLAIN, CELL, layout_rate(m->mean, number));
    if (l->columns >= NAME + 6 * CELL - 4) {
        layout_cell(l, TONE_PLAIN, CELL - 1, layout_rate(m->sd, number));
        layout_cell(l, TONE_PLAIN, CELL - 1, layout_percent(m->cv, number));
    }
    if (m->ci95.has_low && m->ci95.has_high)
        snprintf(interval, sizeof interval, "[%s, %s]", layout_rate(m->ci95.low, low),
                 layout_rate(m->ci95.high, high));
    else
        snprintf(interval, sizeof interval, "no bound");
    layout_cell(l, TONE_PLAIN, 2 * CELL - 2, interval);
    layout_newline(l);
}

/* The full list is in the JSON; a terminal gets the mean, p50 and p99 of each latency. */
static bool is_shown(const struct series_metric *m, const struct summary_options *o)
{
    const char *which = strchr(m->name, ' ');
    return !which || o->percentile_count <= 3 || strcmp(which, " mean") == 0 ||
           strcmp(which, " p50") == 0 || strcmp(which, " p99") == 0;
}

static void put_table(struct layout *l, const struct summary *runs, size_t count)
{
    struct series_metric rows[SERIES_MAX_ROWS];
    size_t n = summary_series(runs, count, rows, SERIES_MAX_ROWS);
    layout_newline(l);
    char head[NAME + 1];
    snprintf(head, sizeof head, "%-*s", NAME, "Over the runs");
    layout_put(l, TONE_BOLD, head);
    layout_cell(l, TONE_DIM, CELL, "median");
    layout_cell(l, TONE_DIM, CELL, "mean");
    if (l->columns >= NAME + 6 * CELL - 4) {
        layout_cell(l, TONE_DIM, CELL - 1, "sd");
        layout_cell(l, TONE_DIM, CELL - 1, "cv");
    }
    layout_cell(l, TONE_DIM, 2 * CELL - 2, "95 % of the mean");
    layout_newline(l);
    for (size_t i = 0; i < n; i++)
        if (is_shown(&rows[i], &runs[0].options))
            put_row(l, &rows[i]);
}

void report_text_series(const struct summary *runs, size_t count, const struct report_style *style,
                        struct buf *out)
{
    struct layout l = {out,
                       style->columns > LAYOUT_MIN_COLUMNS ? style->columns : LAYOUT_MIN_COLUMNS,
                       style->color};
    put_verdicts(&l, runs, count);
    put_table(&l, runs, count);
    layout_newline(&l);
    layout_wrap(
        &l, TONE_DIM, 0, 0,
        "One value a run; medians are ranks, never interpolated; t-intervals over the runs. "
        "Latencies in ms.");
    if (style->run_file)
        layout_field(&l, 0, "Run file", "%s", style->run_file);
}
