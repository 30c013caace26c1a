#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/rng.h"

static void assert_unescaped(const char *raw, const char *want)
{
    struct buf b = {0};
    assert_int_equal(json_unescape(slice_of(raw), &b), OK);
    assert_string_equal(buf_cstr(&b), want);
    buf_release(&b);
}

static void escapes_are_undone(void **state)
{
    (void)state;
    assert_unescaped("plain", "plain");
    assert_unescaped("", "");
    assert_unescaped("\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t");
    assert_unescaped("a\\u00e9\\u20AC\\u0041", "a\xc3\xa9\xe2\x82\xac"
                                               "A");
    assert_unescaped("\\ud83d\\ude00!", "\xf0\x9f\x98\x80!");
    assert_unescaped("bytes \xff pass", "bytes \xff pass");
}

static void lone_surrogates_become_the_replacement_character(void **state)
{
    (void)state;
    assert_unescaped("\\ud83d", "\xef\xbf\xbd");
    assert_unescaped("\\ude00x", "\xef\xbf\xbdx");
    assert_unescaped("\\ud83d\\u0041", "\xef\xbf\xbd"
                                       "A");
    assert_unescaped("\\ud83d\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80");
    assert_unescaped("\\ud83dude00", "\xef\xbf\xbdude00");
}

static void text_the_scanner_would_not_pass_is_read_within_its_bounds(void **state)
{
    (void)state;
    assert_unescaped("end\\", "end\\");
    assert_unescaped("\\u12", "u12");
    assert_unescaped("\\uzzzz", "uzzzz");
}

static void nul_characters_survive(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(json_unescape(slice_of("a\\u0000b"), &b), OK);
    assert_true(slice_eq(buf_slice(&b), slice_make("a\0b", 3)));
    buf_clear(&b);
    assert_int_equal(json_put_string(&b, slice_make("a\0b", 3)), OK);
    assert_true(slice_is(buf_slice(&b), "\"a\\u0000b\""));
    buf_release(&b);
}

static void a_bound_reached_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 8);
    buf_puts(&b, "keep");
    assert_int_equal(json_unescape(slice_of("ab\\ncdef"), &b), ERR_TOO_BIG);
    assert_int_equal(json_put_string(&b, slice_of("abcd")), ERR_TOO_BIG);
    assert_true(slice_is(buf_slice(&b), "keep"));
    buf_release(&b);
}

static void assert_written(const char *text, const char *want)
{
    struct buf b = {0};
    assert_int_equal(json_put_string(&b, slice_of(text)), OK);
    assert_string_equal(buf_cstr(&b), want);
    buf_release(&b);
}

static void strings_are_quoted_and_escaped(void **state)
{
    (void)state;
    assert_written("", "\"\"");
    assert_written("a\"b\\c/", "\"a\\\"b\\\\c/\"");
    assert_written("\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    assert_written("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
                   "\"h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

/* One U+FFFD for each maximal subpart (Unicode 15, table 3-8). */
static void invalid_utf8_becomes_replacement_characters(void **state)
{
    (void)state;
#define R "\xef\xbf\xbd"
    assert_written("a\xff"
                   "b",
                   "\"a" R "b\"");
    assert_written("\xe2\x82", "\"" R "\"");
    assert_written("\xc0\xaf", "\"" R R "\"");
    assert_written("\xed\xa0\x80", "\"" R R R "\"");
    assert_written("\xf4\x90\x80\x80", "\"" R R R R "\"");
    assert_written("\xf0\x9f\x98x", "\"" R "x\"");
    assert_written("\xe0\x80\x80", "\"" R R R "\"");
    assert_written("\x80\xbf", "\"" R R "\"");
#undef R
}

static void any_bytes_written_read_back_as_a_valid_string(void **state)
{
    (void)state;
    struct rng r = rng_at(3, RNG_PROMPT, 0);
    struct buf out = {0}, back = {0}, again = {0};
    for (int i = 0; i < 2000; i++) {
        char bytes[40];
        struct slice text = slice_make(bytes, (size_t)rng_below(&r, sizeof bytes));
        for (size_t k = 0; k < text.n; k++)
            bytes[k] = (char)(rng_below(&r, 3) ? rng_below(&r, 128) : rng_below(&r, 256));
        buf_clear(&out);
        buf_clear(&back);
        buf_clear(&again);
        struct slice raw;
        assert_int_equal(json_put_string(&out, text), OK);
        struct json j = json_of(buf_slice(&out));
        assert_true(json_string(&j, &raw));
        assert_int_equal(json_end(&j), OK);
        assert_int_equal(json_unescape(raw, &back), OK);
        assert_int_equal(json_put_string(&again, buf_slice(&back)), OK);
        assert_true(slice_eq(buf_slice(&again), buf_slice(&out)));
    }
    buf_release(&out);
    buf_release(&back);
    buf_release(&again);
}

static const char *written_double(struct buf *b, double v)
{
    buf_clear(b);
    assert_int_equal(json_put_double(b, v), OK);
    return buf_cstr(b);
}

static void doubles_are_written_short_and_read_back_the_same(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_string_equal(written_double(&b, 0.1), "0.1");
    assert_string_equal(written_double(&b, 5), "5");
    assert_string_equal(written_double(&b, -1234567), "-1234567");
    assert_string_equal(written_double(&b, 5e-324), "5e-324");
    assert_string_equal(written_double(&b, 1e300), "1e+300");
    assert_string_equal(written_double(&b, 0.1 + 0.2), "0.30000000000000004");
    assert_string_equal(written_double(&b, 1.0 / 3), "0.3333333333333333");
    assert_string_equal(written_double(&b, -0.0), "-0");
    assert_string_equal(written_double(&b, NAN), "null");
    assert_string_equal(written_double(&b, -INFINITY), "null");
    struct rng r = rng_at(4, RNG_LENGTH, 0);
    for (int i = 0; i < 5000; i++) {
        uint64_t bits = rng_u64(&r);
        double v, back;
        memcpy(&v, &bits, sizeof v);
        if (i % 2)
            v = rng_unit(&r) * 1000;
        if (!isfinite(v))
            continue;
        written_double(&b, v);
        struct json j = json_of(buf_slice(&b));
        assert_true(json_double(&j, &back));
        assert_int_equal(json_end(&j), OK);
        assert_true(back == v);
    }
    buf_release(&b);
}

static void whole_numbers_are_written_to_their_limits(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(json_put_int(&b, INT64_MIN), OK);
    buf_putc(&b, ' ');
    assert_int_equal(json_put_int(&b, INT64_MAX), OK);
    assert_string_equal(buf_cstr(&b), "-9223372036854775808 9223372036854775807");
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(lone_surrogates_become_the_replacement_character),
        cmocka_unit_test(text_the_scanner_would_not_pass_is_read_within_its_bounds),
        cmocka_unit_test(nul_characters_survive),
        cmocka_unit_test(a_bound_reached_leaves_the_buffer_as_it_was),
        cmocka_unit_test(strings_are_quoted_and_escaped),
        cmocka_unit_test(invalid_utf8_becomes_replacement_characters),
        cmocka_unit_test(any_bytes_written_read_back_as_a_valid_string),
        cmocka_unit_test(doubles_are_written_short_and_read_back_the_same),
        cmocka_unit_test(whole_numbers_are_written_to_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
