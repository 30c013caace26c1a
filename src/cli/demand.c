#include "cli/demand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"

static const double rate_low = 1e-6, rate_high = 1e9, most_percent = 1000;

enum { SHOWN_BYTES = 60 }; /* of a text, in a sentence */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One more rate, at its place in the text. */
static int take_rate(const char *text, const char *at, size_t bytes, double *out, size_t *n,
                     struct err *e)
{
    char what[48];
    snprintf(what, sizeof what, "--rate, column %zu", (size_t)(at - text) + 1);
    if (bytes == 0)
        return err_set(e, ERR_USAGE, "%s: a number is missing; write for example 10,20,50", what);
    if (*n == DEMAND_MAX_RATES)
        return err_set(e, ERR_USAGE, "%s: more than %d demands", what, DEMAND_MAX_RATES);
    int rc = units_number(slice_make(at, bytes), what, rate_low, rate_high, &out[*n], e);
    *n += rc == OK;
    return rc;
}

static int take_list(const char *text, double *out, size_t *n, struct err *e)
{
    for (const char *p = text;; p++) {
        size_t bytes = strcspn(p, ",");
        int rc = take_rate(text, p, bytes, out, n, e);
        if (rc < 0)
            return rc;
        p += bytes;
        if (!*p)
            return OK;
    }
}

int demand_rates(const struct option_list *texts, double out[DEMAND_MAX_RATES], size_t *n,
                 struct err *e)
{
    double all[DEMAND_MAX_RATES];
    size_t count = 0, kept = 0;
    int rc = OK;
    for (size_t i = 0; rc == OK && i < texts->n; i++)
        rc = take_list(texts->items[i], all, &count, e);
    if (rc < 0)
        return rc;
    qsort(all, count, sizeof *all, by_size);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || all[i] > all[i - 1])
            out[kept++] = all[i];
    *n = kept;
    return OK;
}

/* The number in front of a '%', which stands at `sign`; one blank between them does no harm. */
static int take_percent(const char *text, const char *sign, const char *what, double *out,
                        struct err *e)
{
    size_t n = (size_t)(sign - text);
    double percent;
    n -= n > 0 && text[n - 1] == ' ';
    int rc = units_number(slice_make(text, n), what, 0, most_percent, &percent, e);
    if (rc == OK)
        *out = percent / 100;
    return rc;
}

int demand_percent(const char *text, const char *what, double *out, struct err *e)
{
    const char *sign = strchr(text, '%');
    if (!sign || sign[1])
        return err_set(e, ERR_USAGE, "%s: '%.*s' is no percentage; write for example 20%%", what,
                       SHOWN_BYTES, text);
    return take_percent(text, sign, what, out, e);
}

int demand_growth(const char *text, const char *what, struct capacity_growth *out, struct err *e)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"s", NS_PER_S}, {"min", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}};
    const char *sign = strchr(text, '%');
    for (size_t i = 0; sign && sign[1] == '/' && i < sizeof units / sizeof units[0]; i++)
        if (strcmp(sign + 2, units[i].name) == 0) {
            struct capacity_growth g = {.per_ns = units[i].ns};
            int rc = take_percent(text, sign, what, &g.share, e);
            if (rc == OK)
                *out = g;
            return rc;
        }
    return err_set(e, ERR_USAGE,
                   "%s: '%.*s' is no growth; write a percentage a second, minute or hour, for "
                   "example 0.1%%/s, 5%%/min or 50%%/h",
                   what, SHOWN_BYTES, text);
}
