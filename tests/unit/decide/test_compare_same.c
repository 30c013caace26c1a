/* What differs between two loads, in words. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "decide/compare_same.h"

static struct run_record chat(void)
{
    return (struct run_record){.model = "llama",
                               .mode = "open",
                               .request_rate = 4,
                               .burstiness = 1,
                               .ramp = "",
                               .on_cap = "",
                               .duration_ns = INT64_C(60000000000),
                               .workload = "chat",
                               .workload_json = "{\"dataset\":\"chat\",\"prefix_len\":0}",
                               .streaming = true,
                               .options_json = "{\"temperature\":0,\"top_p\":1}"};
}

static void expect(const struct run_record *a, const struct run_record *b, size_t parts,
                   const char *words)
{
    struct buf text = {0};
    assert_int_equal(compare_load_differences(a, b, &text), parts);
    assert_string_equal(buf_cstr(&text), words);
    buf_release(&text);
}

static void the_same_load_differs_in_nothing(void **state)
{
    (void)state;
    struct run_record a = chat(), b = chat();
    b.seed = 7; /* drawn anew, of the same kind */
    b.target = "elsewhere";
    expect(&a, &b, 0, "");
    a.burstiness = b.burstiness = NAN; /* times from a file */
    expect(&a, &b, 0, "");
}

static void what_differs_is_named_with_both_values(void **state)
{
    (void)state;
    struct run_record a = chat(), b = chat();
    b.model = "";
    b.request_rate = 4.5;
    b.streaming = false;
    b.options_json = "{\"temperature\":0.7,\"top_p\":1}";
    expect(&a, &b, 4,
           "the model is llama at A and none at B; the request rate is 4 at A and 4.5 at B; "
           "answers are streamed at A only; the temperature is 0 at A and 0.7 at B");
}

static void of_one_workload_the_members_that_differ_are_told(void **state)
{
    (void)state;
    struct run_record a = chat(), b = chat();
    b.workload_json = "{\"prefix_len\":0,\"dataset\":\"chat\",\"output_len\":40}";
    expect(&a, &b, 1, "the prompts' output_len is none at A and 40 at B");
    expect(&b, &a, 1, "the prompts' output_len is 40 at A and none at B");
    b.workload = "random"; /* its members are others anyhow */
    expect(&a, &b, 1, "the workload is chat at A and random at B");
    b.workload = "chat";
    b.workload_json = "{\"prefix_len\":0,\"data";
    expect(&a, &b, 1, "the prompts' dataset is \"chat\" at A and none at B");
}

static void another_mode_is_told_alone(void **state)
{
    (void)state;
    struct run_record a = chat(), b = chat();
    b.mode = "closed";
    b.request_rate = 0;
    b.max_concurrency = 8;
    expect(&a, &b, 1, "the load is open at A and closed at B");
    a = b;
    b.max_concurrency = 9;
    b.duration_ns = 0;
    b.num_prompts = 10;
    expect(&a, &b, 3,
           "the concurrency is 8 at A and 9 at B; the number of requests is none at A and 10 at B; "
           "the duration is 1m 0s at A and none at B");
}

static void many_members_do_not_make_an_endless_sentence(void **state)
{
    (void)state;
    struct run_record a = chat(), b = chat();
    struct buf json = {0}, text = {0};
    buf_puts(&json, "{\"dataset\":\"chat\",\"prefix_len\":0");
    for (int i = 0; i < 1000; i++)
        buf_printf(&json, ",\"k%d\":%d", i, i);
    buf_puts(&json, "}");
    b.workload_json = buf_cstr(&json);
    assert_in_range(compare_load_differences(&a, &b, &text), 2, 20);
    buf_release(&json);
    buf_release(&text);
}

static size_t off(bool same_seeds, double a, double b, double asked_a, double asked_b)
{
    struct comparison c = {.same_seeds = same_seeds};
    double got[] = {a, b}, asked[] = {asked_a, asked_b};
    struct buf text = {0};
    for (int s = 0; s < COMPARE_SIDES; s++) {
        c.side[s].got_input = c.side[s].asked_input = 100;
        c.side[s].got_output = got[s];
        c.side[s].asked_output = asked[s];
    }
    size_t n = compare_length_differences(&c, &text);
    assert_int_equal(n > 0, text.n > 0);
    buf_release(&text);
    return n;
}

static void lengths_of_the_same_prompts_agree_within_a_hundredth(void **state)
{
    (void)state;
    assert_int_equal(off(true, 200, 201, 200, 200), 0);
    assert_int_equal(off(true, 200, 203, 200, 200), 1);
    assert_int_equal(off(true, 200, NAN, 200, 200), 0);
}

static void lengths_drawn_anew_are_held_against_what_was_asked(void **state)
{
    (void)state;
    assert_int_equal(off(false, 200, 240, 200, 240), 0);
    assert_int_equal(off(false, 200, 200, 200, 240), 1);
    assert_int_equal(off(false, 200, 215, NAN, NAN), 0);
    assert_int_equal(off(false, 200, 225, NAN, NAN), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_load_differs_in_nothing),
        cmocka_unit_test(what_differs_is_named_with_both_values),
        cmocka_unit_test(of_one_workload_the_members_that_differ_are_told),
        cmocka_unit_test(another_mode_is_told_alone),
        cmocka_unit_test(many_members_do_not_make_an_endless_sentence),
        cmocka_unit_test(lengths_of_the_same_prompts_agree_within_a_hundredth),
        cmocka_unit_test(lengths_drawn_anew_are_held_against_what_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
