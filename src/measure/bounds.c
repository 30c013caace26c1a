#include "measure/bounds.h"

#include "base/units.h"

#include <math.h>
#include <stdio.h>

static const char *const metric_names[BOUND_METRICS] = {
    [BOUND_TTFT] = "ttft", [BOUND_TTFT_SERVICE] = "ttft_service",
    [BOUND_TTFA] = "ttfa", [BOUND_TPOT] = "tpot",
    [BOUND_E2E] = "e2e",
};

const char *bound_metric_name(enum bound_metric m)
{
    return metric_names[m];
}

/* Where the parser stands, and what to call the text in a complaint. */
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

/* The next run of bytes up to a blank or one of the punctuation marks of both grammars. */
static struct slice take_word(struct cursor *c)
{
    skip_blanks(c);
    size_t from = c->at;
    while (c->at < c->text.n && !is_blank(c->text.p[c->at]) && !strchr("<>=:,()", c->text.p[c->at]))
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

/* Columns count from 1. */
static size_t column_of(const struct cursor *c, struct slice word)
{
    return (size_t)(word.p - c->text.p) + 1;
}

static int complain(const struct cursor *c, size_t column, struct err *e, const char *what)
{
    return err_set(e, ERR_USAGE, "%s, column %zu: %s", c->option, column, what);
}

static int take_metric(struct cursor *c, enum bound_metric *out, struct err *e)
{
    struct slice word = take_word(c);
    for (int m = 0; m < BOUND_METRICS; m++) {
        if (slice_is(word, metric_names[m])) {
            *out = (enum bound_metric)m;
            return OK;
        }
    }
    if (slice_is(word, "itl"))
        return complain(c, column_of(c, word), e,
                        "itl has many values in one request; bound its pace with tpot");
    if (word.n == 0)
        return complain(c, column_of(c, word), e,
                        "a metric is missing; there are ttft, ttft_service, ttfa, tpot, e2e");
    return err_set(e, ERR_USAGE,
                   "%s, column %zu: '%.*s' is no metric that can be bounded; there are ttft, "
                   "ttft_service, ttfa, tpot, e2e",
                   c->option, column_of(c, word), shown(word), word.p);
}

static int take_limit(struct cursor *c, int64_t *out, struct err *e)
{
    struct slice word = take_word(c);
    char what[64];
    snprintf(what, sizeof what, "%s, column %zu", c->option, column_of(c, word));
    if (word.n == 0)
        return err_set(e, ERR_USAGE, "%s: a time is missing; write for example 500ms", what);
    int rc = units_duration_ns(word, what, out, e);
    if (rc == OK && *out == 0)
        return err_set(e, ERR_USAGE, "%s: a bound of 0 can never be met", what);
    return rc;
}

static int take_percentile(struct cursor *c, double *p, struct err *e)
{
    struct slice word = take_word(c);
    size_t column = column_of(c, word);
    double percent = 0;
    char what[64];
    snprintf(what, sizeof what, "%s, column %zu", c->option, column);
    if (word.n < 2 || word.p[0] != 'p')
        return err_set(e, ERR_USAGE,
                       "%s: expected a percentile like p99 and found '%.*s'; write for example "
                       "\"p99 ttft < 500ms\"",
                       what, shown(word), word.p ? word.p : "");
    int rc = units_number(slice_make(word.p + 1, word.n - 1), what, 0, 100, &percent, e);
    if (rc < 0)
        return rc;
    if (percent <= 0 || percent >= 100)
        return complain(c, column, e, "a percentile lies between p0 and p100, both excluded");
    *p = percent / 100;
    return OK;
}

static int add_bound(struct cursor *c, size_t column, struct bounds *list, const struct bound *b,
                     struct err *e)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->list[i].metric == b->metric)
            return complain(c, column, e, "this metric is bounded twice; keep the stricter one");
    if (list->n == BOUNDS_MAX)
        return complain(c, column, e, "too many bounds; 8 is the most");
    list->list[list->n++] = *b;
    return OK;
}

static int goodput_clause(struct cursor *c, struct bounds *list, struct err *e)
{
    struct bound b = {0};
    skip_blanks(c);
    size_t column = c->at + 1;
    int rc = take_metric(c, &b.metric, e);
    if (rc < 0)
        return rc;
    if (!take_char(c, ':'))
        return complain(c, c->at + 1, e, "a ':' is missing; write for example ttft:500ms");
    rc = take_limit(c, &b.limit_ns, e);
    return rc < 0 ? rc : add_bound(c, column, list, &b, e);
}

/* "< TIME" */
static int take_below(struct cursor *c, int64_t *limit_ns, struct err *e)
{
    if (!take_char(c, '<'))
        return complain(c, c->at + 1, e,
                        "a '<' is missing; write for example \"p99 ttft < 500ms\"");
    if (c->at < c->text.n && c->text.p[c->at] == '=')
        return complain(c, c->at + 1, e,
                        "only '<' is known: a request meets a bound when its "
                        "value is below it");
    return take_limit(c, limit_ns, e);
}

static int metric_clause(struct cursor *c, struct bounds *list, struct err *e)
{
    struct bound b = {0};
    skip_blanks(c);
    size_t column = c->at + 1;
    int rc = take_metric(c, &b.metric, e);
    if (rc == OK)
        rc = take_below(c, &b.limit_ns, e);
    return rc < 0 ? rc : add_bound(c, column, list, &b, e);
}

/* ">= 99%" */
static int take_share(struct cursor *c, double *p, struct err *e)
{
    if (!take_char(c, '>') || !take_char(c, '='))
        return complain(c, c->at + 1, e,
                        "a '>=' is missing; write for example "
                        "\"goodput(ttft < 500ms, tpot < 50ms) >= 99%\"");
    struct slice word = take_word(c);
    size_t column = column_of(c, word);
    char what[64];
    double percent = 0;
    snprintf(what, sizeof what, "%s, column %zu", c->option, column);
    if (word.n < 2 || word.p[word.n - 1] != '%')
        return complain(c, column, e, "a share in percent is missing; write for example 99%");
    int rc = units_number(slice_make(word.p, word.n - 1), what, 0, 100, &percent, e);
    if (rc == OK && (percent <= 0 || percent >= 100))
        rc = complain(c, column, e, "a share lies between 0% and 100%, both excluded");
    *p = percent / 100;
    return rc;
}

/* Behind "goodput": "(ttft < 500ms, tpot < 50ms) >= 99%" */
static int joint_clause(struct cursor *c, struct objective *o, struct err *e)
{
    if (!take_char(c, '('))
        return complain(c, c->at + 1, e,
                        "a '(' is missing; write for example "
                        "\"goodput(ttft < 500ms, tpot < 50ms) >= 99%\"");
    do {
        int rc = metric_clause(c, &o->bounds, e);
        if (rc < 0)
            return rc;
    } while (take_char(c, ','));
    if (!take_char(c, ')'))
        return complain(c, c->at + 1, e, "a ')' is missing behind the bounds of goodput");
    return take_share(c, &o->p, e);
}

static bool same_objective(const struct objective *a, const struct objective *b)
{
    return a->p == b->p && a->bounds.n == 1 && b->bounds.n == 1 &&
           a->bounds.list[0].metric == b->bounds.list[0].metric;
}

static int slo_clause(struct cursor *c, struct objectives *list, struct err *e)
{
    struct objective o = {0};
    skip_blanks(c);
    size_t column = c->at + 1;
    struct cursor ahead = *c;
    int rc;
    if (slice_is(take_word(&ahead), "goodput")) {
        *c = ahead;
        rc = joint_clause(c, &o, e);
    } else {
        rc = take_percentile(c, &o.p, e);
        if (rc == OK)
            rc = metric_clause(c, &o.bounds, e);
    }
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < list->n; i++)
        if (same_objective(&list->list[i], &o))
            return complain(c, column, e, "this metric is bounded twice; keep the stricter one");
    if (list->n == BOUNDS_MAX)
        return complain(c, column, e, "too many bounds; 8 is the most");
    list->list[list->n++] = o;
    return OK;
}

/* True when another clause has to follow. */
static int take_and(struct cursor *c, struct err *e)
{
    if (take_char(c, ','))
        return OK;
    struct slice word = take_word(c);
    if (slice_is(word, "and"))
        return OK;
    return complain(c, column_of(c, word), e, "bounds are joined by \"and\"");
}

int bounds_parse_goodput(struct slice text, struct bounds *out, struct err *e)
{
    struct cursor c = {slice_make(text.n > 0 ? text.p : "", text.n), 0, "--goodput"};
    struct bounds list = {0};
    if (at_end(&c))
        return complain(&c, 1, e, "there is no bound; write for example \"ttft:500ms tpot:50ms\"");
    while (!at_end(&c)) {
        int rc = goodput_clause(&c, &list, e);
        if (rc < 0)
            return rc;
        if (take_char(&c, ',') && at_end(&c))
            return complain(&c, c.at, e, "a bound is missing behind the ','");
    }
    *out = list;
    return OK;
}

int bounds_parse_slo(struct slice text, struct objectives *out, struct err *e)
{
    struct cursor c = {slice_make(text.n > 0 ? text.p : "", text.n), 0, "--slo"};
    struct objectives list = {0};
    if (at_end(&c))
        return complain(&c, 1, e, "there is no bound; write for example \"p99 ttft < 500ms\"");
    for (;;) {
        int rc = slo_clause(&c, &list, e);
        if (rc < 0)
            return rc;
        if (at_end(&c))
            break;
        rc = take_and(&c, e);
        if (rc < 0)
            return rc;
    }
    *out = list;
    return OK;
}

/* --- back into words --- */

static void put_bound(const struct bound *b, char *out, size_t room)
{
    char limit[24];
    units_format_ns(b->limit_ns, limit, sizeof limit);
    snprintf(out, room, "%s < %s", metric_names[b->metric], limit);
}

const char *objective_text(const struct objective *o, char *out, size_t room)
{
    char bound[64];
    size_t n = 0;
    bool joint = o->bounds.n > 1;
    n += (size_t)snprintf(out, room, joint ? "goodput(" : "p%.6g ", 100 * o->p);
    for (size_t i = 0; i < o->bounds.n && n < room; i++) {
        put_bound(&o->bounds.list[i], bound, sizeof bound);
        n += (size_t)snprintf(out + n, room - n, "%s%s", i > 0 ? ", " : "", bound);
    }
    if (joint && n < room)
        snprintf(out + n, room - n, ") >= %.6g %%", 100 * o->p);
    return out;
}
