/* Sequential decisions. What is spent at fifths of the information is in the tables of Lan & DeMets
 * (1983) and of later texts (α = 0.025: 0.0000 0.0004 0.0038 0.0122 0.0250); more digits: mpmath.
 */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "stats/sequential.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const double fifths[] = {0.2, 0.4, 0.6, 0.8, 1};

static void assert_spent(enum sequential_spending spending, double alpha, const double *want)
{
    double share[5], sum = 0;
    sequential_split(spending, alpha, fifths, 5, share);
    for (int i = 0; i < 5; i++) {
        sum += share[i];
        assert_true(share[i] > 0);
        if (!(fabs(sum - want[i]) <= 1e-10 * want[i]))
            fail_msg("look %d: %.12g spent, should be %.12g", i + 1, sum, want[i]);
    }
}

static void what_is_spent_is_lan_and_demetss(void **state)
{
    (void)state;
    static const double late_025[] = {5.38871262906e-7, 0.000394151756691, 0.00380806331099,
                                      0.0122117903464, 0.025};
    static const double late_05[] = {1.17264468425e-5, 0.00194191299674, 0.0113964184653,
                                     0.0284296307531, 0.05};
    static const double even_025[] = {0.00738486322801, 0.0130784290903, 0.0177128266716,
                                      0.0216209931291, 0.025};
    static const double even_05[] = {0.014769726456, 0.0261568581806, 0.0354256533431,
                                     0.0432419862582, 0.05};
    assert_spent(SEQUENTIAL_OBRIEN_FLEMING, 0.025, late_025);
    assert_spent(SEQUENTIAL_OBRIEN_FLEMING, 0.05, late_05);
    assert_spent(SEQUENTIAL_POCOCK, 0.025, even_025);
    assert_spent(SEQUENTIAL_POCOCK, 0.05, even_05);
}

static void equal_shares_are_bonferronis(void **state)
{
    (void)state;
    double share[4];
    sequential_split(SEQUENTIAL_EQUAL, 0.05, NULL, 4, share);
    for (int i = 0; i < 4; i++)
        assert_true(share[i] == 0.0125);
}

static void what_a_search_does_not_reach_is_kept_back(void **state)
{
    (void)state;
    static const double half[] = {0.25, 0.5};
    double share[2];
    sequential_split(SEQUENTIAL_POCOCK, 0.05, half, 2, share);
    assert_true(fabs(share[0] + share[1] - 0.05 * log1p((M_E - 1) / 2)) < 1e-15);
}

static void fill(struct sequential_block *blocks, size_t count, uint64_t n, uint64_t misses)
{
    for (size_t i = 0; i < count; i++)
        blocks[i] = (struct sequential_block){n, misses};
}

/* θ₀ = 0.01, θ₁ = 0.005, α = β = 0.05: a block of 200 without a miss is worth 200 ln(0.995/0.99)
 * = 1.00757, the bounds are ± ln 19 = ± 2.94444: three blocks would do. A miss takes back ln 2 and
 * a hit's worth. */
static void the_ratio_is_walds(void **state)
{
    (void)state;
    struct sequential_block blocks[20];
    struct sequential_sprt got;
    fill(blocks, 20, 200, 0);
    sequential_sprt(blocks, 20, 0.99, 0.05, 0.05, 1, &got);
    assert_int_equal(got.verdict, SEQUENTIAL_GOOD);
    assert_int_equal(got.decided_after, 3);
    assert_true(fabs(got.upper - 2.944438979166) < 1e-11);
    assert_true(fabs(got.lower + 2.944438979166) < 1e-11);
    assert_true(fabs(got.ratio - 3 * 200 * log(0.995 / 0.99)) < 1e-11);

    fill(blocks, 20, 200,
         1); /* 0.5 %: just good. 199 ln(0.995/0.99) − ln 2 = 0.30938 a block, so 10 */
    sequential_sprt(blocks, 20, 0.99, 0.05, 0.05, 1, &got);
    assert_int_equal(got.verdict, SEQUENTIAL_GOOD);
    assert_int_equal(got.decided_after, 10);

    fill(blocks, 20, 200, 2); /* 1 %: 198 ln(0.995/0.99) − 2 ln 2 = −0.38880 a block, so 8 */
    sequential_sprt(blocks, 20, 0.99, 0.05, 0.05, 1, &got);
    assert_int_equal(got.verdict, SEQUENTIAL_BAD);
    assert_int_equal(got.decided_after, 8);
}

static void inflation_asks_for_more(void **state)
{
    (void)state;
    struct sequential_block blocks[40];
    struct sequential_sprt got;
    fill(blocks, 40, 200, 0);
    sequential_sprt(blocks, 40, 0.99, 0.05, 0.05, 6, &got);
    assert_int_equal(got.verdict, SEQUENTIAL_GOOD);
    assert_int_equal(got.decided_after, 18); /* 2.94444·6/1.00757 = 17.5 */
    sequential_sprt(blocks, 17, 0.99, 0.05, 0.05, 6, &got);
    assert_int_equal(got.verdict, SEQUENTIAL_UNDECIDED);
    assert_int_equal(got.decided_after, 0);
    sequential_sprt(blocks, 40, 0.99, 0.05, 0.05, 0.1, &got);
    assert_int_equal(got.decided_after, 3);
    sequential_sprt(blocks, 40, 0.99, 0.05, 0.05, NAN, &got);
    assert_int_equal(got.decided_after, 3);
}

static void few_blocks_and_correlated_ones_decide_nothing(void **state)
{
    (void)state;
    struct sequential_block blocks[20];
    struct sequential_sprt got;
    fill(blocks, 20, 1000, 0);
    sequential_sprt(blocks, SEQUENTIAL_LEAST_BLOCKS - 1, 0.99, 0.05, 0.05, 1, &got);
    assert_int_equal(got.verdict, SEQUENTIAL_UNDECIDED);
    sequential_sprt(blocks, 0, 0.99, 0.05, 0.05, 1, &got);
    assert_int_equal(got.verdict, SEQUENTIAL_UNDECIDED);
    fill(blocks + 12, 5, 1000, 40);
    sequential_sprt(blocks, 20, 0.99, 0.05, 0.05, 1, &got);
    assert_true(got.rho1 > 0.2);
    assert_int_equal(got.verdict, SEQUENTIAL_DEPENDENT);
    assert_int_equal(got.decided_after, 0);
}

static void it_errs_no_more_often_than_it_may(void **state)
{
    (void)state;
    enum { TRIALS = 1000, BLOCKS = 60, SIZE = 100 };
    static const struct {
        double theta;
        enum sequential_verdict wrong;
    } cases[] = {{0.02, SEQUENTIAL_GOOD}, {0.01, SEQUENTIAL_BAD}};
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        unsigned wrong = 0, decided = 0;
        for (uint64_t trial = 0; trial < TRIALS; trial++) {
            struct sequential_block blocks[BLOCKS];
            struct rng r = rng_at(trial, RNG_SIM_NOISE, c);
            for (int b = 0; b < BLOCKS; b++) {
                blocks[b] = (struct sequential_block){SIZE, 0};
                for (int i = 0; i < SIZE; i++)
                    blocks[b].misses += rng_unit(&r) <= cases[c].theta;
            }
            struct sequential_sprt got;
            sequential_sprt(blocks, BLOCKS, 0.98, 0.05, 0.05, 1, &got);
            wrong += got.verdict == cases[c].wrong;
            decided += got.decided_after > 0;
        }
        assert_true(decided > TRIALS * 8 / 10);
        if (wrong > 0.06 * TRIALS)
            fail_msg("theta %g: wrong in %u of %d", cases[c].theta, wrong, TRIALS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_spent_is_lan_and_demetss),
        cmocka_unit_test(equal_shares_are_bonferronis),
        cmocka_unit_test(what_a_search_does_not_reach_is_kept_back),
        cmocka_unit_test(the_ratio_is_walds),
        cmocka_unit_test(inflation_asks_for_more),
        cmocka_unit_test(few_blocks_and_correlated_ones_decide_nothing),
        cmocka_unit_test(it_errs_no_more_often_than_it_may),
    };
    return cmocka_run_group_tests_name("sequential", tests, NULL, NULL);
}
