#ifndef LOADLINE_CLI_SESSION_H
#define LOADLINE_CLI_SESSION_H

/* A target under load: from the command line to records, in the order things must happen. Used by every command
 * that loads a server. */

#include "cli/progress.h"
#include "cli/run_plan.h"
#include "cli/simspec.h"
#include "cli/target.h"
#include "drive/drive.h"
#include "twin/twin.h"

struct session {
    const struct run_options *options;
    struct session *first;          /* whose run file and signals this one uses; NULL: it has its own */
    const char *name;               /* in what the user is told, where there are several; "" */
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
    uint64_t workload_seed;
    struct drive *drive;            /* a live load … */
    struct twin *twin;              /* … or one in virtual time */
    struct simspec spec;            /* of a sim: target */
    bool no_cache_reset;            /* the server was asked, and has no way */
    struct record_writer *writer;
    char run_file[512];
    bool created;                   /* the run file is ours to remove if nothing came of it */
    size_t unwritten_bytes;         /* of records in virtual time, since the disk was waited for */
    int64_t runs;                   /* rows begun */
    int64_t started_mono_ns;        /* of the last run */
    struct progress progress;
    struct option_list notes;       /* what the user was told, for the run file */
    char host_json[1024];
};

/* For n targets under the same options and seed, whose runs go into one file: signals are blocked and the descriptor limit
 * raised, options are checked, the engines of sim: targets started, the run file created. All of it before the first thread.
 * On failure everything is undone. Each is then asked, and closed, the first of them last. */
int session_start(struct session *s, size_t n, const struct run_options *o,
                  const char *const *targets, const char *const *names, const char *command,
                  struct err *e);

/* The server asked, the workload made. */
int session_ask(struct session *s, struct err *e);

/* Before it is asked: nonces of its own, and on every prompt (workload.h). */
int session_salt_nonces(struct session *s, uint64_t salt, struct err *e);

/* Prompts made by this tokenization, whatever the server was found to do. */
void session_use_tokenization(struct session *s, const struct tokenization *t);

/* Both for one target. On failure everything is undone. */
int session_open(struct session *s, const struct run_options *o, const char *target,
                 const char *command, struct err *e);

struct session_point { /* one load point */
    const char *kind;               /* of its row: "run", … */
    int64_t parent, ordinal;
    uint64_t seed;
    struct load_spec load;          /* arrivals.seed is set from seed */
    uint64_t warmup_requests;
    int64_t warmup_users;           /* at once; 0: those of the load, at most 16 */
    const char *slo;                /* "" none */
    bool from_idle;                 /* nothing of the load before is left at the server */
    const char *label;              /* in front of the progress line; NULL none */
    double series_left_s;           /* shown with the label: until the last of the load points ends; below 0 unknown */
};

/* Loads the target and writes the run to the file; *run is its row, with strings of the session's. ERR_INTERRUPTED when it was
 * cut short. */
int session_load(struct session *s, const struct session_point *p, struct run_record *run,
                 struct err *e);

/* Several loads at rates, one straight after the other: points differ in their rate, duration and ordinal. Fills
 * rows[0..n). */
int session_climb(struct session *s, const struct session_point *points, size_t n,
                  struct run_record *rows, struct err *e);

/* Forgets the server's cached prefixes, where it has a way; between loads that are to be alike. */
void session_reset_cache(struct session *s);

/* Every run of a series has prompts of its own: the seed of run `ordinal`, from 1, follows from the first. */
uint64_t session_seed(const struct session *s, int64_t ordinal);

/* The load point that the options describe. */
int session_run(struct session *s, int64_t ordinal, struct err *e);

/* Closes the run file and stops the engine. OK or the first error of the file. */
int session_close(struct session *s, struct err *e);

#endif
