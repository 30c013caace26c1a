#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/json.h"

/* The text is copied to memory of its exact size, so that a sanitizer sees a byte read too far. */
static bool accepts_bytes(const char *text, size_t n)
{
    char *exact = malloc(n ? n : 1);
    memcpy(exact, text, n);
    struct json j = json_of(slice_make(exact, n));
    json_skip(&j);
    bool ok = json_end(&j) == OK;
    free(exact);
    return ok;
}

static bool accepts(const char *text)
{
    return accepts_bytes(text, strlen(text));
}

static void valid_texts_are_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",
        "[]",
        " [ ] ",
        "{ }",
        "0",
        "-0",
        "-0.0e-0",
        "1E+9",
        "12.5",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        "\"\\u00e9\\n\\\\\\\"\\/\\b\\f\\r\\t\"",
        "\"\\ud800\"",
        "\"\x7f\xff\"",
        "[1,2,{\"a\":[],\"b\":{\"c\":-1.5e+3}}]",
        "\t\r\n[ 1 , 2 ]\n",
        "[[[]],[{}],{\"a\":{}}]",
        "{\"a\":1,\"a\":2}",
        "\"a string much longer than one vector of sixteen bytes\"",
        "[[],[],{},{},\"\",\"\"]",
        "{\"\":{\"\":[[]]}}",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!accepts(good[i]))
            fail_msg("refused %s", good[i]);
}

static void invalid_texts_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "[",
        "]",
        "{",
        "}",
        "[1,]",
        "[,1]",
        "[,]",
        "[1 2]",
        "[1,,2]",
        "{\"a\":1,}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\" 1}",
        "{a:1}",
        "{1:1}",
        "{]",
        "[}",
        "[[],",
        "[1}",
        "{\"a\":1]",
        "tru",
        "nul",
        "True",
        "truee",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "--1",
        "NaN",
        "\"",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u123",
        "\"\x01\"",
        "\"\n\"",
        "'a'",
        "1 2",
        "{} {}",
        "[] ,",
        "\xEF\xBB\xBF{}",
        "// x\n1",
        "[1]]",
        "{\"a\":1}}",
        "\"a\"b",
        "{\"a\":1 \"b\":2}",
        "{\"a\":[1,2}",
        "\"long enough for a vector, then a control \x1f\"",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (accepts(bad[i]))
            fail_msg("accepted %s", bad[i]);
    assert_false(accepts_bytes("\"\0\"", 3));
    assert_false(accepts_bytes("\"\\\0\"", 4));
    assert_false(accepts_bytes("1\0", 2));
}

static void every_cut_of_a_valid_object_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\":\"x\\u00e9y\",\"n\":-1.5e3,\"l\":[true,false,null,{}],\"o\":{\"k\":[]}}";
    assert_true(accepts(text));
    for (size_t n = 0; n + 1 < sizeof text - 1; n++)
        assert_false(accepts_bytes(text, n));
}

static void depth_is_bounded_in_skips_and_in_steps(void **state)
{
    (void)state;
    char text[2 * (JSON_MAX_DEPTH + 1)];
    for (int depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_int_equal(accepts_bytes(text, 2 * (size_t)depth), depth == JSON_MAX_DEPTH);
        struct json j = json_of(slice_make(text, 2 * (size_t)depth));
        int entered = 0;
        while (json_peek(&j) == JSON_ARRAY && json_enter_array(&j)) {
            entered++;
            if (entered < depth && !json_next_item(&j))
                break;
        }
        assert_int_equal(entered, JSON_MAX_DEPTH);
        assert_int_equal(j.failed, depth > JSON_MAX_DEPTH);
    }
    memset(text, '[', sizeof text);
    struct json j = json_of(slice_make(text, sizeof text));
    json_enter_array(&j);
    json_next_item(&j);
    assert_false(json_skip(&j)); /* what was entered counts for a skip as well */
}

static void objects_and_arrays_are_walked_in_order(void **state)
{
    (void)state;
    struct json j = json_of(slice_of(" { \"a\" : [ 1 , 2.5 , \"x\\n\" , [ ] ] , \"b\" : { } , "
                                     "\"c\" : -9223372036854775808 , \"t\" : true } "));
    struct slice key, s;
    int64_t i = 0;
    double d = 0;
    bool b = false;
    assert_int_equal(json_peek(&j), JSON_OBJECT);
    assert_true(json_enter_object(&j));
    assert_true(json_next_key(&j, &key) && slice_is(key, "a"));
    assert_true(json_enter_array(&j));
    assert_true(json_next_item(&j) && json_int(&j, &i) && i == 1);
    assert_true(json_next_item(&j) && json_double(&j, &d) && d == 2.5);
    assert_true(json_next_item(&j) && json_string(&j, &s) && slice_is(s, "x\\n"));
    assert_true(json_next_item(&j) && json_enter_array(&j));
    assert_false(json_next_item(&j));
    assert_false(json_next_item(&j));
    assert_true(json_next_key(&j, &key) && slice_is(key, "b"));
    assert_true(json_raw(&j, &s) && slice_is(s, "{ }"));
    assert_true(json_next_key(&j, &key) && slice_is(key, "c"));
    assert_true(json_int(&j, &i) && i == INT64_MIN);
    assert_true(json_next_key(&j, &key) && slice_is(key, "t"));
    assert_true(json_bool(&j, &b) && b);
    assert_false(json_next_key(&j, &key));
    assert_int_equal(json_end(&j), OK);
}

static void leaving_in_the_middle_is_not_a_whole_text(void **state)
{
    (void)state;
    struct slice key;
    struct json j = json_of(slice_of("{\"a\":1}"));
    json_enter_object(&j);
    json_next_key(&j, &key);
    json_skip(&j);
    assert_int_equal(json_end(&j), ERR_PROTOCOL);
}

static void errors_are_sticky_and_point_at_the_byte(void **state)
{
    (void)state;
    struct json j = json_of(slice_of("{\"a\":1,\"b\":x,\"c\":3}"));
    struct slice key;
    int keys = 0;
    for (json_enter_object(&j); json_next_key(&j, &key);) {
        keys++;
        json_skip(&j);
    }
    assert_int_equal(keys, 2);
    assert_int_equal(json_offset(&j), 11);
    int64_t i;
    double d;
    bool b;
    assert_false(json_enter_object(&j) || json_enter_array(&j) || json_next_item(&j));
    assert_false(json_string(&j, &key) || json_int(&j, &i) || json_double(&j, &d));
    assert_false(json_bool(&j, &b) || json_skip(&j) || json_raw(&j, &key));
    assert_int_equal(json_peek(&j), JSON_INVALID);
    assert_int_equal(json_offset(&j), 11);
    assert_int_equal(json_end(&j), ERR_PROTOCOL);
}

static void a_value_of_another_type_is_an_error(void **state)
{
    (void)state;
    struct slice s;
    int64_t i;
    bool b;
    struct json j = json_of(slice_of("\"5\""));
    assert_false(json_int(&j, &i));
    j = json_of(slice_of("5"));
    assert_false(json_string(&j, &s));
    j = json_of(slice_of("null"));
    assert_false(json_bool(&j, &b));
    j = json_of(slice_of("[]"));
    assert_false(json_enter_object(&j));
    j = json_of(slice_of("{}"));
    assert_false(json_enter_array(&j));
    j = json_of(slice_of("[1]")); /* an item not consumed is not stepped over */
    json_enter_array(&j);
    assert_true(json_next_item(&j));
    assert_false(json_next_item(&j));
    assert_int_equal(json_end(&j), ERR_PROTOCOL);
}

static void a_walk_refuses_what_a_skip_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"[1,]",      "[,1]", "[1 2]", "{\"a\":1,}",
                                      "{\"a\" 1}", "{,}",  "[1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct json j = json_of(slice_of(bad[i]));
        struct slice key;
        if (json_peek(&j) == JSON_OBJECT)
            for (json_enter_object(&j); json_next_key(&j, &key);)
                json_skip(&j);
        else
            for (json_enter_array(&j); json_next_item(&j);)
                json_skip(&j);
        assert_int_equal(json_end(&j), ERR_PROTOCOL);
    }
}

static bool read_int(const char *text, int64_t *v)
{
    struct json j = json_of(slice_of(text));
    return json_int(&j, v) && json_end(&j) == OK;
}

static void whole_numbers_must_be_whole_and_fit(void **state)
{
    (void)state;
    int64_t v = 0;
    assert_true(read_int("9223372036854775807", &v) && v == INT64_MAX);
    assert_true(read_int("-9223372036854775808", &v) && v == INT64_MIN);
    assert_true(read_int("-0", &v) && v == 0);
    assert_true(read_int("5.0", &v) && v == 5);
    assert_true(read_int("1e3", &v) && v == 1000);
    assert_false(read_int("9223372036854775808", &v));
    assert_false(read_int("-9223372036854775809", &v));
    assert_false(read_int("1.5", &v));
    assert_false(read_int("1e40", &v));
    assert_false(read_int("1e-1", &v));
}

static void doubles_are_read_as_the_c_library_reads_them(void **state)
{
    (void)state;
    static const char *const text[] = {"0",
                                       "-0.0",
                                       "0.1",
                                       "-12.375",
                                       "123456789012345",
                                       "1234567890123456",
                                       "0.000000000000001",
                                       "3.141592653589793",
                                       "1e22",
                                       "1e23",
                                       "1.7976931348623157e308",
                                       "5e-324",
                                       "2.2250738585072011e-308",
                                       "123456789.123456",
                                       "0.30000000000000004",
                                       "1e-400",
                                       "9007199254740993",
                                       "100000000000000000000000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        double d = 7;
        struct json j = json_of(slice_of(text[i]));
        assert_true(json_double(&j, &d));
        assert_true(d == strtod(text[i], NULL));
        assert_int_equal(json_end(&j), OK);
    }
    double d;
    struct json j = json_of(slice_of("1e999"));
    assert_false(json_double(&j, &d));
}

static void an_absent_text_is_an_empty_one(void **state)
{
    (void)state;
    struct json j = json_of(slice_make(NULL, 0));
    assert_int_equal(json_peek(&j), JSON_INVALID);
    assert_false(json_skip(&j));
    assert_int_equal(json_end(&j), ERR_PROTOCOL);
}

/* A quote, backslash or control is found wherever it stands relative to the vector width. */
static void strings_end_at_any_offset(void **state)
{
    (void)state;
    char text[80];
    for (size_t n = 0; n < 70; n++) {
        memset(text, 'x', sizeof text);
        text[0] = '"';
        text[n + 1] = '"';
        assert_true(accepts_bytes(text, n + 2));
        assert_false(accepts_bytes(text, n + 1));
        if (n == 0)
            continue;
        text[n] = '\x1f';
        assert_false(accepts_bytes(text, n + 2));
        text[n] = '\\';
        assert_false(accepts_bytes(text, n + 2));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_are_accepted),
        cmocka_unit_test(invalid_texts_are_refused),
        cmocka_unit_test(every_cut_of_a_valid_object_is_refused),
        cmocka_unit_test(depth_is_bounded_in_skips_and_in_steps),
        cmocka_unit_test(objects_and_arrays_are_walked_in_order),
        cmocka_unit_test(leaving_in_the_middle_is_not_a_whole_text),
        cmocka_unit_test(errors_are_sticky_and_point_at_the_byte),
        cmocka_unit_test(a_value_of_another_type_is_an_error),
        cmocka_unit_test(a_walk_refuses_what_a_skip_refuses),
        cmocka_unit_test(whole_numbers_must_be_whole_and_fit),
        cmocka_unit_test(doubles_are_read_as_the_c_library_reads_them),
        cmocka_unit_test(an_absent_text_is_an_empty_one),
        cmocka_unit_test(strings_end_at_any_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
