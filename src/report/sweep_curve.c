#include "report/sweep_curve.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

const char *sweep_load_text(const struct level *l, char out[SWEEP_LOAD_TEXT])
{
    char number[LAYOUT_NUMBER];
    if (l->point.kind == LOAD_OF_USERS)
        snprintf(out, SWEEP_LOAD_TEXT, "%" PRId64 " user%s", l->point.users,
                 l->point.users == 1 ? "" : "s");
    else
        snprintf(out, SWEEP_LOAD_TEXT, "%s requests/s", layout_rate(l->point.rate, number));
    return out;
}

/* One user among rates. */
static bool is_single(const struct level *l)
{
    return l->stage == LEVEL_SINGLE;
}

static int by_load(const void *a, const void *b)
{
    const struct level *p = ((const struct sweep_row *)a)->level,
                       *q = ((const struct sweep_row *)b)->level;
    double x = is_single(p) ? -1 : level_load(p), y = is_single(q) ? -1 : level_load(q);
    return (x > y) - (x < y);
}

size_t sweep_rows(const struct sweep_read *s, struct sweep_row *rows)
{
    size_t n = 0;
    for (size_t i = 0; i < s->sweep.count; i++)
        if (s->sweep.levels[i].point.kind != LOAD_AT_ONCE)
            rows[n++] = (struct sweep_row){&s->sweep.levels[i], &s->points[i]};
    qsort(rows, n, sizeof *rows, by_load);
    return n;
}

/* ---- one table ---- */

struct column {
    const char *head;
    unsigned width;
    bool narrow_too; /* also where there are fewer than FULL_COLUMNS */
};

enum { FULL_COLUMNS = 80, CELLS = 8 };

static const struct column columns[CELLS] = {
    {"load", 8, true},       {"done/s", 8, true},     {"tok/s", 8, false},
    {"open", 7, false},      {"ttft p50", 10, false}, {"ttft p99", 10, true},
    {"tpot p50", 10, false}, {"tpot p99", 10, true},
};

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

static void put_row(struct layout *l, const struct sweep_read *s, const struct sweep_row *row)
{
    const struct curve_point *p = row->point;
    char text[CELLS][LAYOUT_NUMBER];
    enum layout_tone tone;
    if (is_single(row->level))
        snprintf(text[0], sizeof text[0], "1 user");
    else
        layout_rate(level_load(row->level), text[0]);
    layout_rate(p->requests_per_s, text[1]);
    layout_rate(p->output_tokens_per_s, text[2]);
    layout_rate(p->in_flight, text[3]);
    layout_ms(p->ttft_p50_ms, text[4]);
    layout_ms(p->ttft_p99_ms, text[5]);
    layout_ms(p->tpot_p50_ms, text[6]);
    layout_ms(p->tpot_p99_ms, text[7]);
    for (size_t c = 0; c < CELLS; c++)
        if (l->columns >= FULL_COLUMNS || columns[c].narrow_too)
            layout_cell(l, TONE_PLAIN, columns[c].width, text[c]);
    const char *word = word_of(s, row->level, &tone);
    buf_puts(l->out, "  ");
    layout_put(l, tone, word);
    layout_newline(l);
}

void sweep_put_table(struct layout *l, const struct sweep_read *s)
{
    struct sweep_row *rows = MEM_ARRAY(struct sweep_row, SWEEP_MAX_LEVELS);
    size_t n = sweep_rows(s, rows);
    for (size_t c = 0; c < CELLS; c++)
        if (l->columns >= FULL_COLUMNS || columns[c].narrow_too)
            layout_cell(l, TONE_DIM, columns[c].width, columns[c].head);
    layout_newline(l);
    for (size_t i = 0; i < n; i++)
        put_row(l, s, &rows[i]);
    free(rows);
}

/* ---- both loops ---- */

/* Levels of two loops are of about the same throughput within this ratio. */
static const double same_ratio = 1.2;

/* What a level puts through: an open loop as much as arrives while the server keeps up. */
static double throughput(const struct sweep_row *r)
{
    return r->level->point.kind == LOAD_AT_RATE ? level_load(r->level) : r->point->requests_per_s;
}

static const unsigned wide[4] = {8, 8, 10, 10}, narrow[4] = {7, 6, 7, 7};

static void put_cell(struct layout *l, unsigned width, const char *text)
{
    if (text[0])
        layout_cell(l, TONE_PLAIN, width, text);
    else
        for (unsigned i = 0; i < width; i++)
            buf_putc(l->out, ' ');
}

/* Half a line; blank without a row, and not to the end of the line. */
static void put_half(struct layout *l, const struct sweep_row *r, bool last)
{
    const unsigned *width = l->columns >= FULL_COLUMNS ? wide : narrow;
    char text[4][LAYOUT_NUMBER] = {"", "", "", ""};
    if (!r && last)
        return;
    if (r) {
        layout_rate(level_load(r->level), text[0]);
        layout_rate(r->point->requests_per_s, text[1]);
        layout_ms(r->point->ttft_p99_ms, text[2]);
        layout_ms(r->point->tpot_p99_ms, text[3]);
    }
    for (size_t c = 0; c < 4; c++)
        put_cell(l, width[c], text[c]);
}

static void put_both_heads(struct layout *l)
{
    static const char *const full[] = {"arrive/s", "done/s", "ttft p99", "tpot p99"};
    static const char *const brief[] = {"arrive", "done", "ttft", "tpot"};
    bool is_wide = l->columns >= FULL_COLUMNS;
    const unsigned *width = is_wide ? wide : narrow;
    const char *const *head = is_wide ? full : brief;
    unsigned half = width[0] + width[1] + width[2] + width[3];
    layout_cell(l, TONE_DIM, half, "open loop");
    buf_puts(l->out, "  │");
    layout_cell(l, TONE_DIM, half, "closed loop");
    layout_newline(l);
    for (int side = 0; side < 2; side++) {
        for (size_t c = 0; c < 4; c++)
            layout_cell(l, TONE_DIM, width[c], side == 1 && c == 0 ? "users" : head[c]);
        buf_puts(l->out, side == 0 ? "  │" : "");
    }
    layout_newline(l);
}

/* The rows that have a load of the open loop; what one user did is none. */
static size_t open_rows(const struct sweep_read *s, struct sweep_row *rows)
{
    size_t n = sweep_rows(s, rows), kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!is_single(rows[i].level))
            rows[kept++] = rows[i];
    return kept;
}

static int by_throughput(const void *a, const void *b)
{
    double x = throughput(a), y = throughput(b);
    return (x > y) - (x < y);
}

static void put_both_rows(struct layout *l, const struct sweep_row *open, size_t n,
                          const struct sweep_row *closed, size_t m)
{
    for (size_t i = 0, j = 0; i < n || j < m;) {
        const struct sweep_row *a = i < n ? &open[i] : NULL, *b = j < m ? &closed[j] : NULL;
        if (a && b) {
            double ratio = throughput(a) / throughput(b);
            bool nearer_next =
                i + 1 < n && fabs(log(throughput(&open[i + 1]) / throughput(b))) < fabs(log(ratio));
            if (ratio > same_ratio)
                a = NULL;
            else if (ratio < 1 / same_ratio || nearer_next)
                b = NULL;
        }
        put_half(l, a, false);
        buf_puts(l->out, "  │");
        put_half(l, b, true);
        layout_newline(l);
        i += a != NULL;
        j += b != NULL;
    }
}

/* The heaviest level of the open loop that was more than the server kept up with, and was not one
 * short step of many. */
static const struct sweep_row *beyond(const struct sweep_row *open, size_t n)
{
    static const double kept_up = 0.95;
    const struct sweep_row *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (open[i].level->stage != LEVEL_CLIMB && open[i].point->ttft_p99_ms > 0 &&
            (open[i].level->overloaded ||
             open[i].point->requests_per_s < kept_up * level_load(open[i].level)))
            best = &open[i];
    return best;
}

static void put_why(struct layout *l, const struct sweep_row *open, size_t n,
                    const struct sweep_row *closed, size_t m)
{
    const struct sweep_row *o = beyond(open, n), *c = m > 0 ? &closed[m - 1] : NULL;
    char arrive[LAYOUT_NUMBER], served[LAYOUT_NUMBER], done[LAYOUT_NUMBER], users[SWEEP_LOAD_TEXT];
    layout_newline(l);
    if (!o || !c) {
        layout_field(l, 0, "Compare",
                     "lines with both loops are of about the same throughput. Users of a closed "
                     "loop wait for their answers before they ask again: they never ask faster "
                     "than the server answers.");
        return;
    }
    layout_field(l, 0, "Compare",
                 "with %s requests/s arriving, the open loop was served %s, and what waits grows "
                 "for as long as that goes on. The closed loop of %s came to %s requests/s and "
                 "cannot ask for more: its users wait for their answers before they ask again. "
                 "What arrives whether the server keeps up or not is the open loop's case.",
                 layout_rate(level_load(o->level), arrive),
                 layout_rate(o->point->requests_per_s, served), sweep_load_text(c->level, users),
                 layout_rate(c->point->requests_per_s, done));
}

void sweep_put_both(struct layout *l, const struct sweep_report *r)
{
    struct sweep_row *open = MEM_ARRAY(struct sweep_row, SWEEP_MAX_LEVELS);
    struct sweep_row *closed = MEM_ARRAY(struct sweep_row, SWEEP_MAX_LEVELS);
    size_t n = open_rows(r->sweep, open), m = sweep_rows(r->closed, closed);
    qsort(closed, m, sizeof *closed, by_throughput);
    layout_heading(l, "Both loops side by side, by throughput, ms");
    put_both_heads(l);
    put_both_rows(l, open, n, closed, m);
    m = sweep_rows(r->closed, closed); /* by users again */
    put_why(l, open, n, closed, m);
    free(open);
    free(closed);
}
