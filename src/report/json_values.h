#ifndef LOADLINE_REPORT_JSON_VALUES_H
#define LOADLINE_REPORT_JSON_VALUES_H

/* Values as the JSON results write them: what does not exist is null, an infinite option is "inf", as it is typed. The short
 * names are for the files of this room that build JSON. */

#include <jansson.h>
#include <math.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "stats/interval.h"

/* Text of a file or a server may hold broken UTF-8, which JSON cannot: it is escaped away byte by byte. */
json_t *json_values_text(const char *p);
json_t *json_values_tool(void);

/* Appends the text of o and a newline; its reference is taken. ERR_TOO_BIG. */
int json_values_dump(json_t *o, struct buf *out, struct err *e);

static inline json_t *real(double x)
{
    if (isinf(x))
        return json_string(x > 0 ? "inf" : "-inf");
    return isnan(x) ? json_null() : json_real(x);
}

static inline json_t *whole(uint64_t n)
{
    return json_integer((json_int_t)n);
}

/* 0 stands for "none" in the run file. */
static inline json_t *whole_or_null(int64_t n)
{
    return n > 0 ? json_integer(n) : json_null();
}

static inline json_t *text(const char *p)
{
    return json_values_text(p);
}

static inline json_t *text_or_null(const char *p)
{
    return p[0] != '\0' ? text(p) : json_null();
}

/* o[key] = value, whose reference is taken. */
static inline void put(json_t *o, const char *key, json_t *value)
{
    json_object_set_new(o, key, value);
}

static inline json_t *bound_or_null(bool has, double value)
{
    return has ? real(value) : json_null();
}

static inline json_t *interval_array(const struct interval *ci)
{
    json_t *a = json_array();
    json_array_append_new(a, bound_or_null(ci->has_low, ci->low));
    json_array_append_new(a, bound_or_null(ci->has_high, ci->high));
    return a;
}

#endif
