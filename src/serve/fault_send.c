#include "serve/fault_send.h"

#include "serve/generation.h"
#include "serve/reply.h"

enum {
    COALESCED = 4,               /* events in one write */
    MAX_BACKLOG_BYTES = 1 << 20, /* as of streams without a fault */
};

/* Two, three and four bytes, to stand in a word. */
static const char UTF8[] = "\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80";
enum { UTF8_CUT = 7 }; /* within the last of them */

static void frame(struct buf *out, bool chunked, struct slice data)
{
    if (chunked)
        buf_printf(out, "%zx\r\n", data.n);
    buf_put(out, data);
    if (chunked)
        buf_puts(out, "\r\n");
}

static void frame_end(struct buf *out, const struct fault_message *m)
{
    if (m->chunked && m->last)
        buf_puts(out, "0\r\n\r\n");
}

static bool send_all(struct client *c, const struct buf *out, const struct client_mark *mark)
{
    if (mark)
        return client_send_tokens(c, out->p, out->n, MAX_BACKLOG_BYTES, mark);
    return client_send(c, out->p, out->n, MAX_BACKLOG_BYTES);
}

/* ---- those that end the stream ---- */

static bool end_by_error(struct client *c, const struct fault_message *m)
{
    struct buf event = {0}, out = {0};
    reply_error_event(&event, 500, "the engine failed, as --fault wanted it to");
    buf_puts(&event, "data: [DONE]\n\n");
    frame(&out, m->chunked, buf_slice(&event));
    if (m->chunked)
        buf_puts(&out, "0\r\n\r\n");
    generation_free(c->generation);
    c->generation = NULL;
    c->close_after = true;
    if (send_all(c, &out, NULL))
        client_answered(c);
    buf_release(&event);
    buf_release(&out);
    return false;
}

static bool end_by_chunk(struct client *c, const struct fault_message *m)
{
    struct buf out = {0};
    if (m->chunked)
        buf_puts(&out, "no size\r\n");
    buf_put(&out, m->data);
    if (send_all(c, &out, NULL))
        client_close(c);
    buf_release(&out);
    return false;
}

/* ---- those that go on ---- */

static bool send_plain(struct client *c, const struct fault_message *m)
{
    struct buf out = {0};
    frame(&out, m->chunked, m->data);
    frame_end(&out, m);
    bool sent = send_all(c, &out, &m->mark);
    buf_release(&out);
    return sent;
}

static bool send_broken_json(struct client *c, const struct fault_message *m)
{
    struct fault_message broken = *m;
    struct buf data = {0};
    buf_put(&data, m->data);
    char *brace = data.n > 0 ? memchr(data.p, '{', data.n) : NULL;
    if (brace)
        *brace = '<';
    broken.data = buf_slice(&data);
    bool sent = send_plain(c, &broken);
    buf_release(&data);
    return sent;
}

/* Where the text of the message's token begins; 0 when it has none. */
static size_t text_at(struct slice data)
{
    static const char *const keys[] = {"\"text\":\"", "\"content\":\""};
    size_t at = 0;
    for (size_t i = 0; i < 2; i++) {
        const char *p = data.p;
        struct slice key = slice_of(keys[i]);
        /* The last: an event with the role and empty text may be in front. */
        while ((p = slice_find(slice_make(p, data.n - (size_t)(p - data.p)), key))) {
            p += key.n;
            at = (size_t)(p - data.p);
        }
    }
    return at;
}

static bool send_torn(struct client *c, const struct fault_message *m)
{
    struct buf data = {0}, out = {0};
    size_t at = text_at(m->data);
    if (at == 0)
        return send_plain(c, m);
    buf_append(&data, m->data.p, at);
    buf_puts(&data, UTF8);
    buf_append(&data, m->data.p + at, m->data.n - at);
    size_t cut = at + UTF8_CUT;
    frame(&out, m->chunked, slice_make(data.p, cut));
    bool sent = send_all(c, &out, NULL);
    buf_clear(&out);
    frame(&out, m->chunked, slice_make(data.p + cut, data.n - cut));
    frame_end(&out, m);
    sent = sent && send_all(c, &out, &m->mark);
    buf_release(&data);
    buf_release(&out);
    return sent;
}

static bool send_together(struct client *c, const struct fault_message *m)
{
    frame(&c->held, m->chunked, m->data);
    frame_end(&c->held, m);
    c->held_tokens++;
    if (!m->last && c->held_tokens < COALESCED)
        return true;
    struct client_mark mark = m->mark;
    mark.token -= c->held_tokens - 1;
    mark.count = c->held_tokens;
    bool sent = send_all(c, &c->held, &mark);
    buf_clear(&c->held);
    c->held_tokens = 0;
    return sent;
}

static bool send_bytes(struct client *c, const struct fault_message *m)
{
    struct buf out = {0};
    bool sent = true;
    frame(&out, m->chunked, m->data);
    frame_end(&out, m);
    for (size_t i = 0; sent && i < out.n; i++)
        sent = i + 1 < out.n ? client_send(c, out.p + i, 1, MAX_BACKLOG_BYTES)
                             : client_send_tokens(c, out.p + i, 1, MAX_BACKLOG_BYTES, &m->mark);
    buf_release(&out);
    return sent;
}

bool fault_send(struct client *c, const struct fault_message *m)
{
    int64_t place = fault_place(&c->fault, m->tokens);
    bool struck = m->done > place;
    switch (c->fault.kind) {
    case FAULT_RESET_MIDSTREAM:
        if (struck)
            client_reset(c);
        return !struck && send_plain(c, m);
    case FAULT_TRUNCATE:
        if (struck)
            client_close(c);
        return !struck && send_plain(c, m);
    case FAULT_STALL:
        return struck ? !m->last : send_plain(c, m);
    case FAULT_MALFORMED_CHUNK:
        return struck ? end_by_chunk(c, m) : send_plain(c, m);
    case FAULT_ERROR:
        return struck ? end_by_error(c, m) : send_plain(c, m);
    case FAULT_MALFORMED_JSON:
        return m->done == place + 1 ? send_broken_json(c, m) : send_plain(c, m);
    case FAULT_SPLIT_UTF8:
        return send_torn(c, m);
    case FAULT_COALESCE:
        return send_together(c, m);
    case FAULT_ONE_BYTE:
        return send_bytes(c, m);
    default:
        return send_plain(c, m);
    }
}
