#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workload/sharegpt.h"

/* Counts words, so that texts of known lengths are easy to write. */
struct counter {
    struct token_counter c;
    size_t calls, fail_at;
};

static int count_words(void *context, struct slice text, int64_t *tokens, struct err *e)
{
    struct counter *c = context;
    if (++c->calls == c->fail_at)
        return err_set(e, ERR_HTTP, "the server said 500");
    *tokens = text.n > 0;
    for (size_t i = 0; i < text.n; i++)
        *tokens += text.p[i] == ' ';
    return OK;
}

static struct counter words(void)
{
    return (struct counter){.c = {.count = count_words}};
}

static void put_words(struct buf *b, int id, int n)
{
    for (int i = 0; i < n; i++)
        i ? buf_puts(b, " w") : buf_printf(b, "p%d", id);
}

static void put_conversation(struct buf *b, int id, int prompt, int output)
{
    buf_printf(b, "%s{\"id\":\"%d\",\"conversations\":[{\"from\":\"human\",\"value\":\"",
               b->n > 0 ? "," : "[", id);
    put_words(b, id, prompt);
    buf_puts(b, "\"},{\"from\":\"gpt\",\"value\":\"");
    put_words(b, id, output);
    buf_puts(b, "\"},{\"from\":\"human\",\"value\":\"x\"}]}\n");
}

static struct sharegpt_spec all(void)
{
    return (struct sharegpt_spec){.name = "s.json", .wanted = 1000, .seed = 1};
}

static struct items parse_ok(struct slice text, const struct sharegpt_spec *spec, struct counter *c)
{
    struct items items = {0};
    struct err e = {0};
    if (c)
        c->c.context = c;
    if (sharegpt_parse(text, spec, c ? &c->c : NULL, &items, &e) != OK)
        fail_msg("%s", e.text);
    return items;
}

static void the_filter_is_vllms(void **state)
{
    (void)state;
    const struct {
        int prompt, output;
        bool kept;
    } cases[] = {
        {4, 4, true},       {3, 50, false},     {50, 3, false},
        {1024, 1024, true}, {1025, 10, false},  {1024, 1025, false},
        {100, 1948, true},  {100, 1949, false}, {10, 3000, false},
    };
    struct buf b = {0};
    for (int i = 0; i < 9; i++)
        put_conversation(&b, i, cases[i].prompt, cases[i].output);
    buf_puts(&b, "]");
    struct sharegpt_spec spec = all();
    struct counter c = words();
    struct items t = parse_ok(buf_slice(&b), &spec, &c);
    assert_int_equal(t.n, 3);
    assert_int_equal(t.skipped, 6);
    assert_false(t.estimated);
    for (size_t i = 0, k = 0; i < 9; i++) {
        if (!cases[i].kept)
            continue;
        assert_int_equal(t.v[k].source, i);
        assert_int_equal(t.v[k].input_tokens, cases[i].prompt);
        assert_int_equal(t.v[k].output_tokens, cases[i].output);
        k++;
    }
    items_release(&t);
    spec.output_len = 2; /* given: the second turn does not matter, however short or long */
    c = words();
    t = parse_ok(buf_slice(&b), &spec, &c);
    assert_int_equal(t.n, 7);
    assert_int_equal(c.calls, 9);
    assert_int_equal(t.v[0].output_tokens, 2);
    items_release(&t);
    buf_release(&b);
}

static void entries_without_two_turns_of_text_are_left_out(void **state)
{
    (void)state;
    const char *text =
        "[ 7, \"x\", null, {}, {\"conversations\": 5}, {\"conversations\": []},"
        "{\"conversations\": [{\"value\": \"a a a a\"}]},"
        "{\"conversations\": [{\"value\": \"a a a a\"}, {\"text\": \"b b b b\"}]},"
        "{\"conversations\": [{\"value\": \"a a a a\"}, {\"value\": [1]}]},"
        "{\"conversations\": [\"a\", {\"value\": \"b b b b\"}, {\"value\": \"c c c c\"}]},"
        "{\"x\": [{}], \"conversations\": [{\"value\": \"a a \\u00e9 a\"}, {\"y\": {}, \"value\": "
        "\"b b b b b\"}]} ]";
    struct sharegpt_spec spec = all();
    struct counter c = words();
    struct items t = parse_ok(slice_of(text), &spec, &c);
    assert_int_equal(t.n, 1);
    assert_int_equal(t.skipped, 10);
    assert_int_equal(t.v[0].source, 10);
    assert_true(slice_is(t.v[0].text, "a a \xc3\xa9 a"));
    assert_int_equal(t.v[0].output_tokens, 5);
    items_release(&t);
}

static void the_order_is_shuffled_by_the_seed(void **state)
{
    (void)state;
    enum { N = 200 };
    struct buf b = {0};
    for (int i = 0; i < N; i++)
        put_conversation(&b, i, 10, 10);
    buf_puts(&b, "]");
    struct sharegpt_spec spec = all();
    struct items plain = parse_ok(buf_slice(&b), &spec, NULL);
    spec.shuffle = true;
    struct items one = parse_ok(buf_slice(&b), &spec, NULL);
    struct items same = parse_ok(buf_slice(&b), &spec, NULL);
    spec.seed = 2;
    struct items other = parse_ok(buf_slice(&b), &spec, NULL);
    bool seen[N] = {false};
    int fixed = 0, differ = 0;
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(plain.v[i].source, i);
        assert_int_equal(one.v[i].source, same.v[i].source);
        assert_false(seen[one.v[i].source]);
        seen[one.v[i].source] = true;
        fixed += one.v[i].source == i;
        differ += one.v[i].source != other.v[i].source;
    }
    assert_true(fixed < 10);
    assert_true(differ > N - 10);
    items_release(&plain);
    items_release(&one);
    items_release(&same);
    items_release(&other);
    buf_release(&b);
}

static void only_as_many_as_are_wanted_are_tokenised(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 100; i++)
        put_conversation(&b, i, i % 2 ? 5 : 2, 5); /* every other is too short */
    buf_puts(&b, "]");
    struct sharegpt_spec spec = all();
    spec.wanted = 7;
    struct counter c = words();
    struct items t = parse_ok(buf_slice(&b), &spec, &c);
    assert_int_equal(t.n, 7);
    assert_int_equal(t.skipped, 7);
    assert_int_equal(c.calls, 7 + 14); /* a short prompt's answer is not looked at */
    items_release(&t);
    buf_release(&b);
}

static void a_counter_that_fails_is_told_with_the_conversation(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 5; i++)
        put_conversation(&b, i, 5, 5);
    buf_puts(&b, "]");
    struct sharegpt_spec spec = all();
    struct counter c = words();
    c.fail_at = 6;
    c.c.context = &c;
    struct items t = {0};
    struct err e = {0};
    assert_int_equal(sharegpt_parse(buf_slice(&b), &spec, &c.c, &t, &e), ERR_HTTP);
    assert_non_null(strstr(e.text, "conversation 2 of s.json: the server said 500"));
    items_release(&t);
    buf_release(&b);
}

static void files_that_are_not_sharegpt_are_explained(void **state)
{
    (void)state;
    const struct {
        const char *text, *says;
    } cases[] = {
        {"{\"prompt\": \"x\"}\n", "--dataset-name custom"},
        {"\x1f\x8b\x08junk", "not JSON"},
        {"[]", "is empty"},
        {"[{\"conversations\":[\n{\"value\":\"\xfc\"},{\"value\":\"b\"}]}]",
         "s.json:2: byte 30 is not"},
        {"[{\"prompt\": \"x\"}]", "none of its 1 entry"},
        {"[{\"conversations\":[\n{\"value\":\"a\"},\n{\"value\":\"b\"}]},\n{\"conv",
         "s.json:4: broken JSON"},
        {"[1] x", "broken JSON"},
        {"[{\"conversations\":[{\"value\":\"a\"},{\"value\":\"b\"}]}]", "left by the filter"},
        {"[{\"conversations\":[{\"value\":\"\"},{\"value\":\"\"}]}]", "left by the filter"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sharegpt_spec spec = all();
        struct items t = {0};
        struct err e = {0};
        int rc = sharegpt_parse(slice_of(cases[i].text), &spec, NULL, &t, &e);
        if (rc != ERR_INPUT || !strstr(e.text, cases[i].says))
            fail_msg("%s\ngave %d: %s", cases[i].text, rc, e.text);
        assert_non_null(strstr(e.text, "s.json"));
        items_release(&t);
    }
}

/* ---- the workload over it ---- */

static struct workload *open_n(int n, struct workload_spec spec, struct counter *c)
{
    char path[] = "/tmp/loadline-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct buf b = {0};
    for (int i = 0; i < n; i++)
        put_conversation(&b, i, 5 + i, 8);
    buf_puts(&b, "]");
    assert_int_equal(write(fd, b.p, b.n), b.n);
    close(fd);
    buf_release(&b);
    struct workload *w = NULL;
    struct err e = {0};
    spec.dataset = DATASET_SHAREGPT;
    spec.path = path;
    if (c)
        c->c.context = c;
    int rc = workload_open(&spec, c ? &c->c : NULL, &w, &e);
    unlink(path);
    if (rc != OK)
        fail_msg("%s", e.text);
    return w;
}

static void every_prompt_carries_a_nonce_of_its_own_and_lengths_are_not_forced(void **state)
{
    (void)state;
    struct counter c = words();
    struct workload *w = open_n(4, (struct workload_spec){.seed = 9, .shuffle = true}, &c);
    struct arena a = {0};
    struct prompt p[12];
    for (uint64_t i = 0; i < 12; i++) {
        workload_draw(w, false, i, &a, &p[i]);
        assert_int_equal(p[i].repeated, i >= 4);
        assert_int_equal(p[i].source, p[i % 4].source);
        assert_int_equal(p[i].input_tokens, 5 + (int64_t)p[i].source);
        assert_int_equal(p[i].output_tokens, 8);
        assert_false(p[i].exact_output);
        assert_int_equal(p[i].text.p[16], ' ');
        assert_int_equal(p[i].text.p[17], 'p');
        for (uint64_t k = 0; k < i; k++)
            assert_memory_not_equal(p[i].text.p, p[k].text.p, 16);
    }
    assert_int_equal(workload_items(w), 4);
    assert_string_equal(workload_name(w), "sharegpt");
    assert_false(workload_lengths_estimated(w));
    assert_null(workload_arrivals_ns(w));
    arena_release(&a);
    workload_close(w);
}

static void without_a_counter_lengths_are_estimates_and_said_to_be(void **state)
{
    (void)state;
    struct workload *w =
        open_n(40, (struct workload_spec){.count_hint = 3, .cache_bust = CACHE_BUST_OFF}, NULL);
    struct arena a = {0};
    struct prompt p;
    int64_t in, out;
    assert_true(workload_lengths_estimated(w));
    assert_int_equal(workload_items(w), 3);
    workload_draw(w, false, 0, &a, &p);
    workload_lengths(w, false, 0, &in, &out);
    assert_int_equal(in, (p.text.n + 2) / 4);
    assert_int_equal(p.input_tokens, 0);
    assert_int_equal(p.output_tokens, out);
    arena_release(&a);
    workload_close(w);
}

static void a_ladder_higher_than_the_filter_allows_shuts_nothing_out(void **state)
{
    (void)state;
    struct counter c = words();
    struct workload *w =
        open_n(4, (struct workload_spec){.ladder = {4096, 16}, .ladder_count = 2, .seed = 1}, &c);
    struct arena a = {0};
    struct prompt p;
    assert_int_equal(workload_items(w), 4);
    workload_draw(w, false, 2, &a, &p);
    assert_int_equal(p.output_tokens, 4096);
    assert_true(p.exact_output);
    arena_release(&a);
    workload_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_filter_is_vllms),
        cmocka_unit_test(entries_without_two_turns_of_text_are_left_out),
        cmocka_unit_test(the_order_is_shuffled_by_the_seed),
        cmocka_unit_test(only_as_many_as_are_wanted_are_tokenised),
        cmocka_unit_test(a_counter_that_fails_is_told_with_the_conversation),
        cmocka_unit_test(files_that_are_not_sharegpt_are_explained),
        cmocka_unit_test(every_prompt_carries_a_nonce_of_its_own_and_lengths_are_not_forced),
        cmocka_unit_test(without_a_counter_lengths_are_estimates_and_said_to_be),
        cmocka_unit_test(a_ladder_higher_than_the_filter_allows_shuts_nothing_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
