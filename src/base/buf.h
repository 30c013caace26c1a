#ifndef LOADLINE_BASE_BUF_H
#define LOADLINE_BASE_BUF_H

/* A growing byte buffer with a maximum. p[0..n) are its bytes; not NUL-terminated unless buf_cstr is
 * called. A hostile peer can make it grow to max and no further: appends past that return ERR_TOO_BIG
 * and leave it as it was. Zero-initialised with max 0 means "no maximum" (for our own data). */

#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"

struct buf {
    char *p;
    size_t n;
    size_t cap;
    size_t max;
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* frees; the buffer may be used again, its maximum kept */
void buf_shrink(struct buf *b, size_t keep_bytes); /* frees when empty and larger than keep_bytes */
int buf_reserve(struct buf *b, size_t more);
int buf_append(struct buf *b, const void *p, size_t n);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_consume(struct buf *b, size_t n); /* drops n bytes at the front */
const char *buf_cstr(struct buf *b);       /* NUL-terminates behind n and returns p */

static inline int buf_putc(struct buf *b, char c)
{
    if (b->n < b->cap) {
        b->p[b->n++] = c;
        return OK;
    }
    return buf_append(b, &c, 1);
}

static inline int buf_puts(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

static inline int buf_put(struct buf *b, struct slice s)
{
    return buf_append(b, s.p, s.n);
}

static inline struct slice buf_slice(const struct buf *b)
{
    return slice_make(b->p, b->n);
}

static inline void buf_clear(struct buf *b)
{
    b->n = 0;
}

#endif
