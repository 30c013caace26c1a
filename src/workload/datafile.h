#ifndef LOADLINE_WORKLOAD_DATAFILE_H
#define LOADLINE_WORKLOAD_DATAFILE_H

/* The bytes of a dataset's file: mapped when it is a regular file, read when it is a pipe. A byte-order mark
 * at the head is passed over. */

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct datafile {
    struct slice text;
    void *map;
    size_t map_bytes;
    struct buf read;
};

/* An empty file, a directory and a file that cannot be read are errors with their reason. */
int datafile_open(const char *path, struct datafile *f, struct err *e);
void datafile_close(struct datafile *f);

#endif
