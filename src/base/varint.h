#ifndef LOADLINE_BASE_VARINT_H
#define LOADLINE_BASE_VARINT_H

/* LEB128: seven bits a byte, low ones first, the top bit set on all bytes but the last. */

#include <stdint.h>

#include "base/buf.h"

enum { VARINT_MAX_BYTES = 10 };

static inline size_t varint_write(char *to, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        to[n++] = (char)(v | 0x80);
        v >>= 7;
    }
    to[n++] = (char)v;
    return n;
}

static inline int varint_put(struct buf *b, uint64_t v)
{
    char bytes[VARINT_MAX_BYTES];
    return buf_append(b, bytes, varint_write(bytes, v));
}

/* Takes one number off the front of in. ERR_INPUT when it is cut short or longer than 64 bits. */
static inline int varint_take(struct slice *in, uint64_t *v)
{
    uint64_t x = 0;
    for (size_t i = 0; i < in->n && i < VARINT_MAX_BYTES; i++) {
        uint64_t byte = (unsigned char)in->p[i];
        if (i == VARINT_MAX_BYTES - 1 && byte > 1)
            return ERR_INPUT;
        x |= (byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *v = x;
            in->p += i + 1;
            in->n -= i + 1;
            return OK;
        }
    }
    return ERR_INPUT;
}

#endif
