#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/varint.h"
#include "measure/calibration.h"

#define ORIGIN_NS (1000 * MS)

/* The truth of the tests: token k of request i was sent at sent[i][k]. */
static int64_t sent[4][4];

static int64_t sent_ns(void *context, uint64_t index, uint32_t token)
{
    (void)context;
    return index < 4 && token < 4 ? sent[index][token] : 0;
}

static void add_reads(struct fixture *f, struct request_record *q, unsigned n, const uint64_t *lag)
{
    char *bytes = arena_alloc(&f->arena, n * VARINT_MAX_BYTES);
    size_t at = 0;
    for (unsigned i = 0; i < n; i++)
        at += varint_write(bytes + at, lag[i]);
    q->reads = slice_make(bytes, at);
}

static int calibrate(struct fixture *f, struct calibration *c, struct err *e)
{
    struct calibration_truth truth = {sent_ns, NULL};
    return calibration_of_run(f->reader, 1, ORIGIN_NS, &truth, c, e);
}

static void errors_are_stamps_less_the_time_of_the_send(void **state)
{
    (void)state;
    struct fixture f;
    struct calibration c;
    fixture_open(&f);
    /* Arrivals at 110, 120, 130 ms; sent 10, 30, 20 us before. */
    struct request_record *q = fixture_add(&f, 0, 100, 10, 10, 3);
    add_reads(&f, q, 3, (const uint64_t[]){5000, 6000, 7000});
    sent[0][0] = ORIGIN_NS + 110 * MS - 10000;
    sent[0][1] = ORIGIN_NS + 120 * MS - 30000;
    sent[0][2] = ORIGIN_NS + 130 * MS - 20000;
    fixture_write(&f);
    assert_int_equal(calibrate(&f, &c, NULL), OK);
    assert_int_equal(c.requests, 1);
    assert_int_equal(c.events, 3);
    assert_int_equal(c.unmatched, 0);
    const struct calibration_error *kernel = &c.error[CALIBRATION_ARRIVAL][0][CALIBRATION_KERNEL];
    const struct calibration_error *user = &c.error[CALIBRATION_ARRIVAL][0][CALIBRATION_USER];
    assert_int_equal(kernel->n, 3);
    assert_int_equal(kernel->min, 10000);
    assert_int_equal(kernel->p50, 20000);
    assert_int_equal(kernel->p99, 30000);
    assert_int_equal(kernel->max, 30000);
    assert_int_equal(user->min, 15000);
    assert_int_equal(user->p50, 27000);
    assert_int_equal(user->max, 36000);
    assert_int_equal(c.error[CALIBRATION_TTFT][0][CALIBRATION_KERNEL].n, 1);
    assert_int_equal(c.error[CALIBRATION_TTFT][0][CALIBRATION_KERNEL].max, 10000);
    assert_int_equal(c.error[CALIBRATION_TTFT][0][CALIBRATION_USER].max, 15000);
    /* Gaps: 20 us too long, 10 us too short. */
    assert_int_equal(c.error[CALIBRATION_ITL][0][CALIBRATION_KERNEL].n, 2);
    assert_int_equal(c.error[CALIBRATION_ITL][0][CALIBRATION_KERNEL].min, 10000);
    assert_int_equal(c.error[CALIBRATION_ITL][0][CALIBRATION_KERNEL].max, 20000);
    assert_int_equal(c.error[CALIBRATION_ITL][0][CALIBRATION_USER].max, 21000);
    fixture_close(&f);
}

static void censored_events_are_kept_apart_with_both_their_gaps(void **state)
{
    (void)state;
    struct fixture f;
    struct calibration c;
    fixture_open(&f);
    struct request_record *q = fixture_add(&f, 0, 100, 10, 10, 4);
    fixture_gaps(&f, q, 4, (const double[]){0, 10, 10, 10}, (const uint64_t[]){1, 1, 1, 1},
                 (const double[]){0, 2, 0, 0});
    q->censored = 1;
    add_reads(&f, q, 4, (const uint64_t[]){0, 0, 0, 0});
    for (int k = 0; k < 4; k++)
        sent[0][k] = ORIGIN_NS + (110 + 10 * k) * MS;
    fixture_write(&f);
    assert_int_equal(calibrate(&f, &c, NULL), OK);
    assert_int_equal(c.censored, 1);
    assert_int_equal(c.error[CALIBRATION_ARRIVAL][0][CALIBRATION_KERNEL].n, 3);
    assert_int_equal(c.error[CALIBRATION_ARRIVAL][1][CALIBRATION_KERNEL].n, 1);
    assert_int_equal(c.error[CALIBRATION_ITL][0][CALIBRATION_USER].n, 1);
    assert_int_equal(c.error[CALIBRATION_ITL][1][CALIBRATION_USER].n, 2);
    assert_int_equal(c.error[CALIBRATION_TTFT][1][CALIBRATION_KERNEL].n, 0);
    fixture_close(&f);
}

static void what_the_truth_does_not_know_is_counted_and_left_out(void **state)
{
    (void)state;
    struct fixture f;
    struct calibration c;
    fixture_open(&f);
    struct request_record *q = fixture_add(&f, 0, 100, 10, 10, 3);
    add_reads(&f, q, 3, (const uint64_t[]){0, 0, 0});
    q = fixture_add(&f, 1, 100, 10, 10, 3);
    add_reads(&f, q, 3, (const uint64_t[]){0, 0, 0});
    fixture_fail(q, OUTCOME_RESET, "lost");
    memset(sent, 0, sizeof sent);
    sent[0][0] = ORIGIN_NS + 110 * MS;
    sent[0][2] = ORIGIN_NS + 130 * MS;
    fixture_write(&f);
    assert_int_equal(calibrate(&f, &c, NULL), OK);
    assert_int_equal(c.requests, 1);
    assert_int_equal(c.unmatched, 1);
    assert_int_equal(c.error[CALIBRATION_ARRIVAL][0][CALIBRATION_KERNEL].n, 2);
    assert_int_equal(c.error[CALIBRATION_ITL][0][CALIBRATION_KERNEL].n, 0);
    fixture_close(&f);
}

static void a_run_without_reads_is_no_calibration(void **state)
{
    (void)state;
    struct fixture f;
    struct calibration c;
    struct err e;
    fixture_open(&f);
    fixture_add(&f, 0, 100, 10, 10, 3);
    fixture_write(&f);
    assert_int_equal(calibrate(&f, &c, &e), ERR_INPUT);
    assert_non_null(strstr(e.text, "no calibration"));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_stamps_less_the_time_of_the_send),
        cmocka_unit_test(censored_events_are_kept_apart_with_both_their_gaps),
        cmocka_unit_test(what_the_truth_does_not_know_is_counted_and_left_out),
        cmocka_unit_test(a_run_without_reads_is_no_calibration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
