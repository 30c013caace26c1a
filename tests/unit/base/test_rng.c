#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"

/* Known-answer vectors that the authors of Random123 publish for Philox4x32-10. */
static void philox_gives_the_published_vectors(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } vector[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
         {UINT32_MAX, UINT32_MAX},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof vector / sizeof vector[0]; i++) {
        uint32_t got[4];
        rng_philox4x32_10(vector[i].counter, vector[i].key, got);
        assert_memory_equal(got, vector[i].want, sizeof got);
    }
}

static void the_same_place_gives_the_same_numbers(void **state)
{
    (void)state;
    struct rng a = rng_at(42, RNG_PROMPT, 7), b = rng_at(42, RNG_PROMPT, 7);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_u32(&a), rng_u32(&b));
}

static void seed_stream_and_index_each_change_the_numbers(void **state)
{
    (void)state;
    struct rng r[] = {
        rng_at(42, RNG_PROMPT, 7),
        rng_at(43, RNG_PROMPT, 7),
        rng_at(42 + (UINT64_C(1) << 32), RNG_PROMPT, 7),
        rng_at(42, RNG_LENGTH, 7),
        rng_at(42, RNG_PROMPT + RNG_WARMUP, 7),
        rng_at(42, RNG_PROMPT, 8),
        rng_at(42, RNG_PROMPT, 7 + (UINT64_C(1) << 32)),
    };
    enum { N = sizeof r / sizeof r[0] };
    uint64_t first[N];
    for (int i = 0; i < N; i++) {
        first[i] = rng_u64(&r[i]);
        for (int k = 0; k < i; k++)
            assert_true(first[i] != first[k]);
    }
}

static void words_of_one_item_do_not_repeat(void **state)
{
    (void)state;
    struct rng r = rng_at(1, 1, 1);
    uint32_t word[64];
    for (int i = 0; i < 64; i++) {
        word[i] = rng_u32(&r);
        for (int k = 0; k < i; k++)
            assert_true(word[i] != word[k]);
    }
}

enum { DRAWS = 200000 };

/* Mean and variance of many draws lie within five standard errors of the truth: with fixed seeds
 * the outcome is fixed as well. */
static void assert_moments(double (*draw)(struct rng *, double), double parameter, double mean,
                           double variance, double fourth_moment)
{
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        struct rng r = rng_at(12345, RNG_SIM_NOISE, i);
        double d = draw(&r, parameter) - mean;
        sum += d;
        squares += d * d;
    }
    assert_true(fabs(sum / DRAWS) < 5 * sqrt(variance / DRAWS));
    double spread = sqrt((fourth_moment - variance * variance) / DRAWS);
    assert_true(fabs(squares / DRAWS - variance) < 5 * spread);
}

static double draw_unit(struct rng *r, double ignored)
{
    (void)ignored;
    double u = rng_unit(r);
    assert_true(u > 0 && u <= 1);
    return u;
}

static double draw_exponential(struct rng *r, double ignored)
{
    (void)ignored;
    double x = rng_exponential(r);
    assert_true(x >= 0 && isfinite(x));
    return x;
}

static double draw_normal(struct rng *r, double ignored)
{
    (void)ignored;
    return rng_normal(r);
}

static void distributions_have_their_moments(void **state)
{
    (void)state;
    assert_moments(draw_unit, 0, 0.5, 1.0 / 12, 1.0 / 80);
    assert_moments(draw_exponential, 0, 1, 1, 9);
    assert_moments(draw_normal, 0, 0, 1, 3);
    static const double shape[] = {0.1, 0.5, 1, 2.5, 30};
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++) {
        double k = shape[i]; /* gamma: mean k, variance k, fourth central moment 3k² + 6k */
        assert_moments(rng_gamma, k, k, k, 3 * k * k + 6 * k);
    }
}

/* P(X ≤ 1) = 1 − 1/e, and P(|Z| ≤ 1.96) = 0.95: the shape, not only the moments. */
static void distributions_have_their_quantiles(void **state)
{
    (void)state;
    int below_one = 0, within = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        struct rng r = rng_at(99, RNG_SIM_NOISE, i);
        below_one += rng_exponential(&r) <= 1;
        within += fabs(rng_normal(&r)) <= 1.959963984540054;
    }
    assert_true(fabs((double)below_one / DRAWS - 0.6321205588) < 5 * 0.4822 / sqrt(DRAWS));
    assert_true(fabs((double)within / DRAWS - 0.95) < 5 * 0.2180 / sqrt(DRAWS));
}

static void below_is_uniform_and_stays_below(void **state)
{
    (void)state;
    enum { SIDES = 7 };
    int count[SIDES] = {0};
    struct rng r = rng_at(5, RNG_SHUFFLE, 0);
    for (int i = 0; i < SIDES * 10000; i++) {
        uint64_t x = rng_below(&r, SIDES);
        assert_true(x < SIDES);
        count[x]++;
    }
    double chi2 = 0;
    for (int i = 0; i < SIDES; i++)
        chi2 += (count[i] - 10000.0) * (count[i] - 10000.0) / 10000.0;
    assert_true(chi2 < 22.46); /* chi-square, 6 degrees of freedom, 0.999 */
    for (int i = 0; i < 1000; i++) {
        assert_true(rng_below(&r, 1) == 0);
        assert_true(rng_below(&r, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
    }
}

/* The first draw is part of "same seed, same load": a change here changes every run. */
static void the_mapping_to_floating_point_is_pinned(void **state)
{
    (void)state;
    struct rng r = rng_at(0, 0, 0);
    uint64_t low = 0x6627e8d5, high = 0xe169c58d;
    double want = (double)(((high << 32 | low) >> 11) + 1) / 9007199254740992.0;
    assert_true(rng_unit(&r) == want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_vectors),
        cmocka_unit_test(the_same_place_gives_the_same_numbers),
        cmocka_unit_test(seed_stream_and_index_each_change_the_numbers),
        cmocka_unit_test(words_of_one_item_do_not_repeat),
        cmocka_unit_test(distributions_have_their_moments),
        cmocka_unit_test(distributions_have_their_quantiles),
        cmocka_unit_test(below_is_uniform_and_stays_below),
        cmocka_unit_test(the_mapping_to_floating_point_is_pinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
