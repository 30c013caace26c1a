#include "record/dbfile.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "record/schema.h"

/* https://www.sqlite.org/fileformat2.html#the_database_header */
enum { HEADER_BYTES = 100, USER_VERSION_AT = 60, APPLICATION_ID_AT = 68 };
static const char header_magic[16] = "SQLite format 3";

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int not_ours(const char *path, const char *what, struct err *e)
{
    return err_set(e, ERR_INPUT, "%s is not a run file: %s", path, what);
}

static int read_header(sqlite3 *db, unsigned char *header, sqlite3_int64 *file_bytes)
{
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc != SQLITE_OK)
        return rc;
    if (!file || !file->pMethods)
        return SQLITE_CANTOPEN;
    rc = file->pMethods->xFileSize(file, file_bytes);
    if (rc == SQLITE_OK && *file_bytes >= HEADER_BYTES)
        rc = file->pMethods->xRead(file, header, HEADER_BYTES, 0);
    return rc;
}

int dbfile_check(sqlite3 *db, const char *path, struct err *e)
{
    unsigned char header[HEADER_BYTES] = {0};
    sqlite3_int64 file_bytes = 0;
    int rc = read_header(db, header, &file_bytes);
    if (rc != SQLITE_OK)
        return dbfile_error(e, path, "reading its header", db, rc);
    if (file_bytes == 0)
        return not_ours(path, "it is empty", e);
    if (memcmp(header, header_magic, sizeof header_magic) != 0)
        return not_ours(path, "it is not an SQLite database", e);
    if (big_endian(header + APPLICATION_ID_AT) != SCHEMA_APPLICATION_ID)
        return not_ours(path, "it is the database of another program", e);

    uint32_t version = big_endian(header + USER_VERSION_AT);
    if (version > SCHEMA_VERSION)
        return err_set(e, ERR_INPUT,
                       "%s was written by a newer Loadline (schema %u; this one knows up to %d); "
                       "use that one to open it",
                       path, version, SCHEMA_VERSION);
    if (version < 1)
        return not_ours(path, "its schema version is 0", e);
    return OK;
}

/* The path as SQLite should get it: never taken for ":memory:", and for a URI only when it is to be
 * one that says that nobody can change the file. The caller frees it. */
static char *sqlite_path(const char *path, bool immutable)
{
    const char *prefix = path[0] == '/' ? "" : "./";
    if (!immutable)
        return mem_printf("%s%s", prefix, path);

    struct buf uri = {0};
    buf_printf(&uri, "file:%s", prefix);
    for (const char *p = path; *p; p++) {
        if (strchr("%?#", *p))
            buf_printf(&uri, "%%%02x", (unsigned)*p);
        else
            buf_putc(&uri, *p);
    }
    buf_puts(&uri, "?immutable=1");
    buf_cstr(&uri);
    return uri.p;
}

static int connect_to(const char *path, int flags, const char *vfs, sqlite3 **out, struct err *e)
{
    char *name = sqlite_path(path, flags & SQLITE_OPEN_URI);
    int rc = sqlite3_open_v2(name, out, flags, vfs);
    free(name);
    if (rc == SQLITE_OK) {
        dbfile_harden(*out);
        return OK;
    }
    int code = dbfile_error(e, path, "opening it", *out, rc);
    sqlite3_close(*out);
    *out = NULL;
    return code;
}

int dbfile_open_new(const char *path, int flags, sqlite3 **out, struct err *e)
{
    return connect_to(path, flags, NULL, out, e);
}

int dbfile_open(const char *path, int flags, const char *vfs, sqlite3 **out, struct err *e)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_set(e, errno == ENOENT ? ERR_INPUT : ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return not_ours(path, S_ISDIR(st.st_mode) ? "it is a directory" : "it is not a plain file",
                        e);
    int code = connect_to(path, flags, vfs, out, e);
    if (code != OK)
        return code;
    code = dbfile_check(*out, path, e);
    if (code != OK) {
        sqlite3_close(*out);
        *out = NULL;
    }
    return code;
}

static bool damaged(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* a table or column is missing */
    case SQLITE_FORMAT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_AUTH:
        return true;
    default:
        return false;
    }
}

int dbfile_error(struct err *e, const char *path, const char *doing, sqlite3 *db, int rc)
{
    /* What the system said last; after a failure of another kind it is old news. */
    bool of_system = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN;
    int os = db && of_system ? sqlite3_system_errno(db) : 0;
    const char *words =
        db && (sqlite3_errcode(db) & 0xff) == (rc & 0xff) ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    if (damaged(rc))
        return err_set(e, ERR_INPUT, "%s is damaged (while %s: %s)", path, doing, words);
    if ((rc & 0xff) == SQLITE_FULL ||
        ((rc & 0xff) == SQLITE_IOERR && (os == ENOSPC || os == EDQUOT)))
        return err_set(e, ERR_IO,
                       "%s: the disk is full (while %s); what was written up to then is intact; "
                       "free some space or choose another place with -o",
                       path, doing);
    if ((rc & 0xff) == SQLITE_IOERR && os == EFBIG)
        return err_set(
            e, ERR_IO,
            "%s: the limit on the size of files was reached (while %s); what was written "
            "up to then is intact; raise it with ulimit -f",
            path, doing);
    if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
        return err_set(e, ERR_IO,
                       "%s: another program keeps the file locked (while %s); end that program's "
                       "transaction or choose another name with -o",
                       path, doing);
    if ((rc & 0xff) == SQLITE_IOERR &&
        os == 0) /* its cause is forgotten when a rollback came between */
        return err_set(e, ERR_IO,
                       "%s: %s (while %s); what was written up to then is intact; see whether the "
                       "disk is full",
                       path, words, doing);
    if (os != 0)
        return err_set(e, ERR_IO, "%s: %s (while %s: %s)", path, strerror(os), doing, words);
    return err_set(e, ERR_IO, "%s: %s (while %s)", path, words, doing);
}

void dbfile_harden(sqlite3 *db)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_exec(db, "PRAGMA cell_size_check = ON", NULL, NULL, NULL);
}
