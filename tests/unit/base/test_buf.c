#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"

static void bytes_come_back_in_the_order_they_were_appended(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 3000; i++)
        assert_int_equal(buf_putc(&b, (char)('a' + i % 26)), OK);
    assert_int_equal(buf_puts(&b, "tail"), OK);
    assert_int_equal(b.n, 3004);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(b.p[i], 'a' + i % 26);
    assert_memory_equal(b.p + 3000, "tail", 4);
    buf_release(&b);
}

static void an_append_past_the_maximum_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_int_equal(buf_puts(&b, "12345678"), OK);
    assert_int_equal(buf_puts(&b, "abc"), ERR_TOO_BIG);
    assert_true(slice_is(buf_slice(&b), "12345678"));
    assert_int_equal(buf_puts(&b, "90"), OK);
    assert_int_equal(buf_putc(&b, 'x'), ERR_TOO_BIG);
    assert_int_equal(buf_append(&b, "", 0), OK);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), ERR_TOO_BIG);
    assert_int_equal(b.n, 10);
    buf_release(&b);
    assert_int_equal(b.max, 10);
}

static void a_full_buffer_can_still_be_terminated(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    assert_int_equal(buf_puts(&b, "full"), OK);
    assert_string_equal(buf_cstr(&b), "full");
    assert_int_equal(b.n, 4);
    assert_int_equal(buf_putc(&b, '!'), ERR_TOO_BIG);
    buf_release(&b);
    assert_string_equal(buf_cstr(&b), "");
    buf_release(&b);
}

static void printf_appends_formatted_text(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(buf_puts(&b, "n="), OK);
    assert_int_equal(buf_printf(&b, "%d %s", 42, "apples"), OK);
    assert_true(slice_is(buf_slice(&b), "n=42 apples"));
    buf_release(&b);
    buf_init(&b, 4);
    assert_int_equal(buf_printf(&b, "%s", "five!"), ERR_TOO_BIG);
    assert_int_equal(b.n, 0);
    assert_int_equal(buf_printf(&b, "%s", ""), OK);
    assert_int_equal(buf_printf(&b, "%s", "four"), OK);
    assert_true(slice_is(buf_slice(&b), "four"));
    buf_release(&b);
}

static void consume_drops_bytes_at_the_front(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(buf_puts(&b, "headtail"), OK);
    buf_consume(&b, 4);
    assert_true(slice_is(buf_slice(&b), "tail"));
    buf_consume(&b, 100);
    assert_int_equal(b.n, 0);
    buf_release(&b);
}

static void shrink_frees_only_an_empty_and_large_buffer(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(buf_reserve(&b, 5000), OK);
    assert_int_equal(buf_putc(&b, 'x'), OK);
    buf_shrink(&b, 1000);
    assert_true(b.cap >= 5000);
    buf_clear(&b);
    buf_shrink(&b, 100000);
    assert_true(b.cap >= 5000);
    buf_shrink(&b, 1000);
    assert_int_equal(b.cap, 0);
    assert_null(b.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back_in_the_order_they_were_appended),
        cmocka_unit_test(an_append_past_the_maximum_is_refused_and_changes_nothing),
        cmocka_unit_test(a_full_buffer_can_still_be_terminated),
        cmocka_unit_test(printf_appends_formatted_text),
        cmocka_unit_test(consume_drops_bytes_at_the_front),
        cmocka_unit_test(shrink_frees_only_an_empty_and_large_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
