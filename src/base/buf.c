#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { BUF_FIRST_BYTES = 256 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_shrink(struct buf *b, size_t keep_bytes)
{
    if (b->n == 0 && b->cap > keep_bytes)
        buf_release(b);
}

int buf_reserve(struct buf *b, size_t more)
{
    size_t max = b->max ? b->max : SIZE_MAX / 2;
    if (more > max || b->n > max - more)
        return ERR_TOO_BIG;
    size_t need = b->n + more;
    if (need <= b->cap)
        return OK;
    size_t cap = b->cap ? b->cap : BUF_FIRST_BYTES;
    while (cap < need)
        cap *= 2;
    if (cap > max)
        cap = max;
    b->p = mem_resize(b->p, cap + 1); /* a terminator always has its place, and counts nowhere */
    b->cap = cap;
    return OK;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return OK;
    int rc = buf_reserve(b, n);
    if (rc < 0)
        return rc;
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return OK;
}

int buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        return ERR_INPUT;
    int rc = buf_reserve(b, (size_t)n);
    if (rc < 0)
        return rc;
    if (n == 0)
        return OK;
    va_start(args, format);
    vsnprintf(b->p + b->n, (size_t)n + 1, format, args);
    va_end(args);
    b->n += (size_t)n;
    return OK;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

const char *buf_cstr(struct buf *b)
{
    if (!b->p)
        b->p = mem_alloc(1);
    b->p[b->n] = '\0';
    return b->p;
}
