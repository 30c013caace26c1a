#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "drive/host.h"

static void the_description_is_json_with_every_member(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"cpu", "cores", "kernel", "governor"};
    struct buf text = {0};
    host_describe(&text);
    struct json j = json_of(buf_slice(&text));
    struct slice key, value;
    int64_t cores = 0;
    size_t n = 0;
    for (json_enter_object(&j); json_next_key(&j, &key); n++) {
        assert_true(n < 4);
        assert_true(slice_is(key, NAMES[n]));
        if (n == 1) {
            assert_true(json_int(&j, &cores));
        } else {
            assert_true(json_string(&j, &value));
            if (n == 2)
                assert_true(value.n > 0);
        }
    }
    assert_int_equal(json_end(&j), OK);
    assert_int_equal(n, 4);
    assert_true(cores >= 1);
    buf_release(&text);
}

static void processor_time_grows(void **state)
{
    (void)state;
    struct host_cpu before = host_cpu_now();
    assert_true(before.total > 0);
    assert_true(before.steal <= before.total);
    struct host_cpu after = host_cpu_now();
    assert_true(after.total >= before.total);
}

static void what_others_took_is_a_share_of_the_time_between(void **state)
{
    (void)state;
    struct host_cpu before = {1000, 100}, after = {1200, 150};
    assert_true(host_steal_fraction(before, after) == 0.25);
    assert_true(host_steal_fraction(before, (struct host_cpu){1100, 100}) == 0);
    assert_true(host_steal_fraction(before, before) == -1);
    assert_true(host_steal_fraction((struct host_cpu){0}, (struct host_cpu){0}) == -1);
}

static void a_counter_that_ran_backward_takes_nothing(void **state)
{
    (void)state;
    /* Linux has let steal fall back after a migration. */
    assert_true(host_steal_fraction((struct host_cpu){1000, 100}, (struct host_cpu){1200, 90}) ==
                0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_description_is_json_with_every_member),
        cmocka_unit_test(processor_time_grows),
        cmocka_unit_test(what_others_took_is_a_share_of_the_time_between),
        cmocka_unit_test(a_counter_that_ran_backward_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
