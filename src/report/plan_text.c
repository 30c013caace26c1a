#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/units.h"
#include "report/layout.h"
#include "report/plan_report.h"
#include "report/sweep_report.h"

/* What is counted: replicas, or where the target was several engines, units of so many. */
static const char *noun(const struct plan_report *r, int64_t n)
{
    if (r->engines > 1)
        return n == 1 ? "unit" : "units";
    return n == 1 ? "replica" : "replicas";
}

static const struct level *level_at(const struct plan_report *r, int i)
{
    return i >= 0 ? &r->sweep->levels[i] : NULL;
}

/* A demand may be of hours between requests. */
static const char *rate(double x, char *out)
{
    if (x > 0 && x < 0.1)
        snprintf(out, LAYOUT_NUMBER, "%.2g", x);
    else
        layout_rate(x, out);
    return out;
}

/* 1.23, 12.30, 1,234; 0.123, and below a tenth two digits. */
static const char *money(double x, char *out)
{
    const double whole_from = 999.995;
    if (x >= 1 && x < whole_from)
        snprintf(out, LAYOUT_NUMBER, "%.2f", x);
    else if (x > 0 && x < 1)
        snprintf(out, LAYOUT_NUMBER, x < 0.1 ? "%#.2g" : "%.3f", x);
    else
        layout_rate(x, out);
    return out;
}

/* ---- what it comes to ---- */

bool plan_report_provisional(const struct plan_report *r)
{
    bool doubted = r->result.ceiling >= 0 && isnan(r->unit.ceiling);
    for (size_t i = 0; i < r->floor->check_count; i++)
        doubted |= sweep_report_doubts_floor(&r->floor->checks[i]);
    return doubted;
}

static void put_headline(struct layout *l, const struct plan_report *r)
{
    const struct capacity_plan *low = &r->asked[0], *high = &r->asked[r->asked_count - 1];
    char line[320], from[LAYOUT_NUMBER], to[LAYOUT_NUMBER], share[LAYOUT_NUMBER];
    char few[LAYOUT_NUMBER], many[LAYOUT_NUMBER], with[96];
    bool sound = !plan_report_provisional(r);
    const char *word = sound ? "PLAN" : "PROVISIONAL";
    int64_t least = low->with_spares.replicas, most = high->with_spares.replicas;
    int64_t spares = r->terms.spares;
    layout_percent(r->headroom.share, share);
    if (spares > 0)
        snprintf(with, sizeof with, "%" PRId64 " spare%s and %s headroom included", spares,
                 spares == 1 ? "" : "s", share);
    else
        snprintf(with, sizeof with, "%s headroom included", share);
    rate(low->demand, from);
    layout_count((double)least, few);
    if (r->asked_count == 1)
        snprintf(line, sizeof line, "%s %s for %s requests/s within the SLO, %s", few,
                 noun(r, least), from, with);
    else
        snprintf(line, sizeof line, "%s to %s %s for %s to %s requests/s within the SLO, %s", few,
                 layout_count((double)most, many), noun(r, most), from, rate(high->demand, to),
                 with);
    layout_put(l, sound ? TONE_GOOD : TONE_WARN, word);
    buf_puts(l->out, "  ");
    layout_wrap(l, TONE_PLAIN, LAYOUT_LABEL, (unsigned)layout_width(slice_of(word)) + 2, line);
    layout_newline(l);
}

/* ---- what it rests on ---- */

static const char *slo_text(const struct plan_report *r, char *out, size_t room)
{
    const struct objectives *slo = &r->sweep->spec.slo;
    char one[OBJECTIVE_TEXT];
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < slo->n && n < room; i++)
        n += (size_t)snprintf(out + n, room - n, "%s%s", i > 0 ? " and " : "",
                              objective_text(&slo->list[i], one, sizeof one));
    return out;
}

static const char *arrivals_text(double burstiness, char *out, size_t room)
{
    if (burstiness == 1)
        snprintf(out, room, "Poisson arrivals");
    else if (isinf(burstiness))
        snprintf(out, room, "constant gaps");
    else
        snprintf(out, room, "arrivals of burstiness %.3g", burstiness);
    return out;
}

static const char *tokens(double mean, char *out)
{
    if (isnan(mean))
        snprintf(out, LAYOUT_NUMBER, "unknown");
    else
        layout_count(mean, out);
    return out;
}

static void put_mix(struct layout *l, const struct plan_report *r)
{
    const struct run_record *run = &r->floor->run;
    char in[LAYOUT_NUMBER], out[LAYOUT_NUMBER], arrivals[64];
    layout_field(l, 0, "Target", "%s %s %s %s %s", run->target, LAYOUT_SEPARATOR, run->model,
                 LAYOUT_SEPARATOR, run->engine_version[0] ? run->engine_version : run->engine);
    layout_field(l, 0, "Mix", "%s prompts %s %s", run->workload, LAYOUT_SEPARATOR,
                 arrivals_text(run->burstiness, arrivals, sizeof arrivals));
    layout_field(l, 0, "", "%s tokens in and %s out a request, means at the floor",
                 tokens(r->unit.prompt_tokens, in), tokens(r->unit.output_tokens, out));
}

static void put_certificates(struct layout *l, const struct plan_report *r)
{
    const struct level *floor = level_at(r, r->result.floor),
                       *ceiling = level_at(r, r->result.ceiling);
    char text[4 * OBJECTIVE_TEXT], shown[LAYOUT_NUMBER], time[24];
    layout_field(l, 0, "SLO", "%s", slo_text(r, text, sizeof text));
    units_format_ns(floor->window.end_ns - floor->window.start_ns, time, sizeof time);
    layout_field(l, 0, "Floor",
                 "%s requests/s a %s, shown to meet it at 5 %% over %s (run %" PRId64 ")",
                 rate(r->unit.floor, shown), noun(r, 1), time, floor->run_id);
    for (size_t i = 0; i < r->floor->check_count; i++) {
        const struct check *c = &r->floor->checks[i];
        if (sweep_report_doubts_floor(c))
            layout_field(l, 0, "", "%s there: %s (wanted: %s)", c->id, c->value, c->threshold);
    }
    if (ceiling && isnan(r->unit.ceiling))
        layout_field(l, 0, "Ceiling",
                     "none to count on: %s requests/s was shown to miss it too; the server "
                     "changed during the sweep, or one of the two came by chance",
                     rate(level_load(ceiling), shown));
    else if (ceiling)
        layout_field(l, 0, "Ceiling", "%s requests/s, shown to miss it",
                     rate(r->unit.ceiling, shown));
    else
        layout_field(l, 0, "Ceiling", "none: no level was shown to miss it");
    if (r->result.binding >= 0)
        layout_field(
            l, 0, "Binding", "%s",
            objective_text(&r->sweep->spec.slo.list[r->result.binding], text, sizeof text));
}

static void put_headroom(struct layout *l, const struct plan_report *r)
{
    const struct capacity_headroom *h = &r->headroom;
    char asked[LAYOUT_NUMBER], growth[LAYOUT_NUMBER], time[24];
    const char *why = r->headroom_given ? "as asked" : "the default";
    layout_percent(h->asked, asked);
    layout_percent(h->growth, growth);
    units_format_ns(r->startup_ns, time, sizeof time);
    if (r->growth.per_ns == 0)
        layout_field(l, 0, "Headroom", "%s, %s; --growth and --startup can raise it", asked, why);
    else if (h->from_growth)
        layout_field(l, 0, "Headroom",
                     "%s, by which the demand grows in the %s until a new %s serves: more than "
                     "the %s of --headroom%s",
                     growth, time, noun(r, 1), asked, r->headroom_given ? "" : " (default)");
    else
        layout_field(l, 0, "Headroom",
                     "%s, %s: no less than the %s by which the demand grows in the %s until a new "
                     "%s serves",
                     asked, why, growth, time, noun(r, 1));
}

static void put_unit(struct layout *l, const struct plan_report *r)
{
    static const char *const sources[] = {"by --gpus", "by the sweep's context",
                                          "assumed: the sweep does not say; --gpus N does"};
    char price[LAYOUT_NUMBER];
    if (r->engines > 1)
        layout_field(l, 0, "Unit", "the whole target as measured: %" PRId64 " replicas behind it",
                     r->engines);
    layout_field(l, 0, "GPUs", "%" PRId64 " a %s, %s", r->unit.gpus, noun(r, 1),
                 sources[r->gpus_from]);
    if (!isnan(r->terms.price))
        layout_field(l, 0, "Price", "%s a GPU-hour; all costs are in this currency",
                     money(r->terms.price, price));
}

/* ---- tables ---- */

enum { CELLS_MAX = 9 };

struct columns {
    unsigned first; /* of the words in front */
    unsigned width[CELLS_MAX];
    size_t n, of_money; /* in all, and at the end those that a plan without a price has not */
};

static void put_row(struct layout *l, const struct plan_report *r, enum layout_tone tone,
                    const struct columns *c, const char *name, char (*cells)[LAYOUT_NUMBER])
{
    size_t n = isnan(r->terms.price) ? c->n - c->of_money : c->n;
    unsigned used = c->first;
    layout_put(l, tone, name);
    for (size_t i = layout_width(slice_of(name)); i < c->first; i++)
        buf_putc(l->out, ' ');
    for (size_t i = 0; i < n && used + c->width[i] <= l->columns; used += c->width[i++])
        layout_cell(l, tone, c->width[i], cells[i]);
    layout_newline(l);
}

/* Absurd demands are told with fewer digits; the JSON has them all. */
static void fit(double x, unsigned width, char *cell)
{
    if (layout_width(slice_of(cell)) >= width)
        snprintf(cell, LAYOUT_NUMBER, "%.2g", x);
}

static void cell_count(double x, unsigned width, char *cell)
{
    layout_count(x, cell);
    fit(x, width, cell);
}

static void cell_money(double x, unsigned width, char *cell)
{
    money(x, cell);
    fit(x, width, cell);
}

static const struct columns deployment_columns = {13, {9, 7, 9, 9, 9, 8, 8, 8}, 8, 5};

static void put_deployment(struct layout *l, const struct plan_report *r, enum layout_tone tone,
                           const char *name, const struct capacity_deployment *d)
{
    const unsigned *width = deployment_columns.width;
    char cells[CELLS_MAX][LAYOUT_NUMBER];
    cell_count((double)d->replicas, width[0], cells[0]);
    cell_count((double)d->gpus, width[1], cells[1]);
    layout_percent(d->utilisation, cells[2]);
    cell_money(d->cost.per_hour, width[3], cells[3]);
    cell_money(d->cost.per_1k_requests, width[4], cells[4]);
    cell_money(d->cost.per_1m_prompt_tokens, width[5], cells[5]);
    cell_money(d->cost.per_1m_output_tokens, width[6], cells[6]);
    cell_money(d->cost.per_1m_tokens, width[7], cells[7]);
    put_row(l, r, tone, &deployment_columns, name, cells);
}

static void put_at_floor(struct layout *l, const struct plan_report *r)
{
    struct capacity_deployment one = {
        .replicas = 1,
        .gpus = r->unit.gpus,
        .utilisation = 1,
        .cost = capacity_cost_at_floor(&r->unit, r->terms.price),
    };
    put_deployment(l, r, TONE_DIM, "one, full", &one);
}

static void put_one_demand(struct layout *l, const struct plan_report *r)
{
    const struct capacity_plan *p = &r->asked[0];
    char head[CELLS_MAX][LAYOUT_NUMBER] = {"",        "GPUs",  "used",   "cost/h",
                                           "1k req.", "1M in", "1M out", "1M both"};
    char title[96], demand[LAYOUT_NUMBER], load[LAYOUT_NUMBER];
    snprintf(head[0], sizeof head[0], "%s", noun(r, 2));
    snprintf(title, sizeof title, "For %s requests/s, %s with headroom", rate(p->demand, demand),
             rate(p->with_headroom, load));
    layout_heading(l, title);
    put_row(l, r, TONE_DIM, &deployment_columns, "", head);
    put_deployment(l, r, r->terms.spares > 0 ? TONE_PLAIN : TONE_BOLD, "needed", &p->needed);
    if (r->terms.spares != 1)
        put_deployment(l, r, TONE_PLAIN, "N+1", &p->with_one_more);
    if (r->terms.spares > 0)
        put_deployment(l, r, TONE_BOLD, r->terms.spares == 1 ? "N+1 (spare)" : "with spares",
                       &p->with_spares);
    if (!isnan(r->terms.price))
        put_at_floor(l, r);
}

/* Between what the ceiling rules out and what the floor shows. */
static void put_between(struct layout *l, const struct plan_report *r)
{
    const struct capacity_plan *p = &r->asked[0];
    char few[LAYOUT_NUMBER], many[LAYOUT_NUMBER];
    layout_newline(l);
    layout_count((double)p->at_least, few);
    layout_count((double)p->needed.replicas, many);
    if (p->at_least == 0)
        layout_field(l, 0, "Between",
                     "%s by the floor, and how many fewer might do is not known: "
                     "there is no ceiling above it",
                     many);
    else if (p->needed.replicas == 1)
        layout_field(l, 0, "Between", "1: there can be no fewer");
    else if (p->at_least >= p->needed.replicas)
        layout_field(l, 0, "Between",
                     "exactly %s: the floor shows that they do, the ceiling that "
                     "fewer do not",
                     many);
    else
        layout_field(l, 0, "Between",
                     "%s by the ceiling, as fewer were shown not to do, and %s by "
                     "the floor, shown to do; a longer sweep brings them together",
                     few, many);
}

enum { SPARES = 3 }; /* the column that is there only with --spares */

static struct columns demand_columns(const struct plan_report *r)
{
    if (r->terms.spares > 0)
        return (struct columns){11, {9, 9, 8, 8, 8, 9, 9, 9}, 8, 2};
    return (struct columns){11, {9, 9, 8, 8, 9, 9, 9}, 7, 2};
}

static void put_demand(struct layout *l, const struct plan_report *r, const struct capacity_plan *p,
                       enum layout_tone tone)
{
    const struct columns columns = demand_columns(r);
    const struct capacity_deployment *d = &p->with_spares;
    char cells[CELLS_MAX][LAYOUT_NUMBER], name[LAYOUT_NUMBER];
    size_t n = 0;
    const double counts[] = {
        (double)p->needed.replicas, p->at_least > 0 ? (double)p->at_least : NAN,
        (double)p->with_one_more.replicas, (double)d->replicas, (double)d->gpus};
    rate(p->demand, name);
    fit(p->demand, columns.first, name);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        if (i != SPARES || r->terms.spares > 0) {
            cell_count(counts[i], columns.width[n], cells[n]);
            n++;
        }
    layout_percent(d->utilisation, cells[n++]);
    cell_money(d->cost.per_hour, columns.width[n], cells[n]);
    cell_money(d->cost.per_1k_requests, columns.width[n + 1], cells[n + 1]);
    put_row(l, r, tone, &columns, name, cells);
}

static void put_demands_head(struct layout *l, const struct plan_report *r)
{
    const struct columns columns = demand_columns(r);
    const char *const titles[] = {noun(r, 2), "at least", "N+1",    "spares",
                                  "GPUs",     "used",     "cost/h", "1k req."};
    char head[CELLS_MAX][LAYOUT_NUMBER];
    size_t n = 0;
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        if (i != SPARES || r->terms.spares > 0)
            snprintf(head[n++], LAYOUT_NUMBER, "%s", titles[i]);
    put_row(l, r, TONE_DIM, &columns, "requests/s", head);
}

static void put_demands(struct layout *l, const struct plan_report *r)
{
    bool one = r->asked_count == 1;
    size_t i = 0, k = 0, all = r->asked_count + r->around_count;
    layout_heading(l, one ? "Around it" : "Demands");
    put_demands_head(l, r);
    while (i + k < all) { /* both are in order */
        bool asked = k == r->around_count ||
                     (i < r->asked_count && r->asked[i].demand <= r->around[k].demand);
        if (asked)
            put_demand(l, r, &r->asked[i++], one ? TONE_BOLD : TONE_PLAIN);
        else
            put_demand(l, r, &r->around[k++], TONE_PLAIN);
    }
}

/* The table of several demands has no room for what tokens cost. */
static void put_least_costs(struct layout *l, const struct plan_report *r)
{
    struct capacity_cost c = capacity_cost_at_floor(&r->unit, r->terms.price);
    char requests[LAYOUT_NUMBER], in[LAYOUT_NUMBER], out[LAYOUT_NUMBER], both[LAYOUT_NUMBER];
    layout_newline(l);
    layout_field(l, 0, "One, full", "1k req. %s %s 1M in %s %s 1M out %s %s 1M both %s",
                 money(c.per_1k_requests, requests), LAYOUT_SEPARATOR,
                 money(c.per_1m_prompt_tokens, in), LAYOUT_SEPARATOR,
                 money(c.per_1m_output_tokens, out), LAYOUT_SEPARATOR,
                 money(c.per_1m_tokens, both));
}

/* ---- what the words mean, and what is taken for granted ---- */

static void put_meanings(struct layout *l, const struct plan_report *r)
{
    char text[256];
    snprintf(
        text, sizeof text, "used: demand / (%s × floor). at least: by the ceiling%s", noun(r, 2),
        r->terms.spares > 0 ? ", without spares. spares: with them, as GPUs, used and costs are."
                            : ".");
    layout_newline(l);
    layout_wrap(l, TONE_DIM, 0, 0, text);
    if (isnan(r->terms.price))
        return;
    snprintf(
        text, sizeof text,
        "Costs are at the demand and within the SLO, never at saturation; while less is asked, "
        "requests and tokens cost more. \"one, full\" is one %s at its floor: the least that was "
        "shown.",
        noun(r, 1));
    layout_wrap(l, TONE_DIM, 0, 0, text);
    layout_wrap(l, TONE_DIM, 0, 0,
                "1k req.: a thousand successful requests. 1M in, 1M out: the whole cost over a "
                "million tokens of that kind alone; 1M both: over all tokens. These are views of "
                "one sum and do not add up.");
}

static void put_caveats(struct layout *l, const struct plan_report *r)
{
    char arrivals[64];
    layout_heading(l, "What this takes for granted");
    layout_field(l, 0, "Scaling",
                 "one %s was measured: N of them carry N times as much only behind a router "
                 "that spreads requests evenly and costs nothing",
                 noun(r, 1));
    layout_field(
        l, 0, "Arrivals",
        "%s, as measured, at a steady rate: a demand that is burstier within seconds needs "
        "more than its mean says",
        arrivals_text(r->floor->run.burstiness, arrivals, sizeof arrivals));
    layout_field(l, 0, "Mix", "longer prompts or answers than these need a sweep of their own");
    layout_field(
        l, 0, "Floor",
        "a server that just misses the SLO there passes with a chance of 5 %% at the most");
    if (r->simulated)
        layout_field(l, 0, "Simulated",
                     "the target was the embedded engine: this plans for its model of a server, "
                     "not for yours");
    if (!r->result.monotone)
        layout_field(l, 0, "Steady",
                     "in the sweep latency fell somewhere as the load rose, beyond its noise: the "
                     "server or its host may have changed, and may again");
    if (r->result.end == SWEEP_UNFINISHED)
        layout_field(l, 0, "Unfinished",
                     "the sweep was interrupted; what it had by then may not be the highest floor");
}

void plan_report_text(const struct plan_report *r, const struct report_style *style,
                      struct buf *out)
{
    struct layout l = {out, style->columns, style->color};
    put_headline(&l, r);
    put_mix(&l, r);
    put_certificates(&l, r);
    put_headroom(&l, r);
    put_unit(&l, r);
    if (r->asked_count == 1) {
        put_one_demand(&l, r);
        put_between(&l, r);
    }
    put_demands(&l, r);
    if (r->asked_count > 1 && !isnan(r->terms.price))
        put_least_costs(&l, r);
    put_meanings(&l, r);
    put_caveats(&l, r);
}
