#ifndef LOADLINE_TESTS_FIXTURE_H
#define LOADLINE_TESTS_FIXTURE_H

/* Run files made to order in a directory of their own, gone after fixture_close. Times in ms for brevity. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "measure/summary.h"
#include "record/reader.h"

#define MS INT64_C(1000000)

struct fixture {
    char dir[64];
    char path[96];
    struct arena arena;
    struct run_record run;
    struct request_record *list;
    size_t n, capacity;
    struct sample_record samples[16];
    size_t sample_count;
    struct second_record second; /* written once when sum of times > 0 */
    struct finding_record findings[4];
    size_t finding_count;
    bool killed; /* leave the run unfinished */
    struct record_reader *reader;
};

/* An open-loop run with everything in order and nothing in it yet. */
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);

/* A completed request: intended, ttft and gap in ms, `events` events of one token each, ends 1 ms after the last. */
struct request_record *fixture_add(struct fixture *f, uint64_t index, double intended_ms,
                                   double ttft_ms, double gap_ms, unsigned events);

/* Replaces the gaps of q: events with the given gaps (ms), tokens and censored widths (ms; NULL: none). */
void fixture_gaps(struct fixture *f, struct request_record *q, size_t n, const double *gap_ms,
                  const uint64_t *tokens, const double *width_ms);

void fixture_fail(struct request_record *q, enum outcome outcome, const char *why);

/* 1,000 requests at 10/s, ttft 50 ms, 10 tokens at 20 ms: a run that passes every check. */
void fixture_fill_good(struct fixture *f);

void fixture_write(struct fixture *f);  /* and opens the reader */
void fixture_summarise(struct fixture *f, const struct summary_options *o, struct summary *s);

const struct check *fixture_check(const struct summary *s, const char *id); /* fails when there is none */

#endif
