#ifndef LOADLINE_BASE_SLICE_H
#define LOADLINE_BASE_SLICE_H

/* A view of bytes somebody else owns. Never NUL-terminated by promise; p may be NULL when n is 0. */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

/* Printf helper: printf("%.*s", SLICE_ARG(s)). */
#define SLICE_ARG(s) (int)(s).n, (s).p

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline struct slice slice_make(const char *p, size_t n)
{
    return (struct slice){p, n};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    size_t n = strlen(text); /* a constant for a literal: the comparison is then a few instructions */
    return a.n == n && (n == 0 || memcmp(a.p, text, n) == 0);
}

static inline bool slice_starts(struct slice a, const char *prefix)
{
    size_t n = strlen(prefix);
    return a.n >= n && (n == 0 || memcmp(a.p, prefix, n) == 0);
}

/* Compares without regard to ASCII case, as HTTP header names want. */
bool slice_is_nocase(struct slice a, const char *text);

/* The slice without leading and trailing blanks, tabs, CR and LF. */
struct slice slice_trim(struct slice a);

/* First occurrence of needle in a, or NULL. */
const char *slice_find(struct slice a, struct slice needle);

#endif
