/* What the checks of blocks mean for a comparison, and what a single run of each allows. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "decide/compare_blocks.h"
#include "decide/compare_single.h"

enum { BLOCKS = 10 };

struct scene {
    struct comparison c;
    struct compare_blocks b;
    struct summary s; /* of the block at hand */
};

static void begin(struct scene *t, const char *metrics)
{
    struct err e = {0};
    *t = (struct scene){.c = {.design = COMPARE_ROUNDS}};
    assert_int_equal(compare_metrics_parse(slice_of(metrics), &t->c.spec.metrics, &e), OK);
    assert_int_equal(compare_begin(&t->c, BLOCKS, &e), OK);
    struct summary *s = &t->s;
    compare_metrics_options(&t->c.spec.metrics, &s->options);
    s->offered = s->completed = 1000;
    s->output_tokens_per_s = 500;
    s->got_input_mean = s->asked_input_mean = 100;
    s->got_output_mean = s->asked_output_mean = 50;
    s->tokens_per_event = 1;
    s->cache_hit_share = NAN;
    for (int m = 0; m < LATENCY_METRICS; m++) {
        s->latency[m] = (struct latency){.n = 1000, .mean = 20};
        for (size_t i = 0; i < s->options.percentile_count; i++) {
            s->latency[m].percentile[i] = s->options.percentiles[i];
            s->latency[m].ci95[i] = (struct interval){20, 80, true, true};
        }
    }
}

static void fail_check(struct scene *t, const char *id, enum severity severity)
{
    struct check *k = &t->s.checks[t->s.check_count++];
    *k = (struct check){.id = id, .severity = severity, .status = CHECK_FAIL};
}

static void take(struct scene *t, enum compare_side side, size_t at)
{
    compare_blocks_take(&t->b, &t->c, side, at, &t->s);
}

/* Ten blocks a side, in `failed` of A's of which a check fails; the verdict on the comparison. */
static enum verdict verdict_of(const char *metrics, const char *id, enum severity severity,
                               size_t failed)
{
    struct scene *t = test_calloc(1, sizeof *t);
    begin(t, metrics);
    for (size_t i = 0; i < BLOCKS; i++) {
        t->s.check_count = 0;
        take(t, COMPARE_B, i);
        if (i < failed)
            fail_check(t, id, severity);
        take(t, COMPARE_A, i);
    }
    compare_blocks_end(&t->b, &t->c);
    enum verdict v = t->c.verdict;
    comparison_release(&t->c);
    test_free(t);
    return v;
}

static void missing_requests_always_count(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("p50 ttft", "errors", SEVERITY_INVALID, 1), VERDICT_INVALID);
    assert_int_equal(verdict_of("p50 ttft", "errors", SEVERITY_PROVISIONAL, 1),
                     VERDICT_PROVISIONAL);
    assert_int_equal(verdict_of("throughput", "outcomes", SEVERITY_INVALID, 1), VERDICT_INVALID);
}

static void our_own_lateness_counts_when_it_is_frequent(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("p50 ttft", "schedule-lag", SEVERITY_INVALID, 2), VERDICT_VALID);
    assert_int_equal(verdict_of("p50 ttft", "schedule-lag", SEVERITY_INVALID, 3), VERDICT_INVALID);
    assert_int_equal(verdict_of("p50 ttft", "schedule-lag", SEVERITY_PROVISIONAL, 10),
                     VERDICT_VALID);
}

static void a_check_that_no_metric_rests_on_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("p50 tpot", "schedule-lag", SEVERITY_INVALID, 10), VERDICT_VALID);
    assert_int_equal(verdict_of("throughput", "censored", SEVERITY_INVALID, 10), VERDICT_VALID);
}

static void what_one_run_alone_may_claim_is_no_matter(void **state)
{
    (void)state;
    static const char *const ids[] = {"sample-size", "window-length", "intervals"};
    for (size_t i = 0; i < 3; i++) {
        struct scene *t = test_calloc(1, sizeof *t);
        begin(t, "p50 ttft");
        fail_check(t, ids[i], SEVERITY_PROVISIONAL);
        take(t, COMPARE_A, 0);
        take(t, COMPARE_B, 0);
        compare_blocks_end(&t->b, &t->c);
        assert_int_equal(t->c.flaw_count, 0);
        comparison_release(&t->c);
        test_free(t);
    }
}

static void a_flaw_says_how_many_blocks_of_which_side(void **state)
{
    (void)state;
    struct scene *t = test_calloc(1, sizeof *t);
    begin(t, "p50 ttft");
    fail_check(t, "errors", SEVERITY_INVALID);
    take(t, COMPARE_A, 0);
    t->s.check_count = 0;
    take(t, COMPARE_B, 0);
    compare_blocks_end(&t->b, &t->c);
    assert_string_equal(t->c.flaws[0].text,
                        "errors in 1 of 2 blocks (1 of A, 0 of B): requests failed");
    assert_true(t->c.side[COMPARE_A].offered == 1000 && t->c.side[COMPARE_A].blocks == 1);
    assert_true(t->c.rows[0].value[COMPARE_A][0] == 50);
    comparison_release(&t->c);
    test_free(t);
}

static void a_percentile_of_few_requests_is_their_largest(void **state)
{
    (void)state;
    struct scene *t = test_calloc(1, sizeof *t);
    begin(t, "p99 ttft, p50 ttft");
    take(t, COMPARE_A, 0);
    t->s.latency[LATENCY_TTFT].n = 99;
    take(t, COMPARE_B, 0);
    compare_blocks_end(&t->b, &t->c);
    assert_int_equal(t->c.flaw_count, 1);
    assert_non_null(strstr(t->c.flaws[0].text, "p99 of a block with 99 requests"));
    assert_int_equal(t->c.verdict, VERDICT_VALID);
    comparison_release(&t->c);
    test_free(t);
}

static void unequal_service_by_a_cache_is_told(void **state)
{
    (void)state;
    struct scene *t = test_calloc(1, sizeof *t);
    begin(t, "p50 ttft");
    t->s.cached_known = true;
    t->s.prompt_tokens = 1000;
    take(t, COMPARE_A, 0);
    t->s.cached_tokens = 900;
    take(t, COMPARE_B, 0);
    compare_blocks_end(&t->b, &t->c);
    assert_string_equal(t->c.flaws[0].text,
                        "a prefix cache served 0 % of A's prompt tokens and 90 % of B's");
    comparison_release(&t->c);
    test_free(t);
}

/* --- single runs --- */

static void single(struct scene *t, const struct interval *a, const struct interval *b)
{
    begin(t, "p50 ttft, mean ttft, throughput");
    t->c.design = COMPARE_SINGLE_RUNS;
    for (int s = 0; s < COMPARE_SIDES; s++) {
        t->s.latency[LATENCY_TTFT].percentile[0] = s == COMPARE_A ? 100 : 200;
        t->s.latency[LATENCY_TTFT].ci95[0] = s == COMPARE_A ? *a : *b;
        take(t, (enum compare_side)s, 0);
        compare_single_take(&t->c, (enum compare_side)s, &t->s);
    }
    compare_single_end(&t->c);
}

static void two_intervals_make_one_of_the_ratio(void **state)
{
    (void)state;
    struct scene *t = test_calloc(1, sizeof *t);
    struct interval a = {90, 120, true, true}, b = {190, 230, true, true};
    single(t, &a, &b);
    const struct compare_row *r = &t->c.rows[0];
    assert_true(fabs(r->ratio - log(2)) < 1e-12);
    /* MOVER, as printed in Zou & Donner: the lower end takes B's lower and A's upper reach */
    assert_true(fabs(r->ci.low - (log(2) - hypot(log(200.0 / 190), log(120.0 / 100)))) < 1e-12);
    assert_true(fabs(r->ci.high - (log(2) + hypot(log(230.0 / 200), log(100.0 / 90)))) < 1e-12);
    assert_false(t->c.rows[1].ci.has_low || t->c.rows[1].ci.has_high); /* a mean */
    assert_true(t->c.rows[2].ratio == 0);
    comparison_release(&t->c);
    test_free(t);
}

static void an_end_that_is_missing_is_missing_in_the_ratio(void **state)
{
    (void)state;
    struct scene *t = test_calloc(1, sizeof *t);
    struct interval a = {90, 120, true, false}, b = {190, 230, true, true};
    single(t, &a, &b);
    assert_false(t->c.rows[0].ci.has_low); /* it needs A's upper end */
    assert_true(t->c.rows[0].ci.has_high);
    comparison_release(&t->c);
    test_free(t);
}

static void more_blocks_than_can_be_counted_out_are_refused(void **state)
{
    (void)state;
    struct comparison c = {0};
    struct err e;
    c.spec.metrics = compare_metrics_default();
    assert_int_equal(compare_begin(&c, COMPARE_MAX_ROUNDS + 1, &e), ERR_INPUT);
    assert_non_null(strstr(e.text, "500 is the most"));
    comparison_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_requests_always_count),
        cmocka_unit_test(our_own_lateness_counts_when_it_is_frequent),
        cmocka_unit_test(a_check_that_no_metric_rests_on_does_not_count),
        cmocka_unit_test(what_one_run_alone_may_claim_is_no_matter),
        cmocka_unit_test(a_flaw_says_how_many_blocks_of_which_side),
        cmocka_unit_test(a_percentile_of_few_requests_is_their_largest),
        cmocka_unit_test(unequal_service_by_a_cache_is_told),
        cmocka_unit_test(two_intervals_make_one_of_the_ratio),
        cmocka_unit_test(an_end_that_is_missing_is_missing_in_the_ratio),
        cmocka_unit_test(more_blocks_than_can_be_counted_out_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
