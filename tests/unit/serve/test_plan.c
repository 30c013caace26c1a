#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "serve/plan.h"
#include "sim/text.h"

static struct ask asked(const char *body)
{
    struct ask a;
    struct ask_fault f;
    assert_int_equal(ask_parse(ASK_COMPLETION, slice_of(body), 1000, &a, &f), OK);
    return a;
}

static struct plan planned(const char *body, uint64_t number, int64_t limit)
{
    struct ask a = asked(body);
    struct plan p = plan_answer(&a, 1, number, limit);
    ask_release(&a);
    return p;
}

/* The answer's text as the server would send it. */
static void speak(struct plan p, struct buf *text)
{
    for (int64_t i = 0; i < p.output_tokens - p.ends_silently; i++)
        buf_put(text, text_word(&p.words));
    if (text->n > p.text_bytes)
        text->n = (size_t)p.text_bytes;
}

static void ignore_eos_gives_exactly_the_limit(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 200; i++) {
        struct plan p = planned("{\"prompt\":\"x\",\"ignore_eos\":true}", i, 50);
        assert_int_equal(p.output_tokens, 50);
        assert_int_equal(p.finish, FINISH_LENGTH);
        assert_false(p.ends_silently);
    }
}

static void natural_lengths_have_the_mean_of_two_hundred(void **state)
{
    (void)state;
    double sum = 0;
    enum { N = 20000 };
    for (uint64_t i = 0; i < N; i++) {
        struct plan p = planned("{\"prompt\":\"x\"}", i, 1 << 20);
        assert_true(p.output_tokens >= 1);
        assert_int_equal(p.finish, FINISH_STOP);
        assert_true(p.ends_silently);
        sum += (double)p.output_tokens;
    }
    assert_true(sum / N > 193 && sum / N < 207); /* five standard errors */
}

static void answers_are_cut_at_the_limit_and_not_before_the_minimum(void **state)
{
    (void)state;
    int stopped = 0, cut = 0;
    for (uint64_t i = 0; i < 500; i++) {
        struct plan p = planned("{\"prompt\":\"x\",\"min_tokens\":40,\"max_tokens\":200}", i, 200);
        assert_in_range(p.output_tokens, 40, 200);
        stopped += p.finish == FINISH_STOP;
        cut += p.finish == FINISH_LENGTH;
        assert_true(p.finish != FINISH_LENGTH || p.output_tokens == 200);
    }
    assert_true(stopped > 100 && cut > 100);
}

static void a_stop_string_ends_the_text_before_itself(void **state)
{
    (void)state;
    struct buf whole = {0}, cut = {0};
    speak(planned("{\"prompt\":\"x\",\"ignore_eos\":true,\"temperature\":0}", 0, 300), &whole);
    struct slice stop = slice_make(whole.p + 100, 12); /* over several words */
    struct buf body = {0};
    buf_printf(&body,
               "{\"prompt\":\"x\",\"ignore_eos\":true,\"temperature\":0,\"stop\":[\"#\",\"%.*s\"]}",
               SLICE_ARG(stop));
    struct plan p = planned(buf_cstr(&body), 0, 300);
    speak(p, &cut);
    const char *first = slice_find(buf_slice(&whole), stop);
    assert_int_equal(p.finish, FINISH_STOP);
    assert_int_equal(cut.n, first - whole.p);
    assert_memory_equal(cut.p, whole.p, cut.n);
    buf_release(&whole);
    buf_release(&cut);
    buf_release(&body);
}

static void a_stop_string_waits_for_the_minimum(void **state)
{
    (void)state;
    struct plan p =
        planned("{\"prompt\":\"x\",\"ignore_eos\":true,\"min_tokens\":20,\"stop\":\" \"}", 0, 300);
    assert_int_equal(p.output_tokens, 20);
    p = planned("{\"prompt\":\"x\",\"ignore_eos\":true,\"stop\":\" \"}", 0, 300);
    assert_int_equal(p.output_tokens, 1);
    assert_int_equal(p.text_bytes, 0);
}

static void only_repeatable_answers_are_the_same_again(void **state)
{
    (void)state;
    static const char greedy[] = "{\"prompt\":\"x\",\"temperature\":0}";
    static const char seeded[] = "{\"prompt\":\"x\",\"seed\":5}";
    static const char other[] = "{\"prompt\":\"x\",\"seed\":6}";
    static const char free_one[] = "{\"prompt\":\"x\"}";
    struct buf a[6] = {{0}};
    speak(planned(greedy, 1, 100), &a[0]);
    speak(planned(greedy, 2, 100), &a[1]);
    speak(planned(seeded, 3, 100), &a[2]);
    speak(planned(other, 3, 100), &a[3]);
    speak(planned(free_one, 1, 100), &a[4]);
    speak(planned(free_one, 2, 100), &a[5]);
    assert_true(slice_eq(buf_slice(&a[0]), buf_slice(&a[1])));
    assert_false(slice_eq(buf_slice(&a[2]), buf_slice(&a[3])));
    assert_false(slice_eq(buf_slice(&a[4]), buf_slice(&a[5])));
    for (int i = 0; i < 6; i++)
        buf_release(&a[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ignore_eos_gives_exactly_the_limit),
        cmocka_unit_test(natural_lengths_have_the_mean_of_two_hundred),
        cmocka_unit_test(answers_are_cut_at_the_limit_and_not_before_the_minimum),
        cmocka_unit_test(a_stop_string_ends_the_text_before_itself),
        cmocka_unit_test(a_stop_string_waits_for_the_minimum),
        cmocka_unit_test(only_repeatable_answers_are_the_same_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
