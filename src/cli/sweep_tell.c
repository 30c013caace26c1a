#include "cli/sweep_tell.h"

#include <math.h>
#include <stdio.h>

#include "base/units.h"

enum { TIME_TEXT = 24, LOAD_TEXT = 48 };

static const char *load_text(const struct load_point *p, char out[LOAD_TEXT])
{
    if (p->kind == LOAD_AT_ONCE)
        snprintf(out, LOAD_TEXT, "%llu requests at once", (unsigned long long)p->requests);
    else if (p->kind == LOAD_OF_USERS)
        snprintf(out, LOAD_TEXT, "%lld user%s", (long long)p->users, p->users == 1 ? "" : "s");
    else
        snprintf(out, LOAD_TEXT, "%.3g requests/s", p->rate);
    return out;
}

static const char *purpose_text(enum level_stage stage)
{
    switch (stage) {
    case LEVEL_SINGLE:
        return "one user, for what an idle server does";
    case LEVEL_BURST:
        return "everything at once, for what it can do at all";
    case LEVEL_CLIMB:
        return "climbing";
    case LEVEL_NARROW:
        return "near the limit";
    case LEVEL_CONFIRM:
        return "confirming";
    default:
        return "level";
    }
}

void sweep_label(const struct sweep *s, enum level_stage stage, char out[SWEEP_LABEL])
{
    if (s->spec.given_count > 0)
        snprintf(out, SWEEP_LABEL, "%s %zu/%zu", level_stage_name(stage), s->count + 1,
                 s->spec.given_count);
    else
        snprintf(out, SWEEP_LABEL, "%s", level_stage_name(stage));
}

/* "[1m 33s of 20m 0s] climbing: "; of given levels, whose time nobody limits, "[level 2 of 5] ". */
static void tell_place(const struct sweep *s, enum level_stage stage, int64_t spent_ns,
                       int64_t total_ns)
{
    char spent[TIME_TEXT], total[TIME_TEXT];
    units_format_ns(spent_ns, spent, sizeof spent);
    units_format_ns(total_ns, total, sizeof total);
    if (s->spec.given_count > 0)
        fprintf(stderr, "[level %zu of %zu] ", s->count + 1, s->spec.given_count);
    else
        fprintf(stderr, "[%s of %s] %s: ", spent_ns > 0 ? spent : "0 s", total,
                purpose_text(stage));
}

void sweep_tell(const struct sweep *s, enum level_stage stage, const struct load_point *points,
                size_t n, int64_t spent_ns, int64_t total_ns)
{
    char from[LOAD_TEXT], to[LOAD_TEXT], time[TIME_TEXT] = "";
    int64_t takes_ns = 0;
    for (size_t i = 0; i < n; i++)
        takes_ns += points[i].duration_ns;
    if (takes_ns > 0)
        units_format_ns(takes_ns, time, sizeof time);
    tell_place(s, stage, spent_ns, total_ns);
    load_text(&points[0], from);
    load_text(&points[n - 1], to);
    if (n > 1)
        fprintf(stderr, "%zu levels, %s to %s", n, from, to);
    else
        fprintf(stderr, "%s", from);
    fprintf(stderr, "%s%s\n", time[0] ? ", " : "", time);
}

double sweep_left_s(const struct sweep *s, int64_t spent_ns, int64_t total_ns)
{
    double by_budget = (double)(total_ns - spent_ns) / 1e9;
    if (s->spec.given_count == 0 || s->count == 0)
        return by_budget;
    double each = (double)s->spent_ns / (double)s->count / 1e9;
    double beside = (double)(total_ns - s->spec.budget_ns - (spent_ns - s->spent_ns)) / 1e9;
    return each * (double)(s->spec.given_count - s->count) + fmax(beside, 0);
}

/* ---- beforehand ---- */

static void tell_given(const struct sweep_spec *s)
{
    char each[TIME_TEXT];
    int64_t each_ns = s->level_ns > 0 ? s->level_ns : s->budget_ns / (int64_t)s->given_count;
    units_format_ns(each_ns, each, sizeof each);
    fprintf(stderr, "  plan  %zu level%s of %s:", s->given_count, s->given_count == 1 ? "" : "s",
            each);
    for (size_t i = 0; i < s->given_count; i++)
        fprintf(stderr, " %.4g", s->given[i]);
    fprintf(stderr, " %s\n", s->kind == LOAD_OF_USERS ? "users" : "requests/s");
}

static void tell_levels(const struct sweep_spec *s)
{
    if (s->given_count > 0)
        tell_given(s);
    else if (s->kind == LOAD_OF_USERS)
        fputs("  plan  one user, then twice as many until throughput hardly grows\n", stderr);
    else if (s->slo.n > 0)
        fputs("  plan  one user; a burst; eight levels from 10 to 110 % of its rate;\n"
              "        levels near the limit; one long confirmation below it\n",
              stderr);
    else
        fputs("  plan  one user; a burst; eight levels from 10 to 110 % of its rate,\n"
              "        and on until one overloads the server; no SLO, so no confirmation\n",
              stderr);
}

void sweep_tell_plan(const struct sweep_spec *specs, int n, const char *target)
{
    char budget[TIME_TEXT], text[OBJECTIVE_TEXT];
    int64_t all_ns = 0;
    bool given = false;
    for (int k = 0; k < n; k++) {
        all_ns += specs[k].budget_ns;
        given |= specs[k].level_ns > 0;
    }
    units_format_ns(all_ns, budget, sizeof budget);
    fprintf(stderr, "Sweep of %s in about %s%s\n", target, budget,
            given ? " and the time that last answers take" : "");
    for (size_t i = 0; i < specs[0].slo.n; i++)
        fprintf(stderr, "  %s %s\n", i == 0 ? "SLO  " : "and  ",
                objective_text(&specs[0].slo.list[i], text, sizeof text));
    for (int k = 0; k < n; k++)
        tell_levels(&specs[k]);
}
