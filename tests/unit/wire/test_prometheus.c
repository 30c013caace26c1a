#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "wire/prometheus.h"

static const char page[] = "# HELP vllm:num_requests_running Number of requests.\n"
                           "# TYPE vllm:num_requests_running gauge\n"
                           "vllm:num_requests_running{engine=\"0\",model_name=\"a b\"} 3.0\n"
                           "vllm:num_requests_running{engine=\"1\",model_name=\"a b\"} 4.0\n"
                           "\n"
                           "vllm:prompt_tokens_total{model_name=\"x\"} 1.5e+06\n"
                           "vllm:ttft_bucket{le=\"0.001\"} 0\n"
                           "vllm:ttft_bucket{le=\"+Inf\"} 12\n"
                           "plain 7\r\n"
                           "with_time 8 1395066363000\n"
                           "no_value\n"
                           "spaced  { a = \"}\" , b=\"\\\"{\\\\\" , }  9 \n"
                           "tiny -1e-320\n"
                           "not_a_number NaN\n"
                           "infinite -Inf\n"
                           "last 10";

static void assert_next(struct slice *rest, const char *name, const char *labels, double value)
{
    struct prometheus_sample s;
    assert_true(prometheus_next(rest, &s));
    if (!slice_is(s.name, name))
        fail_msg("%.*s instead of %s", SLICE_ARG(s.name), name);
    assert_true(slice_is(s.labels, labels));
    assert_true(isnan(value) ? isnan(s.value) : s.value == value);
}

static void samples_come_one_after_the_other(void **state)
{
    (void)state;
    struct slice rest = slice_of(page);
    struct prometheus_sample s;
    assert_next(&rest, "vllm:num_requests_running", "engine=\"0\",model_name=\"a b\"", 3);
    assert_next(&rest, "vllm:num_requests_running", "engine=\"1\",model_name=\"a b\"", 4);
    assert_next(&rest, "vllm:prompt_tokens_total", "model_name=\"x\"", 1.5e6);
    assert_next(&rest, "vllm:ttft_bucket", "le=\"0.001\"", 0);
    assert_next(&rest, "vllm:ttft_bucket", "le=\"+Inf\"", 12);
    assert_next(&rest, "plain", "", 7);
    assert_next(&rest, "with_time", "", 8);
    assert_next(&rest, "spaced", " a = \"}\" , b=\"\\\"{\\\\\" , ", 9);
    assert_next(&rest, "tiny", "", -1e-320);
    assert_next(&rest, "not_a_number", "", NAN);
    assert_next(&rest, "infinite", "", -INFINITY);
    assert_next(&rest, "last", "", 10);
    assert_false(prometheus_next(&rest, &s));
    assert_int_equal(rest.n, 0);
}

static void malformed_lines_are_passed_over(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "a",
        "a ",
        "1a 5",
        "a{b=\"c\" 5",
        "a{b=\"c} 5",
        "a{b=c} 5",
        "a{b} 5",
        "a{b=\"c\"",
        "a{,} 5",
        "a{b=\"c\",,d=\"e\"} 5",
        "a-b 5",
        "a 0x10",
        "a 5 6 7",
        "a 5x",
        "a 1.2.3",
        "a +",
        "a infinit",
        "{a=\"b\"} 5",
        "a{b=\"c\"}",
        "a{b=\"\\",
        "a=5",
        "a 11111111111111111111111111111111111111111111111111111111111111111111111111111111",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct slice rest = slice_of(bad[i]);
        struct prometheus_sample s;
        if (prometheus_next(&rest, &s))
            fail_msg("accepted: %s", bad[i]);
    }
    struct slice rest = slice_of("a{b=\"c} 5\ngood 1\n");
    assert_next(&rest, "good", "", 1);
}

static void exemplars_behind_a_value_are_ignored(void **state)
{
    (void)state;
    struct slice rest = slice_of("a_bucket{le=\"1\"} 5 # {trace=\"x\"} 0.5\nb 6 123 # {} 1\n");
    assert_next(&rest, "a_bucket", "le=\"1\"", 5);
    assert_next(&rest, "b", "", 6);
}

static void sums_run_over_all_label_sets(void **state)
{
    (void)state;
    double sum = 0;
    assert_true(prometheus_sum(slice_of(page), "vllm:num_requests_running", &sum));
    assert_true(sum == 7);
    assert_true(prometheus_sum(slice_of(page), "last", &sum));
    assert_true(sum == 10);
}

static void a_counter_is_found_with_and_without_total(void **state)
{
    (void)state;
    double sum = 0;
    assert_true(prometheus_sum(slice_of(page), "vllm:prompt_tokens", &sum));
    assert_true(sum == 1.5e6);
    assert_true(prometheus_sum(slice_of(page), "vllm:prompt_tokens_total", &sum));
    assert_true(sum == 1.5e6);
    assert_true(prometheus_sum(slice_of(page), "plain_total", &sum));
    assert_true(sum == 7);
    assert_true(prometheus_sum(slice_of("c 1\nc_total 5\nc 2\n"), "c", &sum));
    assert_true(sum == 3); /* the spelling asked for, not both */
}

static void a_metric_the_page_lacks_is_not_zero(void **state)
{
    (void)state;
    double sum = 42;
    assert_false(prometheus_sum(slice_of(page), "vllm:num_requests", &sum));
    assert_false(prometheus_sum(slice_of(page), "not_a_number", &sum));
    assert_false(prometheus_sum(slice_make(NULL, 0), "a", &sum));
    assert_true(sum == 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_come_one_after_the_other),
        cmocka_unit_test(malformed_lines_are_passed_over),
        cmocka_unit_test(exemplars_behind_a_value_are_ignored),
        cmocka_unit_test(sums_run_over_all_label_sets),
        cmocka_unit_test(a_counter_is_found_with_and_without_total),
        cmocka_unit_test(a_metric_the_page_lacks_is_not_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
