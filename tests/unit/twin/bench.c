#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "record/gaps.h"

int bench_set_up(void **state)
{
    struct bench *b = test_calloc(1, sizeof *b);
    b->engine = "llama-3.1-8b@h100";
    b->prompts = (struct workload_spec){.dataset = DATASET_RANDOM,
                                        .input_len = 100,
                                        .output_len = 20,
                                        .range_ratio = 0.5,
                                        .seed = 1};
    b->setup = (struct twin_setup){.seed = 1, .timeout_ns = 600 * NS_PER_S};
    b->after_offered = UINT64_MAX;
    *state = b;
    return 0;
}

static void forget_records(struct bench *b)
{
    for (size_t i = 0; i < b->n; i++) {
        free((char *)b->list[i].gaps.p);
        free((char *)b->list[i].error.p);
    }
    b->n = 0;
    buf_clear(&b->image);
}

void bench_renew(struct bench *b)
{
    twin_free(b->twin);
    workload_close(b->workload);
    b->twin = NULL;
    b->workload = NULL;
}

int bench_tear_down(void **state)
{
    struct bench *b = *state;
    bench_renew(b);
    forget_records(b);
    buf_release(&b->image);
    free(b->list);
    test_free(b);
    return 0;
}

static void build(struct bench *b)
{
    struct err e = {0};
    if (spec_parse(slice_of(b->engine), &b->config, &e) != OK ||
        workload_open(&b->prompts, NULL, &b->workload, &e) != OK)
        fail_msg("%s", e.text);
    b->setup.engine = &b->config;
    b->twin = twin_new(&b->setup);
    struct tokenization t = twin_tokenization(b->twin);
    workload_set_tokenization(b->workload, &t);
}

static struct slice keep_bytes(struct slice s)
{
    return slice_make(mem_strndup(s.n > 0 ? s.p : "", s.n), s.n);
}

static void keep_record(void *context, const struct request_record *r)
{
    struct bench *b = context;
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 1024;
        b->list = mem_resize(b->list, b->cap * sizeof *b->list);
    }
    struct request_record *k = &b->list[b->n++];
    *k = *r;
    k->error = keep_bytes(r->error);
    k->gaps = keep_bytes(r->gaps);
    buf_printf(&b->image, "%llu %d %d %lld %lld %lld %lld %lld %lld %d %d %lld %lld %lld %u ",
               (unsigned long long)r->index, r->phase, r->rung, (long long)r->intended_ns,
               (long long)r->started_ns, (long long)r->first_byte_ns, (long long)r->first_token_ns,
               (long long)r->last_token_ns, (long long)r->end_ns, (int)r->outcome, r->http_status,
               (long long)r->prompt_tokens, (long long)r->output_tokens,
               (long long)r->cached_tokens, r->events);
    buf_put(&b->image, r->error);
    buf_put(&b->image, r->gaps);
}

static enum twin_command watch(void *context, const struct twin_progress *p)
{
    struct bench *b = context;
    b->ticks++;
    b->last = *p;
    return p->phase != PHASE_WARMUP && p->offered >= b->after_offered ? b->command : TWIN_GO_ON;
}

static int by_phase_and_index(const void *x, const void *y)
{
    const struct request_record *a = x, *b = y;
    if (a->phase != b->phase)
        return a->phase - b->phase;
    return (a->index > b->index) - (a->index < b->index);
}

void bench_load(struct bench *b, const struct load_spec *load)
{
    struct twin_observer observer = {keep_record, watch, b};
    if (!b->twin)
        build(b);
    struct twin_load l = {.load = *load,
                          .workload = b->workload,
                          .warmup_requests = b->warmup,
                          .from_idle = b->from_idle};
    forget_records(b);
    b->run = (struct run_record){0};
    b->hopeful = twin_run(b->twin, &l, &observer, &b->run);
    if (b->n > 0)
        qsort(b->list, b->n, sizeof *b->list, by_phase_and_index);
}

struct load_spec bench_closed(int64_t users, uint64_t n)
{
    return (struct load_spec){.mode = LOAD_CLOSED, .max_concurrency = users, .num_prompts = n};
}

struct load_spec bench_open(double rate, uint64_t n)
{
    return (struct load_spec){.mode = LOAD_OPEN,
                              .arrivals = {.rate = rate, .burstiness = 1, .seed = 1},
                              .num_prompts = n};
}

struct load_spec bench_offline(uint64_t n)
{
    return (struct load_spec){
        .mode = LOAD_OFFLINE, .arrivals = {.rate = INFINITY, .burstiness = 1}, .num_prompts = n};
}

size_t bench_count(const struct bench *b, int phase, int outcome)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += (phase < 0 || b->list[i].phase == phase) &&
             (outcome < 0 || (int)b->list[i].outcome == outcome);
    return n;
}

const struct request_record *bench_find(const struct bench *b, int phase, uint64_t index)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->list[i].phase == phase && b->list[i].index == index)
            return &b->list[i];
    fail_msg("no request %llu", (unsigned long long)index);
    return NULL;
}

struct turn {
    int64_t at_ns;
    int by;
};

static int by_time(const void *x, const void *y)
{
    const struct turn *a = x, *b = y;
    if (a->at_ns != b->at_ns)
        return (a->at_ns > b->at_ns) - (a->at_ns < b->at_ns);
    return a->by - b->by; /* an end frees its slot first */
}

uint64_t bench_peak(const struct bench *b)
{
    struct turn *turns = MEM_ARRAY(struct turn, 2 * b->n + 1);
    size_t n = 0;
    int64_t now = 0, most = 0;
    for (size_t i = 0; i < b->n; i++) {
        const struct request_record *r = &b->list[i];
        if (r->phase == PHASE_WARMUP || r->started_ns == RECORD_NONE)
            continue;
        turns[n++] = (struct turn){r->started_ns, 1};
        turns[n++] = (struct turn){r->end_ns, -1};
    }
    qsort(turns, n, sizeof *turns, by_time);
    for (size_t i = 0; i < n; i++) {
        now += turns[i].by;
        most = now > most ? now : most;
    }
    free(turns);
    return (uint64_t)most;
}

/* ---- what is true of every load ---- */

static void check_gaps(const struct request_record *r)
{
    struct slice in = r->gaps;
    struct gap g = {0};
    int64_t sum_ns = 0, tokens = 0;
    uint32_t events = 0;
    while (in.n > 0) {
        assert_int_equal(gaps_take(&in, &g), OK);
        assert_int_equal(g.width_ns, 0);
        assert_true(events > 0 ? g.gap_ns > 0 : g.gap_ns == 0);
        sum_ns += g.gap_ns;
        tokens += (int64_t)g.tokens;
        events++;
    }
    assert_int_equal(events, r->events);
    assert_int_equal(tokens, r->output_tokens);
    assert_int_equal(sum_ns, r->last_token_ns - r->first_token_ns);
}

static void check_ok(const struct bench *b, const struct request_record *r)
{
    assert_int_equal(r->error.n, 0);
    assert_int_equal(r->http_status, 200);
    assert_true(r->started_ns >= r->intended_ns);
    assert_int_equal(r->sent_ns, r->started_ns);
    assert_true(r->first_token_ns > r->sent_ns);
    assert_true(r->last_token_ns >= r->first_token_ns);
    assert_int_equal(r->end_ns, r->last_token_ns);
    if (workload_synthetic(b->workload)) {
        assert_int_equal(r->prompt_tokens, r->asked_input);
        assert_int_equal(r->output_tokens, r->asked_output);
    }
    assert_true(r->cached_tokens >= 0 && r->cached_tokens < r->prompt_tokens);
    if (!b->setup.without_gaps)
        check_gaps(r);
}

/* Numbers of measured requests and of the tail behind them go up by one. */
static void check_indices(const struct bench *b)
{
    uint64_t next = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (i > 0 && b->list[i].phase == PHASE_MEASURE && b->list[i - 1].phase == PHASE_WARMUP)
            next = 0;
        assert_int_equal(b->list[i].index, next++);
    }
}

void bench_check(const struct bench *b)
{
    uint64_t asked = 0, events = 0;
    check_indices(b);
    for (size_t i = 0; i < b->n; i++) {
        const struct request_record *r = &b->list[i];
        assert_true(r->end_ns >= r->intended_ns);
        if (r->outcome == OUTCOME_OK)
            check_ok(b, r);
        else
            assert_true(r->error.n > 0);
        if (r->phase != PHASE_WARMUP)
            assert_true(r->end_ns <= b->run.drained_ns);
        asked += r->phase != PHASE_WARMUP && r->started_ns != RECORD_NONE;
        events += r->phase != PHASE_WARMUP ? r->events : 0;
    }
    assert_int_equal(b->run.exchanges, asked);
    if (!b->setup.without_gaps)
        assert_int_equal(b->run.token_events, events);
    assert_true(b->run.finished);
    assert_true(b->run.peak_in_flight >= bench_peak(b));
}
