#ifndef LOADLINE_TESTS_DRIVE_SUPPORT_H
#define LOADLINE_TESTS_DRIVE_SUPPORT_H

/* A server that answers by request index, and whole runs against it with their run file read back. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../net/support.h"
#include "api/openai.h"
#include "base/clock.h"
#include "drive/drive.h"
#include "record/reader.h"

enum { SEEN_MAX = 512, ANSWER_TOKENS = 3 };

struct seen { /* a measured request as the server got it */
    unsigned times;
    struct buf body;
};

/* What the server does with a request; its index counts from 0 within warm-up or run. */
struct desk {
    void (*answer)(struct desk *d, struct peer *p, bool warmup, uint64_t index);
    pthread_mutex_t lock;
    struct seen seen[SEEN_MAX];
    atomic_uint warmups, runs; /* requests received */
    atomic_uint busy, most_busy;
    atomic_bool release;       /* for answers that wait for it */
    atomic_uint hold_from;     /* for answers that hold the requests from this index on … */
    atomic_bool let_go;        /* … until this is true, or the client has gone */
};

void desk_tokens(struct peer *p); /* ANSWER_TOKENS events, usage, terminator */
void desk_status(struct peer *p, int status, const char *json);
void desk_await(struct peer *p, const atomic_bool *flag); /* or the server's end */

/* Answers to choose from. */
void desk_at_once(struct desk *d, struct peer *p, bool warmup, uint64_t index);
void desk_after_a_moment(struct desk *d, struct peer *p, bool warmup, uint64_t index);
void desk_when_released(struct desk *d, struct peer *p, bool warmup, uint64_t index);
void desk_never(struct desk *d, struct peer *p, bool warmup, uint64_t index);
void desk_error(struct desk *d, struct peer *p, bool warmup, uint64_t index);

struct kept { /* what the tests look at of a record */
    uint64_t index;
    int phase;
    enum outcome outcome;
    int64_t intended_ns, started_ns, sent_ns, first_token_ns, end_ns, asked_input, asked_output;
    int64_t output_tokens, prompt_tokens;
    uint32_t events, thread;
    uint64_t output_hash;
    bool reused;
    char error[128], output[64];
};

struct trial { /* one server, one drive, one run file */
    struct desk desk;
    struct server server;
    struct scratch scratch;
    char path[128], url[160];
    struct endpoint endpoint;
    struct probe_target target;
    struct api_options api;
    struct drive_setup setup;
    struct workload *workload;
    struct drive *drive;
    bool from_idle;
    struct record_writer *writer;
    struct run_record run;
    struct err err;
    struct kept *kept;
    size_t n, cap;
    char findings[1024];
};

int trial_set_up(void **state); /* the server runs; setup and desk may still be changed */
int trial_tear_down(void **state);
#define DRIVE_TEST(f) cmocka_unit_test_setup_teardown(f, trial_set_up, trial_tear_down)

void trial_open(struct trial *r, int64_t max_concurrency);
/* Runs a load point and reads it back into `run` and `kept`. observer may be NULL. */
void trial_run(struct trial *r, const struct load_spec *load, uint64_t warmup,
              const struct drive_observer *observer);
/* The steps of trial_run, for what must happen in between. */
void trial_begin(struct trial *r);
int trial_drive(struct trial *r, const struct load_spec *load, uint64_t warmup,
               const struct drive_observer *observer);
void trial_read_back(struct trial *r);

size_t trial_count(const struct trial *r, int phase, int outcome); /* −1: any */
void assert_every_index_once(const struct trial *r, int phase, uint64_t n);

#endif
