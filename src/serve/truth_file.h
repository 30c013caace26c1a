#ifndef LOADLINE_SERVE_TRUTH_FILE_H
#define LOADLINE_SERVE_TRUTH_FILE_H

/* The truth as an SQLite file. docs/engine.md describes its tables. */

#include "base/err.h"
#include "serve/truth.h"

/* Makes the file, empty, so that a path that cannot be written is refused before anything is measured. ERR_USAGE when it
 * exists, ERR_IO. */
int truth_file_claim(const char *path, struct err *e);

/* Fills the file that was claimed. `engine` and `metronome_ns` say where it comes from. ERR_IO. */
int truth_file_write(const char *path, const struct truth *t, const char *engine,
                     int64_t metronome_ns, struct err *e);

/* Reads it back, its numbers checked. ERR_INPUT, ERR_IO. The caller frees. */
int truth_file_read(const char *path, struct truth **out, struct err *e);

#endif
