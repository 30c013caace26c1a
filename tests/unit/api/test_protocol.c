#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/protocol.h"

static void assert_error_text(const char *body, const char *expected)
{
    char out[64];
    api_error_text(slice_of(body), out, sizeof out);
    assert_string_equal(out, expected);
}

static void every_backend_is_found_by_its_name(void **state)
{
    (void)state;
    for (unsigned i = 0; protocol_at(i); i++)
        assert_ptr_equal(protocol_find(protocol_at(i)->name), protocol_at(i));
    assert_true(protocol_at(1) != NULL);
    assert_null(protocol_find("smoke-signals"));
}

static void the_servers_own_words_are_found_in_error_bodies(void **state)
{
    (void)state;
    assert_error_text("{\"error\":{\"message\":\"no such model\",\"code\":404}}", "no such model");
    assert_error_text("{\"object\":\"error\",\"message\":\"too \\\"long\\\"\"}", "too \"long\"");
    assert_error_text("{\"error\":\"plain\"}", "plain");
    assert_error_text("{\"detail\":\"Not Found\"}", "Not Found");
    assert_error_text("{\"detail\":[{\"loc\":[\"body\",\"min_tokens\"],\"msg\":\"extra\"}]}",
                      "[{\"loc\":[\"body\",\"min_tokens\"],\"msg\":\"extra\"}]");
    assert_error_text("Internal\nServer Error", "Internal Server Error");
    assert_error_text("", "");
}

static void long_error_texts_are_cut_between_characters(void **state)
{
    (void)state;
    char out[6];
    api_error_text(slice_of("abc\xc3\xa4\xc3\xb6"), out, sizeof out);
    assert_string_equal(out, "abc\xc3\xa4");
    api_error_text(slice_of("abcd\xc3\xa4"), out, sizeof out);
    assert_string_equal(out, "abcd");
}

static void extra_bodies_are_checked(void **state)
{
    (void)state;
    unsigned set;
    struct err e;
    assert_int_equal(api_check_extra_body("{\"ignore_eos\":false,\"top_k\":3}", &set, &e), OK);
    assert_int_equal(set, API_IGNORE_EOS);
    assert_int_equal(api_check_extra_body("[1]", &set, &e), ERR_USAGE);
    assert_int_equal(api_check_extra_body("{\"a\":}", &set, &e), ERR_USAGE);
    assert_int_equal(api_check_extra_body("{\"stream\":false}", &set, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "stream"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_backend_is_found_by_its_name),
        cmocka_unit_test(the_servers_own_words_are_found_in_error_bodies),
        cmocka_unit_test(long_error_texts_are_cut_between_characters),
        cmocka_unit_test(extra_bodies_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
