#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "serve/lateness.h"

static void bursts_are_counted_in_the_bucket_of_their_bound(void **state)
{
    (void)state;
    struct lateness *l = calloc(1, sizeof *l);
    struct buf page = {0};
    lateness_add(l, 10000, 0, 1);      /* on the bound of 10 us: below it */
    lateness_add(l, 10001, 150000, 2); /* 20 us; 200 us */
    lateness_add(l, 2000000000, 0, 3); /* above every bound */
    lateness_page(&page, l);
    const char *text = buf_cstr(&page);
    assert_non_null(strstr(text, "# TYPE loadline_sim_burst_lateness_seconds histogram\n"));
    assert_non_null(strstr(text, "burst_lateness_seconds_bucket{le=\"1e-05\"} 1\n"));
    assert_non_null(strstr(text, "burst_lateness_seconds_bucket{le=\"2e-05\"} 2\n"));
    assert_non_null(strstr(text, "burst_lateness_seconds_bucket{le=\"1\"} 2\n"));
    assert_non_null(strstr(text, "burst_lateness_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "burst_lateness_seconds_count 3\n"));
    assert_non_null(strstr(text, "burst_lateness_seconds_sum 2.00002"));
    assert_non_null(strstr(text, "burst_width_seconds_bucket{le=\"0.0001\"} 2\n"));
    assert_non_null(strstr(text, "burst_width_seconds_bucket{le=\"0.0002\"} 3\n"));
    buf_release(&page);
    free(l);
}

static void the_line_for_people_has_both_and_the_counts(void **state)
{
    (void)state;
    struct lateness *l = calloc(1, sizeof *l);
    char line[256];
    lateness_add(l, 50, 60, 7);
    assert_string_equal(lateness_line(l, line, sizeof line),
                        "7 sends in 1 bursts; first send after its due time: p50 50 ns, p99 50 ns, "
                        "max 50 ns; width of a burst: p50 60 ns, p99 60 ns, max 60 ns");
    free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bursts_are_counted_in_the_bucket_of_their_bound),
        cmocka_unit_test(the_line_for_people_has_both_and_the_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
