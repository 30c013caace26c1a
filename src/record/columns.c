#include "record/columns.h"

#include <limits.h>
#include <math.h>

#include "record/record.h"

void columns_put_names(struct buf *out, const struct column_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        buf_printf(out, "%s%s", i ? ", " : "", set->columns[i].name);
}

void columns_put_marks(struct buf *out, const struct column_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        buf_puts(out, i ? ", ?" : "?");
}

void columns_put_assignments(struct buf *out, const struct column_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        buf_printf(out, "%s%s = ?", i ? ", " : "", set->columns[i].name);
}

static int bind_text(sqlite3_stmt *s, int at, struct slice text)
{
    return sqlite3_bind_text64(s, at, text.n ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_known(sqlite3_stmt *s, int at, int64_t v, int64_t unknown)
{
    return v == unknown ? sqlite3_bind_null(s, at) : sqlite3_bind_int64(s, at, v);
}

static int bind_one(sqlite3_stmt *s, int at, enum column_kind kind, const void *field)
{
    switch (kind) {
    case COLUMN_I64:
    case COLUMN_U64:
    case COLUMN_INDEX:
        return sqlite3_bind_int64(s, at, *(const int64_t *)field);
    case COLUMN_U32:
        return sqlite3_bind_int64(s, at, *(const uint32_t *)field);
    case COLUMN_INT:
    case COLUMN_PHASE:
        return sqlite3_bind_int(s, at, *(const int *)field);
    case COLUMN_BOOL:
        return sqlite3_bind_int(s, at, *(const bool *)field);
    case COLUMN_REAL:
        return sqlite3_bind_double(s, at, *(const double *)field);
    case COLUMN_SHARE:
        return *(const double *)field < 0 ? sqlite3_bind_null(s, at)
                                          : sqlite3_bind_double(s, at, *(const double *)field);
    case COLUMN_TIME:
        return bind_known(s, at, *(const int64_t *)field, RECORD_NONE);
    case COLUMN_COUNT:
        return bind_known(s, at, *(const int64_t *)field, -1);
    case COLUMN_RUNG:
        return bind_known(s, at, *(const int *)field, -1);
    case COLUMN_OUTCOME:
        return bind_text(s, at, slice_of(outcome_name(*(const enum outcome *)field)));
    case COLUMN_SOURCE:
        return bind_text(s, at, slice_of(token_source_name(*(const enum token_source *)field)));
    case COLUMN_SLICE:
        return bind_text(s, at, *(const struct slice *)field);
    case COLUMN_TEXT:
        return bind_text(s, at, slice_of(*(const char *const *)field));
    case COLUMN_BLOB: {
        const struct slice *b = field;
        return b->n ? sqlite3_bind_blob64(s, at, b->p, b->n, SQLITE_STATIC)
                    : sqlite3_bind_zeroblob(s, at, 0);
    }
    }
    return SQLITE_MISUSE;
}

int columns_bind(sqlite3_stmt *s, int first, const struct column_set *set, const void *record)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct column *c = &set->columns[i];
        int rc = bind_one(s, first + (int)i, c->kind, (const char *)record + c->offset);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

static struct slice text_of(sqlite3_stmt *s, int at)
{
    const char *p =
        (const char *)sqlite3_column_text(s, at); /* before the length: it may convert */
    size_t n = (size_t)sqlite3_column_bytes(s, at);
    return p ? slice_make(p, n) : slice_make("", 0);
}

static struct slice blob_of(sqlite3_stmt *s, int at)
{
    const char *p = sqlite3_column_blob(s, at);
    return p ? slice_make(p, (size_t)sqlite3_column_bytes(s, at)) : slice_make("", 0);
}

/* A whole number of the row within [low, high]. */
static bool whole(sqlite3_stmt *s, int at, int64_t low, int64_t high, int64_t *out)
{
    *out = sqlite3_column_int64(s, at);
    return *out >= low && *out <= high;
}

static bool is_null(sqlite3_stmt *s, int at)
{
    return sqlite3_column_type(s, at) == SQLITE_NULL;
}

static bool read_time(sqlite3_stmt *s, int at, int64_t *out)
{
    if (!whole(s, at, -SCHEMA_TIME_LIMIT, SCHEMA_TIME_LIMIT, out))
        return false;
    if (*out == 0 && is_null(s, at))
        *out = RECORD_NONE;
    return true;
}

static bool read_count(sqlite3_stmt *s, int at, int64_t *out)
{
    if (!whole(s, at, 0, SCHEMA_COUNT_LIMIT, out))
        return false;
    if (*out == 0 && is_null(s, at))
        *out = -1;
    return true;
}

static bool read_number(sqlite3_stmt *s, int at, enum column_kind kind, void *field)
{
    int64_t v;
    switch (kind) {
    case COLUMN_I64:
    case COLUMN_U64:
        *(int64_t *)field = sqlite3_column_int64(s, at);
        return true;
    case COLUMN_INDEX:
        return whole(s, at, 0, INT64_MAX, field);
    case COLUMN_U32:
        if (!whole(s, at, 0, UINT32_MAX, &v))
            return false;
        *(uint32_t *)field = (uint32_t)v;
        return true;
    case COLUMN_INT:
        if (!whole(s, at, INT_MIN, INT_MAX, &v))
            return false;
        *(int *)field = (int)v;
        return true;
    case COLUMN_PHASE: /* warmup, measure, tail */
        if (!whole(s, at, 0, 2, &v))
            return false;
        *(int *)field = (int)v;
        return true;
    case COLUMN_RUNG:
        if (!whole(s, at, 0, INT_MAX, &v))
            return false;
        *(int *)field = is_null(s, at) ? -1 : (int)v;
        return true;
    case COLUMN_BOOL:
        *(bool *)field = sqlite3_column_int64(s, at) != 0;
        return true;
    case COLUMN_TIME:
        return read_time(s, at, field);
    case COLUMN_COUNT:
        return read_count(s, at, field);
    case COLUMN_REAL:
        *(double *)field = is_null(s, at) ? NAN : sqlite3_column_double(s, at);
        return true;
    case COLUMN_SHARE:
        *(double *)field = is_null(s, at) ? -1 : sqlite3_column_double(s, at);
        return true;
    default:
        return false;
    }
}

static bool read_one(sqlite3_stmt *s, int at, enum column_kind kind, void *field)
{
    int named;
    switch (kind) {
    case COLUMN_OUTCOME:
        if ((named = outcome_of(text_of(s, at))) < 0)
            return false;
        *(enum outcome *)field = (enum outcome)named;
        return true;
    case COLUMN_SOURCE:
        if ((named = token_source_of(text_of(s, at))) < 0)
            return false;
        *(enum token_source *)field = (enum token_source)named;
        return true;
    case COLUMN_SLICE:
        *(struct slice *)field = text_of(s, at);
        return true;
    case COLUMN_BLOB:
        *(struct slice *)field = blob_of(s, at);
        return true;
    case COLUMN_TEXT:
        *(const char **)field = text_of(s, at).p;
        return true;
    default:
        return read_number(s, at, kind, field);
    }
}

const char *columns_read(sqlite3_stmt *s, int first, const struct column_set *set, void *record)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct column *c = &set->columns[i];
        if (!read_one(s, first + (int)i, c->kind, (char *)record + c->offset))
            return c->name;
    }
    return NULL;
}
