/* The other half of json.h: the text of strings undone, and values written. */

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

enum { REPLACEMENT = 0xFFFD };

static int put_utf8(struct buf *out, uint32_t c)
{
    char b[4];
    if (c < 0x80)
        return buf_putc(out, (char)c);
    if (c < 0x800) {
        b[0] = (char)(0xC0 | c >> 6);
        b[1] = (char)(0x80 | (c & 0x3F));
        return buf_append(out, b, 2);
    }
    if (c < 0x10000) {
        b[0] = (char)(0xE0 | c >> 12);
        b[1] = (char)(0x80 | (c >> 6 & 0x3F));
        b[2] = (char)(0x80 | (c & 0x3F));
        return buf_append(out, b, 3);
    }
    b[0] = (char)(0xF0 | c >> 18);
    b[1] = (char)(0x80 | (c >> 12 & 0x3F));
    b[2] = (char)(0x80 | (c >> 6 & 0x3F));
    b[3] = (char)(0x80 | (c & 0x3F));
    return buf_append(out, b, 4);
}

/* The code unit of "\uXXXX" at p, or -1 when there is none. */
static int32_t code_unit(const char *p, const char *end)
{
    int32_t unit = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        char c = p[i], low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            unit = unit << 4 | (c - '0');
        else if (low >= 'a' && low <= 'f')
            unit = unit << 4 | (low - 'a' + 10);
        else
            return -1;
    }
    return unit;
}

/* Undoes "\u…" at p, with its second half where it has one. Returns the bytes used, 0 if malformed.
 */
static size_t unescape_unicode(const char *p, const char *end, struct buf *out, int *rc)
{
    int32_t high = code_unit(p, end);
    if (high < 0)
        return 0;
    if (high < 0xD800 || high > 0xDFFF) {
        *rc = put_utf8(out, (uint32_t)high);
        return 6;
    }
    int32_t low = high < 0xDC00 ? code_unit(p + 6, end) : -1;
    if (low < 0xDC00 || low > 0xDFFF) {
        *rc = put_utf8(out, REPLACEMENT);
        return 6;
    }
    *rc = put_utf8(out, 0x10000u + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00));
    return 12;
}

static char simple_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c; /* quote, backslash, slash */
    }
}

int json_unescape(struct slice raw, struct buf *out)
{
    size_t before = out->n;
    if (raw.n == 0)
        return OK;
    const char *p = raw.p, *end = raw.p + raw.n;
    int rc = OK;
    while (p < end && rc == OK) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        const char *stop = escape ? escape : end;
        rc = buf_append(out, p, (size_t)(stop - p));
        p = stop;
        if (rc < 0 || p == end)
            break;
        size_t used = unescape_unicode(p, end, out, &rc);
        if (used == 0) {
            /* Only text the scanner did not pass can end in a backslash; it stands for itself. */
            used = end - p < 2 ? 1 : 2;
            rc = buf_putc(out, simple_escape(p[used - 1]));
        }
        p += used;
    }
    if (rc < 0)
        out->n = before;
    return rc;
}

static inline bool is_continuation(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* Length of the well-formed UTF-8 sequence at p (Unicode 15, table 3-7); where it is ill-formed 0,
 * and *bad is how many bytes one U+FFFD stands for (the maximal subpart). */
static size_t utf8_length(const unsigned char *p, size_t n, size_t *bad)
{
    unsigned char c = p[0];
    unsigned char low = 0x80, high = 0xBF;
    size_t want = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
    *bad = 1;
    if (want < 2)
        return want;
    if (c == 0xE0)
        low = 0xA0;
    else if (c == 0xED)
        high = 0x9F;
    else if (c == 0xF0)
        low = 0x90;
    else if (c == 0xF4)
        high = 0x8F;
    if (n < 2 || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < want; i++) {
        *bad = i;
        if (i >= n || !is_continuation(p[i]))
            return 0;
    }
    return want;
}

bool json_is_utf8(struct slice text, size_t *at)
{
    const unsigned char *p = (const unsigned char *)text.p;
    size_t bad;
    for (size_t i = 0; i < text.n;) {
        size_t used = utf8_length(p + i, text.n - i, &bad);
        if (used == 0) {
            *at = i;
            return false;
        }
        i += used;
    }
    return true;
}

static int put_escaped(struct buf *out, unsigned char c)
{
    static const char names[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    static const char hex[] = "0123456789abcdef";
    char pair[2] = {'\\', (char)c};
    if (c >= 0x20)
        return buf_append(out, pair, 2);
    pair[1] = names[c];
    if (pair[1])
        return buf_append(out, pair, 2);
    char unicode[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    return buf_append(out, unicode, sizeof unicode);
}

int json_put_string(struct buf *out, struct slice text)
{
    size_t before = out->n;
    const unsigned char *p = (const unsigned char *)text.p;
    int rc = buf_putc(out, '"');
    size_t plain = 0, i = 0; /* [plain, i) is copied as it is */
    while (i < text.n && rc == OK) {
        size_t bad = 1;
        size_t length = utf8_length(p + i, text.n - i, &bad);
        if (length > 0 && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\') {
            i += length;
            continue;
        }
        rc = buf_append(out, text.p + plain, i - plain);
        if (rc == OK)
            rc = length > 0 ? put_escaped(out, p[i]) : put_utf8(out, REPLACEMENT);
        i += length > 0 ? 1 : bad;
        plain = i;
    }
    if (rc == OK && text.n > plain)
        rc = buf_append(out, text.p + plain, text.n - plain);
    if (rc == OK)
        rc = buf_putc(out, '"');
    if (rc < 0)
        out->n = before;
    return rc;
}

int json_put_int(struct buf *out, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRId64, v);
    return buf_append(out, text, (size_t)n);
}

int json_put_double(struct buf *out, double v)
{
    const double exact = 0x1p53;
    char text[40];
    if (!isfinite(v))
        return buf_append(out, "null", 4);
    if (v == trunc(v) && fabs(v) < exact && !(v == 0 && signbit(v)))
        return json_put_int(out, (int64_t)v);
    /* A normal double gives back any 15 digits it was read from, so if those suffice %g has dropped
     * the zeros and they are the shortest. Subnormals have fewer digits to give. */
    int digits = fabs(v) < DBL_MIN ? 1 : DBL_DIG;
    int n = 0;
    for (; digits <= DBL_DECIMAL_DIG; digits++) {
        n = snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    return buf_append(out, text, (size_t)n);
}
