#include "record/reader.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "record/columns.h"
#include "record/dbfile.h"
#include "record/gaps.h"
#include "record/intern.h"

/* How long a writer that is just then taking its log into the file is waited for. */
enum { BUSY_TIMEOUT_MS = 2000 };

struct record_reader {
    char *path;
    sqlite3 *db;
    int64_t *runs;
    size_t run_count;
    struct intern strings;
};

static int database_error(struct record_reader *r, const char *doing, int rc, struct err *e)
{
    return dbfile_error(e, r->path, doing, r->db, rc);
}

/* Every table must be a plain one: a view or a virtual table under its name could do anything. */
static int check_tables(struct record_reader *r, struct err *e)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(r->db,
                                "SELECT 1 FROM sqlite_schema WHERE name = ? AND type = 'table' "
                                "AND sql LIKE 'CREATE TABLE %'",
                                -1, &s, NULL);
    int code = rc == SQLITE_OK ? OK : database_error(r, "looking for its tables", rc, e);
    for (int i = 0; schema_tables[i] && code == OK; i++) {
        sqlite3_bind_text(s, 1, schema_tables[i], -1, SQLITE_STATIC);
        rc = sqlite3_step(s);
        if (rc == SQLITE_DONE)
            code = err_set(e, ERR_INPUT, "%s is damaged: it has no table %s", r->path,
                           schema_tables[i]);
        else if (rc != SQLITE_ROW)
            code = database_error(r, "looking for its tables", rc, e);
        sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    return code;
}

static int list_runs(struct record_reader *r, struct err *e)
{
    sqlite3_stmt *s = NULL;
    struct buf ids = {0};
    int rc = sqlite3_prepare_v2(r->db, "SELECT id FROM run ORDER BY id", -1, &s, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(s, 0);
        buf_append(&ids, &id, sizeof id);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(s);
    r->runs = (int64_t *)(void *)ids.p;
    r->run_count = ids.n / sizeof *r->runs;
    return rc == SQLITE_DONE ? OK : database_error(r, "listing its runs", rc, e);
}

/* From here to the close one state of the file is seen, also while a run is being written to it. */
static int begin_reading(struct record_reader *r, struct err *e)
{
    int rc = sqlite3_exec(r->db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    return rc == SQLITE_OK ? OK : database_error(r, "opening it", rc, e);
}

static int try_open(struct record_reader *r, int flags, const char *vfs, const char *pragma,
                    struct err *e)
{
    int code = dbfile_open(r->path, flags | SQLITE_OPEN_NOMUTEX, vfs, &r->db, e);
    if (code != OK)
        return code;
    sqlite3_busy_timeout(r->db, BUSY_TIMEOUT_MS);
    if (pragma)
        sqlite3_exec(r->db, pragma, NULL, NULL, NULL);
    code = begin_reading(r, e);
    if (code != OK) {
        sqlite3_close(r->db);
        r->db = NULL;
    }
    return code;
}

static bool has_wal(const char *path)
{
    struct stat st;
    char *wal = mem_printf("%s-wal", path);
    bool has = stat(wal, &st) == 0 && st.st_size > 0;
    free(wal);
    return has;
}

/* A file in a directory that may not be written, left in the state of being written: SQLite then
 * cannot make the shared memory file beside it. */
static int open_read_only_leftover(struct record_reader *r, struct err *e)
{
    if (!has_wal(r->path))
        return try_open(r, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL, NULL, e);
    return try_open(r, SQLITE_OPEN_READONLY, "unix-none", "PRAGMA locking_mode = EXCLUSIVE", e);
}

static int open_file(struct record_reader *r, struct err *e)
{
    int code = try_open(r, SQLITE_OPEN_READONLY, NULL, NULL, e);
    if (code != ERR_IO)
        return code;
    struct err ignored;
    if (open_read_only_leftover(r, &ignored) == OK)
        return OK;
    return code;
}

static int look_inside(struct record_reader *r, struct err *e)
{
    int code = check_tables(r, e);
    return code == OK ? list_runs(r, e) : code;
}

int record_reader_open(const char *path, struct record_reader **out, struct err *e)
{
    struct record_reader *r = MEM_NEW(struct record_reader);
    r->path = mem_strdup(path);
    int code = open_file(r, e);
    if (code == OK)
        code = look_inside(r, e);
    if (code != OK)
        record_reader_close(r);
    else
        *out = r;
    return code;
}

int record_reader_open_bytes(struct slice bytes, struct record_reader **out, struct err *e)
{
    struct record_reader *r = MEM_NEW(struct record_reader);
    r->path = mem_strdup("the run file in memory");
    int rc = sqlite3_open_v2(":memory:", &r->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_deserialize(r->db, "main", (unsigned char *)bytes.p, (sqlite3_int64)bytes.n,
                                 (sqlite3_int64)bytes.n, SQLITE_DESERIALIZE_READONLY);
    int code = rc == SQLITE_OK ? OK : database_error(r, "opening it", rc, e);
    if (code == OK)
        code = dbfile_check(r->db, r->path, e);
    if (code == OK) {
        dbfile_harden(r->db);
        code = begin_reading(r, e);
    }
    if (code == OK)
        code = look_inside(r, e);
    if (code != OK)
        record_reader_close(r);
    else
        *out = r;
    return code;
}

void record_reader_close(struct record_reader *r)
{
    if (!r)
        return;
    sqlite3_close(r->db);
    intern_release(&r->strings);
    free(r->runs);
    free(r->path);
    free(r);
}

const int64_t *record_reader_runs(struct record_reader *r, size_t *count)
{
    *count = r->run_count;
    return r->runs;
}

/* Moves the strings of a record, which point into a row, to where they live as long as the reader.
 */
static void keep_strings(struct record_reader *r, const struct column_set *set, void *record)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->columns[i].kind != COLUMN_TEXT)
            continue;
        const char **text = (const char **)(void *)((char *)record + set->columns[i].offset);
        *text = intern_text(&r->strings, *text);
    }
}

static int bad_column(struct record_reader *r, const struct column_set *set, const char *column,
                      struct err *e)
{
    return err_set(e, ERR_INPUT, "%s is damaged: a value of %s.%s is out of range", r->path,
                   set->table, column);
}

static int read_run_row(struct record_reader *r, sqlite3_stmt *s, struct run_record *out,
                        struct err *e)
{
    int end = (int)schema_run.count;
    const char *bad = columns_read(s, 0, &schema_run, out);
    if (bad)
        return bad_column(r, &schema_run, bad, e);
    bad = columns_read(s, end, &schema_run_end, out);
    if (bad)
        return bad_column(r, &schema_run_end, bad, e);
    out->finished = sqlite3_column_int(s, end + (int)schema_run_end.count) != 0;
    keep_strings(r, &schema_run, out);
    return OK;
}

int record_reader_run(struct record_reader *r, int64_t run_id, struct run_record *out,
                      struct err *e)
{
    struct buf sql = {0};
    buf_puts(&sql, "SELECT ");
    columns_put_names(&sql, &schema_run);
    buf_puts(&sql, ", ");
    columns_put_names(&sql, &schema_run_end);
    buf_puts(&sql, ", finished FROM run WHERE id = ?");
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(r->db, sql.p, (int)sql.n, &s, NULL);
    buf_release(&sql);
    if (rc != SQLITE_OK)
        return database_error(r, "reading a run", rc, e);

    sqlite3_bind_int64(s, 1, run_id);
    rc = sqlite3_step(s);
    int code;
    struct run_record run = {.id = run_id};
    if (rc == SQLITE_ROW)
        code = read_run_row(r, s, &run, e);
    else if (rc == SQLITE_DONE)
        code = err_set(e, ERR_INPUT, "%s has no run %lld", r->path, (long long)run_id);
    else
        code = database_error(r, "reading a run", rc, e);
    sqlite3_finalize(s);
    if (code == OK)
        *out = run;
    return code;
}

/* A walk over the rows of one table that belong to a run. */
struct walk {
    struct record_reader *reader;
    const struct column_set *set;
    sqlite3_stmt *statement;
    struct err *e;
};

static int walk_begin(struct walk *w, int64_t run_id, const char *more_columns, const char *rest)
{
    struct buf sql = {0};
    buf_puts(&sql, "SELECT ");
    columns_put_names(&sql, w->set);
    buf_printf(&sql, "%s FROM %s %s", more_columns, w->set->table, rest);
    int rc = sqlite3_prepare_v2(w->reader->db, sql.p, (int)sql.n, &w->statement, NULL);
    buf_release(&sql);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(w->statement, 1, run_id);
    return rc == SQLITE_OK ? OK : database_error(w->reader, "reading it", rc, w->e);
}

/* 1 and *record filled, 0 at the end, or an error. */
static int walk_next(struct walk *w, void *record)
{
    int rc = sqlite3_step(w->statement);
    if (rc == SQLITE_DONE)
        return 0;
    if (rc != SQLITE_ROW)
        return database_error(w->reader, "reading it", rc, w->e);
    const char *bad = columns_read(w->statement, 0, w->set, record);
    return bad ? bad_column(w->reader, w->set, bad, w->e) : 1;
}

/* The bytes must decode, to as many events as the request says, and add up to a time. */
static bool gaps_are_sound(struct slice bytes, const struct request_record *q)
{
    int64_t sum = q->first_token_ns == RECORD_NONE ? 0 : q->first_token_ns;
    uint32_t count = 0;
    while (bytes.n > 0) {
        struct gap g;
        if (gaps_take(&bytes, &g) < 0 || count == q->events || g.gap_ns > SCHEMA_TIME_LIMIT ||
            g.width_ns > SCHEMA_TIME_LIMIT || g.tokens > SCHEMA_COUNT_LIMIT)
            return false;
        sum += g.gap_ns;
        if (sum > SCHEMA_TIME_LIMIT)
            return false;
        count++;
    }
    return count == q->events;
}

static bool has_reads(struct record_reader *r)
{
    return sqlite3_table_column_metadata(r->db, "main", "token_reads", "reads", NULL, NULL, NULL,
                                         NULL, NULL) == SQLITE_OK;
}

static void take_reads(struct walk *w, struct request_record *q)
{
    int at = (int)w->set->count + 1;
    const char *p = sqlite3_column_blob(w->statement, at);
    q->reads =
        p ? slice_make(p, (size_t)sqlite3_column_bytes(w->statement, at)) : slice_make("", 0);
}

static int take_gaps(struct walk *w, struct request_record *q)
{
    int at = (int)w->set->count;
    const char *p = sqlite3_column_blob(w->statement, at);
    q->gaps = p ? slice_make(p, (size_t)sqlite3_column_bytes(w->statement, at)) : slice_make("", 0);
    if (q->gaps.n == 0 || gaps_are_sound(q->gaps, q))
        return OK;
    return err_set(w->e, ERR_INPUT, "%s is damaged: the token gaps of request %llu do not decode",
                   w->reader->path, (unsigned long long)q->index);
}

int record_reader_requests(struct record_reader *r, int64_t run_id, bool with_gaps,
                           int (*visit)(void *context, const struct request_record *q),
                           void *context, struct err *e)
{
    struct walk w = {r, &schema_request, NULL, e};
    bool with_reads = with_gaps && has_reads(r);
    int code = walk_begin(&w, run_id,
                          with_reads  ? ", gaps, reads"
                          : with_gaps ? ", gaps"
                                      : "",
                          with_reads  ? "LEFT JOIN token_gaps g ON g.request_id = id "
                                        "LEFT JOIN token_reads k ON k.request_id = id "
                                        "WHERE run_id = ? ORDER BY phase, idx"
                          : with_gaps ? "LEFT JOIN token_gaps ON request_id = id "
                                        "WHERE run_id = ? ORDER BY phase, idx"
                                      : "WHERE run_id = ? ORDER BY phase, idx");
    int phase_before = -1;
    uint64_t index_before = 0;
    while (code == OK) {
        struct request_record q = {0};
        int more = walk_next(&w, &q);
        code = more < 0 ? more : OK;
        if (more <= 0)
            break;
        if (q.phase < phase_before || (q.phase == phase_before && q.index <= index_before))
            code = err_set(e, ERR_INPUT, "%s is damaged: its requests are out of order", r->path);
        phase_before = q.phase;
        index_before = q.index;
        if (code == OK && with_gaps)
            code = take_gaps(&w, &q);
        if (with_reads)
            take_reads(&w, &q);
        if (code == OK)
            code = visit(context, &q);
    }
    sqlite3_finalize(w.statement);
    return code;
}

int record_reader_seconds(struct record_reader *r, int64_t run_id,
                          int (*visit)(void *context, const struct second_record *s), void *context,
                          struct err *e)
{
    struct walk w = {r, &schema_second, NULL, e};
    int code = walk_begin(&w, run_id, "", "WHERE run_id = ? ORDER BY second, thread");
    while (code == OK) {
        struct second_record s = {0};
        int more = walk_next(&w, &s);
        code = more < 0 ? more : OK;
        if (more <= 0)
            break;
        code = visit(context, &s);
    }
    sqlite3_finalize(w.statement);
    return code;
}

int record_reader_samples(struct record_reader *r, int64_t run_id,
                          int (*visit)(void *context, const struct sample_record *s), void *context,
                          struct err *e)
{
    struct walk w = {r, &schema_sample, NULL, e};
    int code = walk_begin(&w, run_id, "", "WHERE run_id = ? ORDER BY rowid");
    while (code == OK) {
        struct sample_record s = {0};
        int more = walk_next(&w, &s);
        code = more < 0 ? more : OK;
        if (more <= 0)
            break;
        keep_strings(r, w.set, &s);
        code = visit(context, &s);
    }
    sqlite3_finalize(w.statement);
    return code;
}

int record_reader_findings(struct record_reader *r, int64_t run_id,
                           int (*visit)(void *context, const struct finding_record *f),
                           void *context, struct err *e)
{
    struct walk w = {r, &schema_finding, NULL, e};
    int code = walk_begin(&w, run_id, "", "WHERE run_id = ? ORDER BY rowid");
    while (code == OK) {
        struct finding_record f = {0};
        int more = walk_next(&w, &f);
        code = more < 0 ? more : OK;
        if (more <= 0)
            break;
        keep_strings(r, w.set, &f);
        code = visit(context, &f);
    }
    sqlite3_finalize(w.statement);
    return code;
}

const char *record_reader_meta(struct record_reader *r, const char *key)
{
    sqlite3_stmt *s = NULL;
    const char *value = "";
    if (sqlite3_prepare_v2(r->db, "SELECT value FROM meta WHERE key = ?", -1, &s, NULL) ==
        SQLITE_OK) {
        sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
        if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_text(s, 0))
            value = intern_text(&r->strings, (const char *)sqlite3_column_text(s, 0));
    }
    sqlite3_finalize(s);
    return value;
}
