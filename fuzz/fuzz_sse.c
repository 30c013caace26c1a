/* Event streams: the events of a stream fed whole and fed in pieces must be the same. */
#include <stddef.h>
#include <stdint.h>

#include "wire/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_EVENT_BYTES = 200 };

static int feed(struct sse *s, struct slice in, struct buf *text)
{
    bool got = true;
    while (got) {
        struct sse_event ev;
        int64_t n = sse_parse(s, in, &ev, &got);
        if (n < 0)
            return (int)n;
        if (n > (int64_t)in.n || (!got && n != (int64_t)in.n))
            BUG("wrong number of bytes used");
        in = slice_make(in.p + n, in.n - (size_t)n);
        if (!got)
            break;
        if (ev.data.n > MAX_EVENT_BYTES)
            BUG("an event larger than the maximum");
        buf_printf(text, "\n%zu ", ev.data.n);
        buf_put(text, ev.name);
        buf_putc(text, '|');
        buf_put(text, ev.data);
    }
    return OK;
}

static void run(struct slice in, size_t piece, struct buf *text)
{
    struct sse s;
    int rc = OK;
    sse_init(&s, MAX_EVENT_BYTES);
    for (size_t at = 0; at < in.n && rc == OK; at += piece)
        rc = feed(&s, slice_make(in.p + at, in.n - at < piece ? in.n - at : piece), text);
    if (rc == OK)
        buf_printf(text, "\nend %d %llu", sse_pending(&s), (unsigned long long)s.comments);
    else
        buf_printf(text, "\nerror %d", rc);
    sse_release(&s);
}

/* The first byte says how long the pieces are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = {0}, cut = {0};
    if (size < 2)
        return 0;
    struct slice in = slice_make((const char *)data + 1, size - 1);
    run(in, in.n, &whole);
    run(in, 1 + data[0] % 32, &cut);
    if (!slice_eq(buf_slice(&whole), buf_slice(&cut)))
        BUG("events depend on how the bytes were cut");
    buf_release(&whole);
    buf_release(&cut);
    return 0;
}
