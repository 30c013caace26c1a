#ifndef LOADLINE_RECORD_READER_H
#define LOADLINE_RECORD_READER_H

/* Reads run files, also ones that a killed program left behind (with their -wal) and read-only ones. A file that is
 * still being written is seen as it was at the open. A damaged file gives ERR_INPUT, never a crash: every number is
 * within its range, and gaps decode to as many events as the request has and to times that add up. */

#include "base/err.h"
#include "record/record.h"

struct record_reader;

/* ERR_INPUT with a sentence for a file that is not a run file, or of a newer schema. */
int record_reader_open(const char *path, struct record_reader **out, struct err *e);
/* The same for a run file held in memory; bytes must stay until close. */
int record_reader_open_bytes(struct slice bytes, struct record_reader **out, struct err *e);
void record_reader_close(struct record_reader *r);

/* Ids of the runs, in order; valid until close. */
const int64_t *record_reader_runs(struct record_reader *r, size_t *count);

/* Strings belong to the reader and live until close. */
int record_reader_run(struct record_reader *r, int64_t run_id, struct run_record *out, struct err *e);

/* Calls visit for every row of the run, requests by phase and index; slices are valid during the call.
 * visit returns 0 to go on; anything else stops and is returned. with_gaps: false leaves gaps empty (faster). */
int record_reader_requests(struct record_reader *r, int64_t run_id, bool with_gaps,
                           int (*visit)(void *context, const struct request_record *q), void *context,
                           struct err *e);
int record_reader_seconds(struct record_reader *r, int64_t run_id,
                          int (*visit)(void *context, const struct second_record *s), void *context,
                          struct err *e);
int record_reader_samples(struct record_reader *r, int64_t run_id,
                          int (*visit)(void *context, const struct sample_record *s), void *context,
                          struct err *e);
int record_reader_findings(struct record_reader *r, int64_t run_id,
                           int (*visit)(void *context, const struct finding_record *f), void *context,
                           struct err *e);

/* meta value, "" when absent; belongs to the reader. */
const char *record_reader_meta(struct record_reader *r, const char *key);

#endif
