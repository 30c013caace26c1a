#include "report/comparison_words.h"

#include <math.h>
#include <stdio.h>

static const double ln3 = 1.09861228866810969140; /* from three times on percent read badly */
static const double smallest_p = 0.001;

static bool is_multiple(double ratio)
{
    return fabs(ratio) >= ln3;
}

/* 0.31, 3.1, 31.2, 312. */
static int places_of(double percent)
{
    double size = fabs(percent);
    return size >= 99.95 ? 0 : size >= 0.995 ? 1 : 2;
}

/* ×0.171, ×3.40, ×34.2, ×342. */
static void put_multiple(double ratio, const char *sign, char *out, size_t n)
{
    double factor = exp(ratio);
    snprintf(out, n, "%s%.*f", sign,
             factor >= 99.95   ? 0
             : factor >= 9.995 ? 1
             : factor >= 0.995 ? 2
                               : 3,
             factor);
}

static void put_percent(double percent, bool sign, char *out, size_t n)
{
    snprintf(out, n, sign ? "%+.*f" : "%.*f", places_of(percent), percent);
}

const char *words_change(double ratio, char *out)
{
    char number[24];
    if (isnan(ratio)) {
        snprintf(out, WORDS_CELL, "-");
    } else if (is_multiple(ratio)) {
        put_multiple(ratio, "×", out, WORDS_CELL);
    } else {
        put_percent(100 * expm1(ratio), true, number, sizeof number);
        snprintf(out, WORDS_CELL, "%s %%", number);
    }
    return out;
}

static void put_bound(bool has, double ratio, bool multiple, char *out, size_t n)
{
    if (!has)
        snprintf(out, n, "?");
    else if (multiple)
        put_multiple(ratio, "×", out, n);
    else
        put_percent(100 * expm1(ratio), true, out, n);
}

const char *words_interval(double ratio, const struct interval *ci, char *out)
{
    char low[16], high[16];
    if (!ci->has_low && !ci->has_high) {
        snprintf(out, WORDS_CELL, "no bounds");
        return out;
    }
    bool multiple = is_multiple(ratio);
    put_bound(ci->has_low, ci->low, multiple, low, sizeof low);
    put_bound(ci->has_high, ci->high, multiple, high, sizeof high);
    snprintf(out, WORDS_CELL, "[%s, %s]", low, high);
    return out;
}

const char *words_p(double p, char *out)
{
    if (isnan(p))
        snprintf(out, WORDS_CELL, "-");
    else if (p < smallest_p)
        snprintf(out, WORDS_CELL, "< 0.001");
    else
        snprintf(out, WORDS_CELL, p >= 0.0995 ? "%.2f" : "%.3f", p);
    return out;
}

const char *words_design(enum compare_design d)
{
    static const char *const names[] = {
        [COMPARE_ROUNDS] = "interleaved rounds",
        [COMPARE_PAIRED_RUNS] = "paired runs",
        [COMPARE_UNPAIRED_RUNS] = "unpaired runs",
        [COMPARE_SINGLE_RUNS] = "single runs",
    };
    return names[d];
}

/* --- the result --- */

static const char *name_of(const struct compare_row *r, char *out)
{
    return compare_metric_name(&r->metric, out);
}

/* One end of it, or its middle, in the direction of the estimate. */
static void put_part(const struct compare_row *r, double ratio, char *out, size_t n)
{
    double sign = r->ratio < 0 ? -1 : 1;
    if (is_multiple(r->ratio))
        put_multiple(sign * ratio, "", out, n);
    else
        put_percent(100 * sign * expm1(ratio), false, out, n);
}

/* "4.1 % [2.9, 5.3]", "5.85 times [5.41, 6.41]": how far B is from A. */
static void put_size(const struct compare_row *r, struct buf *out)
{
    char size[24], low[24] = "?", high[24] = "?";
    bool falls = r->ratio < 0;
    put_part(r, r->ratio, size, sizeof size);
    if (r->ci.has_low)
        put_part(r, r->ci.low, falls ? high : low, sizeof low);
    if (r->ci.has_high)
        put_part(r, r->ci.high, falls ? low : high, sizeof low);
    buf_printf(out, "%s %s [%s, %s]", size, is_multiple(r->ratio) ? "times" : "%", low, high);
}

struct sentence {
    struct buf *out;
    size_t parts; /* joined by semicolons */
};

static void begin_part(struct sentence *s, const char *first, const char *later)
{
    buf_puts(s->out, s->parts > 0 ? later : first);
    s->parts++;
}

static bool is_of(const struct compare_row *r, enum compare_verdict verdict, bool rate)
{
    return r->verdict == verdict && compare_more_is_better(&r->metric) == rate;
}

/* "B is 4.1 % [2.9, 5.3] slower than A at p99 ttft, 3.0 % [2.8, 3.2] at p50 tpot" */
static void put_latencies(const struct comparison *c, struct sentence *s,
                          enum compare_verdict verdict, const char *word)
{
    bool any = false;
    char name[COMPARE_NAME];
    for (size_t i = 0; i < c->row_count; i++) {
        const struct compare_row *r = &c->rows[i];
        if (!is_of(r, verdict, false))
            continue;
        if (!any)
            begin_part(s, "B is ", "; B is ");
        else
            buf_puts(s->out, ", ");
        put_size(r, s->out);
        if (!any)
            buf_printf(s->out, " %s than A", word);
        buf_printf(s->out, " at %s", name_of(r, name));
        any = true;
    }
}

/* "B has 3.0 % [2.8, 3.2] less throughput than A" */
static void put_rates(const struct comparison *c, struct sentence *s, enum compare_verdict verdict,
                      const char *word)
{
    char name[COMPARE_NAME];
    for (size_t i = 0; i < c->row_count; i++) {
        const struct compare_row *r = &c->rows[i];
        if (!is_of(r, verdict, true))
            continue;
        begin_part(s, "B has ", "; B has ");
        put_size(r, s->out);
        buf_printf(s->out, " %s %s than A", word, name_of(r, name));
    }
}

static size_t count(const struct comparison *c, enum compare_verdict verdict)
{
    size_t n = 0;
    for (size_t i = 0; i < c->row_count; i++)
        n += c->rows[i].verdict == verdict;
    return n;
}

/* "p50 ttft, p99 ttft and throughput" */
static void put_names(const struct comparison *c, enum compare_verdict verdict, struct buf *out)
{
    size_t n = count(c, verdict), put = 0;
    char name[COMPARE_NAME];
    for (size_t i = 0; i < c->row_count; i++) {
        if (c->rows[i].verdict != verdict)
            continue;
        buf_puts(out, put == 0 ? "" : put + 1 == n ? " and " : ", ");
        buf_puts(out, name_of(&c->rows[i], name));
        put++;
    }
}

void words_result(const struct comparison *c, struct buf *out)
{
    struct sentence s = {out, 0};
    put_latencies(c, &s, COMPARE_WORSE, "slower");
    put_rates(c, &s, COMPARE_WORSE, "less");
    put_latencies(c, &s, COMPARE_BETTER, "faster");
    put_rates(c, &s, COMPARE_BETTER, "more");
    if (count(c, COMPARE_EQUIVALENT) > 0) {
        begin_part(&s, "B is equivalent to A", "; equivalent");
        buf_printf(out, " within ± %.4g %% at ", 100 * c->spec.margin);
        put_names(c, COMPARE_EQUIVALENT, out);
    }
    if (count(c, COMPARE_UNDECIDED) > 0) {
        begin_part(&s, "Undecided at ", "; undecided at ");
        put_names(c, COMPARE_UNDECIDED, out);
        if (s.parts == 1)
            buf_puts(out, ": neither a difference nor its absence is shown");
    }
    if (count(c, COMPARE_NO_VERDICT) > 0) {
        begin_part(&s, "There is no verdict on ", "; no verdict on ");
        put_names(c, COMPARE_NO_VERDICT, out);
        for (size_t i = 0; s.parts == 1 && i < c->row_count; i++) {
            if (c->rows[i].verdict == COMPARE_NO_VERDICT) {
                buf_printf(out, ": %s", c->rows[i].why);
                break;
            }
        }
    }
    buf_putc(out, '.');
}

void words_rounds(const struct comparison *c, struct buf *out)
{
    size_t n = 0;
    char name[COMPARE_NAME];
    for (size_t i = 0; i < c->row_count; i++) {
        const struct compare_row *r = &c->rows[i];
        if (isnan(r->rounds_needed))
            continue;
        buf_printf(out, "%s%s ", n++ > 0 ? " · " : "", name_of(r, name));
        if (isinf(r->rounds_needed))
            buf_printf(out, "over %d", COMPARE_MANY_ROUNDS);
        else
            buf_printf(out, "about %.0f", r->rounds_needed);
    }
}

void words_gate(const struct comparison *c, const struct compare_gate_result *g, struct buf *out)
{
    char p[WORDS_CELL];
    if (g->state == COMPARE_CANNOT_TELL) {
        const char *why = c->rows[g->row].why;
        buf_printf(out, "cannot be told: %s", why[0] ? why : "too few rounds");
        return;
    }
    bool fails = g->state == COMPARE_FAILS;
    if (g->gate.possibly)
        buf_puts(out, fails ? "not ruled out" : "ruled out");
    else
        buf_puts(out, fails ? "shown" : "not shown");
    buf_printf(out, ", p %s%s", g->p < smallest_p ? "" : "= ", words_p(g->p, p));
}
