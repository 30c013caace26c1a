#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/arena.h"

static void allocations_are_aligned_and_do_not_overlap(void **state)
{
    (void)state;
    struct arena a = {0};
    unsigned char *block[200];
    for (size_t i = 0; i < 200; i++) {
        block[i] = arena_alloc(&a, i * 7 + 1);
        assert_int_equal((uintptr_t)block[i] % _Alignof(max_align_t), 0);
        memset(block[i], (int)i, i * 7 + 1);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i * 7 + 1; k++)
            assert_int_equal(block[i][k], i);
    arena_release(&a);
}

static void a_request_larger_than_a_block_is_met(void **state)
{
    (void)state;
    struct arena a = {0};
    char *small = arena_strndup(&a, "small", 5);
    char *large = arena_alloc(&a, 1 << 20);
    memset(large, 'x', 1 << 20);
    assert_string_equal(small, "small");
    assert_true(a.total_bytes >= 1 << 20);
    arena_release(&a);
}

static void copies_end_in_nul_and_live_apart_from_their_source(void **state)
{
    (void)state;
    struct arena a = {0};
    char source[] = "abcdef";
    struct slice copy = arena_copy(&a, slice_make(source, 3));
    source[0] = 'X';
    assert_int_equal(copy.n, 3);
    assert_string_equal(copy.p, "abc");
    assert_string_equal(arena_strndup(&a, NULL, 0), "");
    arena_release(&a);
}

static void a_released_arena_is_empty_and_usable_again(void **state)
{
    (void)state;
    struct arena a = {0};
    arena_alloc(&a, 10);
    arena_release(&a);
    assert_null(a.head);
    assert_int_equal(a.total_bytes, 0);
    assert_string_equal(arena_strndup(&a, "again", 5), "again");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_do_not_overlap),
        cmocka_unit_test(a_request_larger_than_a_block_is_met),
        cmocka_unit_test(copies_end_in_nul_and_live_apart_from_their_source),
        cmocka_unit_test(a_released_arena_is_empty_and_usable_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
