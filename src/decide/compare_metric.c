#include "decide/compare_metric.h"

#include <math.h>
#include <stdio.h>

#include "base/units.h"

static const struct {
    const char *name;
    enum compare_quantity quantity;
} rates[] = {
    {"throughput", COMPARE_OUTPUT_TOKENS},
    {"request_throughput", COMPARE_REQUESTS},
    {"goodput", COMPARE_GOODPUT},
};

enum { RATES = sizeof rates / sizeof rates[0], MOST_WORSE = 1000 };

#define KNOWN                                                                                      \
    "ttft, ttft_service, ttfa, tpot, itl and e2e behind mean or a percentile, throughput, "        \
    "request_throughput, goodput"

static size_t latency_name_bytes(enum latency_metric m)
{
    return strlen(latency_metric_name(m)) - strlen("_ms");
}

static bool same_metric(const struct compare_metric *a, const struct compare_metric *b)
{
    if (a->quantity != b->quantity)
        return false;
    return a->quantity != COMPARE_LATENCY ||
           (a->latency == b->latency && a->percentile == b->percentile);
}

struct compare_metrics compare_metrics_default(void)
{
    return (struct compare_metrics){{{COMPARE_LATENCY, LATENCY_TTFT, 50},
                                     {COMPARE_LATENCY, LATENCY_TTFT, 99},
                                     {COMPARE_LATENCY, LATENCY_TPOT, 50},
                                     {COMPARE_LATENCY, LATENCY_TPOT, 99},
                                     {COMPARE_LATENCY, LATENCY_E2E, 50},
                                     {COMPARE_OUTPUT_TOKENS, LATENCY_TTFT, 0}},
                                    6};
}

size_t compare_metrics_find(const struct compare_metrics *list, const struct compare_metric *m)
{
    size_t i = 0;
    while (i < list->n && !same_metric(&list->list[i], m))
        i++;
    return i;
}

bool compare_metrics_add(struct compare_metrics *list, const struct compare_metric *m)
{
    if (compare_metrics_find(list, m) < list->n)
        return true;
    if (list->n == COMPARE_MAX_METRICS)
        return false;
    list->list[list->n++] = *m;
    return true;
}

const char *compare_metric_name(const struct compare_metric *m, char *out)
{
    char which[24] = "mean";
    for (size_t i = 0; i < RATES; i++) {
        if (rates[i].quantity == m->quantity) {
            snprintf(out, COMPARE_NAME, "%s", rates[i].name);
            return out;
        }
    }
    if (m->percentile > 0)
        snprintf(which, sizeof which, "p%.10g", m->percentile);
    snprintf(out, COMPARE_NAME, "%s %.*s", which, (int)latency_name_bytes(m->latency),
             latency_metric_name(m->latency));
    return out;
}

void compare_gate_put(const struct compare_gate *g, struct buf *out)
{
    char name[COMPARE_NAME];
    buf_printf(out, "%s %sworse than %.10g%%", compare_metric_name(&g->metric, name),
               g->possibly ? "possibly " : "", 100 * g->limit);
}

/* --- values --- */

void compare_metrics_options(const struct compare_metrics *list, struct summary_options *o)
{
    o->percentile_count = 0;
    for (size_t i = 0; i < list->n; i++) {
        double p = list->list[i].percentile;
        size_t at = 0;
        if (list->list[i].quantity != COMPARE_LATENCY || p <= 0)
            continue;
        while (at < o->percentile_count && o->percentiles[at] < p)
            at++;
        if (at < o->percentile_count && o->percentiles[at] == p)
            continue;
        memmove(&o->percentiles[at + 1], &o->percentiles[at],
                (o->percentile_count - at) * sizeof o->percentiles[0]);
        o->percentiles[at] = p;
        o->percentile_count++;
    }
}

static double latency_value(const struct compare_metric *m, const struct summary *s)
{
    const struct latency *l = &s->latency[m->latency];
    if (l->n == 0)
        return NAN;
    if (m->percentile <= 0)
        return l->mean;
    for (size_t i = 0; i < s->options.percentile_count; i++)
        if (s->options.percentiles[i] == m->percentile)
            return l->percentile[i];
    return NAN;
}

double compare_metric_value(const struct compare_metric *m, const struct summary *s)
{
    switch (m->quantity) {
    case COMPARE_OUTPUT_TOKENS:
        return s->output_tokens_per_s;
    case COMPARE_REQUESTS:
        return s->requests_per_s;
    case COMPARE_GOODPUT:
        return s->has_goodput ? s->goodput_per_s : NAN;
    default:
        return latency_value(m, s);
    }
}

/* --- words --- */

struct cursor {
    struct slice text;
    size_t at;
    const char *option;
};

enum { SHOWN_BYTES = 40 };

static int shown(struct slice t)
{
    return t.n < SHOWN_BYTES ? (int)t.n : SHOWN_BYTES;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->text.n && is_blank(c->text.p[c->at]))
        c->at++;
}

static bool at_end(struct cursor *c)
{
    skip_blanks(c);
    return c->at == c->text.n;
}

static struct slice take_word(struct cursor *c)
{
    skip_blanks(c);
    size_t from = c->at;
    while (c->at < c->text.n && !is_blank(c->text.p[c->at]) && c->text.p[c->at] != ',' &&
           c->text.p[c->at] != '%')
        c->at++;
    return slice_make(c->text.p + from, c->at - from);
}

static bool take_char(struct cursor *c, char wanted)
{
    skip_blanks(c);
    if (c->at == c->text.n || c->text.p[c->at] != wanted)
        return false;
    c->at++;
    return true;
}

/* The next word if it is this one. */
static bool take_this(struct cursor *c, const char *word)
{
    size_t before = c->at;
    if (slice_is(take_word(c), word))
        return true;
    c->at = before;
    return false;
}

/* Columns count from 1. */
static size_t column_of(const struct cursor *c, struct slice word)
{
    return (size_t)(word.p - c->text.p) + 1;
}

static int complain(const struct cursor *c, size_t column, struct err *e, const char *what)
{
    return err_set(e, ERR_USAGE, "%s, column %zu: %s", c->option, column, what);
}

/* --- metrics --- */

static bool is_percentile(struct slice word)
{
    return word.n >= 2 && word.p[0] == 'p' && word.p[1] >= '0' && word.p[1] <= '9';
}

static int take_latency(struct cursor *c, struct slice which, struct compare_metric *out,
                        struct err *e)
{
    struct slice word = take_word(c);
    for (int m = 0; m < LATENCY_METRICS; m++) {
        const char *name = latency_metric_name((enum latency_metric)m);
        if (m != LATENCY_CONNECT &&
            slice_eq(word, slice_make(name, latency_name_bytes((enum latency_metric)m)))) {
            out->quantity = COMPARE_LATENCY;
            out->latency = (enum latency_metric)m;
            return OK;
        }
    }
    return err_set(e, ERR_USAGE,
                   "%s, column %zu: '%.*s' is no latency; behind %.*s there may stand ttft, "
                   "ttft_service, ttfa, tpot, itl or e2e",
                   c->option, column_of(c, word), shown(word), word.p, shown(which), which.p);
}

static int take_percentile(struct cursor *c, struct slice word, double *out, struct err *e)
{
    char what[64];
    snprintf(what, sizeof what, "%s, column %zu", c->option, column_of(c, word));
    int rc = units_number(slice_make(word.p + 1, word.n - 1), what, 0, 100, out, e);
    if (rc == OK && (*out < 0.001 || *out > 99.9999))
        return complain(c, column_of(c, word), e, "a percentile lies from p0.001 to p99.9999");
    return rc;
}

static int take_metric(struct cursor *c, struct compare_metric *out, struct err *e)
{
    struct slice word = take_word(c);
    *out = (struct compare_metric){0};
    for (size_t i = 0; i < RATES; i++) {
        if (slice_is(word, rates[i].name)) {
            out->quantity = rates[i].quantity;
            return OK;
        }
    }
    if (is_percentile(word)) {
        int rc = take_percentile(c, word, &out->percentile, e);
        return rc < 0 ? rc : take_latency(c, word, out, e);
    }
    if (slice_is(word, "mean"))
        return take_latency(c, word, out, e);
    if (word.n == 0)
        return complain(c, column_of(c, word), e, "a metric is missing; there are " KNOWN);
    return err_set(e, ERR_USAGE, "%s, column %zu: '%.*s' is no metric; there are " KNOWN, c->option,
                   column_of(c, word), shown(word), word.p);
}

int compare_metrics_parse(struct slice text, struct compare_metrics *out, struct err *e)
{
    struct cursor c = {slice_make(text.n > 0 ? text.p : "", text.n), 0, "--metrics"};
    struct compare_metrics list = {0};
    for (;;) {
        struct compare_metric m;
        skip_blanks(&c);
        size_t column = c.at + 1;
        int rc = take_metric(&c, &m, e);
        if (rc < 0)
            return rc;
        if (compare_metrics_find(&list, &m) < list.n)
            return complain(&c, column, e, "this metric is named twice");
        if (!compare_metrics_add(&list, &m))
            return complain(&c, column, e, "too many metrics; 16 is the most");
        if (at_end(&c))
            break;
        if (!take_char(&c, ','))
            return complain(&c, c.at + 1, e, "metrics are joined by commas");
    }
    *out = list;
    return OK;
}

/* --- gates --- */

static int take_limit(struct cursor *c, double *out, struct err *e)
{
    struct slice word = take_word(c);
    char what[64];
    snprintf(what, sizeof what, "%s, column %zu", c->option, column_of(c, word));
    if (word.n == 0)
        return err_set(e, ERR_USAGE, "%s: a share is missing; write for example 5%%", what);
    int rc = units_number(word, what, 0, MOST_WORSE, out, e);
    if (rc < 0)
        return rc;
    if (!take_char(c, '%'))
        return err_set(e, ERR_USAGE, "%s: '%.*s' has no unit; write %.*s%%", what, shown(word),
                       word.p, shown(word), word.p);
    *out /= 100;
    return OK;
}

static int take_gate(struct cursor *c, struct compare_gate *g, struct err *e)
{
    *g = (struct compare_gate){0};
    int rc = take_metric(c, &g->metric, e);
    if (rc < 0)
        return rc;
    g->possibly = take_this(c, "possibly");
    struct slice word = take_word(c);
    if (!slice_is(word, "worse"))
        return err_set(e, ERR_USAGE,
                       "%s, column %zu: expected \"worse than\" or \"possibly worse than\" and "
                       "found '%.*s'; write for example \"p99 ttft worse than 5%%\"",
                       c->option, column_of(c, word), shown(word), word.p);
    if (at_end(c) || c->text.p[c->at] == ',')
        return OK;
    size_t behind = c->at;
    word = take_word(c);
    if (slice_is(word, "or")) { /* the next condition's */
        c->at = behind;
        return OK;
    }
    if (!slice_is(word, "than"))
        return err_set(
            e, ERR_USAGE,
            "%s, column %zu: expected \"than\" and found '%.*s'; conditions are joined by "
            "\"or\"",
            c->option, column_of(c, word), shown(word), word.p);
    skip_blanks(c);
    size_t column = c->at + 1;
    rc = take_limit(c, &g->limit, e);
    if (rc == OK && compare_more_is_better(&g->metric) && g->limit >= 1)
        return complain(c, column, e, "nothing is left of what falls by 100 %: ask for less");
    return rc;
}

int compare_gates_parse(struct slice text, struct compare_gates *out, struct err *e)
{
    struct cursor c = {slice_make(text.n > 0 ? text.p : "", text.n), 0, "--fail-if"};
    struct compare_gates list = *out;
    for (;;) {
        skip_blanks(&c);
        size_t column = c.at + 1;
        if (list.n == COMPARE_MAX_GATES)
            return complain(&c, column, e, "too many conditions; 16 is the most");
        int rc = take_gate(&c, &list.list[list.n], e);
        if (rc < 0)
            return rc;
        list.n++;
        if (at_end(&c))
            break;
        if (take_char(&c, ','))
            continue;
        size_t at = c.at + 1;
        if (!take_this(&c, "or"))
            return complain(&c, at, e,
                            "conditions are joined by \"or\": each of them fails the build alone");
    }
    *out = list;
    return OK;
}
