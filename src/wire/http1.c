#include "wire/http1.h"

enum {
    STATE_START = 0, /* the status or request line is next */
    STATE_HEADERS,
    STATE_INTERIM, /* headers of a 1xx response, not reported */
    STATE_HEAD_END,
    STATE_BODY,       /* `left` bytes more */
    STATE_UNTIL_EOF,  /* everything until the peer closes */
    STATE_SIZE_FIRST, /* chunk size: its first digit, */
    STATE_SIZE,       /* the others, */
    STATE_SIZE_BLANK, /* blanks before an extension, */
    STATE_EXTENSION,
    STATE_SIZE_LF,
    STATE_CHUNK, /* `left` bytes more of the chunk, */
    STATE_CHUNK_CR,
    STATE_CHUNK_LF,
    STATE_TRAILER,
    STATE_END,
};

/* Below zero the state says what was wrong. */
enum {
    BAD_START = -1,
    BAD_VERSION = -2,
    BAD_STATUS = -3,
    BAD_HEADER = -4,
    BAD_CONTROL = -5,
    BAD_FOLD = -6,
    BAD_LENGTH = -7,
    BAD_LENGTHS = -8,
    BAD_CODING = -9,
    BAD_BOTH = -10,
    BAD_CHUNK = -11,
    BAD_CHUNK_END = -12,
    BAD_SWITCH = -13,
    BAD_CUT = -14,
    BIG_HEAD = -15,
    BIG_EXTENSION = -16,
};

static const char *const error_text[] = {
    "nothing is wrong",
    "the first line is not HTTP/1",
    "the HTTP version is not 1.0 or 1.1",
    "the status is not a number of three digits",
    "a header line is not \"name: value\"",
    "a control character in the head",
    "a header line is folded",
    "Content-Length is not a number",
    "two Content-Length that disagree",
    "a Transfer-Encoding other than chunked",
    "both Content-Length and Transfer-Encoding",
    "a chunk size that is not one",
    "a chunk does not end where its size says",
    "the server switched protocols unasked",
    "the connection closed before the message was complete",
    "the head is larger than 64 KiB or has more than 256 fields",
    "a chunk extension longer than 4 KiB",
};

enum { MAX_EXTENSION_BYTES = 4096 };

/* RFC 9110 §5.6.2: bytes of a token, as method and header names are. */
static bool is_token_byte(unsigned char c)
{
    static const uint32_t set[8] = {
        0x00000000, /* controls */
        0x03ff6cfa, /* ! # $ % & ' * + - . 0-9 */
        0xc7fffffe, /* A-Z ^ _ */
        0x57ffffff, /* ` a-z | ~ */
    };
    return set[c >> 5] >> (c & 31) & 1;
}

/* Value of each hexadecimal digit plus one; 0 for all other bytes. */
static const unsigned char hex_plus_one[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

void http1_init(struct http1 *h, enum http1_kind kind)
{
    *h = (struct http1){.kind = kind};
    buf_init(&h->line, HTTP1_MAX_HEAD_BYTES);
}

void http1_release(struct http1 *h)
{
    buf_release(&h->line);
}

void http1_reset(struct http1 *h)
{
    struct buf line = h->line;
    buf_clear(&line);
    *h = (struct http1){.kind = h->kind, .line = line};
}

void http1_expect_no_body(struct http1 *h)
{
    h->no_body = true;
}

static int code_of(int bad)
{
    return bad <= BIG_HEAD ? ERR_TOO_BIG : ERR_PROTOCOL;
}

static __attribute__((cold)) int fail(struct http1 *h, int bad)
{
    h->state = bad;
    return code_of(bad);
}

const char *http1_error(const struct http1 *h)
{
    return error_text[h->state < 0 ? -h->state : 0];
}

int http1_eof(struct http1 *h)
{
    if (h->state < 0)
        return code_of(h->state);
    if (h->state != STATE_UNTIL_EOF && h->state != STATE_END)
        return fail(h, BAD_CUT);
    h->state = STATE_END;
    return OK;
}

/* ---- lines of the head and the trailer ---- */

/* Takes a line off the front of in, its end not included, joined with what came earlier. Returns
 * the bytes used; *whole says whether there was a line. */
static int64_t take_line(struct http1 *h, struct slice in, struct slice *line, bool *whole)
{
    const char *lf = in.n > 0 ? memchr(in.p, '\n', in.n) : NULL;
    size_t used = lf ? (size_t)(lf - in.p) + 1 : in.n;
    *whole = lf != NULL;
    if (used > HTTP1_MAX_HEAD_BYTES - h->head_bytes)
        return fail(h, BIG_HEAD);
    h->head_bytes += (uint32_t)used;
    *line = slice_make(in.p, used);
    if (h->line.n > 0 || !lf) {
        if (buf_append(&h->line, in.p, used) < 0)
            return fail(h, BIG_HEAD);
        *line = buf_slice(&h->line);
        h->line_done = lf != NULL;
    }
    if (lf) {
        line->n--;
        if (line->n > 0 && line->p[line->n - 1] == '\r')
            line->n--;
    }
    return (int64_t)used;
}

/* True for text and blanks: no control characters but the tab. */
static bool is_text(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static size_t token_length(struct slice s)
{
    size_t n = 0;
    while (n < s.n && is_token_byte((unsigned char)s.p[n]))
        n++;
    return n;
}

static struct slice trim_blanks(struct slice s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* "HTTP/1.x", exactly 8 bytes. */
static int take_version(struct http1 *h, const char *p)
{
    if (memcmp(p, "HTTP/", 5) != 0)
        return fail(h, BAD_START);
    if (p[5] != '1' || p[6] != '.' || (p[7] != '0' && p[7] != '1'))
        return fail(h, BAD_VERSION);
    h->minor = p[7] - '0';
    h->keep_alive = h->minor > 0;
    return OK;
}

enum { VERSION_BYTES = 8 };

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* HTTP/1.1 200 OK; the reason, and the blank in front of it, may be missing. */
static int status_line(struct http1 *h, struct slice line, struct http1_event *ev)
{
    const size_t status_end = VERSION_BYTES + 4;
    if (line.n < VERSION_BYTES)
        return fail(h, BAD_START);
    int rc = take_version(h, line.p);
    if (rc < 0)
        return rc;
    const char *s = line.p + VERSION_BYTES;
    if (line.n < status_end || s[0] != ' ' || !is_digit(s[1]) || !is_digit(s[2]) ||
        !is_digit(s[3]) || s[1] == '0' || (line.n > status_end && s[4] != ' '))
        return fail(h, BAD_STATUS);
    h->status = (s[1] - '0') * 100 + (s[2] - '0') * 10 + (s[3] - '0');
    if (h->status == 101)
        return fail(h, BAD_SWITCH);
    size_t from = line.n > status_end ? status_end + 1 : status_end;
    ev->status = h->status;
    ev->reason = slice_make(line.p + from, line.n - from);
    if (!is_text(ev->reason))
        return fail(h, BAD_CONTROL);
    h->state = h->status < 200 ? STATE_INTERIM : STATE_HEADERS;
    return OK;
}

/* GET /path HTTP/1.1 */
static int request_line(struct http1 *h, struct slice line, struct http1_event *ev)
{
    size_t n = token_length(line);
    if (n == 0 || line.n < n + 3 + VERSION_BYTES || line.p[n] != ' ')
        return fail(h, BAD_START);
    size_t target_end = line.n - VERSION_BYTES - 1;
    ev->method = slice_make(line.p, n);
    ev->target = slice_make(line.p + n + 1, target_end - n - 1);
    if (line.p[target_end] != ' ')
        return fail(h, BAD_START);
    for (size_t i = 0; i < ev->target.n; i++) {
        unsigned char c = (unsigned char)ev->target.p[i];
        if (c <= 0x20 || c == 0x7f)
            return fail(h, BAD_START);
    }
    h->state = STATE_HEADERS;
    return take_version(h, line.p + target_end + 1);
}

static int content_length(struct http1 *h, struct slice value)
{
    uint64_t v = 0;
    if (value.n == 0)
        return fail(h, BAD_LENGTH);
    for (size_t i = 0; i < value.n; i++) {
        if (!is_digit(value.p[i]) || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(value.p[i] - '0'), &v) || v > INT64_MAX)
            return fail(h, BAD_LENGTH);
    }
    if (h->has_length && h->left != v)
        return fail(h, BAD_LENGTHS);
    h->has_length = true;
    h->left = v;
    return h->chunked ? fail(h, BAD_BOTH) : OK;
}

static int transfer_encoding(struct http1 *h, struct slice value)
{
    if (!slice_is_nocase(value, "chunked") || h->chunked)
        return fail(h, BAD_CODING);
    h->chunked = true;
    if (h->minor == 0) /* RFC 9112 §6.1: an 1.0 message cannot have it; do not trust what follows */
        h->saw_close = true;
    return h->has_length ? fail(h, BAD_BOTH) : OK;
}

static void connection(struct http1 *h, struct slice value)
{
    while (value.n > 0) {
        const char *comma = memchr(value.p, ',', value.n);
        size_t n = comma ? (size_t)(comma - value.p) : value.n;
        struct slice token = trim_blanks(slice_make(value.p, n));
        if (slice_is_nocase(token, "close"))
            h->saw_close = true;
        else if (slice_is_nocase(token, "keep-alive"))
            h->keep_alive = true;
        size_t step = comma ? n + 1 : n;
        value = slice_make(value.p + step, value.n - step);
    }
}

/* What a header field means for the framing of the message. */
static int take_meaning(struct http1 *h, struct slice name, struct slice value)
{
    switch (name.n) {
    case 6:
        if (slice_is_nocase(name, "expect") && h->minor > 0)
            h->expect_continue = slice_is_nocase(value, "100-continue");
        return OK;
    case 10:
        if (slice_is_nocase(name, "connection"))
            connection(h, value);
        return OK;
    case 14:
        return slice_is_nocase(name, "content-length") ? content_length(h, value) : OK;
    case 17:
        return slice_is_nocase(name, "transfer-encoding") ? transfer_encoding(h, value) : OK;
    default:
        return OK;
    }
}

static int header_line(struct http1 *h, struct slice line, struct http1_event *ev)
{
    if (line.p[0] == ' ' || line.p[0] == '\t')
        return fail(h, BAD_FOLD);
    if (++h->headers > HTTP1_MAX_HEADERS)
        return fail(h, BIG_HEAD);
    size_t n = token_length(line);
    if (n == 0 || n == line.n || line.p[n] != ':')
        return fail(h, is_text(line) ? BAD_HEADER : BAD_CONTROL);
    ev->name = slice_make(line.p, n);
    ev->value = trim_blanks(slice_make(line.p + n + 1, line.n - n - 1));
    return is_text(ev->value) ? OK : fail(h, BAD_CONTROL);
}

static void begin_chunk_size(struct http1 *h)
{
    h->state = STATE_SIZE_FIRST;
    h->left = 0;
    h->head_bytes = 0; /* from here on it bounds extensions */
}

/* RFC 9112 §6.3: which body follows this head? */
static void begin_body(struct http1 *h)
{
    bool response = h->kind == HTTP1_RESPONSE;
    bool none = response && (h->no_body || h->status == 204 || h->status == 304);
    if (none || (h->has_length && h->left == 0))
        h->state = STATE_END;
    else if (h->chunked)
        begin_chunk_size(h);
    else if (h->has_length)
        h->state = STATE_BODY;
    else
        h->state = response ? STATE_UNTIL_EOF : STATE_END;
    h->keep_alive = h->keep_alive && !h->saw_close && h->state != STATE_UNTIL_EOF;
    buf_release(&h->line);
    h->line_done = false;
}

/* An empty line: the head (or the trailer) is complete. */
static void end_of_lines(struct http1 *h, struct http1_event *ev)
{
    switch (h->state) {
    case STATE_INTERIM:
        h->state = STATE_START;
        break;
    case STATE_TRAILER:
        h->state = STATE_END;
        ev->type = HTTP1_END;
        break;
    default:
        begin_body(h);
        ev->type = HTTP1_HEAD_END;
    }
}

/* One whole line. Leaves ev->type alone when there is nothing to report. */
static int take_head_line(struct http1 *h, struct slice line, struct http1_event *ev)
{
    int rc;
    if (h->state == STATE_START) {
        if (line.n == 0 && h->kind == HTTP1_REQUEST)
            return OK; /* RFC 9112 §2.2: empty lines before a request are ignored */
        rc = h->kind == HTTP1_RESPONSE ? status_line(h, line, ev) : request_line(h, line, ev);
        if (rc == OK && h->state == STATE_HEADERS)
            ev->type = HTTP1_START;
        return rc;
    }
    if (line.n == 0) {
        end_of_lines(h, ev);
        return OK;
    }
    rc = header_line(h, line, ev);
    if (rc < 0 || h->state != STATE_HEADERS)
        return rc;
    ev->type = HTTP1_HEADER;
    return take_meaning(h, ev->name, ev->value);
}

static int64_t parse_lines(struct http1 *h, struct slice in, struct http1_event *ev)
{
    size_t used = 0;
    ev->type = HTTP1_MORE;
    while (ev->type == HTTP1_MORE && used < in.n) {
        struct slice line;
        bool whole;
        if (h->line_done) {
            buf_clear(&h->line);
            h->line_done = false;
        }
        int64_t n = take_line(h, slice_make(in.p + used, in.n - used), &line, &whole);
        if (n < 0)
            return n;
        used += (size_t)n;
        int rc = whole ? take_head_line(h, line, ev) : OK;
        if (rc < 0)
            return rc;
    }
    if (h->state == STATE_END)
        buf_release(&h->line); /* a trailer's; no event looks into it */
    return (int64_t)used;
}

/* ---- bodies ---- */

static int64_t give_body(struct http1 *h, struct slice in, struct http1_event *ev)
{
    if (in.n == 0) {
        ev->type = HTTP1_MORE;
        return 0;
    }
    size_t n = h->state == STATE_UNTIL_EOF || h->left > in.n ? in.n : (size_t)h->left;
    ev->type = HTTP1_BODY;
    ev->data = slice_make(in.p, n);
    if (h->state == STATE_BODY && (h->left -= n) == 0)
        h->state = STATE_END;
    return (int64_t)n;
}

/* Gives the bytes of a chunk at hand, and takes the line end behind it along when that is there. */
static inline int64_t give_chunk(struct http1 *h, const char *p, const char *end,
                                 struct http1_event *ev)
{
    size_t n = h->left > (size_t)(end - p) ? (size_t)(end - p) : (size_t)h->left;
    ev->type = HTTP1_BODY;
    ev->data = slice_make(p, n);
    h->left -= n;
    if (h->left > 0)
        return (int64_t)n;
    h->state = STATE_CHUNK_CR;
    if (end - p >= (ptrdiff_t)n + 2 && p[n] == '\r' && p[n + 1] == '\n') {
        begin_chunk_size(h);
        n += 2;
    }
    return (int64_t)n;
}

static const char *take_size_digits(struct http1 *h, const char *p, const char *end)
{
    const uint64_t limit = UINT64_C(1) << 59; /* one more digit still fits */
    uint64_t left = h->left;
    for (; p < end; p++) {
        unsigned digit = hex_plus_one[(unsigned char)*p];
        if (digit == 0)
            break;
        if (left >= limit)
            return NULL;
        left = left << 4 | (digit - 1);
    }
    h->left = left;
    return p;
}

/* One byte of a chunk's framing that is no size digit. */
static int take_framing_byte(struct http1 *h, unsigned char c)
{
    switch (h->state) {
    case STATE_SIZE:
    case STATE_SIZE_BLANK:
        if (c == '\r' && h->state == STATE_SIZE)
            h->state = STATE_SIZE_LF;
        else if (c == ';')
            h->state = STATE_EXTENSION;
        else if (c == ' ' || c == '\t')
            h->state = STATE_SIZE_BLANK;
        else
            return fail(h, BAD_CHUNK);
        break;
    case STATE_EXTENSION:
        if (c == '\r')
            h->state = STATE_SIZE_LF;
        else if ((c < 0x20 && c != '\t') || c == 0x7f)
            return fail(h, BAD_CHUNK);
        break;
    case STATE_SIZE_LF:
        if (c != '\n')
            return fail(h, BAD_CHUNK);
        h->state = h->left > 0 ? STATE_CHUNK : STATE_TRAILER;
        h->head_bytes = 0;
        return OK;
    case STATE_CHUNK_CR:
        if (c != '\r')
            return fail(h, BAD_CHUNK_END);
        h->state = STATE_CHUNK_LF;
        return OK;
    case STATE_CHUNK_LF:
        if (c != '\n')
            return fail(h, BAD_CHUNK_END);
        begin_chunk_size(h);
        return OK;
    default:
        return fail(h, BAD_CHUNK);
    }
    return ++h->head_bytes > MAX_EXTENSION_BYTES ? fail(h, BIG_EXTENSION) : OK;
}

/* The usual size line, digits and CRLF, in one go; NULL when it is not wholly here or not so plain.
 */
static inline const char *plain_size_line(struct http1 *h, const char *p, const char *end)
{
    const char *q = take_size_digits(h, p, end);
    if (!q || q == p || end - q < 2 || q[0] != '\r' || q[1] != '\n') {
        h->left = 0;
        return NULL;
    }
    h->state = h->left > 0 ? STATE_CHUNK : STATE_TRAILER;
    return q + 2;
}

static int64_t parse_chunked(struct http1 *h, struct slice in, struct http1_event *ev)
{
    const char *p = in.p, *end = in.p + in.n;
    while (p < end && h->state != STATE_TRAILER) {
        if (h->state == STATE_CHUNK)
            return (p - in.p) + give_chunk(h, p, end, ev);
        const char *after = h->state == STATE_SIZE_FIRST ? plain_size_line(h, p, end) : NULL;
        if (after) {
            p = after;
            continue;
        }
        if (h->state == STATE_SIZE_FIRST || h->state == STATE_SIZE) {
            after = take_size_digits(h, p, end);
            if (!after || (after == p && h->state == STATE_SIZE_FIRST))
                return fail(h, BAD_CHUNK);
            h->state = STATE_SIZE;
            p = after;
            if (p == end)
                break;
        }
        int rc = take_framing_byte(h, (unsigned char)*p++);
        if (rc < 0)
            return rc;
    }
    ev->type = HTTP1_MORE;
    if (h->state != STATE_TRAILER)
        return (int64_t)in.n;
    int64_t n = parse_lines(h, slice_make(p, (size_t)(end - p)), ev);
    return n < 0 ? n : (p - in.p) + n;
}

int64_t http1_parse(struct http1 *h, struct slice in, struct http1_event *ev)
{
    switch (h->state) {
    case STATE_START:
    case STATE_HEADERS:
    case STATE_INTERIM:
    case STATE_TRAILER:
        return parse_lines(h, in, ev);
    case STATE_BODY:
    case STATE_UNTIL_EOF:
        return give_body(h, in, ev);
    case STATE_END:
        ev->type = HTTP1_END;
        return 0;
    default:
        if (h->state < 0)
            return code_of(h->state);
        if (in.n == 0) {
            ev->type = HTTP1_MORE;
            return 0;
        }
        return parse_chunked(h, in, ev);
    }
}
