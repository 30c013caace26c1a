#include "decide/compare_same.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"
#include "base/units.h"

static const double length_off = 0.01, drawn_length_off = 0.1;

enum { PARTS_MAX = 16 }; /* that are told of prompts; more say no more */

struct parts {
    struct buf *out;
    size_t n;
};

static void part(struct parts *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void part(struct parts *p, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (p->n++ > 0)
        buf_puts(p->out, "; ");
    buf_puts(p->out, text);
}

static const char *or_none(const char *text)
{
    return text[0] ? text : "none";
}

static void texts(struct parts *p, const char *what, const char *a, const char *b)
{
    if (strcmp(a, b) != 0)
        part(p, "%s is %.100s at A and %.100s at B", what, or_none(a), or_none(b));
}

static void numbers(struct parts *p, const char *what, double a, double b)
{
    if (a != b && !(isnan(a) && isnan(b)))
        part(p, "%s is %.6g at A and %.6g at B", what, a, b);
}

/* 0: not set. */
static const char *count_text(int64_t n, char out[24])
{
    if (n == 0)
        return "none";
    snprintf(out, 24, "%" PRId64, n);
    return out;
}

static void counts(struct parts *p, const char *what, int64_t a, int64_t b)
{
    char x[24], y[24];
    texts(p, what, count_text(a, x), count_text(b, y));
}

static void durations(struct parts *p, const char *what, int64_t a_ns, int64_t b_ns)
{
    char a[24], b[24];
    if (a_ns != b_ns)
        part(p, "%s is %s at A and %s at B", what,
             a_ns == 0 ? "none" : units_format_ns(a_ns, a, sizeof a),
             b_ns == 0 ? "none" : units_format_ns(b_ns, b, sizeof b));
}

/* The raw value of a member, empty when there is none. */
static struct slice member(const char *json, const char *name)
{
    struct json j = json_of(slice_of(json));
    struct slice key, value = {0}, found = {0};
    for (json_enter_object(&j); json_next_key(&j, &key);)
        if (json_raw(&j, &value) && slice_is(key, name))
            found = value;
    return found;
}

static int shown(struct slice value)
{
    return value.n == 0 ? (int)strlen("none") : value.n < 80 ? (int)value.n : 80;
}

static void members(struct parts *p, const char *what, const char *name, const char *a,
                    const char *b)
{
    struct slice x = member(a, name), y = member(b, name);
    if (!slice_eq(x, y))
        part(p, "%s is %.*s at A and %.*s at B", what, shown(x), x.n ? x.p : "none", shown(y),
             y.n ? y.p : "none");
}

/* Every member that differs; of B only those that A lacks, where `lacking`. */
static void all_members(struct parts *p, const char *a, const char *b, bool lacking)
{
    struct json j = json_of(slice_of(lacking ? b : a));
    struct slice key;
    char name[40], what[80];
    for (json_enter_object(&j); p->n < PARTS_MAX && json_next_key(&j, &key); json_skip(&j)) {
        snprintf(name, sizeof name, "%.*s", (int)(key.n < sizeof name ? key.n : 0), key.p);
        snprintf(what, sizeof what, "the prompts' %s", name);
        if (!lacking || member(a, name).n == 0)
            members(p, what, name, a, b);
    }
}

static void prompts(struct parts *p, const struct run_record *a, const struct run_record *b)
{
    size_t before = p->n;
    texts(p, "the workload", a->workload, b->workload);
    if (p->n > before)
        return;
    all_members(p, a->workload_json, b->workload_json, false);
    all_members(p, a->workload_json, b->workload_json, true);
}

static void arrivals(struct parts *p, const struct run_record *a, const struct run_record *b)
{
    size_t before = p->n;
    texts(p, "the load", a->mode, b->mode);
    if (p->n > before)
        return;
    numbers(p, "the request rate", a->request_rate, b->request_rate);
    numbers(p, "the burstiness", a->burstiness, b->burstiness);
    texts(p, "the ramp", a->ramp, b->ramp);
    numbers(p, "the start of the ramp", a->ramp_start, b->ramp_start);
    numbers(p, "the end of the ramp", a->ramp_end, b->ramp_end);
    counts(p, "the concurrency", a->max_concurrency, b->max_concurrency);
    if (a->max_concurrency > 0)
        texts(p, "what happens over the cap", a->on_cap, b->on_cap);
    counts(p, "the number of requests", a->num_prompts, b->num_prompts);
    durations(p, "the duration", a->duration_ns, b->duration_ns);
}

size_t compare_load_differences(const struct run_record *a, const struct run_record *b,
                                struct buf *out)
{
    struct parts p = {out, 0};
    texts(&p, "the model", a->model, b->model);
    prompts(&p, a, b);
    arrivals(&p, a, b);
    if (a->streaming != b->streaming)
        part(&p, "answers are streamed at %s only", a->streaming ? "A" : "B");
    members(&p, "the temperature", "temperature", a->options_json, b->options_json);
    members(&p, "top_p", "top_p", a->options_json, b->options_json);
    members(&p, "the extra body", "extra_body", a->options_json, b->options_json);
    return p.n;
}

/* --- lengths --- */

static bool is_off(double a, double b, double share)
{
    return isfinite(a) && isfinite(b) && fabs(b - a) > share * fmax(1, fmin(a, b));
}

static void lengths(struct parts *p, const char *what, bool same_seeds, const double *got,
                    const double *asked)
{
    bool known = isfinite(asked[COMPARE_A]) && isfinite(asked[COMPARE_B]) && asked[COMPARE_A] > 0 &&
                 asked[COMPARE_B] > 0;
    if (same_seeds || !known) {
        if (is_off(got[COMPARE_A], got[COMPARE_B], same_seeds ? length_off : drawn_length_off))
            part(p, "%s have %.4g tokens on average at A and %.4g at B", what, got[COMPARE_A],
                 got[COMPARE_B]);
        return;
    }
    double a = got[COMPARE_A] / asked[COMPARE_A], b = got[COMPARE_B] / asked[COMPARE_B];
    if (fabs(b - a) > length_off)
        part(p, "%s have %.3g %% of the length asked for at A and %.3g %% at B", what, 100 * a,
             100 * b);
}

size_t compare_length_differences(const struct comparison *c, struct buf *out)
{
    const struct compare_about *a = &c->side[COMPARE_A], *b = &c->side[COMPARE_B];
    struct parts p = {out, 0};
    double got_in[] = {a->got_input, b->got_input}, asked_in[] = {a->asked_input, b->asked_input};
    double got_out[] = {a->got_output, b->got_output};
    double asked_out[] = {a->asked_output, b->asked_output};
    lengths(&p, "prompts", c->same_seeds, got_in, asked_in);
    lengths(&p, "answers", c->same_seeds, got_out, asked_out);
    return p.n;
}
