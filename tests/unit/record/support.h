#ifndef LOADLINE_TESTS_RECORD_SUPPORT_H
#define LOADLINE_TESTS_RECORD_SUPPORT_H

/* A directory of its own for each test, and records with every field set. */

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "record/gaps.h"
#include "record/reader.h"
#include "record/writer.h"

struct place {
    char dir[128];
    char file[160];
};

static inline int place_set_up(void **state)
{
    struct place *p = test_calloc(1, sizeof *p);
    const char *tmp = getenv("TMPDIR");
    snprintf(p->dir, sizeof p->dir, "%s/loadline-record-XXXXXX",
             tmp && strlen(tmp) < 64 ? tmp : "/tmp");
    if (!mkdtemp(p->dir))
        return -1;
    snprintf(p->file, sizeof p->file, "%s/a run?#%%.loadline", p->dir);
    *state = p;
    return 0;
}

static inline int place_tear_down(void **state)
{
    struct place *p = *state;
    chmod(p->dir, 0700);
    DIR *d = opendir(p->dir);
    for (struct dirent *f; d && (f = readdir(d));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", p->dir, f->d_name);
        if (unlink(path) != 0)
            rmdir(path); /* "." and ".." stay */
    }
    if (d)
        closedir(d);
    int rc = rmdir(p->dir);
    test_free(p);
    return rc;
}

#define PLACE_TEST(f) cmocka_unit_test_setup_teardown(f, place_set_up, place_tear_down)

static inline struct run_record sample_run(void)
{
    return (struct run_record){
        .kind = "run",
        .ordinal = 1,
        .started_real_ns = INT64_C(1700000000123456789),
        .target = "sim:llama-3.1-8b@A100",
        .backend = "openai",
        .engine = "",
        .engine_version = "",
        .model = "m",
        .command = "loadline run",
        .seed = 42,
        .mode = "open",
        .request_rate = 10,
        .burstiness = 1,
        .ramp = "",
        .on_cap = "queue",
        .num_prompts = 1000,
        .timeout_ns = INT64_C(600000000000),
        .workload = "chat",
        .workload_json = "{}",
        .goodput = "",
        .slo = "",
        .options_json = "{}",
        .host_json = "{}",
        .context_json = "{}",
    };
}

static inline struct request_record sample_request(uint64_t index)
{
    int64_t t = (int64_t)index * 1000000;
    return (struct request_record){
        .index = index,
        .phase = 1,
        .rung = -1,
        .intended_ns = t,
        .started_ns = t + 10,
        .sent_ns = t + 20,
        .first_byte_ns = t + 400,
        .first_token_ns = t + 500,
        .first_answer_ns = t + 500,
        .last_token_ns = t + 900,
        .end_ns = t + 1000,
        .dns_ns = RECORD_NONE,
        .connect_ns = RECORD_NONE,
        .tls_ns = RECORD_NONE,
        .outcome = OUTCOME_OK,
        .http_status = 200,
        .finish_reason = slice_of("length"),
        .prompt_tokens = 100,
        .output_tokens = 5,
        .cached_tokens = -1,
        .reasoning_tokens = -1,
        .output_source = TOKENS_USAGE,
    };
}

/* Opens, or fails the test with the reason. */
static inline struct record_writer *open_writer(const char *path, bool append)
{
    struct record_writer *w = NULL;
    struct err e = {0};
    if (record_writer_open(path, append, &w, &e) != OK)
        fail_msg("writer: %s", e.text);
    return w;
}

static inline struct record_reader *open_reader(const char *path)
{
    struct record_reader *r = NULL;
    struct err e = {0};
    if (record_reader_open(path, &r, &e) != OK)
        fail_msg("reader: %s", e.text);
    return r;
}

static inline void assert_ok(int code, const struct err *e)
{
    if (code != OK)
        fail_msg("%d: %s", code, e->text);
}

struct tally {
    uint64_t count, index_sum, last_index;
};

static inline int tally_request(void *context, const struct request_record *q)
{
    struct tally *t = context;
    t->count++;
    t->index_sum += q->index;
    t->last_index = q->index;
    return 0;
}

static inline struct tally tally_of(struct record_reader *r, int64_t run_id)
{
    struct tally t = {0};
    struct err e = {0};
    assert_ok(record_reader_requests(r, run_id, true, tally_request, &t, &e), &e);
    return t;
}

#endif
