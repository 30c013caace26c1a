#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"

static void setting_an_error_keeps_code_and_sentence(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(err_set(&e, ERR_INPUT, "line %d: %s", 3, "no"), ERR_INPUT);
    assert_int_equal(e.code, ERR_INPUT);
    assert_string_equal(e.text, "line 3: no");
}

static void a_caller_who_wants_no_sentence_still_gets_the_code(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_NET, "ignored %d", 1), ERR_NET);
    assert_true(err_prefix(NULL, "ignored") < 0);
}

static void a_prefix_goes_in_front_and_the_code_stays(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, ERR_IO, "permission denied");
    assert_int_equal(err_prefix(&e, "while opening %s: ", "x"), ERR_IO);
    assert_string_equal(e.text, "while opening x: permission denied");
}

static void overlong_sentences_are_cut_and_terminated(void **state)
{
    (void)state;
    struct err e;
    char text[2000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&e, ERR_IO, "%s", text);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    err_prefix(&e, "%s", "front: ");
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    assert_memory_equal(e.text, "front: aaa", 10);
    err_prefix(&e, "%s", text);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_an_error_keeps_code_and_sentence),
        cmocka_unit_test(a_caller_who_wants_no_sentence_still_gets_the_code),
        cmocka_unit_test(a_prefix_goes_in_front_and_the_code_stays),
        cmocka_unit_test(overlong_sentences_are_cut_and_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
