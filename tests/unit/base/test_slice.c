#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/slice.h"

static const struct slice nothing = {NULL, 0};

static void comparison_looks_at_length_and_bytes(void **state)
{
    (void)state;
    assert_true(slice_is(slice_make("abcdef", 3), "abc"));
    assert_false(slice_is(slice_of("abc"), "abcd"));
    assert_false(slice_is(slice_of("abd"), "abc"));
    assert_true(slice_eq(nothing, slice_of("")));
    assert_int_equal(slice_of(NULL).n, 0);
}

static void prefixes_are_recognised(void **state)
{
    (void)state;
    assert_true(slice_starts(slice_of("data: x"), "data"));
    assert_false(slice_starts(slice_of("dat"), "data"));
    assert_true(slice_starts(nothing, ""));
    assert_false(slice_starts(nothing, "x"));
}

static void ascii_case_is_ignored_where_asked(void **state)
{
    (void)state;
    assert_true(slice_is_nocase(slice_of("Content-LENGTH"), "content-length"));
    assert_false(slice_is_nocase(slice_of("content-lengt"), "content-length"));
    assert_true(slice_is_nocase(nothing, ""));
}

static void trim_drops_blanks_at_both_ends_only(void **state)
{
    (void)state;
    assert_true(slice_is(slice_trim(slice_of(" \t\r\na b\n ")), "a b"));
    assert_int_equal(slice_trim(slice_of(" \t ")).n, 0);
    assert_int_equal(slice_trim(nothing).n, 0);
}

static void find_gives_the_first_occurrence_or_null(void **state)
{
    (void)state;
    const char text[] = "abcabc";
    assert_ptr_equal(slice_find(slice_of(text), slice_of("ca")), text + 2);
    assert_ptr_equal(slice_find(slice_of(text), slice_of("")), text);
    assert_null(slice_find(slice_of(text), slice_of("cb")));
    assert_null(slice_find(nothing, slice_of("a")));
    assert_null(slice_find(slice_make(text, 2), slice_of("abc")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparison_looks_at_length_and_bytes),
        cmocka_unit_test(prefixes_are_recognised),
        cmocka_unit_test(ascii_case_is_ignored_where_asked),
        cmocka_unit_test(trim_drops_blanks_at_both_ends_only),
        cmocka_unit_test(find_gives_the_first_occurrence_or_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
