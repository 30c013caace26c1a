#ifndef LOADLINE_TESTS_TWIN_BENCH_H
#define LOADLINE_TESTS_TWIN_BENCH_H

/* An engine on the bench: loads in virtual time, their records kept. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "twin/twin.h"

struct bench {
    const char *engine;           /* behind "sim:" */
    struct workload_spec prompts;
    struct twin_setup setup;      /* seed 1, ten minutes of patience */
    uint64_t warmup;
    bool from_idle;
    enum twin_command command;    /* what the observer wants … */
    uint64_t after_offered;       /* … once so many are offered, UINT64_MAX never */

    struct sim_config config;
    struct workload *workload;
    struct twin *twin;
    struct twin_progress last;    /* as the observer saw it */
    uint64_t ticks;
    struct request_record *list;  /* of the last load, by phase and index */
    size_t n, cap;
    struct buf image;             /* every byte of them */
    struct run_record run;
    bool hopeful;                 /* what twin_run returned */
};

/* An h100 with llama-3.1-8b; prompts of 100 tokens, outputs of 20, both within a half. Still to be changed. */
int bench_set_up(void **state);
int bench_tear_down(void **state);
#define BENCH_TEST(f) cmocka_unit_test_setup_teardown(f, bench_set_up, bench_tear_down)

void bench_load(struct bench *b, const struct load_spec *load);
void bench_renew(struct bench *b); /* the next load finds a new engine and workload */

struct load_spec bench_closed(int64_t users, uint64_t n);
struct load_spec bench_open(double rate, uint64_t n); /* Poisson */
struct load_spec bench_offline(uint64_t n);

size_t bench_count(const struct bench *b, int phase, int outcome); /* −1: any */
const struct request_record *bench_find(const struct bench *b, int phase, uint64_t index);
uint64_t bench_peak(const struct bench *b); /* most requests between start and end at once, of all phases but warm-up */

/* What is true of every load: each index once, times in order, tokens as asked, gaps that add up, counts that agree. */
void bench_check(const struct bench *b);

#endif
