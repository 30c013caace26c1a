#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/rng.h"
#include "sim/blocks.h"

enum { TOTAL = 8 };

/* Hashes of a chain whose every block is told apart by the path to it. */
static void chain_of(uint32_t first, uint64_t *out, size_t n)
{
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t ids[16] = {first, (uint32_t)i};
        before = out[i] = blocks_hash(before, ids, 16);
    }
}

static size_t found(const struct blocks *b, const uint64_t *chain, size_t n)
{
    uint32_t table[TOTAL];
    size_t idle;
    return blocks_find(b, chain, n, table, &idle);
}

static void a_hash_depends_on_every_token_and_on_what_is_before(void **state)
{
    (void)state;
    uint32_t ids[16];
    for (uint32_t i = 0; i < 16; i++)
        ids[i] = i * 7;
    uint64_t plain = blocks_hash(0, ids, 16);
    assert_true(blocks_hash(plain, ids, 16) != plain);
    for (int i = 0; i < 16; i++) {
        ids[i]++;
        assert_true(blocks_hash(0, ids, 16) != plain);
        ids[i]--;
    }
    assert_true(blocks_hash(0, ids, 16) == plain);
}

static void taken_and_idle_blocks_make_the_whole(void **state)
{
    (void)state;
    struct blocks *b = blocks_new(TOTAL);
    uint32_t a[TOTAL], c[TOTAL];
    assert_true(blocks_take(b, a, 5));
    assert_int_equal(blocks_idle(b), 3);
    assert_false(blocks_take(b, c, 4));
    assert_int_equal(blocks_idle(b), 3);
    assert_true(blocks_take(b, c, 3));
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 3; k++)
            assert_true(a[i] != c[k]);
    blocks_release(b, a, 5);
    blocks_release(b, c, 3);
    assert_int_equal(blocks_idle(b), TOTAL);
    blocks_free(b);
}

static void a_prefix_is_found_until_its_blocks_are_taken_ends_first(void **state)
{
    (void)state;
    struct blocks *b = blocks_new(TOTAL);
    uint32_t a[4], c[TOTAL];
    uint64_t chain[4];
    chain_of(1, chain, 4);
    assert_true(blocks_take(b, a, 4));
    for (int i = 0; i < 4; i++)
        blocks_publish(b, a[i], chain[i]);
    assert_int_equal(found(b, chain, 4), 4);
    blocks_release(b, a, 4);
    assert_int_equal(found(b, chain, 4), 4);
    assert_true(blocks_take(b, c, 4)); /* those never used go first */
    assert_int_equal(found(b, chain, 4), 4);
    assert_true(blocks_take(b, c + 4, 1)); /* then the end of the prefix */
    assert_int_equal(found(b, chain, 4), 3);
    assert_true(blocks_take(b, c + 5, 2));
    assert_int_equal(found(b, chain, 4), 1);
    blocks_free(b);
}

static void a_shared_block_is_idle_only_when_all_have_given_it_up(void **state)
{
    (void)state;
    struct blocks *b = blocks_new(TOTAL);
    uint32_t a[2], c[2];
    uint64_t chain[2];
    size_t idle;
    chain_of(1, chain, 2);
    blocks_take(b, a, 2);
    blocks_publish(b, a[0], chain[0]);
    assert_int_equal(blocks_find(b, chain, 2, c, &idle), 1);
    assert_int_equal(idle, 0);
    assert_int_equal(c[0], a[0]);
    blocks_share(b, c, 1);
    blocks_release(b, a, 2);
    assert_int_equal(blocks_idle(b), TOTAL - 1);
    blocks_release(b, c, 1);
    assert_int_equal(blocks_idle(b), TOTAL);
    assert_int_equal(blocks_find(b, chain, 2, c, &idle), 1);
    assert_int_equal(idle, 1);
    blocks_share(b, c, 1);
    assert_int_equal(blocks_idle(b), TOTAL - 1);
    blocks_release(b, c, 1);
    blocks_free(b);
}

static void forgetting_leaves_blocks_held_and_nothing_found(void **state)
{
    (void)state;
    struct blocks *b = blocks_new(TOTAL);
    uint32_t a[2];
    uint64_t chain[2];
    chain_of(1, chain, 2);
    blocks_take(b, a, 2);
    blocks_publish(b, a[0], chain[0]);
    blocks_forget(b);
    assert_int_equal(found(b, chain, 1), 0);
    assert_int_equal(blocks_idle(b), TOTAL - 2);
    blocks_release(b, a, 2);
    assert_int_equal(blocks_idle(b), TOTAL);
    blocks_free(b);
}

/* Many chains through a small cache: what is found is always what was published, whatever was
 * deleted between. */
static void the_table_survives_any_order_of_publishing_and_taking(void **state)
{
    (void)state;
    enum { BLOCKS = 64, CHAINS = 40, LENGTH = 6 };
    struct blocks *b = blocks_new(BLOCKS);
    struct rng r = rng_at(3, RNG_SHUFFLE, 0);
    for (int turn = 0; turn < 20000; turn++) {
        uint64_t chain[LENGTH];
        uint32_t table[LENGTH];
        size_t idle;
        chain_of((uint32_t)rng_below(&r, CHAINS), chain, LENGTH);
        size_t n = 1 + (size_t)rng_below(&r, LENGTH);
        size_t have = blocks_find(b, chain, n, table, &idle);
        blocks_share(b, table, have);
        assert_true(blocks_take(b, table + have, n - have));
        for (size_t i = have; i < n; i++)
            blocks_publish(b, table[i], chain[i]);
        assert_int_equal(found(b, chain, n), n);
        blocks_release(b, table, n);
        assert_int_equal(blocks_idle(b), BLOCKS);
    }
    blocks_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_depends_on_every_token_and_on_what_is_before),
        cmocka_unit_test(taken_and_idle_blocks_make_the_whole),
        cmocka_unit_test(a_prefix_is_found_until_its_blocks_are_taken_ends_first),
        cmocka_unit_test(a_shared_block_is_idle_only_when_all_have_given_it_up),
        cmocka_unit_test(forgetting_leaves_blocks_held_and_nothing_found),
        cmocka_unit_test(the_table_survives_any_order_of_publishing_and_taking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
