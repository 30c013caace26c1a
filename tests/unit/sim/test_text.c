#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "sim/text.h"

static int64_t count(const char *text)
{
    return text_count(slice_of(text));
}

static void a_word_with_its_blank_is_one_token(void **state)
{
    (void)state;
    assert_int_equal(count(""), 0);
    assert_int_equal(count("ship"), 1);
    assert_int_equal(count(" ship"), 1);
    assert_int_equal(count("the ship sails"), 3);
}

static void long_words_fall_into_pieces_of_eight_letters(void **state)
{
    (void)state;
    assert_int_equal(count(" mountain"), 1);
    assert_int_equal(count(" mountains"), 2);
    assert_int_equal(count("internationalization"), 3);
}

static void digits_punctuation_and_other_characters_are_small_pieces(void **state)
{
    (void)state;
    assert_int_equal(count("1234"), 2);
    assert_int_equal(count("a, b."), 4);
    assert_int_equal(count("  a"), 2);
    assert_int_equal(count("\n\n"), 2);
    assert_int_equal(count("\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x9a\xa2"), 3);
    assert_int_equal(count("\xc3"), 1);
    assert_int_equal(count("\xe6\xbc"
                           "a"),
                     3);
    assert_int_equal(count("\xff\xfe"), 2);
}

static void counts_of_joined_words_add_up(void **state)
{
    (void)state;
    struct rng r = rng_at(7, RNG_SIM_TEXT, 0);
    struct buf text = {0};
    int64_t sum = 0;
    for (int i = 0; i < 2000; i++) {
        struct slice w = text_word(&r);
        assert_int_equal(text_count(w), 1);
        sum += text_count(w);
        buf_put(&text, w);
    }
    assert_int_equal(text_count(buf_slice(&text)), sum);
    buf_release(&text);
}

static void words_depend_on_seed_and_index_alone(void **state)
{
    (void)state;
    struct rng a = rng_at(7, RNG_SIM_TEXT, 5), b = rng_at(7, RNG_SIM_TEXT, 5);
    struct rng other = rng_at(8, RNG_SIM_TEXT, 5);
    int differing = 0;
    for (int i = 0; i < 100; i++) {
        struct slice w = text_word(&a);
        assert_true(slice_eq(w, text_word(&b)));
        differing += !slice_eq(w, text_word(&other));
    }
    assert_true(differing > 50);
}

static void token_numbers_are_stable_and_in_the_vocabulary(void **state)
{
    (void)state;
    assert_int_equal(text_token(slice_of(" ship"), 32000), text_token(slice_of(" ship"), 32000));
    assert_int_not_equal(text_token(slice_of(" ship"), 32000),
                         text_token(slice_of(" sail"), 32000));
    struct rng r = rng_at(1, RNG_SIM_TEXT, 1);
    for (int i = 0; i < 1000; i++)
        assert_true(text_token(text_word(&r), 32) < 32 - TEXT_SPECIAL_TOKENS);
}

static void the_hash_is_fnv_1a(void **state)
{
    (void)state;
    assert_true(text_hash(TEXT_HASH_BEGIN, "foobar", 6) == UINT64_C(0x85944171f73967e8));
    assert_true(text_hash(text_hash(TEXT_HASH_BEGIN, "foo", 3), "bar", 3) ==
                UINT64_C(0x85944171f73967e8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_with_its_blank_is_one_token),
        cmocka_unit_test(long_words_fall_into_pieces_of_eight_letters),
        cmocka_unit_test(digits_punctuation_and_other_characters_are_small_pieces),
        cmocka_unit_test(counts_of_joined_words_add_up),
        cmocka_unit_test(words_depend_on_seed_and_index_alone),
        cmocka_unit_test(token_numbers_are_stable_and_in_the_vocabulary),
        cmocka_unit_test(the_hash_is_fnv_1a),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
