#ifndef LOADLINE_RECORD_WRITER_H
#define LOADLINE_RECORD_WRITER_H

/* Writes the run file while the run goes on, on a thread of its own. Drivers hand over finished records
 * through queues that grow, never block and never drop; inserts go in batches, a commit at least twice a
 * second, so that killing the program loses at most the last second. WAL while open; at the end
 * the file is checkpointed into one plain file that opens read-only.
 * A disk that fills up or fails: what was written stays intact, what comes later is counted and dropped, and
 * record_writer_error tells, so that the run can stop. */

#include "base/err.h"
#include "record/record.h"

struct record_writer;

/* Creates path, or opens an existing run file to append runs to it when `append`. Otherwise an existing file
 * is refused; a file that is not a run file always is (application_id), and one that another writer has open.
 * Nothing is changed on failure. */
int record_writer_open(const char *path, bool append, struct record_writer **out, struct err *e);

/* Adds the row of a run and makes it the current one; run->id is set. Blocking. */
int record_writer_begin(struct record_writer *w, struct run_record *run, struct err *e);

/* Adds the rows of a load that goes through several levels without a stop, and makes them current together. run[i] is of
 * what is meant for [from_ns[i], from_ns[i + 1]) on the clock of the load, whose time 0 is from_ns[0] = 0; whole seconds,
 * ascending. What is put belongs to the row in whose time its request was intended (a second, a sample: in which it was),
 * and its times are counted from there. Warm-up requests and findings belong to the first. Blocking. */
enum { RECORD_MAX_STEPS = 64 };
int record_writer_begin_steps(struct record_writer *w, struct run_record *runs, const int64_t *from_ns,
                              size_t count, struct err *e);

/* Copies the record (slices included) and queues it: any thread, wait-free but for malloc. */
void record_writer_put(struct record_writer *w, const struct request_record *r);
void record_writer_second(struct record_writer *w, const struct second_record *s);
void record_writer_sample(struct record_writer *w, const struct sample_record *s);
void record_writer_finding(struct record_writer *w, const struct finding_record *f);

/* Writes what is queued now, on the caller's thread: for whoever makes records faster than a disk takes them. */
void record_writer_catch_up(struct record_writer *w);

/* A fact about the whole file (its table meta), replacing what the key held. Blocking. */
int record_writer_meta(struct record_writer *w, const char *key, const char *value, struct err *e);

/* Puts output_tokens and output_source of r (named by phase and index) in place of what the current run's row
 * holds; the text of the answer goes unless keep_output. Blocking, after everything queued. */
int record_writer_recount(struct record_writer *w, const struct request_record *r, bool keep_output,
                          struct err *e);

/* Waits until all that was queued is in the file, then stores the fields of `run` known at the end. */
int record_writer_finish(struct record_writer *w, const struct run_record *run, struct err *e);

/* True and a sentence when writing has failed; any thread, any time. */
bool record_writer_error(struct record_writer *w, struct err *e);

/* Stops the thread, checkpoints, leaves one file (close readers of the file before: while one is open its -wal must
 * stay). A new file in which no run was begun is removed. OK or the first error. Frees w. */
int record_writer_close(struct record_writer *w, struct err *e);

#endif
