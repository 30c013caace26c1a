#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "serve/buckets.h"

static const struct buckets_bounds bounds = {.n = 2, .at = {0.5, 10}};

static void a_value_counts_below_its_bound_and_all_above_it(void **state)
{
    (void)state;
    struct buckets b = {0};
    struct buf page = {0};
    buckets_add(&b, &bounds, 0.5); /* on a bound: below it */
    buckets_add(&b, &bounds, 0.75);
    buckets_add(&b, &bounds, 11);
    buckets_put(&page, "x", "", &b, &bounds);
    assert_string_equal(buf_cstr(&page), "x_bucket{le=\"0.5\"} 1\n"
                                         "x_bucket{le=\"10\"} 2\n"
                                         "x_bucket{le=\"+Inf\"} 3\n"
                                         "x_sum 12.25\n"
                                         "x_count 3\n");
    buf_release(&page);
}

static void labels_stand_before_the_bound(void **state)
{
    (void)state;
    struct buckets b = {0};
    struct buf page = {0};
    buckets_put(&page, "x", "a=\"b\"", &b, &bounds);
    assert_string_equal(buf_cstr(&page), "x_bucket{a=\"b\",le=\"0.5\"} 0\n"
                                         "x_bucket{a=\"b\",le=\"10\"} 0\n"
                                         "x_bucket{a=\"b\",le=\"+Inf\"} 0\n"
                                         "x_sum{a=\"b\"} 0\n"
                                         "x_count{a=\"b\"} 0\n");
    buf_release(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_counts_below_its_bound_and_all_above_it),
        cmocka_unit_test(labels_stand_before_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
