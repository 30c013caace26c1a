#include "report/tables.h"

#include <math.h>
#include <stdio.h>

enum { HEAD = 14, CELL = 9 };
#define INTERVAL_LABEL "    95 %"

static const char *const short_names[LATENCY_METRICS] = {
    [LATENCY_TTFT] = "ttft",       [LATENCY_TTFT_SERVICE] = "ttft_service",
    [LATENCY_TTFA] = "ttfa",       [LATENCY_TPOT] = "tpot",
    [LATENCY_ITL] = "itl",         [LATENCY_E2E] = "e2e",
    [LATENCY_CONNECT] = "connect",
};

/* Which percentiles a narrow table keeps, first come first; those not named here after them, from
 * the top. */
static const double importance[] = {50, 99, 95, 90, 99.9, 75};

struct picked {
    size_t at[SUMMARY_MAX_PERCENTILES]; /* places in options.percentiles, ascending */
    size_t n;
};

static void pick(struct picked *p, bool *taken, size_t i, size_t room)
{
    if (p->n < room && !taken[i]) {
        taken[i] = true;
        p->n++;
    }
}

static struct picked pick_percentiles(const struct summary_options *o, size_t room)
{
    struct picked p = {0};
    bool taken[SUMMARY_MAX_PERCENTILES] = {false};
    for (size_t k = 0; k < sizeof importance / sizeof importance[0]; k++)
        for (size_t i = 0; i < o->percentile_count; i++)
            if (o->percentiles[i] == importance[k])
                pick(&p, taken, i, room);
    for (size_t i = o->percentile_count; i-- > 0;)
        pick(&p, taken, i, room);
    p.n = 0;
    for (size_t i = 0; i < o->percentile_count; i++)
        if (taken[i])
            p.at[p.n++] = i;
    return p;
}

static void put_head(struct layout *l, const char *title)
{
    layout_put(l, TONE_BOLD, title);
    for (size_t i = layout_width(slice_of(title)); i < HEAD; i++)
        buf_putc(l->out, ' ');
}

/* A number with room behind it for the mark of a percentile without a bound. */
static void put_value(struct layout *l, double ms, bool unbounded)
{
    char number[LAYOUT_NUMBER], text[LAYOUT_NUMBER + 2];
    snprintf(text, sizeof text, "%s%c", layout_ms(ms, number), unbounded ? '*' : ' ');
    layout_cell(l, TONE_PLAIN, CELL, text);
}

static bool put_row(struct layout *l, const struct summary *s, int m, const struct picked *p)
{
    const struct latency *x = &s->latency[m];
    bool marked = false;
    char name[HEAD + 1];
    snprintf(name, sizeof name, "  %-*s", HEAD - 2, short_names[m]);
    layout_put(l, TONE_PLAIN, name);
    put_value(l, x->mean, false);
    for (size_t i = 0; i < p->n; i++) {
        bool unbounded = !x->ci95[p->at[i]].has_high;
        put_value(l, x->percentile[p->at[i]], unbounded);
        marked = marked || unbounded;
    }
    layout_newline(l);
    return marked;
}

static void interval_text(const struct interval *ci, char *out, size_t n)
{
    char low[LAYOUT_NUMBER], high[LAYOUT_NUMBER];
    if (ci->has_low && ci->has_high)
        snprintf(out, n, "[%s – %s]", layout_ms(ci->low, low), layout_ms(ci->high, high));
    else if (ci->has_low)
        snprintf(out, n, "[%s, no upper bound]", layout_ms(ci->low, low));
    else if (ci->has_high)
        snprintf(out, n, "[no lower bound, %s]", layout_ms(ci->high, high));
    else
        snprintf(out, n, "[no bound]");
}

/* Place among the picked of percentile `wanted`, or `otherwise`. */
static size_t place_of(const struct summary_options *o, const struct picked *p, double wanted,
                       size_t otherwise)
{
    for (size_t i = 0; i < p->n; i++)
        if (o->percentiles[p->at[i]] == wanted)
            return i;
    return otherwise;
}

/* The intervals of p50 and p99, each ending under its own column. */
static void put_intervals(struct layout *l, const struct summary *s, int m, const struct picked *p)
{
    const struct latency *x = &s->latency[m];
    size_t place[2] = {place_of(&s->options, p, 50, 0), place_of(&s->options, p, 99, p->n - 1)};
    char text[2 * LAYOUT_NUMBER + 24];
    size_t at = strlen(INTERVAL_LABEL);
    layout_put(l, TONE_DIM, INTERVAL_LABEL);
    for (size_t k = 0; k < 2 && (k == 0 || place[1] > place[0]); k++) {
        interval_text(&x->ci95[p->at[place[k]]], text, sizeof text);
        size_t end = HEAD + CELL * (place[k] + 2) - 1, n = strlen(text);
        size_t from = end > at + n ? end - n : at + 1;
        if (from + n > l->columns)
            break;
        layout_cell(l, TONE_DIM, (unsigned)(from + n - at), text);
        at = from + n;
    }
    layout_newline(l);
}

bool tables_latency(struct layout *l, const struct summary *s, unsigned metrics)
{
    size_t room = (l->columns - HEAD) / CELL - 1;
    struct picked p = pick_percentiles(&s->options, room);
    bool marked = false, any = false;
    char label[24];
    for (int m = 0; m < LATENCY_METRICS; m++)
        any = any || ((metrics >> m & 1) && s->latency[m].n > 0);
    if (!any)
        return false;
    layout_newline(l);
    put_head(l, "Latency, ms");
    layout_cell(l, TONE_DIM, CELL - 1, "mean");
    buf_putc(l->out, ' ');
    for (size_t i = 0; i < p.n; i++) {
        snprintf(label, sizeof label, "p%.5g", s->options.percentiles[p.at[i]]);
        layout_cell(l, TONE_DIM, CELL - 1, label);
        if (i + 1 < p.n)
            buf_putc(l->out, ' ');
    }
    layout_newline(l);
    for (int m = 0; m < LATENCY_METRICS; m++) {
        if (!(metrics >> m & 1) || s->latency[m].n == 0)
            continue;
        marked = put_row(l, s, m, &p) || marked;
        put_intervals(l, s, m, &p);
    }
    return marked;
}

static const struct {
    const char *upper, *lower;
} ladder_columns[] = {
    {"", "requests"}, {"ttft", "p50"}, {"tpot", "p50"},
    {"tpot", "p99"},  {"e2e", "p50"},  {"e2e", "p99"},
};

enum { LADDER_COLUMNS = sizeof ladder_columns / sizeof ladder_columns[0] };

static void put_rung(struct layout *l, const struct rung *r, size_t columns)
{
    const double values[LADDER_COLUMNS - 1] = {r->ttft_p50_ms, r->tpot_p50_ms, r->tpot_p99_ms,
                                               r->e2e_p50_ms, r->e2e_p99_ms};
    char number[LAYOUT_NUMBER], name[HEAD + LAYOUT_NUMBER];
    snprintf(name, sizeof name, "  %-*s", HEAD - 2, layout_count((double)r->output_tokens, number));
    layout_put(l, TONE_PLAIN, name);
    layout_cell(l, TONE_PLAIN, CELL, layout_count((double)r->n, number));
    for (size_t i = 0; i + 1 < columns; i++)
        layout_cell(l, TONE_PLAIN, CELL, layout_ms(values[i], number));
    layout_newline(l);
}

void tables_ladder(struct layout *l, const struct summary *s)
{
    size_t columns = (l->columns - HEAD) / CELL;
    if (s->rung_count == 0)
        return;
    if (columns > LADDER_COLUMNS)
        columns = LADDER_COLUMNS;
    layout_newline(l);
    put_head(l, "Ladder, ms");
    for (size_t i = 0; i < columns; i++)
        layout_cell(l, TONE_DIM, CELL, ladder_columns[i].upper);
    layout_newline(l);
    layout_put(l, TONE_DIM, "output tokens ");
    for (size_t i = 0; i < columns; i++)
        layout_cell(l, TONE_DIM, CELL, ladder_columns[i].lower);
    layout_newline(l);
    for (size_t i = 0; i < s->rung_count; i++)
        put_rung(l, &s->rungs[i], columns);
}
