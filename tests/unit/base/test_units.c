#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "base/units.h"

static int64_t duration(const char *text)
{
    int64_t ns = -1;
    assert_int_equal(units_duration_ns(slice_of(text), "--t", &ns, NULL), OK);
    return ns;
}

static void durations_are_read_in_every_unit(void **state)
{
    (void)state;
    assert_true(duration("80ns") == 80);
    assert_true(duration("250us") == 250000);
    assert_true(duration("250µs") == 250000);
    assert_true(duration("500ms") == 500000000);
    assert_true(duration("1.5s") == 1500000000);
    assert_true(duration("0.1s") == 100000000);
    assert_true(duration(".5s") == 500000000);
    assert_true(duration("2m") == 120 * INT64_C(1000000000));
    assert_true(duration("1h") == 3600 * INT64_C(1000000000));
    assert_true(duration("1e3us") == 1000000);
    assert_true(duration("0") == 0);
    assert_true(duration("0ms") == 0);
}

static void a_duration_that_is_none_is_refused_and_the_sentence_names_the_option(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "5",    "ms",     "-1s",    "-0s",  "1 s",   " 1s",
                                      "1s ",  "1sec", "inf",    "nans",   "0x1s", "1e30h", "1S",
                                      "1s2m", "--1s", "1.2.3s", "1e400s", ".s",   "e5s"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ns = 77;
        struct err e = {0};
        assert_int_equal(units_duration_ns(slice_of(bad[i]), "--timeout", &ns, &e), ERR_USAGE);
        assert_true(ns == 77);
        assert_true(slice_starts(slice_of(e.text), "--timeout: "));
    }
}

static void a_bare_number_is_told_to_take_a_unit(void **state)
{
    (void)state;
    int64_t ns;
    struct err e;
    assert_int_equal(units_duration_ns(slice_of("500"), "--timeout", &ns, &e), ERR_USAGE);
    assert_string_equal(e.text, "--timeout: '500' has no unit; write 500ms or 500s");
}

static void numbers_must_be_whole_text_finite_and_in_range(void **state)
{
    (void)state;
    double x = -1;
    assert_int_equal(units_number(slice_of("12.5"), "r", 0, 100, &x, NULL), OK);
    assert_true(x == 12.5);
    assert_int_equal(units_number(slice_of("-1e-3"), "r", -1, 1, &x, NULL), OK);
    assert_true(x == -1e-3);
    assert_int_equal(units_number(slice_of("inf"), "r", 0, INFINITY, &x, NULL), OK);
    assert_true(isinf(x));
    static const char *const bad[] = {"inf", "nan",  "",      "1x",  "101",
                                      "-1",  "0x10", "1e999", "1,5", "."};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        x = 7;
        assert_int_equal(units_number(slice_of(bad[i]), "r", 0, 100, &x, NULL), ERR_USAGE);
        assert_true(x == 7);
    }
    assert_int_equal(units_number(slice_of("1e999"), "r", 0, INFINITY, &x, NULL), ERR_USAGE);
    assert_int_equal(units_number(slice_of("-inf"), "r", -INFINITY, INFINITY, &x, NULL), ERR_USAGE);
}

static int64_t count(const char *text)
{
    int64_t v = 0;
    assert_int_equal(units_count(slice_of(text), "-n", INT64_MIN, INT64_MAX, &v, NULL), OK);
    return v;
}

static void counts_take_thousands_and_millions(void **state)
{
    (void)state;
    assert_true(count("1000") == 1000);
    assert_true(count("10k") == 10000);
    assert_true(count("10K") == 10000);
    assert_true(count("2M") == 2000000);
    assert_true(count("1.5k") == 1500);
    assert_true(count("-3") == -3);
    assert_true(count("9223372036854775807") == INT64_MAX);
    assert_true(count("-9223372036854775808") == INT64_MIN);
}

static void a_count_that_is_not_whole_or_out_of_range_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   "1.5", "1.2345k", "x",   "10m",
                                      "k",  "1 0", "0x10",    "-1",  "1001",
                                      "2M", "1.",  "1.k",     "1e3", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t v = 7;
        assert_int_equal(units_count(slice_of(bad[i]), "-n", 0, 1000, &v, NULL), ERR_USAGE);
        assert_true(v == 7);
    }
}

static void empty_views_are_refused_as_text(void **state)
{
    (void)state;
    const struct slice nothing = {NULL, 0};
    int64_t v;
    double x;
    assert_int_equal(units_duration_ns(nothing, "t", &v, NULL), ERR_USAGE);
    assert_int_equal(units_count(nothing, "t", 0, 1, &v, NULL), ERR_USAGE);
    assert_int_equal(units_number(nothing, "t", 0, 1, &x, NULL), ERR_USAGE);
}

static void overlong_text_is_refused_with_a_bounded_sentence(void **state)
{
    (void)state;
    char text[5000];
    struct err e;
    int64_t v;
    double x;
    memset(text, '1', sizeof text);
    struct slice long_text = slice_make(text, sizeof text);
    assert_int_equal(units_duration_ns(long_text, "t", &v, &e), ERR_USAGE);
    assert_int_equal(units_count(long_text, "t", 0, 9, &v, &e), ERR_USAGE);
    assert_int_equal(units_number(long_text, "t", 0, INFINITY, &x, &e), ERR_USAGE);
    assert_true(strlen(e.text) < 300);
}

static void times_are_written_in_the_fitting_unit(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *want;
    } c[] = {
        {0, "0 ns"},
        {999, "999 ns"},
        {1000, "1.00 us"},
        {350000, "350 us"},
        {999499, "999 us"},
        {999500, "1.00 ms"},
        {12300000, "12.3 ms"},
        {9994000, "9.99 ms"},
        {9995000, "10.0 ms"},
        {4560000000, "4.56 s"},
        {59949999999, "59.9 s"},
        {59950000000, "1m 0s"},
        {200000000000, "3m 20s"},
        {3599500000000, "1h 0m"},
        {7500000000000, "2h 5m"},
        {-5000, "-5.00 us"},
        {INT64_MAX, "2562047h 47m"},
        {INT64_MIN, "-2562047h 47m"},
    };
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        char out[24];
        assert_string_equal(units_format_ns(c[i].ns, out, sizeof out), c[i].want);
    }
}

static void counts_are_written_in_three_digits(void **state)
{
    (void)state;
    static const struct {
        double x;
        const char *want;
    } c[] = {
        {0, "0"},          {950, "950"},     {7, "7"},          {12.345, "12.3"}, {0.05, "0.05"},
        {999.6, "1.00k"},  {12345, "12.3k"}, {4.56e6, "4.56M"}, {7.8e9, "7.80G"}, {1e12, "1.00T"},
        {-2500, "-2.50k"}, {1e18, "1e+18"},  {INFINITY, "inf"},
    };
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        char out[24];
        assert_string_equal(units_format_count(c[i].x, out, sizeof out), c[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_in_every_unit),
        cmocka_unit_test(a_duration_that_is_none_is_refused_and_the_sentence_names_the_option),
        cmocka_unit_test(a_bare_number_is_told_to_take_a_unit),
        cmocka_unit_test(numbers_must_be_whole_text_finite_and_in_range),
        cmocka_unit_test(counts_take_thousands_and_millions),
        cmocka_unit_test(a_count_that_is_not_whole_or_out_of_range_is_refused),
        cmocka_unit_test(empty_views_are_refused_as_text),
        cmocka_unit_test(overlong_text_is_refused_with_a_bounded_sentence),
        cmocka_unit_test(times_are_written_in_the_fitting_unit),
        cmocka_unit_test(counts_are_written_in_three_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
