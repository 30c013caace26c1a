/* Percentiles by rank, against sorting. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stats/rank.h"

static void the_rank_is_n_times_p_rounded_up(void **state)
{
    (void)state;
    static const struct {
        double p;
        size_t n, rank;
    } cases[] = {
        {0.9, 10, 9},
        {0.5, 1, 1},
        {0.5, 2, 1},
        {0.5, 3, 2},
        {0.07, 100, 7},
        {0.29, 100, 29},
        {0.58, 100, 58},
        {0.99, 100, 99},
        {0.99, 101, 100},
        {0.999, 1000, 999},
        {0.999, 1001, 1000},
        {0.95, 20, 19},
        {0.95, 21, 20},
        {1, 7, 7},
        {1e-9, 5, 1},
        {0.99, 50000000, 49500000},
        {0.999, 50000001, 49950001},
        {0.75, 4, 3},
        {0.1, 30, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(rank_of(cases[i].p, cases[i].n), cases[i].rank);
}

static void decimal_percentiles_of_round_samples_are_exact(void **state)
{
    (void)state;
    for (size_t n = 1000; n <= 1000000; n *= 10)
        for (size_t thousandth = 1; thousandth <= 1000; thousandth++)
            assert_int_equal(rank_of((double)thousandth / 1000, n), thousandth * (n / 1000));
}

/* Ways an array may look. */
static double value_at(int shape, size_t i, size_t n, struct rng *r)
{
    switch (shape) {
    case 0:
        return rng_unit(r);
    case 1:
        return 3.5;
    case 2:
        return (double)i;
    case 3:
        return (double)(n - i);
    case 4:
        return (double)(i % 3);
    default:
        return (double)(i < n / 2 ? i : n - i) - 100; /* organ pipe */
    }
}

static void selecting_agrees_with_sorting(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 7, 100, 1001};
    struct rng r = rng_at(1, RNG_SHUFFLE, 0);
    for (int shape = 0; shape < 6; shape++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            size_t n = sizes[s];
            double *x = MEM_ARRAY(double, n), *sorted = MEM_ARRAY(double, n);
            for (size_t i = 0; i < n; i++)
                x[i] = sorted[i] = value_at(shape, i, n, &r);
            rank_sort(sorted, n);
            for (size_t i = 1; i < n; i++)
                assert_true(sorted[i - 1] <= sorted[i]);
            for (size_t k = 1; k <= n; k += 1 + n / 13)
                assert_true(rank_select(x, n, k) == sorted[k - 1]);
            assert_true(rank_select(x, n, n) == sorted[n - 1]);
            free(x);
            free(sorted);
        }
}

static int by_size_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void check_many(const uint64_t *x, size_t n)
{
    size_t ranks[] = {
        n, 1, (n + 1) / 2, rank_of(0.99, n), rank_of(0.999, n), rank_of(0.9, n), (n + 1) / 2};
    enum { M = sizeof ranks / sizeof ranks[0] };
    uint64_t out[M];
    uint64_t *sorted = mem_alloc(n * sizeof *sorted);
    memcpy(sorted, x, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_size_u64);
    rank_select_many_u64(x, n, ranks, M, out);
    for (int j = 0; j < M; j++)
        assert_int_equal(out[j], sorted[ranks[j] - 1]);
    free(sorted);
}

static void selecting_many_ranks_agrees_with_sorting(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 50, 1000, 70000};
    struct rng r = rng_at(2, RNG_SHUFFLE, 0);
    for (unsigned bits = 0; bits <= 64; bits++) /* values of up to so many bits */
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            size_t n = sizes[s];
            if (n > 1000 && bits % 8 != 0)
                continue;
            uint64_t *x = MEM_ARRAY(uint64_t, n);
            for (size_t i = 0; i < n; i++)
                x[i] = bits ? rng_u64(&r) >> (64 - bits) : 0;
            check_many(x, n);
            free(x);
        }
}

static void selecting_many_ranks_bears_odd_arrays(void **state)
{
    (void)state;
    enum { N = 4099 };
    static uint64_t x[N];
    for (size_t i = 0; i < N; i++)
        x[i] = UINT64_MAX;
    check_many(x, N); /* all the same, the largest there is */
    x[7] = 0;
    check_many(x, N); /* the whole range, and nothing in between */
    for (size_t i = 0; i < N; i++)
        x[i] = 20000000 + i % 3; /* ranks that share all but the last bits */
    check_many(x, N);
    for (size_t i = 0; i < N; i++)
        x[i] = i % 2 ? UINT64_C(1) << 63 : i;
    check_many(x, N);
    for (size_t i = 0; i < N; i++)
        x[i] = (i * i * 2654435761u) >> 3; /* neighbours in the top digit, apart in the next */
    check_many(x, N);
}

static void every_rank_at_once_sorts(void **state)
{
    (void)state;
    enum { N = 300 };
    static uint64_t x[N], out[N];
    static size_t ranks[N];
    struct rng r = rng_at(3, RNG_SHUFFLE, 0);
    for (size_t i = 0; i < N; i++) {
        x[i] = rng_below(&r, 100000);
        ranks[i] = N - i;
    }
    rank_select_many_u64(x, N, ranks, N, out);
    qsort(x, N, sizeof *x, by_size_u64);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(out[i], x[N - i - 1]);
    rank_select_many_u64(NULL, 0, NULL, 0, NULL); /* nothing asked, nothing done */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rank_is_n_times_p_rounded_up),
        cmocka_unit_test(decimal_percentiles_of_round_samples_are_exact),
        cmocka_unit_test(selecting_agrees_with_sorting),
        cmocka_unit_test(selecting_many_ranks_agrees_with_sorting),
        cmocka_unit_test(selecting_many_ranks_bears_odd_arrays),
        cmocka_unit_test(every_rank_at_once_sorts),
    };
    return cmocka_run_group_tests_name("ranks", tests, NULL, NULL);
}
