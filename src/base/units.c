#include "base/units.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum { NUMBER_MAX_BYTES = 63 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t skip_digits(struct slice t, size_t i)
{
    while (i < t.n && is_digit(t.p[i]))
        i++;
    return i;
}

/* Reads a decimal number (sign, digits, point, exponent; no hexadecimal, no words) off the front of
 * t. Returns how many bytes it has, 0 when there is none. */
static size_t take_decimal(struct slice t, double *out)
{
    size_t i = t.n > 0 && (t.p[0] == '-' || t.p[0] == '+');
    size_t whole = i;
    i = skip_digits(t, i);
    size_t digits = i - whole;
    if (i < t.n && t.p[i] == '.') {
        size_t fraction = ++i;
        i = skip_digits(t, i);
        digits += i - fraction;
    }
    if (digits == 0 || i > NUMBER_MAX_BYTES)
        return 0;
    if (i + 1 < t.n && (t.p[i] == 'e' || t.p[i] == 'E')) {
        size_t exponent = i + 1 + (t.p[i + 1] == '-' || t.p[i + 1] == '+');
        size_t after = skip_digits(t, exponent);
        if (after > exponent)
            i = after;
    }
    if (i > NUMBER_MAX_BYTES)
        return 0;
    char copy[NUMBER_MAX_BYTES + 1];
    memcpy(copy, t.p, i);
    copy[i] = '\0';
    *out = strtod(copy, NULL);
    return i;
}

static const struct {
    const char *name;
    double ns;
} duration_units[] = {
    {"ns", 1},
    {"us", (double)NS_PER_US},
    {"µs", (double)NS_PER_US},
    {"ms", (double)NS_PER_MS},
    {"s", (double)NS_PER_S},
    {"m", 60.0 * (double)NS_PER_S},
    {"h", 3600.0 * (double)NS_PER_S},
};

static double unit_ns(struct slice name)
{
    for (size_t i = 0; i < sizeof duration_units / sizeof duration_units[0]; i++)
        if (slice_is(name, duration_units[i].name))
            return duration_units[i].ns;
    return 0;
}

/* Texts from the command line can be long; a sentence shows this much of them. */
enum { SHOWN_BYTES = 60 };

static int shown(struct slice t)
{
    return t.n < SHOWN_BYTES ? (int)t.n : SHOWN_BYTES;
}

int units_duration_ns(struct slice text, const char *what, int64_t *out, struct err *e)
{
    double v = 0;
    size_t n = take_decimal(text, &v);
    if (n == 0)
        return err_set(e, ERR_USAGE,
                       "%s: '%.*s' is not a time; write for example 500ms, 1.5s or 2m", what,
                       shown(text), text.p);
    struct slice unit = slice_make(text.p + n, text.n - n);
    if (v < 0 || (v == 0 && text.p[0] == '-'))
        return err_set(e, ERR_USAGE, "%s: '%.*s' is negative; a time must be 0 or more", what,
                       shown(text), text.p);
    if (unit.n == 0 && v != 0)
        return err_set(e, ERR_USAGE, "%s: '%.*s' has no unit; write %.*sms or %.*ss", what,
                       shown(text), text.p, shown(text), text.p, shown(text), text.p);
    double ns = v == 0 && unit.n == 0 ? 1 : unit_ns(unit);
    if (ns == 0)
        return err_set(e, ERR_USAGE,
                       "%s: '%.*s' has an unknown unit '%.*s'; units are ns, us, ms, s, m, h", what,
                       shown(text), text.p, shown(unit), unit.p);
    ns = round(v * ns);
    if (!(ns < 0x1p63))
        return err_set(e, ERR_USAGE, "%s: '%.*s' is longer than can be counted (292 years)", what,
                       shown(text), text.p);
    *out = (int64_t)ns;
    return OK;
}

int units_number(struct slice text, const char *what, double low, double high, double *out,
                 struct err *e)
{
    double v = 0;
    if (slice_is(text, "inf") && isinf(high) && high > 0) {
        *out = INFINITY;
        return OK;
    }
    size_t n = take_decimal(text, &v);
    if (n == 0 || n != text.n)
        return err_set(e, ERR_USAGE, "%s: '%.*s' is not a number%s", what, shown(text), text.p,
                       isinf(high) && high > 0 ? "; write for example 12.5, or inf" : "");
    if (!isfinite(v))
        return err_set(e, ERR_USAGE, "%s: '%.*s' is too large", what, shown(text), text.p);
    if (v < low)
        return err_set(e, ERR_USAGE, "%s: '%.*s' is too small; it must be at least %g", what,
                       shown(text), text.p, low);
    if (v > high)
        return err_set(e, ERR_USAGE, "%s: '%.*s' is too large; it must be at most %g", what,
                       shown(text), text.p, high);
    *out = v;
    return OK;
}

/* Decimal places that a suffix lets stand before the point ("1.5k" is whole), -1 for an unknown
 * one. */
static int suffix_places(struct slice suffix)
{
    if (suffix.n == 0)
        return 0;
    if (slice_is(suffix, "k") || slice_is(suffix, "K"))
        return 3;
    return slice_is(suffix, "M") ? 6 : -1;
}

/* False when it does not fit. Counts downwards, where the range is the larger. */
static bool push_digit(int64_t *negated, int digit)
{
    return !__builtin_mul_overflow(*negated, 10, negated) &&
           !__builtin_sub_overflow(*negated, digit, negated);
}

int units_count(struct slice text, const char *what, int64_t low, int64_t high, int64_t *out,
                struct err *e)
{
    bool negative = text.n > 0 && text.p[0] == '-';
    size_t begin = negative || (text.n > 0 && text.p[0] == '+');
    size_t whole_end = skip_digits(text, begin);
    size_t end = whole_end < text.n && text.p[whole_end] == '.' ? skip_digits(text, whole_end + 1)
                                                                : whole_end;
    struct slice suffix = slice_make(end ? text.p + end : text.p, text.n - end);
    int places = suffix_places(suffix);
    size_t fraction = end > whole_end ? end - whole_end - 1 : 0;
    if (whole_end == begin || places < 0 || (end > whole_end && fraction == 0) ||
        fraction > (size_t)places)
        return err_set(e, ERR_USAGE,
                       "%s: '%.*s' is not a whole number; write for example 1000 or 10k", what,
                       shown(text), text.p);
    int64_t v = 0;
    bool fits = true;
    for (size_t i = begin; i < end && fits; i++)
        if (text.p[i] != '.')
            fits = push_digit(&v, text.p[i] - '0');
    for (size_t i = fraction; i < (size_t)places && fits; i++)
        fits = push_digit(&v, 0);
    if (fits && !negative)
        fits = !__builtin_sub_overflow((int64_t)0, v, &v);
    if (!fits || v < low || v > high)
        return err_set(e, ERR_USAGE,
                       "%s: '%.*s' is out of range; it must be from %" PRId64 " to %" PRId64, what,
                       shown(text), text.p, low, high);
    *out = v;
    return OK;
}

/* Three significant digits: 4.56, 12.3, 350. x in [0, 999.5). */
static const char *three_digits(double x, char out[16])
{
    int places = x < 9.995 ? 2 : x < 99.95 ? 1 : 0;
    snprintf(out, 16, "%.*f", places, x);
    return out;
}

const char *units_format_ns(int64_t ns, char *out, unsigned long out_bytes)
{
    char digits[16];
    const char *sign = ns < 0 ? "-" : "";
    uint64_t u = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    double x = (double)u;
    uint64_t seconds = u / (uint64_t)NS_PER_S + (u % (uint64_t)NS_PER_S >= (uint64_t)NS_PER_S / 2);
    uint64_t minutes = (seconds + 30) / 60;
    if (u < 1000)
        snprintf(out, out_bytes, "%s%u ns", sign, (unsigned)u);
    else if (x < 999.5e3)
        snprintf(out, out_bytes, "%s%s us", sign, three_digits(x / 1e3, digits));
    else if (x < 999.5e6)
        snprintf(out, out_bytes, "%s%s ms", sign, three_digits(x / 1e6, digits));
    else if (x < 59.95e9)
        snprintf(out, out_bytes, "%s%s s", sign, three_digits(x / 1e9, digits));
    else if (seconds < 3600)
        snprintf(out, out_bytes, "%s%" PRIu64 "m %" PRIu64 "s", sign, seconds / 60, seconds % 60);
    else
        snprintf(out, out_bytes, "%s%" PRIu64 "h %" PRIu64 "m", sign, minutes / 60, minutes % 60);
    return out;
}

const char *units_format_count(double x, char *out, unsigned long out_bytes)
{
    static const char *const suffix[] = {"", "k", "M", "G", "T"};
    char digits[16];
    double size = fabs(x);
    const char *sign = x < 0 ? "-" : "";
    if (!(size < 999.5e12)) {
        snprintf(out, out_bytes, "%.3g", x);
        return out;
    }
    if (size < 999.5 && (size == trunc(size) || size < 1)) {
        snprintf(out, out_bytes, "%.3g", x);
        return out;
    }
    unsigned i = 0;
    while (size >= 999.5) {
        size /= 1000;
        i++;
    }
    snprintf(out, out_bytes, "%s%s%s", sign, three_digits(size, digits), suffix[i]);
    return out;
}
