#include "report/layout.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* Length of the UTF-8 sequence at p, 0 for bytes that are none and for control characters, C1 ones
 * included: a server's text must not steer the terminal. */
static size_t glyph_bytes(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7f;
    size_t len = p[0] >= 0xc2 && p[0] < 0xe0   ? 2
                 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
                 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                               : 0;
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return p[0] == 0xc2 && p[1] < 0xa0 ? 0 : len;
}

size_t layout_width(struct slice text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.n; width++) {
        size_t len = glyph_bytes((const unsigned char *)text.p + i, text.n - i);
        i += len ? len : 1;
    }
    return width;
}

/* Appends the first `glyphs` glyphs of text; returns the bytes they took. */
static size_t put_glyphs(struct buf *out, struct slice text, size_t glyphs)
{
    size_t i = 0;
    while (i < text.n && glyphs-- > 0) {
        size_t len = glyph_bytes((const unsigned char *)text.p + i, text.n - i);
        if (len == sizeof LAYOUT_HARD_BLANK - 1 && memcmp(text.p + i, LAYOUT_HARD_BLANK, len) == 0)
            buf_putc(out, ' ');
        else if (len > 0)
            buf_append(out, text.p + i, len);
        else
            buf_putc(out, '?');
        i += len ? len : 1;
    }
    return i;
}

static const char *const tone_codes[] = {
    [TONE_PLAIN] = "",          [TONE_DIM] = "\033[2m",     [TONE_BOLD] = "\033[1m",
    [TONE_GOOD] = "\033[1;32m", [TONE_WARN] = "\033[1;33m", [TONE_BAD] = "\033[1;31m",
};

static void tone_on(struct layout *l, enum layout_tone tone)
{
    if (l->color)
        buf_puts(l->out, tone_codes[tone]);
}

static void tone_off(struct layout *l, enum layout_tone tone)
{
    if (l->color && tone != TONE_PLAIN)
        buf_puts(l->out, "\033[0m");
}

void layout_put(struct layout *l, enum layout_tone tone, const char *text)
{
    if (text[0] == '\0')
        return;
    tone_on(l, tone);
    put_glyphs(l->out, slice_of(text), SIZE_MAX);
    tone_off(l, tone);
}

void layout_newline(struct layout *l)
{
    while (l->out->n > 0 && l->out->p[l->out->n - 1] == ' ')
        l->out->n--;
    buf_putc(l->out, '\n');
}

static void put_blanks(struct layout *l, size_t n)
{
    while (n-- > 0)
        buf_putc(l->out, ' ');
}

static struct slice next_word(struct slice *rest)
{
    while (rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\n')) {
        rest->p++;
        rest->n--;
    }
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\n')
        n++;
    struct slice word = slice_make(rest->p, n);
    rest->p += n;
    rest->n -= n;
    return word;
}

/* Where a paragraph stands. */
struct place {
    size_t at;      /* column */
    bool fresh;     /* nothing on this line yet */
    bool separator; /* a separator is due before the next word, unless a line ends here */
};

static void break_line(struct layout *l, struct place *p, unsigned indent)
{
    buf_putc(l->out, '\n');
    put_blanks(l, indent);
    *p = (struct place){indent, true, false};
}

/* Puts a word, on the next line when this one has no room for it; one longer than a line is cut
 * where lines end. */
static void put_word(struct layout *l, struct place *p, unsigned indent, struct slice word)
{
    while (word.n > 0) {
        size_t width = layout_width(word);
        size_t gap = p->fresh ? 0 : p->separator ? 3 : 1;
        if (p->at + gap + width > l->columns && !p->fresh) {
            break_line(l, p, indent);
            continue;
        }
        size_t room = l->columns > p->at ? l->columns - p->at - gap : 1;
        size_t now = width < room ? width : room;
        if (gap > 0)
            buf_puts(l->out, p->separator ? " " LAYOUT_SEPARATOR " " : " ");
        size_t bytes = put_glyphs(l->out, word, now);
        word = slice_make(word.p + bytes, word.n - bytes);
        *p = (struct place){p->at + gap + now, false, false};
        if (word.n > 0)
            break_line(l, p, indent);
    }
}

void layout_wrap(struct layout *l, enum layout_tone tone, unsigned indent, unsigned used,
                 const char *text)
{
    struct slice rest = slice_of(text), word;
    struct place p = {used, true, false};
    tone_on(l, tone);
    while ((word = next_word(&rest)).n > 0) {
        if (slice_is(word, LAYOUT_SEPARATOR))
            p.separator = true;
        else
            put_word(l, &p, indent, word);
    }
    tone_off(l, tone);
    buf_putc(l->out, '\n');
}

void layout_field(struct layout *l, unsigned indent, const char *label, const char *format, ...)
{
    char text[1536];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put_blanks(l, indent);
    layout_put(l, TONE_DIM, label);
    size_t width = layout_width(slice_of(label));
    put_blanks(l, width < LAYOUT_LABEL ? LAYOUT_LABEL - width : 1);
    layout_wrap(l, TONE_PLAIN, indent + LAYOUT_LABEL, indent + LAYOUT_LABEL, text);
}

void layout_heading(struct layout *l, const char *text)
{
    buf_putc(l->out, '\n');
    layout_put(l, TONE_BOLD, text);
    buf_putc(l->out, '\n');
}

void layout_cell(struct layout *l, enum layout_tone tone, unsigned width, const char *text)
{
    size_t have = layout_width(slice_of(text));
    put_blanks(l, have < width ? width - have : 1);
    layout_put(l, tone, text);
}

const char *layout_count(double x, char *out)
{
    char digits[32];
    if (!isfinite(x) || fabs(x) >= 1e15) {
        snprintf(out, LAYOUT_NUMBER, isnan(x) ? "-" : "%.3g", x);
        return out;
    }
    int n = snprintf(digits, sizeof digits, "%.0f", x), at = 0;
    int first = digits[0] == '-';
    for (int i = 0; i < n; i++) {
        if (i > first && (n - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static const double widest_rate =
    1e6 - 0.5; /* beyond, a number no longer fits a cell with its separators */

const char *layout_rate(double x, char *out)
{
    double size = fabs(x);
    if (isnan(x) || size >= widest_rate) {
        snprintf(out, LAYOUT_NUMBER, isnan(x) ? "-" : "%.2g", x);
        return out;
    }
    if (size >= 999.5)
        return layout_count(x, out);
    int places = size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 || size == 0 ? 2 : 3;
    snprintf(out, LAYOUT_NUMBER, "%.*f", places, x);
    return out;
}

const char *layout_ms(double ms, char *out)
{
    return layout_rate(ms, out);
}

const char *layout_percent(double share, char *out)
{
    double percent = 100 * share, size = fabs(percent);
    if (!isfinite(percent))
        snprintf(out, LAYOUT_NUMBER, "-");
    else if (size > 0 && size < 0.005)
        snprintf(out, LAYOUT_NUMBER, "< 0.01 %%");
    else if (size > 0 && size < 0.0995)
        snprintf(out, LAYOUT_NUMBER, "%.2f %%", percent);
    else
        snprintf(out, LAYOUT_NUMBER, fabs(percent) >= 99.95 || percent == 0 ? "%.0f %%" : "%.3g %%",
                 percent);
    return out;
}
