#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/hist.h"
#include "base/rng.h"
#include "base/varint.h"

static struct hist a, b;

static int clear_both(void **state)
{
    (void)state;
    hist_clear(&a);
    hist_clear(&b);
    return 0;
}

static void an_empty_histogram_has_quantile_zero(void **state)
{
    (void)state;
    assert_true(hist_quantile_ns(&a, 0.5) == 0);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (int64_t v = 1; v <= 60; v++)
        hist_add(&a, v);
    assert_true(hist_quantile_ns(&a, 0.5) == 30);
    assert_true(hist_quantile_ns(&a, 1.0) == 60);
    assert_true(hist_quantile_ns(&a, 0.0) == 1);
    assert_true(hist_quantile_ns(&a, 59.5 / 60) == 60);
}

/* The promise of the header, for every size of number. */
static void a_value_read_back_is_never_below_and_at_most_a_32nd_above(void **state)
{
    (void)state;
    struct rng r = rng_at(7, RNG_LENGTH, 0);
    for (int i = 0; i < 3000; i++) {
        int64_t v = (int64_t)(rng_u64(&r) >> (17 + i % 46)); /* below 2^47 */
        hist_clear(&a);
        hist_add(&a, v);
        hist_add(&a, INT64_C(1) << 46); /* so that the largest does not give v away */
        int64_t got = hist_quantile_ns(&a, 0.5);
        assert_true(got >= v || v > INT64_C(1) << 46);
        assert_true(got - v <= v / 32);
    }
}

static void values_past_the_last_bucket_and_below_zero_are_still_counted(void **state)
{
    (void)state;
    hist_add(&a, INT64_MAX);
    hist_add(&a, -5);
    assert_true(a.total == 2);
    assert_true(hist_quantile_ns(&a, 0.5) == 0);
    assert_true(hist_quantile_ns(&a, 1.0) == INT64_MAX);
}

static void merging_equals_adding_to_one(void **state)
{
    (void)state;
    struct hist *whole = malloc(sizeof *whole);
    hist_clear(whole);
    struct rng r = rng_at(8, RNG_LENGTH, 0);
    for (int i = 0; i < 1000; i++) {
        int64_t v = (int64_t)rng_below(&r, 1000000);
        hist_add(i % 3 ? &a : &b, v);
        hist_add(whole, v);
    }
    hist_merge(&a, &b);
    assert_true(a.total == 1000);
    for (double p = 0.01; p < 1; p += 0.01)
        assert_true(hist_quantile_ns(&a, p) == hist_quantile_ns(whole, p));
    assert_true(a.max_ns == whole->max_ns);
    free(whole);
}

static void encoding_brings_every_bucket_back(void **state)
{
    (void)state;
    struct rng r = rng_at(9, RNG_LENGTH, 0);
    struct buf bytes = {0};
    for (int i = 0; i < 1000; i++)
        hist_add(&a, (int64_t)(rng_u64(&r) >> (20 + i % 40)));
    hist_add(&a, INT64_MAX);
    hist_encode(&a, &bytes);
    assert_int_equal(hist_decode(&b, buf_slice(&bytes)), OK);
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        assert_true(a.count[i] == b.count[i]);
    assert_true(a.total == b.total);
    buf_release(&bytes);
}

static void malformed_encodings_are_refused(void **state)
{
    (void)state;
    struct buf past_the_end = {0}, huge_count = {0};
    varint_put(&past_the_end, 3);
    varint_put(&past_the_end, 5); /* one good pair in front must not count either */
    varint_put(&past_the_end, HIST_BUCKETS);
    varint_put(&past_the_end, 1);
    varint_put(&huge_count, 0);
    varint_put(&huge_count, UINT64_C(1) << 32);
    assert_int_equal(hist_decode(&a, buf_slice(&past_the_end)), ERR_INPUT);
    assert_int_equal(hist_decode(&a, buf_slice(&huge_count)), ERR_INPUT);
    assert_int_equal(hist_decode(&a, slice_make("\x01", 1)), ERR_INPUT);
    assert_true(a.total == 0);
    buf_release(&past_the_end);
    buf_release(&huge_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_histogram_has_quantile_zero, clear_both),
        cmocka_unit_test_setup(small_values_are_exact, clear_both),
        cmocka_unit_test_setup(a_value_read_back_is_never_below_and_at_most_a_32nd_above,
                               clear_both),
        cmocka_unit_test_setup(values_past_the_last_bucket_and_below_zero_are_still_counted,
                               clear_both),
        cmocka_unit_test_setup(merging_equals_adding_to_one, clear_both),
        cmocka_unit_test_setup(encoding_brings_every_bucket_back, clear_both),
        cmocka_unit_test_setup(malformed_encodings_are_refused, clear_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
