#include "drive/answer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325) /* FNV-1a, 64 bits */
#define FNV_PRIME  UINT64_C(0x100000001b3)

/* A bound wider than this, and than a tenth of the median gap, is our lateness and not the sender's
 * burst. */
#define ANSWER_WIDE_NS (1 * NS_PER_MS)

enum {
    KEEP_BYTES = 4096
}; /* a buffer up to this size stays with its pool entry between requests */

void answer_init(struct answer *a)
{
    *a = (struct answer){0};
    sse_init(&a->sse, SSE_DEFAULT_MAX_EVENT_BYTES);
    buf_init(&a->whole, ANSWER_MAX_WHOLE_BYTES);
    buf_init(&a->gaps, ANSWER_MAX_GAP_BYTES);
    buf_init(&a->reads, ANSWER_MAX_GAP_BYTES);
    buf_init(&a->text, ANSWER_MAX_WHOLE_BYTES);
    buf_init(&a->scratch, ANSWER_MAX_WHOLE_BYTES);
    buf_init(&a->error, ANSWER_MAX_ERROR_BYTES);
    buf_init(&a->finish_reason, ANSWER_MAX_ERROR_BYTES);
}

static void recycle(struct buf *b)
{
    buf_clear(b);
    buf_shrink(b, KEEP_BYTES);
}

void answer_begin(struct answer *a, const struct answer_options *o)
{
    struct answer fresh = {.options = *o,
                           .sse = a->sse,
                           .whole = a->whole,
                           .gaps = a->gaps,
                           .reads = a->reads,
                           .text = a->text,
                           .error = a->error,
                           .finish_reason = a->finish_reason,
                           .scratch = a->scratch,
                           .hash = FNV_OFFSET,
                           .prompt_tokens = -1,
                           .output_tokens = -1,
                           .cached_tokens = -1,
                           .reasoning_tokens = -1};
    *a = fresh;
    sse_reset(&a->sse);
    recycle(&a->whole);
    recycle(&a->gaps);
    recycle(&a->reads);
    recycle(&a->text);
    recycle(&a->error);
    recycle(&a->finish_reason);
    recycle(&a->scratch);
}

void answer_release(struct answer *a)
{
    sse_release(&a->sse);
    buf_release(&a->whole);
    buf_release(&a->gaps);
    buf_release(&a->reads);
    buf_release(&a->text);
    buf_release(&a->error);
    buf_release(&a->finish_reason);
    buf_release(&a->scratch);
}

static void fail(struct answer *a, const char *sentence)
{
    a->protocol_error = true;
    buf_clear(&a->error);
    buf_puts(&a->error, sentence);
}

static bool is_type(struct slice content_type, const char *type)
{
    size_t n = strlen(type);
    return content_type.n >= n && slice_is_nocase(slice_make(content_type.p, n), type);
}

void answer_head(struct answer *a, int status, struct slice content_type, struct slice retry_after)
{
    a->status = status;
    if (status < 200 || status > 299) {
        a->form = ANSWER_ERROR;
        if (retry_after.n > 0)
            buf_printf(&a->scratch, " (Retry-After: %.*s)", SLICE_ARG(retry_after));
    } else if (!a->options.stream || is_type(content_type, "application/json")) {
        a->form = ANSWER_WHOLE; /* also a server that does not stream though asked to */
    } else if (is_type(content_type, "text/html")) {
        a->form = ANSWER_NONE;
        fail(a, "the server answered with an HTML page instead of a stream of tokens; is the URL "
                "that of the API?");
    } else {
        a->form = a->options.protocol->framing == FRAMING_SSE ? ANSWER_EVENTS : ANSWER_LINES;
    }
}

static int hash_text(struct answer *a, struct slice raw)
{
    struct slice text = raw;
    if (raw.n > 0 && memchr(raw.p, '\\', raw.n)) {
        buf_clear(&a->scratch);
        json_unescape(raw, &a->scratch);
        text = buf_slice(&a->scratch);
    }
    uint64_t h = a->hash;
    for (size_t i = 0; i < text.n; i++)
        h = (h ^ (unsigned char)text.p[i]) * FNV_PRIME;
    a->hash = h;
    a->text_bytes += text.n;
    return a->options.save_output ? buf_put(&a->text, text) : OK;
}

static int hash_delta(struct answer *a, const struct delta *d)
{
    int rc = d->reasoning.n > 0 ? hash_text(a, d->reasoning) : OK;
    return rc == OK && d->text.n > 0 ? hash_text(a, d->text) : rc;
}

static void take_totals(struct answer *a, const struct delta *d)
{
    if (d->prompt_tokens >= 0)
        a->prompt_tokens = d->prompt_tokens;
    if (d->cached_tokens >= 0)
        a->cached_tokens = d->cached_tokens;
    if (d->reasoning_tokens >= 0)
        a->reasoning_tokens = d->reasoning_tokens;
    if (d->output_tokens >= 0) {
        a->output_tokens = d->output_tokens;
        a->usage_final = !d->token; /* a usage event of its own, or the finishing one */
    }
    if (d->finish_reason.n > 0) {
        buf_clear(&a->finish_reason);
        buf_put(&a->finish_reason, d->finish_reason);
    }
    if (d->error.n > 0 && a->error.n == 0) { /* undoing escapes makes nothing longer */
        size_t n = d->error.n < ANSWER_MAX_ERROR_BYTES ? d->error.n : ANSWER_MAX_ERROR_BYTES;
        json_unescape(slice_make(d->error.p, n), &a->error);
    }
}

static int put_read(struct answer *a)
{
    char bytes[VARINT_MAX_BYTES];
    int64_t lag_ns = a->newest.read_ns - a->newest.at_ns;
    return buf_append(&a->reads, bytes, varint_write(bytes, lag_ns > 0 ? (uint64_t)lag_ns : 0));
}

/* Moves the newest token event into the gap list; what followed it is known now. */
static int settle_newest(struct answer *a)
{
    if (!a->newest.held)
        return OK;
    struct gap g = {.tokens = a->newest.tokens};
    a->newest.held = false;
    if (a->events > 0)
        g.gap_ns = a->newest.at_ns - a->last_token_ns;
    if (a->newest.censored) {
        g.width_ns = a->newest.at_ns - a->newest.after_ns;
        if (g.width_ns < 1)
            g.width_ns = 1;
    }
    int rc = gaps_put(&a->gaps, &g);
    if (rc == OK && a->options.keep_reads)
        rc = put_read(a);
    if (rc < 0)
        return rc;
    a->events++;
    a->censored += a->newest.censored;
    a->wide += g.width_ns > ANSWER_WIDE_NS;
    a->last_token_ns = a->newest.at_ns;
    return OK;
}

static int take_token(struct answer *a, const struct delta *d, const struct stamp *stamp)
{
    if (a->newest.held) {
        a->newest.censored |= a->newest.read_id == stamp->read_id;
        int rc = settle_newest(a);
        if (rc < 0)
            return rc;
    }
    /* Bytes come in order: a stamp that is earlier than one before it can only mean "no later". */
    int64_t at_ns = stamp->at_ns > a->last_token_ns ? stamp->at_ns : a->last_token_ns;
    if (a->first_token_ns == 0)
        a->first_token_ns = at_ns;
    if (a->first_answer_ns == 0 && d->answer)
        a->first_answer_ns = at_ns;
    a->reasoned |= d->reasoning.n > 0;
    a->newest.held = true;
    a->newest.censored = false;
    a->newest.read_id = stamp->read_id;
    a->newest.tokens = d->tokens;
    a->newest.at_ns = at_ns;
    a->newest.after_ns = stamp->after_ns;
    a->newest.read_ns = stamp->read_ns;
    a->unstamped += !stamp->kernel;
    a->counted += d->tokens;
    return hash_delta(a, d);
}

/* Something that is no token event came: the token event before it in the same read has only a
 * bound. */
static void take_other(struct answer *a, const struct stamp *stamp)
{
    if (a->newest.held && a->newest.read_id == stamp->read_id)
        a->newest.censored = true;
}

static int take_event(struct answer *a, struct slice data, const struct stamp *stamp)
{
    const struct protocol *protocol = a->options.protocol;
    struct delta d;
    if (protocol->done_text && data.p && data.n > 0 && data.p[0] == protocol->done_text[0] &&
        slice_is(slice_trim(data), protocol->done_text)) {
        a->done = true;
        take_other(a, stamp);
        return OK;
    }
    if (slice_trim(data).n == 0) { /* a "data:" line that keeps the connection awake */
        take_other(a, stamp);
        return OK;
    }
    if (protocol->event(&a->api, data, &d) < 0) {
        fail(a, "an event of the stream is not the JSON the protocol asks for");
        return ERR_PROTOCOL;
    }
    bool over = a->done; /* what comes behind the terminator is no part of the answer */
    a->done |= d.done;
    take_totals(a, &d);
    if (d.token && !over)
        return take_token(a, &d, stamp);
    take_other(a, stamp);
    return OK;
}

static int too_big(struct answer *a, int rc)
{
    fail(a, "the server sent more than the answer's bound allows");
    return rc;
}

static int take_events(struct answer *a, struct slice data, const struct stamp *stamp)
{
    while (data.n > 0) {
        struct sse_event event;
        bool got;
        uint64_t comments = a->sse.comments;
        int64_t used = sse_parse(&a->sse, data, &event, &got);
        if (used < 0)
            return too_big(a, ERR_TOO_BIG);
        data.p += used;
        data.n -= (size_t)used;
        if (a->sse.comments != comments)
            take_other(a, stamp);
        if (!got)
            break;
        int rc = take_event(a, event.data, stamp);
        if (rc < 0)
            return rc == ERR_TOO_BIG ? too_big(a, rc) : rc;
    }
    return OK;
}

static int take_line(struct answer *a, struct slice line, const struct stamp *stamp)
{
    line = slice_trim(line);
    return line.n > 0 ? take_event(a, line, stamp) : OK;
}

static int take_lines(struct answer *a, struct slice data, const struct stamp *stamp)
{
    const char *newline;
    while (data.n > 0 && (newline = memchr(data.p, '\n', data.n))) {
        size_t n = (size_t)(newline - data.p);
        struct slice line = slice_make(data.p, n);
        if (a->whole.n > 0) {
            if (buf_put(&a->whole, line) < 0)
                return too_big(a, ERR_TOO_BIG);
            line = buf_slice(&a->whole);
        }
        int rc = take_line(a, line, stamp);
        buf_clear(&a->whole);
        if (rc < 0)
            return rc;
        data.p += n + 1;
        data.n -= n + 1;
    }
    return buf_put(&a->whole, data) < 0 ? too_big(a, ERR_TOO_BIG) : OK;
}

int answer_body(struct answer *a, struct slice data, const struct stamp *stamp)
{
    size_t left;
    switch (a->form) {
    case ANSWER_EVENTS:
        return take_events(a, data, stamp);
    case ANSWER_LINES:
        return take_lines(a, data, stamp);
    case ANSWER_WHOLE:
        return buf_put(&a->whole, data) < 0 ? too_big(a, ERR_TOO_BIG) : OK;
    case ANSWER_ERROR:
        left = ANSWER_MAX_ERROR_BYTES - a->whole.n;
        buf_put(&a->whole, slice_make(data.p, data.n < left ? data.n : left));
        return OK;
    default:
        return ERR_PROTOCOL;
    }
}

void answer_read_end(struct answer *a, const struct stamp *stamp)
{
    if (a->form == ANSWER_EVENTS && sse_pending(&a->sse))
        take_other(a, stamp);
    else if (a->form == ANSWER_LINES && a->whole.n > 0)
        take_other(a, stamp);
}

/* A whole body: one piece of text, and no time of any token but the last is known. */
static void read_whole(struct answer *a, int64_t end_ns)
{
    struct delta d;
    if (a->options.protocol->whole(buf_slice(&a->whole), &d) < 0) {
        fail(a, "the answer is not the JSON the protocol asks for");
        return;
    }
    take_totals(a, &d);
    a->usage_final = a->output_tokens >= 0;
    a->done = true;
    if (!d.token)
        return;
    if (hash_delta(a, &d) < 0)
        too_big(a, ERR_TOO_BIG);
    a->counted = d.tokens;
    a->last_token_ns = end_ns;
}

static int compare_i64(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

/* Censored events whose bound is wider than a tenth of the request's median gap (and than
 * ANSWER_WIDE_NS). */
static uint32_t count_ours(const struct answer *a)
{
    if (a->wide == 0)
        return 0;
    int64_t *gaps = MEM_ARRAY(int64_t, a->events);
    int64_t *widths = MEM_ARRAY(int64_t, a->events);
    size_t n = 0;
    struct slice in = buf_slice(&a->gaps);
    struct gap g;
    while (in.n > 0 && n < a->events && gaps_take(&in, &g) == OK) {
        gaps[n] = g.gap_ns;
        widths[n++] = g.width_ns;
    }
    qsort(gaps, n, sizeof *gaps, compare_i64);
    int64_t limit = gaps[n / 2] / 10;
    uint32_t ours = 0;
    for (size_t i = 0; i < n; i++)
        ours += widths[i] > ANSWER_WIDE_NS && widths[i] > limit;
    free(gaps);
    free(widths);
    return ours;
}

static int64_t relative(int64_t at_ns, int64_t origin_ns)
{
    return at_ns == 0 ? RECORD_NONE : at_ns - origin_ns;
}

static void fill_tokens(const struct answer *a, int64_t origin_ns, struct request_record *r)
{
    r->http_status = a->status;
    r->first_token_ns = relative(a->first_token_ns, origin_ns);
    /* Without reasoning all is answer, also a first token that has no text. */
    r->first_answer_ns = a->reasoned ? relative(a->first_answer_ns, origin_ns) : r->first_token_ns;
    r->last_token_ns = relative(a->last_token_ns, origin_ns);
    r->events = a->events;
    r->censored = a->censored;
    r->censored_ours = count_ours(a);
    r->unstamped = a->unstamped;
    r->prompt_tokens = a->prompt_tokens;
    r->cached_tokens = a->cached_tokens;
    r->reasoning_tokens = a->reasoning_tokens;
    r->output_source = TOKENS_NONE;
    r->output_tokens = -1;
    if (a->output_tokens >= 0) {
        r->output_tokens = a->output_tokens;
        /* vLLM and others send the total once more behind the counts of each event. */
        bool each_told = a->api.continuous && (int64_t)a->counted == a->output_tokens;
        r->output_source = a->usage_final && !each_told ? TOKENS_USAGE : TOKENS_CONTINUOUS;
    } else if (a->counted > 0) {
        r->output_tokens = (int64_t)a->counted;
        r->output_source = TOKENS_EVENTS;
    }
    r->output_hash = a->hash;
    r->output_bytes = a->text_bytes;
    r->output = buf_slice(&a->text);
    r->gaps = buf_slice(&a->gaps);
    r->reads = buf_slice(&a->reads);
    r->finish_reason = buf_slice(&a->finish_reason);
}

static void error_sentence(struct answer *a)
{
    char words[512];
    api_error_text(buf_slice(&a->whole), words, sizeof words);
    buf_clear(&a->error);
    buf_printf(&a->error, "HTTP %d: %s%.*s", a->status, words[0] ? words : "(no message)",
               SLICE_ARG(a->scratch));
}

bool answer_finish(struct answer *a, enum answer_transport transport, int64_t end_ns,
                   int64_t origin_ns, struct request_record *r)
{
    if (a->form == ANSWER_WHOLE && transport == TRANSPORT_COMPLETE)
        read_whole(a, end_ns);
    else if (a->form == ANSWER_LINES && transport == TRANSPORT_COMPLETE && a->whole.n > 0)
        take_line(a, buf_slice(&a->whole),
                  &(struct stamp){.at_ns = end_ns, .after_ns = end_ns, .read_ns = end_ns});
    settle_newest(a);
    bool told = a->finish_reason.n > 0;
    if (a->options.ending == API_ENDS_WITHOUT_DONE && transport == TRANSPORT_COMPLETE && told)
        a->done = true;
    if (a->form == ANSWER_ERROR)
        error_sentence(a);
    fill_tokens(a, origin_ns, r);
    r->error = buf_slice(&a->error);

    if (a->protocol_error) {
        r->outcome = OUTCOME_PROTOCOL_ERROR;
    } else if (a->form != ANSWER_ERROR && a->error.n > 0) {
        r->outcome = OUTCOME_ENGINE_ERROR;
    } else if (a->done && a->options.ending == API_ENDS_WITH_REASON && !told) {
        r->outcome = OUTCOME_TRUNCATED;
        buf_puts(&a->error, "the server ended the answer without a finish_reason: it was cut off");
        r->error = buf_slice(&a->error);
    } else if (a->done) {
        r->outcome = OUTCOME_OK;
        if (transport == TRANSPORT_BROKEN) /* nobody ended the response: the answer did */
            r->end_ns = r->last_token_ns != RECORD_NONE ? r->last_token_ns : r->end_ns;
        return true;
    } else if (a->form == ANSWER_ERROR) { /* its status says enough, even if its body never ends */
        r->outcome = OUTCOME_HTTP_ERROR;
    } else if (transport == TRANSPORT_BROKEN) {
        return false;
    } else {
        r->outcome = OUTCOME_TRUNCATED;
        buf_puts(&a->error, transport == TRANSPORT_CUT
                                ? "the connection was closed in the middle of the answer"
                                : "the stream ended without its terminator");
        r->error = buf_slice(&a->error);
    }
    return true;
}
