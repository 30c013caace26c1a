#include "base/slice.h"

#include <strings.h>

bool slice_is_nocase(struct slice a, const char *text)
{
    return a.n == strlen(text) && (a.n == 0 || strncasecmp(a.p, text, a.n) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice a)
{
    while (a.n > 0 && is_blank(a.p[0])) {
        a.p++;
        a.n--;
    }
    while (a.n > 0 && is_blank(a.p[a.n - 1]))
        a.n--;
    return a;
}

const char *slice_find(struct slice a, struct slice needle)
{
    if (needle.n == 0)
        return a.p;
    if (a.n < needle.n)
        return NULL;
    return memmem(a.p, a.n, needle.p, needle.n);
}
