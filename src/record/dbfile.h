#ifndef LOADLINE_RECORD_DBFILE_H
#define LOADLINE_RECORD_DBFILE_H

/* What the writer and the reader both need to know of run files as files. */

#include <sqlite3.h>

#include "base/err.h"

/* Opens path with SQLite's flags and looks at the header alone: OK and a connection for a run file of a schema this
 * program knows; otherwise a sentence, and nothing is changed, whoever's file it is. The file is read through SQLite
 * because a file opened and closed beside it would drop the locks that this process holds on it. vfs may be NULL; with
 * SQLITE_OPEN_URI the file is taken as one that nobody can change (immutable=1). */
int dbfile_open(const char *path, int flags, const char *vfs, sqlite3 **out, struct err *e);

/* The same without a look at the header, for a file that was just created and is empty. */
int dbfile_open_new(const char *path, int flags, sqlite3 **out, struct err *e);

/* The header check of dbfile_open for a connection that is open already. */
int dbfile_check(sqlite3 *db, const char *path, struct err *e);

/* A sentence for a failure of SQLite on db (which may be NULL) with code rc: full disk, limits, damage. Returns the
 * code: ERR_INPUT for a damaged file, otherwise ERR_IO. */
int dbfile_error(struct err *e, const char *path, const char *doing, sqlite3 *db, int rc);

/* No trigger or view of the file's own is run: it may come from anywhere. */
void dbfile_harden(sqlite3 *db);

#endif
