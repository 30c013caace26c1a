/* The levels of a sweep as people write them, and what stands in front of its progress. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/sweep_levels.h"
#include "cli/sweep_tell.h"

static void expect_levels(const struct sweep_spec *s, size_t n, const double *wanted)
{
    assert_int_equal(s->given_count, n);
    for (size_t i = 0; i < n; i++)
        assert_true(fabs(s->given[i] / wanted[i] - 1) < 1e-9);
}

static void lists_and_ranges_give_rising_levels(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        double levels[5];
    } cases[] = {
        {"2", 1, {2}},
        {"2,4.5,8", 3, {2, 4.5, 8}},
        {"0.25,1e1", 2, {0.25, 10}},
        {"1:16:5", 5, {1, 2, 4, 8, 16}},
        {"2:3:2", 2, {2, 3}},
        {"auto", 0, {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sweep_spec s = {.given_count = 7, .kind = LOAD_OF_USERS};
        struct err e = {0};
        assert_int_equal(sweep_levels_rates(cases[i].text, &s, &e), OK);
        assert_int_equal(s.kind, LOAD_AT_RATE);
        expect_levels(&s, cases[i].n, cases[i].levels);
    }
}

static void users_are_whole_and_each_number_stands_once(void **state)
{
    (void)state;
    struct sweep_spec s = {0};
    struct err e = {0};
    static const double few[] = {1, 2, 3, 4}, many[] = {1, 4, 16, 64};
    assert_int_equal(sweep_levels_users("1:4:16", &s, &e), OK);
    assert_int_equal(s.kind, LOAD_OF_USERS);
    expect_levels(&s, 4, few);
    assert_int_equal(sweep_levels_users("1,4,16,64", &s, &e), OK);
    expect_levels(&s, 4, many);
    assert_int_equal(sweep_levels_users("1:1.2xMAX", &s, &e), OK);
    assert_int_equal(s.given_count, 0);
    assert_int_equal(sweep_levels_users("auto", &s, &e), OK);
    assert_int_equal(s.given_count, 0);
    assert_int_equal(sweep_levels_users("1:2.4xMAX", &s, &e), ERR_USAGE);
}

static void errors_point_at_the_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rates[] =
        {
            {"", "--rates, column 1"},
            {"8,4", "--rates, column 3: levels must rise, and 4 does not"},
            {"4,4", "--rates, column 3"},
            {"2,,4", "--rates, column 3: a number is missing"},
            {"2,4,", "--rates, column 5: a number is missing"},
            {"2,x", "--rates, column 3"},
            {"2,-1", "--rates, column 3"},
            {"0", "--rates, column 1"},
            {"inf", "--rates, column 1"},
            {"nan", "--rates, column 1"},
            {"1:16", "--rates, column 5: a range is LO:HI:N"},
            {"1:", "--rates, column 3"},
            {":", "--rates, column 2"},
            {"::", "--rates, column 1: a number is missing"},
            {"1::5", "--rates, column 3: a number is missing"},
            {"1:16:", "--rates, column 6: a number is missing"},
            {"16:1:4", "--rates, column 4: the range must rise"},
            {"1:16:1", "--rates, column 6"},
            {"1:16:65", "--rates, column 6"},
            {"1:16:5:6", "--rates, column 6"},
            {"1:16:2.5", "--rates, column 6"},
        },
      users[] = {
          {"1.5", "--concurrency, column 1"},
          {"1,0", "--concurrency, column 3"},
          {"1:4.5:3", "--concurrency, column 3"},
          {"1,2,2", "--concurrency, column 5: levels must rise"},
      };
    struct sweep_spec s = {0};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct err e = {0};
        assert_int_equal(sweep_levels_rates(rates[i].text, &s, &e), ERR_USAGE);
        if (strncmp(e.text, rates[i].says, strlen(rates[i].says)) != 0)
            fail_msg("%s: %s", rates[i].text, e.text);
    }
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        struct err e = {0};
        assert_int_equal(sweep_levels_users(users[i].text, &s, &e), ERR_USAGE);
        if (strncmp(e.text, users[i].says, strlen(users[i].says)) != 0)
            fail_msg("%s: %s", users[i].text, e.text);
    }
}

static void more_levels_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    char text[8 * SWEEP_MAX_GIVEN] = "1";
    struct sweep_spec s = {0};
    struct err e = {0};
    for (int i = 2; i <= SWEEP_MAX_GIVEN; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), ",%d", i);
    assert_int_equal(sweep_levels_rates(text, &s, &e), OK);
    assert_int_equal(s.given_count, SWEEP_MAX_GIVEN);
    snprintf(text + strlen(text), sizeof text - strlen(text), ",%d", SWEEP_MAX_GIVEN + 1);
    assert_int_equal(sweep_levels_rates(text, &s, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "more than 64 levels"));
    assert_int_equal(sweep_levels_rates("1:9:64", &s, &e), OK);
    assert_int_equal(s.given_count, 64);
}

static void a_label_counts_given_levels(void **state)
{
    (void)state;
    char label[SWEEP_LABEL];
    struct sweep s = {.spec = {.given_count = 5, .given = {1, 2, 3, 4, 5}}, .count = 1};
    sweep_label(&s, LEVEL_GIVEN, label);
    assert_string_equal(label, "level 2/5");
    s.spec.given_count = 0;
    sweep_label(&s, LEVEL_CONFIRM, label);
    assert_string_equal(label, "confirm");
}

static void given_levels_take_as_long_as_those_before(void **state)
{
    (void)state;
    static struct sweep s;
    s.spec = (struct sweep_spec){.given_count = 4, .budget_ns = 40 * NS_PER_S};
    assert_float_equal(sweep_left_s(&s, 0, 40 * NS_PER_S), 40, 1e-9); /* nothing known yet */
    s.count = 2;
    s.spent_ns = 30 * NS_PER_S; /* 10 s each were planned */
    assert_float_equal(sweep_left_s(&s, s.spent_ns, 40 * NS_PER_S), 30, 1e-9);
    assert_float_equal(sweep_left_s(&s, s.spent_ns, 100 * NS_PER_S), 90,
                       1e-9); /* and a sweep beside it */
    s.spec.given_count = 0;
    assert_float_equal(sweep_left_s(&s, s.spent_ns, 40 * NS_PER_S), 10, 1e-9);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_ranges_give_rising_levels),
        cmocka_unit_test(users_are_whole_and_each_number_stands_once),
        cmocka_unit_test(errors_point_at_the_column),
        cmocka_unit_test(more_levels_than_there_is_room_for_are_refused),
        cmocka_unit_test(a_label_counts_given_levels),
        cmocka_unit_test(given_levels_take_as_long_as_those_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
