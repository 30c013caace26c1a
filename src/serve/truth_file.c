#include "serve/truth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

enum { FORMAT_VERSION = 1 };

static const char DDL[] =
    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;"
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE request (       -- times: CLOCK_MONOTONIC ns\n"
    "  id INTEGER PRIMARY KEY,    -- in order of arrival, from 0\n"
    "  name TEXT NOT NULL,        -- X-Request-Id; empty without\n"
    "  arrival_ns INTEGER NOT NULL,\n"
    "  tokens INTEGER NOT NULL    -- it was to have; fewer were sent when it was cut short\n"
    ") STRICT;"
    "CREATE TABLE step (\n"
    "  id INTEGER PRIMARY KEY,    -- in order of their ends, from 0\n"
    "  replica INTEGER NOT NULL,\n"
    "  due_ns INTEGER NOT NULL,\n"
    "  first_ns INTEGER,          -- clock before its burst's first send, NULL: nothing was sent\n"
    "  last_ns INTEGER,           -- clock after its last\n"
    "  sends INTEGER NOT NULL\n"
    ") STRICT;"
    "CREATE TABLE token (         -- in order of the sends\n"
    "  request_id INTEGER NOT NULL REFERENCES request(id),\n"
    "  number INTEGER NOT NULL,   -- within the request, from 0\n"
    "  step_id INTEGER NOT NULL REFERENCES step(id),\n"
    "  before_ns INTEGER NOT NULL, -- clock around the send of its last byte\n"
    "  after_ns INTEGER NOT NULL\n"
    ") STRICT;";

int truth_file_claim(const char *path, struct err *e)
{
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST)
        return err_set(e, ERR_USAGE, "%s exists already; choose another name with --truth", path);
    if (fd < 0)
        return err_set(e, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    close(fd);
    return OK;
}

/* ---- writing ---- */

/* Runs an INSERT whose parameters are whole numbers; INT64_MIN is NULL. */
static int insert(sqlite3_stmt *s, const int64_t *values, int count)
{
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < count; i++)
        rc = values[i] == INT64_MIN ? sqlite3_bind_null(s, i + 1)
                                    : sqlite3_bind_int64(s, i + 1, values[i]);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int put_requests(sqlite3 *db, const struct truth *t)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(
        db, "INSERT INTO request (id, arrival_ns, tokens, name) VALUES (?, ?, ?, ?)", -1, &s, NULL);
    for (uint32_t i = 0; rc == SQLITE_OK && i < truth_requests(t); i++) {
        const struct truth_request *r = truth_request_at(t, i);
        rc = sqlite3_bind_text(s, 4, r->name, -1, SQLITE_STATIC);
        if (rc == SQLITE_OK)
            rc = insert(s, (int64_t[]){i, r->arrived_ns, r->tokens}, 3);
    }
    sqlite3_finalize(s);
    return rc;
}

static int put_steps(sqlite3 *db, const struct truth *t)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, "INSERT INTO step VALUES (?, ?, ?, ?, ?, ?)", -1, &s, NULL);
    for (uint32_t i = 0; rc == SQLITE_OK && i < truth_steps(t); i++) {
        const struct truth_step *p = truth_step_at(t, i);
        rc = insert(s,
                    (int64_t[]){i, p->replica, p->due_ns, p->sends ? p->first_ns : INT64_MIN,
                                p->sends ? p->last_ns : INT64_MIN, p->sends},
                    6);
    }
    sqlite3_finalize(s);
    return rc;
}

static int put_tokens(sqlite3 *db, const struct truth *t)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, "INSERT INTO token VALUES (?, ?, ?, ?, ?)", -1, &s, NULL);
    for (uint32_t i = 0; rc == SQLITE_OK && i < truth_tokens(t); i++) {
        const struct truth_token *k = truth_token_at(t, i);
        rc = insert(s, (int64_t[]){k->request, k->token, k->step, k->before_ns, k->after_ns}, 5);
    }
    sqlite3_finalize(s);
    return rc;
}

static int put_meta(sqlite3 *db, const char *key, const char *value)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, "INSERT INTO meta VALUES (?, ?)", -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(s, 2, value, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_DONE)
        rc = SQLITE_OK;
    sqlite3_finalize(s);
    return rc;
}

static int fill(sqlite3 *db, const struct truth *t, const char *engine, int64_t metronome_ns)
{
    char version[16], interval[24];
    snprintf(version, sizeof version, "%d", FORMAT_VERSION);
    snprintf(interval, sizeof interval, "%" PRId64, metronome_ns);
    int rc = sqlite3_exec(db, DDL, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = put_meta(db, "version", version);
    if (rc == SQLITE_OK)
        rc = put_meta(db, "clock", "CLOCK_MONOTONIC ns");
    if (rc == SQLITE_OK)
        rc = put_meta(db, "engine", engine);
    if (rc == SQLITE_OK)
        rc = put_meta(db, "metronome_ns", interval);
    if (rc == SQLITE_OK)
        rc = put_requests(db, t);
    if (rc == SQLITE_OK)
        rc = put_steps(db, t);
    if (rc == SQLITE_OK)
        rc = put_tokens(db, t);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    return rc;
}

int truth_file_write(const char *path, const struct truth *t, const char *engine,
                     int64_t metronome_ns, struct err *e)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = fill(db, t, engine, metronome_ns);
    int code = OK;
    if (rc != SQLITE_OK)
        code = err_set(e, ERR_IO, "cannot write the truth to %s: %s", path,
                       db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    sqlite3_close(db);
    return code;
}

/* ---- reading ---- */

struct reading {
    sqlite3 *db;
    const char *path;
    struct truth *truth;
    struct err *e;
};

static int damaged(struct reading *r, const char *what)
{
    return err_set(r->e, ERR_INPUT, "%s is damaged: its %s do not add up", r->path, what);
}

static int refused(struct reading *r)
{
    return err_set(r->e, ERR_INPUT, "cannot read %s as a file of --truth: %s", r->path,
                   sqlite3_errmsg(r->db));
}

static int take_request(struct reading *r, sqlite3_stmt *s)
{
    const char *name = (const char *)sqlite3_column_text(s, 3);
    uint32_t id = truth_add_request(r->truth, slice_of(name ? name : ""),
                                    sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2));
    return sqlite3_column_int64(s, 0) == id ? OK : damaged(r, "requests");
}

static int take_step(struct reading *r, sqlite3_stmt *s)
{
    int64_t replica = sqlite3_column_int64(s, 1), sends = sqlite3_column_int64(s, 5);
    if (replica < 0 || replica > UINT32_MAX || sends < 0 || sends > UINT32_MAX)
        return damaged(r, "steps");
    struct truth_step step = {.replica = (uint32_t)replica,
                              .sends = (uint32_t)sends,
                              .due_ns = sqlite3_column_int64(s, 2),
                              .first_ns = sqlite3_column_int64(s, 3),
                              .last_ns = sqlite3_column_int64(s, 4)};
    uint32_t id = truth_add_step(r->truth, &step);
    return sqlite3_column_int64(s, 0) == id ? OK : damaged(r, "steps");
}

static int take_token(struct reading *r, sqlite3_stmt *s)
{
    int64_t request = sqlite3_column_int64(s, 0), token = sqlite3_column_int64(s, 1);
    int64_t step = sqlite3_column_int64(s, 2);
    if (request < 0 || request >= truth_requests(r->truth) || token < 0 ||
        token >= truth_request_at(r->truth, (uint32_t)request)->tokens || token > UINT32_MAX ||
        step < 0 || step >= truth_steps(r->truth))
        return damaged(r, "tokens");
    truth_add_token(r->truth, &(struct truth_token){.request = (uint32_t)request,
                                                    .token = (uint32_t)token,
                                                    .step = (uint32_t)step,
                                                    .before_ns = sqlite3_column_int64(s, 3),
                                                    .after_ns = sqlite3_column_int64(s, 4)});
    return OK;
}

static int read_table(struct reading *r, const char *sql,
                      int (*take)(struct reading *, sqlite3_stmt *))
{
    sqlite3_stmt *s = NULL;
    int code = OK, rc = sqlite3_prepare_v2(r->db, sql, -1, &s, NULL);
    if (rc != SQLITE_OK)
        return refused(r);
    while (code == OK && (rc = sqlite3_step(s)) == SQLITE_ROW)
        code = take(r, s);
    if (code == OK && rc != SQLITE_DONE)
        code = refused(r);
    sqlite3_finalize(s);
    return code;
}

int truth_file_read(const char *path, struct truth **out, struct err *e)
{
    struct reading r = {.path = path, .truth = truth_new(), .e = e};
    int code = OK;
    if (sqlite3_open_v2(path, &r.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        code = refused(&r);
    if (code == OK)
        code = read_table(&r, "SELECT id, arrival_ns, tokens, name FROM request ORDER BY id",
                          take_request);
    if (code == OK)
        code = read_table(
            &r, "SELECT id, replica, due_ns, first_ns, last_ns, sends FROM step ORDER BY id",
            take_step);
    if (code == OK)
        code = read_table(&r, "SELECT request_id, number, step_id, before_ns, after_ns FROM token",
                          take_token);
    sqlite3_close(r.db);
    if (code == OK)
        *out = r.truth;
    else
        truth_free(r.truth);
    return code;
}
