#include "cli/sweep_levels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

struct list { /* what is read, and what to call it */
    const char *option, *text;
    double low, high; /* of one level */
    bool whole;
};

static int take_number(const struct list *l, const char *at, size_t n, double *out, struct err *e)
{
    char what[64];
    int64_t count;
    snprintf(what, sizeof what, "%s, column %zu", l->option, (size_t)(at - l->text) + 1);
    if (n == 0)
        return err_set(e, ERR_USAGE, "%s: a number is missing", what);
    if (!l->whole)
        return units_number(slice_make(at, n), what, l->low, l->high, out, e);
    int rc = units_count(slice_make(at, n), what, (int64_t)l->low, (int64_t)l->high, &count, e);
    *out = (double)count;
    return rc;
}

static int add(const struct list *l, const char *at, double x, struct sweep_spec *spec,
               struct err *e)
{
    size_t column = (size_t)(at - l->text) + 1;
    if (spec->given_count > 0 && x <= spec->given[spec->given_count - 1])
        return err_set(e, ERR_USAGE, "%s, column %zu: levels must rise, and %g does not", l->option,
                       column, x);
    if (spec->given_count == SWEEP_MAX_GIVEN)
        return err_set(e, ERR_USAGE, "%s, column %zu: more than %d levels", l->option, column,
                       SWEEP_MAX_GIVEN);
    spec->given[spec->given_count++] = x;
    return OK;
}

static int take_list(const struct list *l, struct sweep_spec *spec, struct err *e)
{
    for (const char *p = l->text;; p++) {
        size_t n = strcspn(p, ",");
        double x = 0;
        int rc = take_number(l, p, n, &x, e);
        if (rc == OK)
            rc = add(l, p, x, spec, e);
        if (rc < 0)
            return rc;
        p += n;
        if (!*p)
            return OK;
    }
}

/* LO:HI:N */
static int take_range(const struct list *l, struct sweep_spec *spec, struct err *e)
{
    const char *first = strchr(l->text, ':'), *second = strchr(first + 1, ':');
    const struct list count = {l->option, l->text, 2, SWEEP_MAX_GIVEN, true};
    double low = 0, high = 0, n = 0;
    if (!second)
        return err_set(e, ERR_USAGE,
                       "%s, column %zu: a range is LO:HI:N, for example 1:16:5 for five levels",
                       l->option, strlen(l->text) + 1);
    int rc = take_number(l, l->text, (size_t)(first - l->text), &low, e);
    if (rc == OK)
        rc = take_number(l, first + 1, (size_t)(second - first) - 1, &high, e);
    if (rc == OK)
        rc = take_number(&count, second + 1, strlen(second + 1), &n, e);
    if (rc < 0)
        return rc;
    if (high <= low)
        return err_set(e, ERR_USAGE, "%s, column %zu: the range must rise", l->option,
                       (size_t)(first - l->text) + 2);
    for (int i = 0; i < (int)n; i++) {
        double x = low * pow(high / low, i / (n - 1));
        x = l->whole ? round(x) : x;
        if (spec->given_count == 0 || x > spec->given[spec->given_count - 1])
            spec->given[spec->given_count++] = x; /* few whole numbers lie close together */
    }
    return OK;
}

static int take(const struct list *l, struct sweep_spec *spec, struct err *e)
{
    spec->given_count = 0;
    if (strcmp(l->text, "auto") == 0)
        return OK;
    return strchr(l->text, ':') ? take_range(l, spec, e) : take_list(l, spec, e);
}

int sweep_levels_rates(const char *text, struct sweep_spec *spec, struct err *e)
{
    const struct list l = {"--rates", text, 1e-6, 1e9, false};
    spec->kind = LOAD_AT_RATE;
    return take(&l, spec, e);
}

int sweep_levels_users(const char *text, struct sweep_spec *spec, struct err *e)
{
    const struct list l = {"--concurrency", text, 1, 1e6, true};
    spec->kind = LOAD_OF_USERS;
    spec->given_count = 0;
    return strcmp(text, "1:1.2xMAX") == 0 ? OK : take(&l, spec, e);
}
