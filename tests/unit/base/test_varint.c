#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "base/varint.h"

static void assert_round_trip(uint64_t v)
{
    struct buf b = {0};
    uint64_t back = ~v;
    assert_int_equal(varint_put(&b, v), OK);
    struct slice in = buf_slice(&b);
    assert_int_equal(varint_take(&in, &back), OK);
    assert_true(back == v);
    assert_int_equal(in.n, 0);
    buf_release(&b);
}

static void known_encodings_are_leb128(void **state)
{
    (void)state;
    char bytes[VARINT_MAX_BYTES];
    assert_int_equal(varint_write(bytes, 624485), 3); /* the example of the DWARF standard */
    assert_memory_equal(bytes, "\xE5\x8E\x26", 3);
    assert_int_equal(varint_write(bytes, 127), 1);
    assert_int_equal(varint_write(bytes, 128), 2);
    assert_int_equal(varint_write(bytes, UINT64_MAX), 10);
}

static void numbers_come_back(void **state)
{
    (void)state;
    struct rng r = rng_at(1, RNG_LENGTH, 0);
    assert_round_trip(0);
    assert_round_trip(UINT64_MAX);
    for (unsigned shift = 0; shift < 64; shift++) {
        assert_round_trip(UINT64_C(1) << shift);
        assert_round_trip((UINT64_C(1) << shift) - 1);
        assert_round_trip(rng_u64(&r) >> shift);
    }
}

static void cut_short_or_overlong_numbers_are_refused(void **state)
{
    (void)state;
    uint64_t v;
    struct slice cut = slice_make("\x80\x80", 2);
    struct slice none = {NULL, 0};
    struct slice bit_64 = slice_make("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
    struct slice eleven = slice_make("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11);
    assert_int_equal(varint_take(&cut, &v), ERR_INPUT);
    assert_int_equal(varint_take(&none, &v), ERR_INPUT);
    assert_int_equal(varint_take(&bit_64, &v), ERR_INPUT);
    assert_int_equal(varint_take(&eleven, &v), ERR_INPUT);
    assert_int_equal(cut.n, 2);
}

static void only_one_number_is_taken(void **state)
{
    (void)state;
    uint64_t v = 0;
    struct slice in = slice_make("\x01\x02", 2);
    assert_int_equal(varint_take(&in, &v), OK);
    assert_true(v == 1 && in.n == 1);
    assert_int_equal(varint_take(&in, &v), OK);
    assert_true(v == 2 && in.n == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_encodings_are_leb128),
        cmocka_unit_test(numbers_come_back),
        cmocka_unit_test(cut_short_or_overlong_numbers_are_refused),
        cmocka_unit_test(only_one_number_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
