#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdint.h>

#include "workload/arrivals.h"

enum { N = 100000 };

struct gaps {
    double mean_s, cv;
};

static struct gaps measure(const struct arrivals_spec *spec)
{
    struct arrivals a;
    arrivals_init(&a, spec);
    double sum = 0, squares = 0;
    int64_t last = 0;
    for (int i = 0; i < N; i++) {
        int64_t at;
        assert_true(arrivals_next(&a, &at));
        assert_true(at >= last);
        double gap = (double)(at - last) / 1e9;
        sum += gap;
        squares += gap * gap;
        last = at;
    }
    double mean = sum / N;
    return (struct gaps){mean, sqrt(squares / N - mean * mean) / mean};
}

static void poisson_gaps_have_the_mean_of_the_rate_and_cv_one(void **state)
{
    (void)state;
    struct arrivals_spec spec = {.rate = 8, .burstiness = 1, .seed = 1};
    struct gaps g = measure(&spec);
    assert_true(fabs(g.mean_s * 8 - 1) < 0.02);
    assert_true(fabs(g.cv - 1) < 0.02);
}

static void gamma_gaps_have_the_cv_of_their_burstiness(void **state)
{
    (void)state;
    const double burstiness[] = {0.06, 0.25, 4, 100};
    for (size_t i = 0; i < 4; i++) {
        struct arrivals_spec spec = {.rate = 50, .burstiness = burstiness[i], .seed = 7};
        struct gaps g = measure(&spec);
        assert_true(fabs(g.mean_s * 50 - 1) < 0.06);
        assert_true(fabs(g.cv * sqrt(burstiness[i]) - 1) < 0.06);
    }
}

static void infinite_burstiness_gives_constant_gaps(void **state)
{
    (void)state;
    struct arrivals_spec spec = {.rate = 10, .burstiness = INFINITY};
    struct arrivals a;
    arrivals_init(&a, &spec);
    for (int64_t i = 1; i <= 1000; i++) {
        int64_t at;
        assert_true(arrivals_next(&a, &at));
        assert_int_equal(at, i * 100000000);
    }
}

static void infinite_rate_puts_everything_at_the_start(void **state)
{
    (void)state;
    struct arrivals_spec spec = {.rate = INFINITY, .burstiness = 1};
    struct arrivals a;
    arrivals_init(&a, &spec);
    for (int i = 0; i < 100; i++) {
        int64_t at = -1;
        assert_true(arrivals_next(&a, &at));
        assert_int_equal(at, 0);
    }
}

static void a_trace_is_followed_and_then_ends(void **state)
{
    (void)state;
    const int64_t given[] = {0, 5, 5, 900};
    struct arrivals_spec spec = {.at_ns = given, .at_count = 4};
    struct arrivals a;
    arrivals_init(&a, &spec);
    int64_t at;
    for (int i = 0; i < 4; i++) {
        assert_true(arrivals_next(&a, &at));
        assert_int_equal(at, given[i]);
    }
    assert_false(arrivals_next(&a, &at));
    assert_false(arrivals_next(&a, &at));
}

static void same_seed_same_times_other_seed_other_times(void **state)
{
    (void)state;
    struct arrivals_spec one = {.rate = 5, .burstiness = 0.5, .seed = 3}, two = one, three = one;
    three.seed = 4;
    struct arrivals a, b, c;
    arrivals_init(&a, &one);
    arrivals_init(&b, &two);
    arrivals_init(&c, &three);
    int differ = 0;
    for (int i = 0; i < 100; i++) {
        int64_t x, y, z;
        arrivals_next(&a, &x);
        arrivals_next(&b, &y);
        arrivals_next(&c, &z);
        assert_int_equal(x, y);
        differ += x != z;
    }
    assert_int_equal(differ, 100);
}

/* Constant gaps make a ramp an exact curve: request k comes when the integral of the rate reaches
 * k. */
static int64_t arrivals_until(struct arrivals_spec *spec, double s)
{
    struct arrivals a;
    arrivals_init(&a, spec);
    int64_t n = 0, at;
    while (arrivals_next(&a, &at) && at < (int64_t)(s * 1e9))
        n++;
    return n;
}

static void linear_ramp_over_time_follows_the_integral_of_its_rate(void **state)
{
    (void)state;
    struct arrivals_spec spec = {.burstiness = INFINITY,
                                 .ramp = RAMP_LINEAR,
                                 .ramp_start = 0,
                                 .ramp_end = 100,
                                 .ramp_ns = INT64_C(10000000000)};
    /* 5 t² within the ramp, then 500 + 100 (t − 10). */
    assert_in_range(arrivals_until(&spec, 5), 124, 125);
    assert_in_range(arrivals_until(&spec, 10), 499, 500);
    assert_in_range(arrivals_until(&spec, 12), 699, 700);
    spec.ramp_start = 100;
    spec.ramp_end = 20; /* downwards: 100 t − 4 t² */
    assert_in_range(arrivals_until(&spec, 5), 399, 400);
    assert_in_range(arrivals_until(&spec, 11), 619, 620);
}

static void exponential_ramp_over_time_follows_the_integral_of_its_rate(void **state)
{
    (void)state;
    struct arrivals_spec spec = {.burstiness = INFINITY,
                                 .ramp = RAMP_EXPONENTIAL,
                                 .ramp_start = 10,
                                 .ramp_end = 1000,
                                 .ramp_ns = INT64_C(10000000000)};
    double growth = log(100.0) / 10;
    int64_t half = (int64_t)(10 * expm1(growth * 5) / growth);
    int64_t all = (int64_t)(10 * expm1(growth * 10) / growth);
    assert_in_range(arrivals_until(&spec, 5), half - 1, half + 1);
    assert_in_range(arrivals_until(&spec, 10), all - 1, all + 1);
    assert_in_range(arrivals_until(&spec, 11), all + 998, all + 1002);
    spec.ramp_end = 10; /* no growth at all */
    assert_in_range(arrivals_until(&spec, 8), 79, 80);
}

static void poisson_ramp_over_time_keeps_its_expected_count(void **state)
{
    (void)state;
    struct arrivals_spec spec = {.burstiness = 1,
                                 .ramp = RAMP_LINEAR,
                                 .ramp_start = 100,
                                 .ramp_end = 900,
                                 .ramp_ns = INT64_C(100000000000),
                                 .seed = 11};
    assert_in_range(arrivals_until(&spec, 100), 49000, 51000); /* 50,000 ± 4.5 σ */
    assert_in_range(arrivals_until(&spec, 50), 14400, 15600);  /* 15,000 */
}

static void ramp_over_requests_sets_each_gap_by_its_index(void **state)
{
    (void)state;
    struct arrivals_spec spec = {.burstiness = INFINITY,
                                 .ramp = RAMP_LINEAR,
                                 .ramp_start = 10,
                                 .ramp_end = 110,
                                 .ramp_requests = 100};
    struct arrivals a;
    arrivals_init(&a, &spec);
    double at_s = 0;
    for (int i = 0; i < 150; i++) {
        int64_t at;
        assert_true(arrivals_next(&a, &at));
        at_s += 1.0 / (10 + (i < 100 ? i : 100));
        assert_in_range(at, (int64_t)(at_s * 1e9) - 2, (int64_t)(at_s * 1e9) + 2);
    }
    spec.ramp = RAMP_EXPONENTIAL;
    spec.ramp_end = 1000;
    arrivals_init(&a, &spec);
    int64_t first, second;
    arrivals_next(&a, &first);
    arrivals_next(&a, &second);
    assert_int_equal(first, 100000000);
    assert_int_equal(second - first, llround(1e9 / (10 * pow(100, 0.01))));
}

static void a_ramp_from_nothing_still_begins(void **state)
{
    (void)state;
    struct arrivals_spec spec = {
        .burstiness = INFINITY, .ramp = RAMP_LINEAR, .ramp_end = 100, .ramp_requests = 100};
    struct arrivals a;
    int64_t at;
    arrivals_init(&a, &spec);
    assert_true(arrivals_next(&a, &at));
    assert_int_equal(at, 1000000000);
}

static void a_rate_of_nothing_ends_the_schedule(void **state)
{
    (void)state;
    struct arrivals_spec spec = {.rate = 0, .burstiness = 1};
    struct arrivals a;
    int64_t at;
    arrivals_init(&a, &spec);
    assert_false(arrivals_next(&a, &at));
    spec = (struct arrivals_spec){.burstiness = INFINITY,
                                  .ramp = RAMP_LINEAR,
                                  .ramp_start = 10,
                                  .ramp_ns = INT64_C(10000000000)};
    assert_in_range(arrivals_until(&spec, 1e6), 49, 50); /* down to nothing: 10·10/2 and no more */
}

/* ---- steps ---- */

static struct arrivals_spec steps(double burstiness)
{
    return (struct arrivals_spec){.rate = 200,
                                  .burstiness = burstiness,
                                  .ramp = RAMP_STEPS,
                                  .steps = {{10, INT64_C(10000000000)},
                                            {50, INT64_C(20000000000)},
                                            {200, INT64_C(30000000000)}},
                                  .step_count = 3,
                                  .seed = 3};
}

static void steps_have_one_rate_after_the_other_and_the_last_goes_on(void **state)
{
    (void)state;
    struct arrivals_spec spec = steps(INFINITY);
    assert_in_range(arrivals_until(&spec, 5), 49, 50);
    assert_in_range(arrivals_until(&spec, 10), 99, 100);
    assert_in_range(arrivals_until(&spec, 15), 349, 350);
    assert_in_range(arrivals_until(&spec, 20), 599, 600);
    assert_in_range(arrivals_until(&spec, 30), 2599, 2600);
    assert_in_range(arrivals_until(&spec, 35), 3599, 3600);
}

static void poisson_steps_keep_their_expected_counts(void **state)
{
    (void)state;
    struct arrivals_spec spec = steps(1);
    double first = 0, second = 0, third = 0;
    for (spec.seed = 1; spec.seed <= 50; spec.seed++) {
        double a = (double)arrivals_until(&spec, 10), b = (double)arrivals_until(&spec, 20);
        first += a;
        second += b - a;
        third += (double)arrivals_until(&spec, 30) - b;
    }
    assert_true(fabs(first - 5000) < 4.5 * sqrt(5000)); /* 4.5 σ */
    assert_true(fabs(second - 25000) < 4.5 * sqrt(25000));
    assert_true(fabs(third - 100000) < 4.5 * sqrt(100000));
}

/* A gap that is longer than a step reaches over it. */
static void a_step_without_arrivals_is_passed_over(void **state)
{
    (void)state;
    struct arrivals_spec spec = {.burstiness = INFINITY,
                                 .ramp = RAMP_STEPS,
                                 .steps = {{1, INT64_C(10000000000)},
                                           {1e-6, INT64_C(11000000000)},
                                           {2, INT64_C(12000000000)}},
                                 .step_count = 3};
    assert_in_range(arrivals_until(&spec, 10.9), 9, 10);
    assert_in_range(arrivals_until(&spec, 13.1), 13, 14);
}

static void one_step_is_a_constant_rate(void **state)
{
    (void)state;
    struct arrivals_spec one = {.rate = 8,
                                .burstiness = 1,
                                .ramp = RAMP_STEPS,
                                .steps = {{8, 1}},
                                .step_count = 1,
                                .seed = 2},
                         plain = {.rate = 8, .burstiness = 1, .seed = 2};
    struct arrivals a, b;
    arrivals_init(&a, &one);
    arrivals_init(&b, &plain);
    for (int i = 0; i < 1000; i++) {
        int64_t x = 0, y = 0;
        assert_true(arrivals_next(&a, &x) && arrivals_next(&b, &y));
        assert_in_range(x, y - 2, y + 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poisson_gaps_have_the_mean_of_the_rate_and_cv_one),
        cmocka_unit_test(gamma_gaps_have_the_cv_of_their_burstiness),
        cmocka_unit_test(infinite_burstiness_gives_constant_gaps),
        cmocka_unit_test(infinite_rate_puts_everything_at_the_start),
        cmocka_unit_test(a_trace_is_followed_and_then_ends),
        cmocka_unit_test(same_seed_same_times_other_seed_other_times),
        cmocka_unit_test(linear_ramp_over_time_follows_the_integral_of_its_rate),
        cmocka_unit_test(exponential_ramp_over_time_follows_the_integral_of_its_rate),
        cmocka_unit_test(poisson_ramp_over_time_keeps_its_expected_count),
        cmocka_unit_test(ramp_over_requests_sets_each_gap_by_its_index),
        cmocka_unit_test(a_ramp_from_nothing_still_begins),
        cmocka_unit_test(a_rate_of_nothing_ends_the_schedule),
        cmocka_unit_test(steps_have_one_rate_after_the_other_and_the_last_goes_on),
        cmocka_unit_test(poisson_steps_keep_their_expected_counts),
        cmocka_unit_test(a_step_without_arrivals_is_passed_over),
        cmocka_unit_test(one_step_is_a_constant_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
