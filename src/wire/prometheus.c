#include "wire/prometheus.h"

#include <math.h>
#include <stdlib.h>

enum { NUMBER_MAX_BYTES = 63 };

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void drop(struct slice *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

static void drop_blanks(struct slice *s)
{
    while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\t'))
        drop(s, 1);
}

static bool take_byte(struct slice *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    drop(s, 1);
    return true;
}

static bool take_name(struct slice *s, struct slice *name)
{
    size_t n = 0;
    while (n < s->n && (is_name_start(s->p[n]) || (n > 0 && is_digit(s->p[n]))))
        n++;
    *name = slice_make(s->p, n);
    drop(s, n);
    return n > 0;
}

static bool take_quoted(struct slice *s)
{
    if (!take_byte(s, '"'))
        return false;
    while (s->n > 0 && s->p[0] != '"')
        drop(s, s->p[0] == '\\' && s->n > 1 ? 2 : 1);
    return take_byte(s, '"');
}

/* {a="b",c="d",} with s behind the opening brace; a comma may stand before the closing one. */
static bool take_labels(struct slice *s, struct slice *labels)
{
    struct slice name;
    const char *begin = s->p;
    for (;;) {
        drop_blanks(s);
        *labels = slice_make(begin, (size_t)(s->p - begin));
        if (take_byte(s, '}'))
            return true;
        if (!take_name(s, &name))
            return false;
        drop_blanks(s);
        if (!take_byte(s, '='))
            return false;
        drop_blanks(s);
        if (!take_quoted(s))
            return false;
        drop_blanks(s);
        if (take_byte(s, ','))
            continue;
        *labels = slice_make(begin, (size_t)(s->p - begin));
        return take_byte(s, '}');
    }
}

/* The words that the format has for what decimals cannot say. */
static bool named_value(struct slice t, double *value)
{
    double sign = 1;
    if (t.n > 0 && (t.p[0] == '+' || t.p[0] == '-')) {
        sign = t.p[0] == '-' ? -1 : 1;
        drop(&t, 1);
    }
    if (slice_is_nocase(t, "nan"))
        *value = NAN;
    else if (slice_is_nocase(t, "inf"))
        *value = sign * INFINITY;
    else
        return false;
    return true;
}

static bool take_number(struct slice *s, double *value)
{
    char copy[NUMBER_MAX_BYTES + 1];
    char *end;
    size_t n = 0;
    while (n < s->n && s->p[n] != ' ' && s->p[n] != '\t')
        n++;
    struct slice t = slice_make(s->p, n);
    if (n == 0 || n > NUMBER_MAX_BYTES)
        return false;
    drop(s, n);
    if (named_value(t, value))
        return true;
    for (size_t i = 0; i < n; i++)
        if (!is_digit(t.p[i]) && !memchr("+-.eE", t.p[i], 5))
            return false;
    memcpy(copy, t.p, n);
    copy[n] = '\0';
    *value = strtod(copy, &end);
    return end == copy + n;
}

/* name [{labels}] value [timestamp]; an exemplar ("# {…}", OpenMetrics) may follow. */
static bool parse_line(struct slice line, struct prometheus_sample *out)
{
    double timestamp;
    out->labels = slice_make(NULL, 0);
    drop_blanks(&line);
    if (!take_name(&line, &out->name))
        return false;
    size_t before = line.n;
    drop_blanks(&line);
    if (take_byte(&line, '{')) {
        if (!take_labels(&line, &out->labels))
            return false;
        drop_blanks(&line);
    } else if (line.n == before) {
        return false; /* something that no name may hold is joined to it */
    }
    if (!take_number(&line, &out->value))
        return false;
    drop_blanks(&line);
    if (line.n > 0 && line.p[0] != '#' && !take_number(&line, &timestamp))
        return false;
    drop_blanks(&line);
    return line.n == 0 || line.p[0] == '#';
}

bool prometheus_next(struct slice *page, struct prometheus_sample *out)
{
    struct prometheus_sample sample;
    while (page->n > 0) {
        const char *lf = memchr(page->p, '\n', page->n);
        struct slice line = slice_make(page->p, lf ? (size_t)(lf - page->p) : page->n);
        drop(page, lf ? line.n + 1 : line.n);
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (parse_line(line, &sample)) {
            *out = sample;
            return true;
        }
    }
    return false;
}

static struct slice without_total(struct slice name)
{
    const size_t n = strlen("_total");
    if (name.n > n && memcmp(name.p + name.n - n, "_total", n) == 0)
        name.n -= n;
    return name;
}

/* A page that had both spellings would count twice: the one asked for wins. */
bool prometheus_sum(struct slice page, const char *name, double *sum)
{
    struct prometheus_sample s;
    struct slice wanted = slice_of(name);
    double exact = 0, other = 0;
    bool has_exact = false, has_other = false;
    while (prometheus_next(&page, &s)) {
        if (isnan(s.value)) /* a gauge nobody has set yet */
            continue;
        if (slice_eq(s.name, wanted)) {
            exact += s.value;
            has_exact = true;
        } else if (slice_eq(without_total(s.name), without_total(wanted))) {
            other += s.value;
            has_other = true;
        }
    }
    if (has_exact || has_other)
        *sum = has_exact ? exact : other;
    return has_exact || has_other;
}
