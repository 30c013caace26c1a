#ifndef LOADLINE_RECORD_COLUMNS_H
#define LOADLINE_RECORD_COLUMNS_H

/* Between structs and rows, by the tables in schema.h. */

#include <sqlite3.h>

#include "base/buf.h"
#include "record/schema.h"

/* "a, b, c" and "?, ?, ?" for a set. */
void columns_put_names(struct buf *out, const struct column_set *set);
void columns_put_marks(struct buf *out, const struct column_set *set);
/* "a = ?, b = ?" */
void columns_put_assignments(struct buf *out, const struct column_set *set);

/* Binds the fields of *record to the parameters from `first` (from 1) on. Text is not copied: it must live until
 * the statement is reset. Returns an SQLite code. */
int columns_bind(sqlite3_stmt *s, int first, const struct column_set *set, const void *record);

/* Fills *record from the row's columns from `first` (from 0) on. Text and bytes point into the row and are valid
 * until the statement moves on. NULL, or the name of the column whose value cannot be. */
const char *columns_read(sqlite3_stmt *s, int first, const struct column_set *set, void *record);

#endif
