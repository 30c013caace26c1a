#ifndef LOADLINE_RECORD_SCHEMA_H
#define LOADLINE_RECORD_SCHEMA_H

/* The run file's tables, and which field of which struct each column holds. docs/run-file.md describes the same
 * for people who open a file with sqlite3. A change of meaning or of a column raises SCHEMA_VERSION. */

#include <stddef.h>

enum {
    SCHEMA_APPLICATION_ID = 0x4c644c6e, /* "LdLn" in the header of every run file */
    SCHEMA_VERSION = 1,                 /* user_version */
    SCHEMA_PAGE_BYTES = 16384,          /* the gaps of a long answer fit one page */
};

/* Times and sums of gaps stay within ± this (73 years), so that differences never overflow. */
#define SCHEMA_TIME_LIMIT (INT64_C(1) << 61)
/* Counts of tokens stay below this, so that sums over any number of requests fit. */
#define SCHEMA_COUNT_LIMIT (INT64_C(1) << 40)

/* How a field of a struct becomes an SQL value. */
enum column_kind {
    COLUMN_I64,
    COLUMN_U64,     /* same 64 bits, read as signed by SQL */
    COLUMN_INDEX,   /* uint64_t below 2^63 */
    COLUMN_U32,
    COLUMN_INT,
    COLUMN_BOOL,
    COLUMN_REAL,    /* infinite values are kept; NaN and NULL are the same */
    COLUMN_TIME,    /* int64_t ns; RECORD_NONE is NULL */
    COLUMN_COUNT,   /* int64_t; −1 is NULL */
    COLUMN_RUNG,    /* int; −1 is NULL */
    COLUMN_SHARE,   /* double; −1 is NULL */
    COLUMN_PHASE,
    COLUMN_OUTCOME, /* its name */
    COLUMN_SOURCE,  /* its name */
    COLUMN_SLICE,   /* text */
    COLUMN_BLOB,    /* struct slice of bytes */
    COLUMN_TEXT,    /* const char *; "" when absent */
};

struct column {
    const char *name;
    enum column_kind kind;
    size_t offset;
};

struct column_set {
    const char *table;
    const struct column *columns;
    size_t count;
};

extern const struct column_set schema_run;     /* known at the start */
extern const struct column_set schema_run_end; /* known at the end; NULL until then */
extern const struct column_set schema_request; /* without gaps, which have a table of their own */
extern const struct column_set schema_second;
extern const struct column_set schema_sample;
extern const struct column_set schema_finding;

/* Statements that create the tables, indices and views in an empty database, ended by NULL. */
extern const char *const schema_ddl[];

/* Names of the tables a run file must have, ended by NULL. */
extern const char *const schema_tables[];

#endif
