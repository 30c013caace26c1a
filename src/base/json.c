#include "base/json.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Errors end the text where they are found: every later call then sees an empty rest and fails by
 * itself, so the hot path asks about `failed` nowhere. */
static __attribute__((noinline, cold)) const char *fail_at(struct json *j, const char *at)
{
    j->p = at;
    j->end = at;
    j->failed = true;
    return NULL;
}

static inline const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p <= ' ' && /* one comparison where there is no blank */
           (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* First byte at or after p that cannot simply stand in a string: a quote, a backslash, a control.
 */
static inline const char *find_special(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i last_control = _mm_set1_epi8(0x1f);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_min_epu8(v, last_control), v));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
        p++;
    return p;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    char low = (char)(c | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* p is at a backslash; returns the byte behind the escape. */
static const char *scan_escape(struct json *j, const char *p)
{
    if (j->end - p < 2)
        return fail_at(j, p);
    if (p[1] != 'u')
        return p[1] && strchr("\"\\/bfnrt", p[1]) ? p + 2 : fail_at(j, p);
    if (j->end - p < 6)
        return fail_at(j, p);
    for (int i = 2; i < 6; i++)
        if (hex_value(p[i]) < 0)
            return fail_at(j, p);
    return p + 6;
}

/* The rest of a string from its first special byte on, where that is not the closing quote. */
static __attribute__((noinline)) const char *scan_escapes(struct json *j, const char *p)
{
    while (p < j->end && *p == '\\') {
        p = scan_escape(j, p);
        if (!p)
            return NULL;
        p = find_special(p, j->end);
        if (p < j->end && *p == '"')
            return p + 1;
    }
    return fail_at(j, p);
}

/* p is behind the opening quote; returns the byte behind the closing one. */
static inline __attribute__((always_inline)) const char *scan_string(struct json *j, const char *p)
{
    p = find_special(p, j->end);
    if (p < j->end && *p == '"')
        return p + 1;
    return scan_escapes(j, p);
}

static const char *scan_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p))
        p++;
    return p;
}

static const char *scan_number(struct json *j, const char *p)
{
    const char *end = j->end;
    if (p < end && *p == '-')
        p++;
    if (p == end || !is_digit(*p))
        return fail_at(j, p);
    p = *p == '0' ? p + 1 : scan_digits(p, end);
    if (p < end && *p == '.') {
        const char *fraction = p + 1;
        p = scan_digits(fraction, end);
        if (p == fraction)
            return fail_at(j, p);
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        const char *exponent = p;
        p = scan_digits(exponent, end);
        if (p == exponent)
            return fail_at(j, p);
    }
    return p;
}

static inline const char *scan_word(struct json *j, const char *p, const char *word, size_t n)
{
    if ((size_t)(j->end - p) < n || memcmp(p, word, n) != 0)
        return fail_at(j, p);
    return p + n;
}

/* A value that is neither object nor array. */
static inline const char *scan_scalar(struct json *j, const char *p)
{
    switch (*p) {
    case '"':
        return scan_string(j, p + 1);
    case 'n':
        return scan_word(j, p, "null", 4);
    case 't':
        return scan_word(j, p, "true", 4);
    case 'f':
        return scan_word(j, p, "false", 5);
    default:
        return scan_number(j, p);
    }
}

/* "key" blanks : with p at the quote. */
static inline const char *scan_key(struct json *j, const char *p, struct slice *raw)
{
    if (p == j->end || *p != '"')
        return fail_at(j, p);
    const char *begin = p + 1;
    p = scan_string(j, begin);
    if (!p)
        return NULL;
    *raw = slice_make(begin, (size_t)(p - 1 - begin));
    if (p < j->end && *p == ':') /* as good as always */
        return p + 1;
    p = skip_blanks(p, j->end);
    if (p == j->end || *p != ':')
        return fail_at(j, p);
    return p + 1;
}

/* One bit a level: is it an object? */
struct levels {
    uint64_t object[JSON_MAX_DEPTH / 64];
};

static inline void level_set(struct levels *l, int depth, bool object)
{
    uint64_t bit = UINT64_C(1) << (depth & 63);
    if (object)
        l->object[depth >> 6] |= bit;
    else
        l->object[depth >> 6] &= ~bit;
}

static inline bool level_is_object(const struct levels *l, int depth)
{
    return l->object[depth >> 6] >> (depth & 63) & 1;
}

/* What may follow a whole value inside containers: closers, then a comma and, in an object, a key.
 * Returns the place of the next value; NULL on failure, or with *done when depth came down to base.
 */
static const char *scan_between(struct json *j, const char *p, struct levels *levels, int *depth,
                                int base, const char **done)
{
    struct slice key;
    for (;;) {
        p = skip_blanks(p, j->end);
        if (p == j->end)
            return fail_at(j, p);
        bool object = level_is_object(levels, *depth - 1);
        if (*p == ',') {
            p = skip_blanks(p + 1, j->end);
            return object ? scan_key(j, p, &key) : p;
        }
        if (*p != (object ? '}' : ']'))
            return fail_at(j, p);
        p++;
        if (--*depth == base) {
            *done = p;
            return NULL;
        }
    }
}

/* p is at a bracket; returns the byte behind the one that closes it. */
static const char *scan_container(struct json *j, const char *p)
{
    struct levels levels = {{0}};
    int depth = j->depth;
    int base = depth;
    const char *done = NULL;
    struct slice key;
    for (;;) {
        bool object = *p == '{';
        if (object || *p == '[') {
            if (depth == JSON_MAX_DEPTH)
                return fail_at(j, p);
            level_set(&levels, depth++, object);
            p = skip_blanks(p + 1, j->end);
            if (p == j->end)
                return fail_at(j, p);
            if (*p != (object ? '}' : ']')) {
                if (object)
                    p = scan_key(j, p, &key);
            } else {
                p++;
                if (--depth == base)
                    return p;
                p = scan_between(j, p, &levels, &depth, base, &done);
            }
        } else {
            p = scan_scalar(j, p);
            if (p)
                p = scan_between(j, p, &levels, &depth, base, &done);
        }
        if (!p)
            return done;
        p = skip_blanks(p, j->end);
        if (p == j->end)
            return fail_at(j, p);
    }
}

struct json json_of(struct slice text)
{
    const char *p = text.p ? text.p : "";
    return (struct json){.p = p, .end = p + text.n, .begin = p};
}

enum json_type json_peek(struct json *j)
{
    j->p = skip_blanks(j->p, j->end);
    if (j->p == j->end)
        return JSON_INVALID;
    switch (*j->p) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return *j->p == '-' || is_digit(*j->p) ? JSON_NUMBER : JSON_INVALID;
    }
}

static inline bool enter(struct json *j, char bracket)
{
    const char *p = skip_blanks(j->p, j->end);
    if (p == j->end || *p != bracket || j->depth == JSON_MAX_DEPTH) {
        fail_at(j, p);
        return false;
    }
    j->p = p + 1;
    j->depth++;
    j->first = true;
    return true;
}

bool json_enter_object(struct json *j)
{
    return enter(j, '{');
}

bool json_enter_array(struct json *j)
{
    return enter(j, '[');
}

/* Steps over the comma or the closing bracket. True when another item must follow at j->p. */
static inline bool step(struct json *j, char closer)
{
    const char *p = skip_blanks(j->p, j->end);
    if (p == j->end || j->depth == 0) {
        fail_at(j, p);
        return false;
    }
    if (*p == closer) {
        j->p = p + 1;
        j->depth--;
        j->first = false;
        return false;
    }
    if (!j->first) {
        if (*p != ',') {
            fail_at(j, p);
            return false;
        }
        p = skip_blanks(p + 1, j->end);
    }
    j->first = false;
    j->p = p;
    return true;
}

bool json_next_key(struct json *j, struct slice *raw_key)
{
    if (!step(j, '}'))
        return false;
    const char *p = scan_key(j, j->p, raw_key);
    if (!p)
        return false;
    j->p = p;
    return true;
}

bool json_next_item(struct json *j)
{
    if (!step(j, ']'))
        return false;
    if (j->p == j->end || *j->p == ']') { /* "[1,]" */
        fail_at(j, j->p);
        return false;
    }
    return true;
}

bool json_string(struct json *j, struct slice *raw)
{
    const char *p = skip_blanks(j->p, j->end);
    if (p == j->end || *p != '"') {
        fail_at(j, p);
        return false;
    }
    const char *begin = p + 1;
    p = scan_string(j, begin);
    if (!p)
        return false;
    *raw = slice_make(begin, (size_t)(p - 1 - begin));
    j->p = p;
    return true;
}

/* The text of the number ahead, not yet consumed; empty on failure. */
static struct slice number_text(struct json *j)
{
    const char *begin = skip_blanks(j->p, j->end);
    const char *end = scan_number(j, begin);
    return end ? slice_make(begin, (size_t)(end - begin)) : slice_make(NULL, 0);
}

/* RFC 8259 §6 lets a reader bound the numbers it takes; no honest one is this long. */
enum { NUMBER_MAX_BYTES = 1024 };

/* Powers of ten that a double holds exactly: with a whole number below 2^53 one multiplication or
 * division gives the correctly rounded result (Clinger, PLDI 1990). */
static const double exact_power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
enum { EXACT_DIGITS = 15 };

static bool plain_decimal(struct slice t, double *out)
{
    uint64_t whole = 0;
    unsigned digits = 0, after_point = 0;
    bool point = false;
    size_t i = t.p[0] == '-';
    for (; i < t.n; i++) {
        if (t.p[i] == '.') {
            point = true;
            continue;
        }
        if (!is_digit(t.p[i]) || ++digits > EXACT_DIGITS)
            return false;
        whole = whole * 10 + (uint64_t)(t.p[i] - '0');
        after_point += point;
    }
    double v = (double)whole / exact_power[after_point];
    *out = t.p[0] == '-' ? -v : v;
    return true;
}

static bool any_decimal(struct slice t, double *out)
{
    char copy[NUMBER_MAX_BYTES + 1];
    if (t.n > NUMBER_MAX_BYTES)
        return false;
    memcpy(copy, t.p, t.n);
    copy[t.n] = '\0';
    *out = strtod(copy, NULL);
    return isfinite(*out);
}

bool json_double(struct json *j, double *out)
{
    struct slice t = number_text(j);
    if (t.n == 0)
        return false;
    double v;
    if (!plain_decimal(t, &v) && !any_decimal(t, &v)) {
        fail_at(j, t.p);
        return false;
    }
    *out = v;
    j->p = t.p + t.n;
    return true;
}

static bool digits_to_int(struct slice t, int64_t *out)
{
    bool negative = t.p[0] == '-';
    int64_t v = 0;
    for (size_t i = negative; i < t.n; i++) {
        int digit = t.p[i] - '0';
        if (!is_digit(t.p[i]) || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_sub_overflow(v, digit, &v)) /* downwards: the negative range is the larger */
            return false;
    }
    return negative ? (*out = v, true) : !__builtin_sub_overflow((int64_t)0, v, out);
}

/* "5.0" and "1e3" are whole as well; taken where a double is exact. */
static bool real_to_int(struct slice t, int64_t *out)
{
    const double exact = 0x1p53;
    double v;
    if (!memchr(t.p, '.', t.n) && !memchr(t.p, 'e', t.n) && !memchr(t.p, 'E', t.n))
        return false;
    if (!any_decimal(t, &v) || v != trunc(v) || fabs(v) > exact)
        return false;
    *out = (int64_t)v;
    return true;
}

bool json_int(struct json *j, int64_t *out)
{
    struct slice t = number_text(j);
    if (t.n == 0)
        return false;
    if (!digits_to_int(t, out) && !real_to_int(t, out)) {
        fail_at(j, t.p);
        return false;
    }
    j->p = t.p + t.n;
    return true;
}

bool json_bool(struct json *j, bool *out)
{
    enum json_type type = json_peek(j);
    if (type != JSON_TRUE && type != JSON_FALSE) {
        fail_at(j, j->p);
        return false;
    }
    const char *p = scan_scalar(j, j->p);
    if (!p)
        return false;
    *out = type == JSON_TRUE;
    j->p = p;
    return true;
}

bool json_skip(struct json *j)
{
    const char *p = skip_blanks(j->p, j->end);
    if (p == j->end) {
        fail_at(j, p);
        return false;
    }
    p = *p == '{' || *p == '[' ? scan_container(j, p) : scan_scalar(j, p);
    if (!p)
        return false;
    j->p = p;
    return true;
}

bool json_raw(struct json *j, struct slice *out)
{
    const char *begin = j->p = skip_blanks(j->p, j->end);
    if (!json_skip(j))
        return false;
    *out = slice_make(begin, (size_t)(j->p - begin));
    return true;
}

int json_end(struct json *j)
{
    j->p = skip_blanks(j->p, j->end);
    return !j->failed && j->depth == 0 && j->p == j->end ? OK : ERR_PROTOCOL;
}

size_t json_offset(const struct json *j)
{
    return (size_t)(j->p - j->begin);
}
