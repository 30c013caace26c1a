#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "report/sweep_curve.h"

/* Two panels beside each other, each a grid of marks over logarithmic axes. */

enum { HEIGHT = 8, LABEL = 7, GAP = 2, FULL_WIDTH = 80, MAX_WIDTH = FULL_WIDTH, LEAST_POINTS = 3 };

enum mark { NOTHING, LIMIT, SHORT, CLOSED, LONG };

static const char *const shapes[] = {
    [NOTHING] = " ", [LIMIT] = "╌", [SHORT] = "○", [CLOSED] = "×", [LONG] = "●"};
static const enum layout_tone tones[] = {[NOTHING] = TONE_PLAIN,
                                         [LIMIT] = TONE_WARN,
                                         [SHORT] = TONE_PLAIN,
                                         [CLOSED] = TONE_DIM,
                                         [LONG] = TONE_BOLD};

struct dot {
    double x, y;
    enum mark mark;
};

struct panel {
    const char *title;
    struct dot *dots;
    size_t n;
    double limit; /* NAN: none */
    double x_low, x_high, y_low, y_high;
    unsigned width;
    unsigned char grid[HEIGHT][MAX_WIDTH];
};

static double value_of(const struct curve_point *p, bool ttft)
{
    return ttft ? p->ttft_p99_ms : p->tpot_p99_ms;
}

/* Steps that were cut short of the first loop, longer levels, and the second loop have marks of
 * their own. */
static void collect(struct panel *p, const struct sweep_read *s, bool ttft, bool beside)
{
    struct sweep_row *rows = MEM_ARRAY(struct sweep_row, SWEEP_MAX_LEVELS);
    size_t n = sweep_rows(s, rows);
    for (size_t i = 0; i < n; i++) {
        const struct level *l = rows[i].level;
        double x = beside ? rows[i].point->requests_per_s : level_load(l);
        double y = value_of(rows[i].point, ttft);
        if (l->stage != LEVEL_SINGLE && x > 0 && y > 0)
            p->dots[p->n++] = (struct dot){x, y, beside ? CLOSED : l->point.cut ? SHORT : LONG};
    }
    free(rows);
}

/* What an objective over this metric alone at p99 allows. */
static double limit_of(const struct objectives *slo, bool ttft)
{
    double limit = NAN;
    enum bound_metric metric = ttft ? BOUND_TTFT : BOUND_TPOT;
    for (size_t i = 0; i < slo->n; i++) {
        const struct objective *o = &slo->list[i];
        if (o->bounds.n == 1 && o->bounds.list[0].metric == metric && o->p == 0.99)
            limit = fmin((double)o->bounds.list[0].limit_ns / 1e6, isnan(limit) ? INFINITY : limit);
    }
    return limit;
}

static void find_range(struct panel *p)
{
    p->x_low = p->y_low = INFINITY;
    p->x_high = p->y_high = 0;
    for (size_t i = 0; i < p->n; i++) {
        p->x_low = fmin(p->x_low, p->dots[i].x);
        p->x_high = fmax(p->x_high, p->dots[i].x);
        p->y_low = fmin(p->y_low, p->dots[i].y);
        p->y_high = fmax(p->y_high, p->dots[i].y);
    }
    if (!isnan(p->limit)) {
        p->y_low = fmin(p->y_low, p->limit);
        p->y_high = fmax(p->y_high, p->limit);
    }
}

/* 0 … steps − 1 on a logarithmic axis. */
static unsigned place(double v, double low, double high, unsigned steps)
{
    if (!(high > low))
        return steps / 2;
    return (unsigned)lround(log(v / low) / log(high / low) * (double)(steps - 1));
}

static void draw(struct panel *p)
{
    find_range(p);
    if (!isnan(p->limit))
        memset(p->grid[HEIGHT - 1 - place(p->limit, p->y_low, p->y_high, HEIGHT)], LIMIT, p->width);
    for (size_t i = 0; i < p->n; i++) {
        const struct dot *d = &p->dots[i];
        unsigned char *cell = &p->grid[HEIGHT - 1 - place(d->y, p->y_low, p->y_high, HEIGHT)]
                                      [place(d->x, p->x_low, p->x_high, p->width)];
        if (d->mark > *cell)
            *cell = (unsigned char)d->mark;
    }
}

/* The axis' label of a row: of its ends and of the limit; "" elsewhere. */
static const char *label_of(const struct panel *p, unsigned row, char out[LAYOUT_NUMBER])
{
    unsigned limit =
        isnan(p->limit) ? HEIGHT : HEIGHT - 1 - place(p->limit, p->y_low, p->y_high, HEIGHT);
    if (row == limit)
        return layout_ms(p->limit, out);
    if (row == 0)
        return layout_ms(p->y_high, out);
    if (row == HEIGHT - 1 && p->y_high > p->y_low)
        return layout_ms(p->y_low, out);
    out[0] = '\0';
    return out;
}

static void put_blanks(struct layout *l, size_t n)
{
    while (n-- > 0)
        buf_putc(l->out, ' ');
}

/* Marks up to the last one; returns how many columns that took. */
static unsigned put_marks(struct layout *l, const struct panel *p, unsigned row)
{
    unsigned end = p->width;
    while (end > 0 && p->grid[row][end - 1] == NOTHING)
        end--;
    for (unsigned x = 0; x < end; x++)
        layout_put(l, tones[p->grid[row][x]], shapes[p->grid[row][x]]);
    return end;
}

static void put_grid(struct layout *l, const struct panel panels[2])
{
    for (unsigned row = 0; row < HEIGHT; row++) {
        for (int k = 0; k < 2; k++) {
            char label[LAYOUT_NUMBER];
            label_of(&panels[k], row, label);
            put_blanks(l, LABEL - layout_width(slice_of(label)));
            layout_put(l, TONE_DIM, label);
            layout_put(l, TONE_DIM, label[0] ? " ┤" : " │");
            unsigned used = put_marks(l, &panels[k], row);
            put_blanks(l, k == 0 ? panels[k].width - used + GAP : 0);
        }
        layout_newline(l);
    }
}

static void put_axis(struct layout *l, const struct panel panels[2], const char *unit)
{
    for (int k = 0; k < 2; k++) {
        put_blanks(l, LABEL + 1);
        layout_put(l, TONE_DIM, "└");
        for (unsigned x = 0; x < panels[k].width; x++)
            layout_put(l, TONE_DIM, "─");
        put_blanks(l, k == 0 ? GAP : 0);
    }
    layout_newline(l);
    for (int k = 0; k < 2; k++) {
        char low[LAYOUT_NUMBER], high[LAYOUT_NUMBER];
        const struct panel *p = &panels[k];
        layout_rate(p->x_low, low);
        layout_rate(p->x_high, high);
        size_t ends = strlen(low) + strlen(high);
        const char *middle = ends + strlen(unit) + 2 <= p->width ? unit : "";
        size_t free_columns = p->width - ends - strlen(middle);
        put_blanks(l, LABEL + 2);
        layout_put(l, TONE_DIM, low);
        put_blanks(l, free_columns / 2);
        layout_put(l, TONE_DIM, middle);
        put_blanks(l, free_columns - free_columns / 2);
        layout_put(l, TONE_DIM, high);
        put_blanks(l, k == 0 ? GAP : 0);
    }
    layout_newline(l);
}

static void put_key(struct layout *l, const struct sweep_report *r)
{
    bool limits = false, cut = false, whole = false;
    for (size_t i = 0; i < r->sweep->sweep.count; i++) {
        const struct level *v = &r->sweep->sweep.levels[i];
        cut |= v->point.cut;
        whole |= !v->point.cut && level_on_curve(v);
    }
    limits = !isnan(limit_of(&r->sweep->sweep.spec.slo, true)) ||
             !isnan(limit_of(&r->sweep->sweep.spec.slo, false));
    char text[160] = "";
    snprintf(text, sizeof text, "%s%s%s%s", whole ? "● level · " : "",
             cut ? "○ short level · " : "", r->closed ? "× closed loop, at its done/s · " : "",
             limits ? "╌ limit" : "");
    put_blanks(l, LABEL + 2);
    layout_wrap(l, TONE_DIM, LABEL + 2, LABEL + 2, text);
}

void sweep_put_picture(struct layout *l, const struct sweep_report *r)
{
    struct panel *panels = MEM_ARRAY(struct panel, 2);
    const struct sweep_spec *spec = &r->sweep->sweep.spec;
    bool enough = true;
    unsigned width = l->columns < FULL_WIDTH ? l->columns : FULL_WIDTH;
    for (int k = 0; k < 2; k++) {
        bool ttft = k == 0;
        panels[k] = (struct panel){.title = ttft ? "p99 TTFT, ms" : "p99 TPOT, ms",
                                   .dots = MEM_ARRAY(struct dot, 2 * SWEEP_MAX_LEVELS),
                                   .limit = limit_of(&spec->slo, ttft),
                                   .width = (width - GAP) / 2 - LABEL - 2};
        collect(&panels[k], r->sweep, ttft, false);
        enough &= panels[k].n >= LEAST_POINTS;
        if (r->closed)
            collect(&panels[k], r->closed, ttft, true);
        draw(&panels[k]);
    }
    if (enough) {
        layout_newline(l);
        for (int k = 0; k < 2; k++) {
            put_blanks(l, LABEL + 2);
            layout_put(l, TONE_BOLD, panels[k].title);
            put_blanks(l, k == 0 ? panels[k].width - strlen(panels[k].title) + GAP : 0);
        }
        layout_newline(l);
        put_grid(l, panels);
        put_axis(l, panels, spec->kind == LOAD_OF_USERS ? "users" : "requests/s");
        put_key(l, r);
    }
    for (int k = 0; k < 2; k++)
        free(panels[k].dots);
    free(panels);
}
