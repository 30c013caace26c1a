#ifndef LOADLINE_DECIDE_SWEEP_FILE_H
#define LOADLINE_DECIDE_SWEEP_FILE_H

/* A sweep in a run file: what was asked, as JSON in its meta, and one row of `run` for each level, whose `kind` says what
 * it was for. Everything else follows from these, also how to go on with a sweep that was interrupted. */

#include "base/buf.h"
#include "decide/curve.h"
#include "decide/sweep.h"

/* Keys in meta: the sweep, and the closed loop beside it (--both). */
#define SWEEP_FILE_KEY        "sweep"
#define SWEEP_FILE_CLOSED_KEY "sweep_closed"

/* What stands before the stage in the kind of a row of the closed loop beside a sweep: "closed level". */
#define SWEEP_FILE_CLOSED_PREFIX "closed "

/* Appends the spec, schema "loadline.sweep-spec/1"; slo as it was written, "" none. */
void sweep_file_put_spec(const struct sweep_spec *spec, const char *slo, struct buf *out);

/* Reads it back, the slo parsed again. ERR_INPUT with a sentence. */
int sweep_file_take_spec(const char *json, struct sweep_spec *out, struct err *e);

struct sweep_read { /* zero-initialise; large: keep it on the heap */
    struct sweep sweep;
    struct curve_point points[SWEEP_MAX_LEVELS]; /* of the levels */
    int64_t runs;                                /* rows of it in the file, unfinished ones included */
    struct run_record first;                     /* the row of the first level; its strings are the reader's */
    bool any;
};

/* Whether the file holds a sweep under that key. */
bool sweep_file_has(struct record_reader *r, const char *key);

/* The sweep of that key with all levels that were finished, in their order. ERR_INPUT. */
int sweep_file_read(struct record_reader *r, const char *key, struct sweep_read *out, struct err *e);

#endif
