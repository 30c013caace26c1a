#include "wire/sse.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    READING = 0,
    DISPATCHED, /* the caller may still look at data and name: cleared when it calls again */
};

enum {
    KEEP_BYTES = 64 * 1024,      /* a buffer grown past this is freed after its event */
    LINE_OVERHEAD_BYTES = 3 + 6, /* byte order mark and "data: " in front of the longest data */
};

static const char bom[] = "\xEF\xBB\xBF";

void sse_init(struct sse *s, size_t max_event_bytes)
{
    size_t max = max_event_bytes ? max_event_bytes : SSE_DEFAULT_MAX_EVENT_BYTES;
    *s = (struct sse){.at_start = true};
    buf_init(&s->line, max + LINE_OVERHEAD_BYTES);
    buf_init(&s->data, max);
    buf_init(&s->name, max);
}

static void clear(struct buf *b)
{
    buf_clear(b);
    buf_shrink(b, KEEP_BYTES);
}

static void forget_event(struct sse *s)
{
    clear(&s->data);
    clear(&s->name);
    s->has_data = false;
    s->state = READING;
}

void sse_reset(struct sse *s)
{
    forget_event(s);
    clear(&s->line);
    s->skip_lf = false;
    s->at_start = true;
    s->comments = 0;
}

void sse_release(struct sse *s)
{
    buf_release(&s->line);
    buf_release(&s->data);
    buf_release(&s->name);
}

/* First LF or CR at or after p, or end. */
static inline const char *find_line_end(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i lf = _mm_set1_epi8('\n');
    const __m128i cr = _mm_set1_epi8('\r');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, lf), _mm_cmpeq_epi8(v, cr));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && *p != '\n' && *p != '\r')
        p++;
    return p;
}

/* Moves data that is still a view into the input to where it outlives it. */
static int hold(struct sse *s, struct slice *view)
{
    int rc = OK;
    if (view->p)
        rc = buf_put(&s->data, *view);
    view->p = NULL;
    return rc;
}

static int take_data(struct sse *s, struct slice value, struct slice *view)
{
    if (value.n > s->data.max)
        return ERR_TOO_BIG;
    if (!s->has_data) {
        s->has_data = true;
        *view = value;
        return OK;
    }
    int rc = hold(s, view);
    if (rc == OK)
        rc = buf_putc(&s->data, '\n');
    return rc == OK ? buf_put(&s->data, value) : rc;
}

/* Text behind the colon, one leading space dropped; empty when the line is only a field name. */
static struct slice field_value(struct slice line, size_t name_bytes)
{
    size_t skip = name_bytes;
    if (skip < line.n)
        skip++;
    if (skip < line.n && line.p[skip] == ' ')
        skip++;
    return slice_make(line.p + skip, line.n - skip);
}

static inline bool is_field(struct slice line, const char *name, size_t n)
{
    return line.n >= n && memcmp(line.p, name, n) == 0 && (line.n == n || line.p[n] == ':');
}

static int take_line(struct sse *s, struct slice line, struct slice *view)
{
    if (is_field(line, "data", 4))
        return take_data(s, field_value(line, 4), view);
    if (line.p[0] == ':') {
        s->comments++;
    } else if (is_field(line, "event", 5)) {
        buf_clear(&s->name);
        return buf_put(&s->name, field_value(line, 5));
    }
    return OK; /* "id", "retry" and unknown fields are of no use here */
}

/* The whole line that ends the bytes in piece; earlier pieces of it wait in s->line. */
static int join_line(struct sse *s, struct slice piece, struct slice *line)
{
    *line = piece;
    if (s->line.n > 0) {
        int rc = buf_put(&s->line, piece);
        if (rc < 0)
            return rc;
        *line = buf_slice(&s->line);
    } else if (piece.n > s->line.max) {
        return ERR_TOO_BIG;
    }
    if (s->at_start && line->n >= 3 && memcmp(line->p, bom, 3) == 0)
        *line = slice_make(line->p + 3, line->n - 3);
    s->at_start = false;
    return OK;
}

/* Steps over a line end found at eol. */
static inline const char *behind_line_end(struct sse *s, const char *eol, const char *end)
{
    const char *p = eol + 1;
    if (*eol == '\n')
        return p;
    if (p == end)
        s->skip_lf = true;
    else if (*p == '\n')
        p++;
    return p;
}

/* The input ends inside an event: keep what must outlive it. */
static int keep_rest(struct sse *s, struct slice rest, struct slice *view)
{
    int rc = hold(s, view);
    return rc == OK ? buf_put(&s->line, rest) : rc;
}

static void dispatch(struct sse *s, struct slice view, struct sse_event *out)
{
    out->data = view.p ? view : buf_slice(&s->data);
    out->name = buf_slice(&s->name);
    s->has_data = false;
    s->state = DISPATCHED;
}

int64_t sse_parse(struct sse *s, struct slice in, struct sse_event *out, bool *got)
{
    struct slice view = {NULL, 0};
    int rc = OK;
    *got = false;
    if (in.n == 0)
        return 0;
    if (s->state == DISPATCHED)
        forget_event(s);
    const char *p = in.p, *end = in.p + in.n;
    if (s->skip_lf && *p == '\n')
        p++;
    s->skip_lf = false;
    while (p < end) {
        const char *eol = find_line_end(p, end);
        struct slice line = slice_make(p, (size_t)(eol - p));
        if (eol == end)
            break;
        p = behind_line_end(s, eol, end);
        bool joined = s->line.n > 0;
        rc = join_line(s, line, &line);
        if (rc == OK && line.n == 0 && s->has_data) {
            dispatch(s, view, out);
            clear(&s->line);
            *got = true;
            return p - in.p;
        }
        if (rc == OK && line.n == 0)
            forget_event(s);
        else if (rc == OK)
            rc = take_line(s, line, &view);
        if (rc == OK && joined) {
            rc = hold(s, &view);
            clear(&s->line);
        }
        if (rc < 0)
            return rc;
    }
    rc = keep_rest(s, slice_make(p, (size_t)(end - p)), &view);
    return rc < 0 ? rc : (int64_t)in.n;
}

bool sse_pending(const struct sse *s)
{
    bool in_event = s->state == READING && (s->has_data || s->name.n > 0);
    struct slice line = buf_slice(&s->line);
    if (s->at_start && line.n >= 3 && memcmp(line.p, bom, 3) == 0)
        line = slice_make(line.p + 3, line.n - 3);
    return in_event || (line.n > 0 && line.p[0] != ':');
}
