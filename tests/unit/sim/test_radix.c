#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sim/radix.h"

static const uint32_t abc[] = {1, 2, 3, 4, 5, 6}, abx[] = {1, 2, 3, 9, 9}, other[] = {7, 8};

static void prefixes_are_found_to_the_token(void **state)
{
    (void)state;
    struct radix *t = radix_new();
    struct radix_node *n;
    assert_int_equal(radix_peek(t, abc, 6), 0);
    assert_int_equal(radix_insert(t, abc, 6, &n), 6);
    assert_int_equal(radix_peek(t, abx, 5), 3);
    assert_int_equal(radix_insert(t, abx, 5, &n), 2);
    assert_int_equal(radix_insert(t, abx, 5, &n), 0);
    assert_int_equal(radix_tokens(t), 8);
    assert_int_equal(radix_match(t, abc, 6, &n), 6);
    assert_int_equal(radix_match(t, abc, 2, &n), 2);
    assert_int_equal(radix_match(t, other, 2, &n), 0);
    assert_int_equal(radix_tokens(t), 8);
    radix_free(t);
}

static void the_leaf_least_recently_used_goes_first(void **state)
{
    (void)state;
    struct radix *t = radix_new();
    struct radix_node *n;
    radix_insert(t, abc, 6, &n);
    radix_insert(t, other, 2, &n);
    radix_insert(t, abx, 5, &n);
    radix_match(t, abc, 6, &n);
    assert_int_equal(radix_evict(t, 1), 2); /* other */
    assert_int_equal(radix_peek(t, other, 2), 0);
    assert_int_equal(radix_evict(t, 1), 2); /* the end of abx, not what it shares */
    assert_int_equal(radix_peek(t, abx, 5), 3);
    assert_int_equal(radix_peek(t, abc, 6), 6);
    assert_int_equal(radix_evict(t, 100), 6);
    assert_int_equal(radix_tokens(t), 0);
    radix_free(t);
}

static void what_is_locked_stays_and_so_does_what_it_hangs_on(void **state)
{
    (void)state;
    struct radix *t = radix_new();
    struct radix_node *a, *b;
    radix_insert(t, abc, 6, &a);
    radix_lock(t, a);
    radix_insert(t, abx, 5, &b); /* splits the locked node */
    radix_lock(t, b);
    assert_int_equal(radix_evictable(t), 0);
    assert_int_equal(radix_evict(t, 100), 0);
    radix_unlock(t, a);
    assert_int_equal(radix_evictable(t), 3);
    assert_int_equal(radix_evict(t, 100), 3);
    assert_int_equal(radix_peek(t, abx, 5), 5);
    radix_unlock(t, b);
    assert_int_equal(radix_evict(t, 100), 5);
    radix_free(t);
}

/* Against a plain list of what was inserted: nothing is evicted here, so matches are the longest
 * common beginnings. */
static void any_set_of_sequences_matches_as_a_plain_search_does(void **state)
{
    (void)state;
    enum { SEQUENCES = 300, LONGEST = 12 };
    static uint32_t all[SEQUENCES][LONGEST];
    int64_t lengths[SEQUENCES];
    struct radix *t = radix_new();
    struct rng r = rng_at(5, RNG_SHUFFLE, 0);
    for (int i = 0; i < SEQUENCES; i++) {
        struct radix_node *n;
        lengths[i] = 1 + (int64_t)rng_below(&r, LONGEST);
        int64_t best = 0;
        for (int64_t k = 0; k < lengths[i]; k++)
            all[i][k] = (uint32_t)rng_below(&r, 3);
        for (int j = 0; j < i; j++) {
            int64_t same = 0;
            while (same < lengths[i] && same < lengths[j] && all[i][same] == all[j][same])
                same++;
            best = same > best ? same : best;
        }
        assert_int_equal(radix_peek(t, all[i], lengths[i]), best);
        assert_int_equal(radix_insert(t, all[i], lengths[i], &n), lengths[i] - best);
    }
    assert_int_equal(radix_evictable(t), radix_tokens(t));
    radix_free(t);
}

static void locking_and_evicting_in_any_order_keeps_the_count(void **state)
{
    (void)state;
    enum { HELD = 16, LONGEST = 20 };
    struct radix *t = radix_new();
    struct radix_node *held[HELD] = {NULL};
    struct rng r = rng_at(7, RNG_SHUFFLE, 0);
    for (int turn = 0; turn < 20000; turn++) {
        size_t i = (size_t)rng_below(&r, HELD);
        if (held[i]) {
            radix_unlock(t, held[i]);
            held[i] = NULL;
        } else {
            uint32_t ids[LONGEST];
            int64_t n = 1 + (int64_t)rng_below(&r, LONGEST);
            for (int64_t k = 0; k < n; k++)
                ids[k] = (uint32_t)rng_below(&r, 2);
            radix_insert(t, ids, n, &held[i]);
            radix_lock(t, held[i]);
            assert_int_equal(radix_peek(t, ids, n), n);
        }
        if (rng_below(&r, 8) == 0)
            radix_evict(t, (int64_t)rng_below(&r, 10));
        assert_true(radix_evictable(t) >= 0 && radix_evictable(t) <= radix_tokens(t));
    }
    for (int i = 0; i < HELD; i++)
        if (held[i])
            radix_unlock(t, held[i]);
    assert_int_equal(radix_evictable(t), radix_tokens(t));
    radix_evict(t, INT64_MAX);
    assert_int_equal(radix_tokens(t), 0);
    radix_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_are_found_to_the_token),
        cmocka_unit_test(the_leaf_least_recently_used_goes_first),
        cmocka_unit_test(what_is_locked_stays_and_so_does_what_it_hangs_on),
        cmocka_unit_test(any_set_of_sequences_matches_as_a_plain_search_does),
        cmocka_unit_test(locking_and_evicting_in_any_order_keeps_the_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
