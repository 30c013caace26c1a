/* The byte format of token gaps. */

#include "support.h"

static void check_round_trip(const struct gap *gaps, size_t n)
{
    struct buf b = {0};
    for (size_t i = 0; i < n; i++)
        assert_int_equal(gaps_put(&b, &gaps[i]), OK);
    struct slice in = buf_slice(&b);
    for (size_t i = 0; i < n; i++) {
        struct gap g;
        assert_int_equal(gaps_take(&in, &g), OK);
        assert_int_equal(g.gap_ns, gaps[i].gap_ns);
        assert_int_equal(g.width_ns, gaps[i].width_ns);
        assert_int_equal(g.tokens, gaps[i].tokens);
    }
    assert_int_equal(in.n, 0);
    buf_release(&b);
}

static void gaps_come_back_as_they_went_in(void **state)
{
    (void)state;
    const struct gap gaps[] = {
        {0, 0, 1}, {1, 0, 1}, {12345678, 0, 1},    {0, 1, 1},
        {7, 0, 0}, {7, 0, 2}, {7, 99, UINT64_MAX}, {(INT64_C(1) << 62) - 1, INT64_MAX, 3},
    };
    check_round_trip(gaps, sizeof gaps / sizeof gaps[0]);
}

static void bytes_are_as_documented(void **state)
{
    (void)state;
    static const unsigned char expected[] = {
        0x00,                               /* first event, stamped, one token */
        0x80, 0xa5, 0xbb, 0x04,             /* 2.34 ms = 2,340,000 ns, one token */
        0x82, 0xbf, 0xd6, 0x06, 0x03,       /* 3.5 ms, three tokens */
        0x81, 0xea, 0x30, 0xc0, 0xcf, 0x24, /* 0.2 ms, censored within 0.6 ms */
    };
    const struct gap gaps[] = {{0, 0, 1}, {2340000, 0, 1}, {3500000, 0, 3}, {200000, 600000, 1}};
    struct buf b = {0};
    for (int i = 0; i < 4; i++)
        gaps_put(&b, &gaps[i]);
    assert_int_equal(b.n, sizeof expected);
    assert_memory_equal(b.p, expected, sizeof expected);
    buf_release(&b);
}

static void a_typical_event_takes_four_bytes(void **state)
{
    (void)state;
    struct buf b = {0};
    gaps_put(&b, &(struct gap){25000000, 0, 1}); /* 25 ms */
    assert_int_equal(b.n, 4);
    buf_release(&b);
}

static void bytes_cut_short_anywhere_inside_an_event_are_refused(void **state)
{
    (void)state;
    struct buf b = {0};
    gaps_put(&b, &(struct gap){300, 70000, 1000});
    for (size_t n = 0; n < b.n; n++) {
        struct slice in = slice_make(b.p, n);
        struct gap g;
        assert_int_equal(gaps_take(&in, &g), ERR_INPUT);
    }
    buf_release(&b);
}

static void numbers_too_long_for_64_bits_are_refused(void **state)
{
    (void)state;
    struct slice in = slice_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
    struct gap g;
    assert_int_equal(gaps_take(&in, &g), ERR_INPUT);
    in = slice_make("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11); /* width beyond 63 bits */
    assert_int_equal(gaps_take(&in, &g), ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_come_back_as_they_went_in),
        cmocka_unit_test(bytes_are_as_documented),
        cmocka_unit_test(a_typical_event_takes_four_bytes),
        cmocka_unit_test(bytes_cut_short_anywhere_inside_an_event_are_refused),
        cmocka_unit_test(numbers_too_long_for_64_bits_are_refused),
    };
    return cmocka_run_group_tests_name("gaps", tests, NULL, NULL);
}
