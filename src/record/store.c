#include "record/store.h"

#include "record/columns.h"

/* How long somebody else's transaction on the file is waited for. */
enum { BUSY_TIMEOUT_MS = 10000, BUSY_TIMEOUT_AT_CLOSE_MS = 1000 };

static int exec(struct store *st, const char *sql)
{
    return sqlite3_exec(st->db, sql, NULL, NULL, NULL);
}

/* Runs a statement that gives no rows. */
static int run_once(sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* run_id and the fields of record into the statement's parameters, from the first on. */
static int add_row(sqlite3_stmt *s, int64_t run_id, const struct column_set *set,
                   const void *record)
{
    int rc = sqlite3_bind_int64(s, 1, run_id);
    if (rc == SQLITE_OK)
        rc = columns_bind(s, 2, set, record);
    return rc == SQLITE_OK ? run_once(s) : rc;
}

/* A calibration's table, made only where there is something for it. */
static int add_reads(struct store *st, int64_t request_id, struct slice reads)
{
    sqlite3_stmt **s = &st->statements[STORE_ADD_READS];
    int rc = SQLITE_OK;
    if (!*s) {
        rc = exec(st, "CREATE TABLE IF NOT EXISTS token_reads (\n"
                      "  request_id INTEGER PRIMARY KEY REFERENCES request(id),\n"
                      "  reads BLOB NOT NULL -- bytes: docs/run-file.md\n"
                      ") STRICT");
        if (rc == SQLITE_OK)
            rc = sqlite3_prepare_v3(st->db,
                                    "INSERT INTO token_reads (request_id, reads) VALUES (?, ?)", -1,
                                    SQLITE_PREPARE_PERSISTENT, s, NULL);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(*s, 1, request_id);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(*s, 2, reads.p, reads.n, SQLITE_STATIC);
    return rc == SQLITE_OK ? run_once(*s) : rc;
}

static int add_request(struct store *st, int64_t run_id, const struct request_record *r)
{
    sqlite3_stmt *row = st->statements[STORE_ADD_REQUEST], *gaps = st->statements[STORE_ADD_GAPS];
    int64_t id = st->next_request_id++;
    int rc = sqlite3_bind_int64(row, (int)schema_request.count + 2, id);
    if (rc == SQLITE_OK)
        rc = add_row(row, run_id, &schema_request, r);
    if (rc != SQLITE_OK || r->gaps.n == 0)
        return rc;
    rc = sqlite3_bind_int64(gaps, 1, id);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(gaps, 2, r->gaps.p, r->gaps.n, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = run_once(gaps);
    return rc == SQLITE_OK && r->reads.n > 0 ? add_reads(st, id, r->reads) : rc;
}

static int add_item(struct store *st, const struct queued *item)
{
    switch (item->kind) {
    case QUEUED_REQUEST:
        return add_request(st, item->run_id, &item->request);
    case QUEUED_SECOND:
        return add_row(st->statements[STORE_ADD_SECOND], item->run_id, &schema_second,
                       &item->second);
    case QUEUED_SAMPLE:
        return add_row(st->statements[STORE_ADD_SAMPLE], item->run_id, &schema_sample,
                       &item->sample);
    case QUEUED_FINDING:
        return add_row(st->statements[STORE_ADD_FINDING], item->run_id, &schema_finding,
                       &item->finding);
    }
    return SQLITE_MISUSE;
}

int store_add_items(struct store *st, const struct queued *items)
{
    int rc = exec(st, "BEGIN IMMEDIATE");
    for (const struct queued *item = items; item && rc == SQLITE_OK; item = queue_next(item))
        rc = add_item(st, item);
    if (rc == SQLITE_OK)
        rc = exec(st, "COMMIT");
    return rc;
}

void store_roll_back(struct store *st)
{
    if (!sqlite3_get_autocommit(st->db))
        exec(st, "ROLLBACK");
}

static int prepare(struct store *st, enum store_statement which, struct buf *sql)
{
    int rc = sqlite3_prepare_v3(st->db, sql->p, (int)sql->n, SQLITE_PREPARE_PERSISTENT,
                                &st->statements[which], NULL);
    buf_clear(sql);
    return rc;
}

static int prepare_insert(struct store *st, enum store_statement which,
                          const struct column_set *set, struct buf *sql, const char *extra_column)
{
    buf_printf(sql, "INSERT INTO %s (run_id, ", set->table);
    columns_put_names(sql, set);
    buf_printf(sql, "%s%s) VALUES (?, ", extra_column ? ", " : "",
               extra_column ? extra_column : "");
    columns_put_marks(sql, set);
    buf_puts(sql, extra_column ? ", ?)" : ")");
    return prepare(st, which, sql);
}

static int prepare_run_statements(struct store *st, struct buf *sql)
{
    buf_puts(sql, "INSERT INTO run (finished, ");
    columns_put_names(sql, &schema_run);
    buf_puts(sql, ") VALUES (0, ");
    columns_put_marks(sql, &schema_run);
    buf_puts(sql, ")");
    int rc = prepare(st, STORE_ADD_RUN, sql);
    if (rc != SQLITE_OK)
        return rc;
    buf_puts(sql, "UPDATE run SET finished = 1, ");
    columns_put_assignments(sql, &schema_run_end);
    buf_puts(sql, " WHERE id = ?");
    return prepare(st, STORE_END_RUN, sql);
}

static int prepare_all(struct store *st)
{
    struct buf sql = {0};
    int rc = prepare_run_statements(st, &sql);
    if (rc == SQLITE_OK)
        rc = prepare_insert(st, STORE_ADD_REQUEST, &schema_request, &sql, "id");
    if (rc == SQLITE_OK)
        rc = prepare_insert(st, STORE_ADD_SECOND, &schema_second, &sql, NULL);
    if (rc == SQLITE_OK)
        rc = prepare_insert(st, STORE_ADD_SAMPLE, &schema_sample, &sql, NULL);
    if (rc == SQLITE_OK)
        rc = prepare_insert(st, STORE_ADD_FINDING, &schema_finding, &sql, NULL);
    if (rc == SQLITE_OK) {
        buf_puts(&sql, "INSERT INTO token_gaps (request_id, gaps) VALUES (?, ?)");
        rc = prepare(st, STORE_ADD_GAPS, &sql);
    }
    if (rc == SQLITE_OK) {
        buf_puts(&sql, "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)");
        rc = prepare(st, STORE_SET_META, &sql);
    }
    if (rc == SQLITE_OK) {
        buf_puts(&sql, "UPDATE request SET output_tokens = ?4, output_source = ?5, "
                       "output = CASE WHEN ?6 THEN output ELSE '' END "
                       "WHERE run_id = ?1 AND phase = ?2 AND idx = ?3");
        rc = prepare(st, STORE_RECOUNT, &sql);
    }
    buf_release(&sql);
    return rc;
}

/* The tables, in a transaction of the rollback journal, so that the file's own header tells from
 * the first moment whose it is; the write-ahead log comes after. */
static int create_tables(struct store *st)
{
    struct buf sql = {0};
    buf_printf(&sql,
               "PRAGMA page_size = %d; BEGIN; PRAGMA application_id = %d; PRAGMA user_version = %d",
               SCHEMA_PAGE_BYTES, SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
    int rc = exec(st, buf_cstr(&sql));
    buf_release(&sql);
    for (int i = 0; schema_ddl[i] && rc == SQLITE_OK; i++)
        rc = exec(st, schema_ddl[i]);
    return rc == SQLITE_OK ? exec(st, "COMMIT") : rc;
}

static int find_next_request_id(struct store *st)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(st->db, "SELECT ifnull(max(id), 0) + 1 FROM request", -1, &s, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        st->next_request_id = sqlite3_column_int64(s, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(s);
    return rc;
}

int store_set_up(struct store *st, bool create)
{
    sqlite3_busy_timeout(st->db, BUSY_TIMEOUT_MS);
    int rc = create ? create_tables(st) : SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = exec(st, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    if (rc == SQLITE_OK)
        rc = find_next_request_id(st);
    return rc == SQLITE_OK ? prepare_all(st) : rc;
}

void store_release(struct store *st)
{
    for (int i = 0; i < STORE_STATEMENT_COUNT; i++)
        sqlite3_finalize(st->statements[i]);
    sqlite3_close(st->db);
}

int store_add_run(struct store *st, const struct run_record *run, int64_t *id)
{
    sqlite3_stmt *s = st->statements[STORE_ADD_RUN];
    int rc = columns_bind(s, 1, &schema_run, run);
    if (rc == SQLITE_OK)
        rc = run_once(s);
    if (rc == SQLITE_OK)
        *id = sqlite3_last_insert_rowid(st->db);
    return rc;
}

int store_end_run(struct store *st, const struct run_record *run)
{
    sqlite3_stmt *s = st->statements[STORE_END_RUN];
    int rc = columns_bind(s, 1, &schema_run_end, run);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(s, (int)schema_run_end.count + 1, run->id);
    return rc == SQLITE_OK ? run_once(s) : rc;
}

int store_recount(struct store *st, int64_t run_id, const struct request_record *r,
                  bool keep_output)
{
    sqlite3_stmt *s = st->statements[STORE_RECOUNT];
    sqlite3_bind_int64(s, 1, run_id);
    sqlite3_bind_int(s, 2, r->phase);
    sqlite3_bind_int64(s, 3, (int64_t)r->index);
    sqlite3_bind_int64(s, 4, r->output_tokens);
    sqlite3_bind_text(s, 5, token_source_name(r->output_source), -1, SQLITE_STATIC);
    sqlite3_bind_int(s, 6, keep_output);
    return run_once(s);
}

int store_set_meta(struct store *st, const char *key, const char *value)
{
    sqlite3_stmt *s = st->statements[STORE_SET_META];
    int rc = sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(s, 2, value, -1, SQLITE_STATIC);
    return rc == SQLITE_OK ? run_once(s) : rc;
}

int store_leave_one_file(struct store *st)
{
    sqlite3_busy_timeout(st->db, BUSY_TIMEOUT_AT_CLOSE_MS);
    int rc = exec(st, "PRAGMA wal_checkpoint(TRUNCATE)");
    return rc == SQLITE_OK ? exec(st, "PRAGMA journal_mode = DELETE") : rc;
}
