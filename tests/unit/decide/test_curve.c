/* What stands on the curve of a level: figures of its window, and of requests that were cut off
 * what was known. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "decide/curve.h"
#include "record/record.h"

#define MS INT64_C(1000000)

/* Ten requests a second for ten seconds, TTFT 1 … 100 ms in turn, eleven tokens at 20 ms. */
static struct probed ten_seconds(void)
{
    struct probed p = {.run = {.mode = "open", .request_rate = 10, .duration_ns = 10 * NS_PER_S}};
    struct err e = {0};
    for (uint64_t i = 0; i < 100; i++) {
        int64_t at = (int64_t)i * 100 * MS, first = at + (int64_t)(i + 1) * MS;
        struct request_record q = {.index = i,
                                   .phase = 1,
                                   .rung = -1,
                                   .intended_ns = at,
                                   .started_ns = at,
                                   .sent_ns = at,
                                   .first_byte_ns = first,
                                   .first_token_ns = first,
                                   .first_answer_ns = first,
                                   .last_token_ns = first + 200 * MS,
                                   .end_ns = first + 200 * MS,
                                   .dns_ns = RECORD_NONE,
                                   .connect_ns = RECORD_NONE,
                                   .tls_ns = RECORD_NONE,
                                   .outcome = OUTCOME_OK,
                                   .http_status = 200,
                                   .prompt_tokens = 10,
                                   .output_tokens = 11,
                                   .output_source = TOKENS_USAGE,
                                   .events = 11};
        assert_int_equal(samples_take(&p.set, &q, &e), OK);
    }
    samples_sort(&p.set);
    return p;
}

static struct level level_of(enum level_stage stage, bool cut, int64_t from_ns, int64_t to_ns)
{
    return (struct level){.stage = stage,
                          .point = {.kind = LOAD_AT_RATE, .rate = 10, .cut = cut},
                          .window = {.start_ns = from_ns, .end_ns = to_ns}};
}

static void figures_are_of_the_window(void **state)
{
    (void)state;
    struct probed p = ten_seconds();
    struct level l = level_of(LEVEL_GIVEN, false, 0, 10 * NS_PER_S);
    struct curve_point c;
    curve_measure(&l, &p, &c);
    assert_int_equal(c.n, 100);
    assert_float_equal(c.ttft_p50_ms, 50, 1e-9);
    assert_float_equal(c.ttft_p99_ms, 99, 1e-9);
    assert_float_equal(c.tpot_p50_ms, 20, 1e-9);
    assert_float_equal(c.e2e_p50_ms, 250, 1e-9);
    assert_float_equal(c.requests_per_s, 9.8, 1e-9); /* the last two end behind it */
    assert_true(fabs(c.output_tokens_per_s - 11 * 9.8) < 1e-9);
    assert_true(c.in_flight > 2 && c.in_flight < 3);
    l.window.start_ns = 5 * NS_PER_S;
    curve_measure(&l, &p, &c);
    assert_int_equal(c.n, 50);
    assert_float_equal(c.ttft_p50_ms, 75, 1e-9);
    probed_release(&p);
}

static void steps_of_a_climb_have_no_number_in_flight(void **state)
{
    (void)state;
    struct probed p = ten_seconds();
    struct level l = level_of(LEVEL_CLIMB, true, 0, 10 * NS_PER_S);
    struct curve_point c;
    curve_measure(&l, &p, &c);
    assert_true(isnan(c.in_flight));
    probed_release(&p);
}

/* Of the last ten five got their first tokens and five nothing, then all were cut off. */
static void cut_off(struct probed *p)
{
    for (size_t i = 90; i < 100; i++) {
        struct sample *q = &p->set.list[i];
        q->phase = 2;
        q->outcome = OUTCOME_CANCELLED;
        q->end_ns = 20 * NS_PER_S;
        q->value_ns[LATENCY_E2E] = NAN;
        if (i >= 95) {
            q->first_token_ns = RECORD_NONE;
            q->value_ns[LATENCY_TTFT] = q->value_ns[LATENCY_TPOT] = NAN;
        }
    }
}

static void requests_that_were_cut_off_count_with_what_was_known(void **state)
{
    (void)state;
    struct probed p = ten_seconds();
    struct level l = level_of(LEVEL_CLIMB, true, 0, 10 * NS_PER_S);
    struct curve_point c;
    cut_off(&p);
    curve_measure(&l, &p, &c);
    assert_int_equal(c.n, 100);
    assert_true(c.ttft_p99_ms > 10000); /* they had waited for more than ten seconds */
    assert_float_equal(c.ttft_p50_ms, 50, 1e-9);
    l.point.cut = false; /* in a level that is not cut they are its tail, and of no count */
    curve_measure(&l, &p, &c);
    assert_int_equal(c.n, 90);
    probed_release(&p);
}

static void failed_requests_have_no_latency(void **state)
{
    (void)state;
    struct probed p = ten_seconds();
    struct level l = level_of(LEVEL_GIVEN, false, 0, 10 * NS_PER_S);
    struct curve_point c;
    for (size_t i = 50; i < 100; i++)
        p.set.list[i].outcome = OUTCOME_HTTP_ERROR;
    curve_measure(&l, &p, &c);
    assert_int_equal(c.n, 100);
    assert_float_equal(c.ttft_p99_ms, 50, 1e-9);
    assert_float_equal(c.requests_per_s, 5, 1e-9);
    probed_release(&p);
}

static void nothing_offered_has_no_values(void **state)
{
    (void)state;
    struct probed p = {.run = {.mode = "open"}};
    struct level l = level_of(LEVEL_CLIMB, true, 0, NS_PER_S);
    struct curve_point c;
    curve_measure(&l, &p, &c);
    assert_int_equal(c.n, 0);
    assert_true(c.requests_per_s == 0);
    assert_true(isnan(c.ttft_p50_ms) && isnan(c.ttft_p99_ms) && isnan(c.tpot_p99_ms) &&
                isnan(c.e2e_p50_ms));
    probed_release(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_of_the_window),
        cmocka_unit_test(steps_of_a_climb_have_no_number_in_flight),
        cmocka_unit_test(requests_that_were_cut_off_count_with_what_was_known),
        cmocka_unit_test(failed_requests_have_no_latency),
        cmocka_unit_test(nothing_offered_has_no_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
