#ifndef LOADLINE_DRIVE_RECOUNT_H
#define LOADLINE_DRIVE_RECOUNT_H

/* Counts the tokens of answers whose server reports no usage, by its own tokenizer, after the load has ended. */

#include "drive/probe.h"
#include "record/writer.h"

struct recount {
    const char *run_file;
    int64_t run_id;                  /* the writer's current run, with its answers' texts in the file */
    struct probe_counter *counter;
    bool keep_output;                /* leave the texts in the file */
    void (*progress)(void *context, uint64_t done, uint64_t total); /* may be NULL */
    void *context;
};

/* OK also when the server does not count some: those keep their number of events, and a finding says how many.
 * ERR_INTERRUPTED when the counter was cancelled; errors of the file. */
int recount_tokens(const struct recount *c, struct record_writer *w, struct err *e);

#endif
