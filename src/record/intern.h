#ifndef LOADLINE_RECORD_INTERN_H
#define LOADLINE_RECORD_INTERN_H

/* Keeps one copy of every distinct string. Zero-initialise. */

#include <stdint.h>

#include "base/arena.h"

struct intern {
    struct arena arena;
    const char **slots; /* open addressing; capacity is 0 or a power of two */
    size_t capacity, count;
};

const char *intern_text(struct intern *in, const char *text); /* valid until release */
void intern_release(struct intern *in);

#endif
