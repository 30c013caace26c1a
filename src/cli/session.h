#ifndef LOADLINE_CLI_SESSION_H
#define LOADLINE_CLI_SESSION_H

/* A target under load: from the command line to records, in the order things must happen. Used by every command
 * that loads a server. */

#include "cli/progress.h"
#include "cli/run_options.h"
#include "cli/target.h"
#include "drive/drive.h"

struct session {
    const struct run_options *options;
    struct run_plan plan;
    const char *command;            /* as it may be stored */
    int signal_fd;                  /* SIGINT and SIGTERM */
    unsigned interrupts;
    struct target target;
    char *header_lines[OPTION_LIST_MAX + 1];
    size_t header_count;
    struct probe_target ask;
    struct probe_counter counter;
    struct probe_result probed;
    struct workload *workload;
    struct drive *drive;
    struct record_writer *writer;
    char run_file[512];
    bool created;                   /* the run file is ours to remove if nothing came of it */
    int64_t runs;                   /* rows begun */
    int64_t started_mono_ns;        /* of the last run */
    struct progress progress;
    struct option_list notes;       /* what the user was told, for the run file */
    char host_json[1024];
};

/* Signals are blocked and the descriptor limit raised; options are checked, the run file created, the engine of a
 * sim: target started, the server asked, the workload made. On failure everything is undone. */
int session_open(struct session *s, const struct run_options *o, const char *target,
                 const char *command, struct err *e);

/* One load point into the run file; `ordinal` from 1. ERR_INTERRUPTED when it was cut short. */
int session_run(struct session *s, int64_t ordinal, struct err *e);

/* Closes the run file and stops the engine. OK or the first error of the file. */
int session_close(struct session *s, struct err *e);

#endif
