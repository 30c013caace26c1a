#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static void *or_die(void *p, size_t n)
{
    if (p || n == 0)
        return p;
    fprintf(stderr, "loadline: out of memory (asked for %zu bytes); try fewer requests at once\n",
            n);
    exit(2);
}

void *mem_alloc(size_t n)
{
    return or_die(malloc(n), n);
}

void *mem_zero(size_t count, size_t size)
{
    return or_die(calloc(count, size), count * size);
}

void *mem_resize(void *p, size_t n)
{
    return or_die(realloc(p, n), n);
}

char *mem_strndup(const char *p, size_t n)
{
    char *copy = mem_alloc(n + 1);
    if (n > 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

char *mem_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        BUG("a format that cannot be printed");
    char *out = mem_alloc((size_t)n + 1);
    va_start(args, format);
    vsnprintf(out, (size_t)n + 1, format, args);
    va_end(args);
    return out;
}
