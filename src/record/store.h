#ifndef LOADLINE_RECORD_STORE_H
#define LOADLINE_RECORD_STORE_H

/* The SQL side of the writer: tables, prepared statements, rows. One thread at a time. All return SQLite codes. */

#include <sqlite3.h>

#include "record/queue.h"

enum store_statement {
    STORE_ADD_RUN,
    STORE_END_RUN,
    STORE_ADD_REQUEST,
    STORE_ADD_GAPS,
    STORE_ADD_READS, /* prepared with the first of them, which makes their table */
    STORE_ADD_SECOND,
    STORE_ADD_SAMPLE,
    STORE_ADD_FINDING,
    STORE_SET_META,
    STORE_RECOUNT,
    STORE_STATEMENT_COUNT,
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    int64_t next_request_id;
};

/* Makes st->db, just opened, ready for rows; creates the tables in a new file. */
int store_set_up(struct store *st, bool create);
void store_release(struct store *st); /* closes db too */

int store_add_run(struct store *st, const struct run_record *run, int64_t *id);
int store_end_run(struct store *st, const struct run_record *run);
int store_recount(struct store *st, int64_t run_id, const struct request_record *r, bool keep_output);
int store_set_meta(struct store *st, const char *key, const char *value);

/* The items, oldest first, in one transaction: all of them or none are in the file. After a failure SQLite still
 * knows why, for dbfile_error; then store_roll_back. */
int store_add_items(struct store *st, const struct queued *items);
void store_roll_back(struct store *st);

/* Takes the write-ahead log into the file and leaves one plain file. SQLITE_BUSY when somebody else has the file
 * open: then the last one to close it does so. */
int store_leave_one_file(struct store *st);

#endif
