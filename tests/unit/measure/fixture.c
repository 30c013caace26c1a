#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "record/gaps.h"
#include "record/writer.h"

void fixture_open(struct fixture *f)
{
    *f = (struct fixture){0};
    snprintf(f->dir, sizeof f->dir, "/tmp/loadline-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/run.loadline", f->dir);
    f->run = (struct run_record){
        .kind = "run",
        .ordinal = 1,
        .started_real_ns = 1700000000 * INT64_C(1000000000),
        .target = "http://127.0.0.1:8000",
        .backend = "openai",
        .engine = "vllm",
        .engine_version = "0.9.1",
        .model = "llama-3.1-8b",
        .command = "loadline run",
        .seed = 42,
        .mode = "open",
        .request_rate = 10,
        .burstiness = INFINITY,
        .ramp = "",
        .on_cap = "queue",
        .timeout_ns = 600000 * MS,
        .warmup_requests = 1,
        .threads = 1,
        .workload = "random",
        .workload_json = "{\"dataset\":\"random\"}",
        .synthetic = true,
        .streaming = true,
        .goodput = "",
        .slo = "",
        .options_json = "{}",
        .host_json = "{\"cpu\":\"test\",\"cores\":2}",
        .context_json = "{\"gpu\":\"A100\",\"precision\":\"bf16\"}",
        .finished = true,
        .steal_fraction = 0.01,
        .cpu_user_ns = 30 * MS,
        .cpu_system_ns = 10 * MS,
        .spin_ns = 20 * MS,
        .token_events = 10000,
    };
    f->second =
        (struct second_record){.busy_ns = 100 * MS, .spin_ns = 50 * MS, .wait_ns = 850 * MS};
}

void fixture_close(struct fixture *f)
{
    char side[128];
    if (f->reader)
        record_reader_close(f->reader);
    unlink(f->path);
    snprintf(side, sizeof side, "%s-wal", f->path);
    unlink(side);
    snprintf(side, sizeof side, "%s-shm", f->path);
    unlink(side);
    assert_int_equal(rmdir(f->dir), 0);
    arena_release(&f->arena);
    free(f->list);
}

void fixture_gaps(struct fixture *f, struct request_record *q, size_t n, const double *gap_ms,
                  const uint64_t *tokens, const double *width_ms)
{
    struct buf b = {0};
    int64_t at = q->first_token_ns;
    q->censored = 0;
    for (size_t i = 0; i < n; i++) {
        struct gap g = {llround(gap_ms[i] * 1e6), width_ms ? llround(width_ms[i] * 1e6) : 0,
                        tokens ? tokens[i] : 1};
        assert_int_equal(gaps_put(&b, &g), OK);
        at += g.gap_ns;
        q->censored += g.width_ns > 0;
    }
    q->gaps = arena_copy(&f->arena, buf_slice(&b));
    q->events = (uint32_t)n;
    q->last_token_ns = at;
    q->end_ns = at + MS;
    buf_release(&b);
}

struct request_record *fixture_add(struct fixture *f, uint64_t index, double intended_ms,
                                   double ttft_ms, double gap_ms, unsigned events)
{
    if (f->n == f->capacity) {
        f->capacity = f->capacity ? 2 * f->capacity : 64;
        f->list = mem_resize(f->list, f->capacity * sizeof *f->list);
    }
    struct request_record *q = &f->list[f->n++];
    int64_t a = llround(intended_ms * 1e6), first = a + llround(ttft_ms * 1e6);
    *q = (struct request_record){
        .index = index,
        .phase = 1,
        .session = index,
        .rung = -1,
        .intended_ns = a,
        .started_ns = a + 1000,
        .sent_ns = a + MS,
        .first_byte_ns = first,
        .first_token_ns = first,
        .first_answer_ns = first,
        .dns_ns = RECORD_NONE,
        .connect_ns = RECORD_NONE,
        .tls_ns = RECORD_NONE,
        .outcome = OUTCOME_OK,
        .http_status = 200,
        .finish_reason = slice_of("length"),
        .prompt_tokens = 100,
        .output_tokens = events,
        .cached_tokens = 0,
        .reasoning_tokens = -1,
        .output_source = TOKENS_CONTINUOUS,
        .asked_input = 100,
        .asked_output = events,
        .reused = true,
    };
    double gaps[64];
    assert_true(events <= 64);
    for (unsigned i = 0; i < events; i++)
        gaps[i] = i == 0 ? 0 : gap_ms;
    fixture_gaps(f, q, events, gaps, NULL, NULL);
    return q;
}

void fixture_fail(struct request_record *q, enum outcome outcome, const char *why)
{
    q->outcome = outcome;
    q->error = slice_of(why);
    if (outcome == OUTCOME_DROPPED) {
        q->started_ns = q->sent_ns = q->first_token_ns = q->last_token_ns = RECORD_NONE;
        q->end_ns = q->intended_ns;
        q->gaps = (struct slice){0};
        q->events = 0;
    }
}

void fixture_fill_good(struct fixture *f)
{
    for (unsigned i = 0; i < 1000; i++)
        fixture_add(f, i, 100.0 * i, 50, 20, 10);
    f->run.num_prompts = 1000;
    f->run.offered_end_ns = 99900 * MS;
    f->run.drained_ns = 100131 * MS;
    fixture_add(f, 0, -5000, 50, 20, 10)->phase = 0;
}

void fixture_write(struct fixture *f)
{
    struct record_writer *w;
    struct err e = {0};
    struct run_record run = f->run;
    assert_int_equal(record_writer_open(f->path, false, &w, &e), OK);
    assert_int_equal(record_writer_begin(w, &run, &e), OK);
    f->run.id = run.id;
    for (size_t i = 0; i < f->n; i++)
        record_writer_put(w, &f->list[i]);
    for (size_t i = 0; i < f->sample_count; i++)
        record_writer_sample(w, &f->samples[i]);
    for (size_t i = 0; i < f->finding_count; i++)
        record_writer_finding(w, &f->findings[i]);
    if (f->second.busy_ns + f->second.spin_ns + f->second.wait_ns > 0)
        record_writer_second(w, &f->second);
    if (!f->killed)
        assert_int_equal(record_writer_finish(w, &run, &e), OK);
    assert_int_equal(record_writer_close(w, &e), OK);
    assert_int_equal(record_reader_open(f->path, &f->reader, &e), OK);
}

void fixture_summarise(struct fixture *f, const struct summary_options *o, struct summary *s)
{
    struct err e = {0};
    if (!f->reader)
        fixture_write(f);
    int rc = summary_of_run(f->reader, f->run.id, o, s, &e);
    if (rc != OK)
        fail_msg("%s", e.text);
}

const struct check *fixture_check(const struct summary *s, const char *id)
{
    for (size_t i = 0; i < s->check_count; i++)
        if (strcmp(s->checks[i].id, id) == 0)
            return &s->checks[i];
    fail_msg("there is no check %s", id);
    return NULL;
}
