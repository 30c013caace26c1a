#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "workload/custom.h"
#include "workload/workload.h"

/* ---- the parser ---- */

static struct items parse_ok(const char *text, bool chat)
{
    struct items items = {0};
    struct err e = {0};
    if (custom_parse(slice_of(text), "f.jsonl", chat, &items, &e) != OK)
        fail_msg("%s", e.text);
    return items;
}

static void prompts_and_lengths_are_read_and_escapes_undone(void **state)
{
    (void)state;
    struct items t = parse_ok("{\"prompt\": \"one \\\"two\\\"\\n\\u00e9\", \"output_tokens\": 12}\n"
                              "\r\n   \n"
                              " {\"id\": [1, {\"x\": null}], \"prompt\": \"three\"}\r\n"
                              "{\"prompt\": \"last\", \"output_tokens\": 1}",
                              false);
    assert_int_equal(t.n, 3);
    assert_true(slice_is(t.v[0].text, "one \"two\"\n\xc3\xa9"));
    assert_int_equal(t.v[0].output_tokens, 12);
    assert_true(slice_is(t.v[1].text, "three"));
    assert_int_equal(t.v[1].output_tokens, 0);
    assert_int_equal(t.v[1].source, 1);
    assert_int_equal(t.v[2].output_tokens, 1);
    assert_int_equal(t.v[0].input_tokens, 3); /* 12 bytes */
    assert_true(t.estimated);
    assert_null(t.at_ns);
    items_release(&t);
}

static void times_are_read_when_every_line_has_one(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 200; i++)
        buf_printf(&b, "{\"at_ms\": %d.5, \"prompt\": \"x\"}\n", i / 2);
    struct items t = parse_ok(buf_cstr(&b), false);
    assert_int_equal(t.n, 200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(t.at_ns[i], (i / 2) * 1000000 + 500000);
    items_release(&t);
    buf_release(&b);
}

static void messages_are_kept_as_written(void **state)
{
    (void)state;
    const char *raw = "[{\"role\":\"system\",\"content\":\"be kind\"}, {\"content\": "
                      "\"hello\", \"role\":\"user\"},{\"role\":\"user\",\"content\":\"more\"}]";
    struct buf b = {0};
    buf_printf(&b, "{\"messages\": %s }", raw);
    struct items t = parse_ok(buf_cstr(&b), true);
    assert_int_equal(t.v[0].kind, PROMPT_MESSAGES);
    assert_true(slice_is(t.v[0].text, raw));
    assert_memory_equal(t.v[0].text.p + t.v[0].nonce_at, "hello", 5);
    assert_int_equal(t.v[0].input_tokens, 4); /* 16 bytes of content */
    items_release(&t);
    buf_release(&b);
}

static void a_nonces_place_is_the_first_text_of_the_first_user(void **state)
{
    (void)state;
    struct items t = parse_ok(
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{"
        "\"url\":\"x\"}},7,{\"type\":\"text\",\"text\":\"look\"},{\"type\":\"text\",\"text\":"
        "\"again\"}]}]}\n"
        "{\"messages\":[{\"role\":\"system\",\"content\":\"alone\"}]}\n"
        "{\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]},"
        "{\"role\":\"user\",\"content\":\"\"}]}",
        true);
    assert_memory_equal(t.v[0].text.p + t.v[0].nonce_at, "look", 4);
    assert_true(t.v[1].nonce_at == ITEM_NO_NONCE);
    assert_memory_equal(t.v[2].text.p + t.v[2].nonce_at, "\"}]", 3);
    items_release(&t);
}

static void a_prompt_is_fine_with_a_chat_endpoint(void **state)
{
    (void)state;
    struct items t = parse_ok("{\"prompt\": \"hi\"}", true);
    assert_int_equal(t.v[0].kind, PROMPT_TEXT);
    items_release(&t);
}

static void every_bad_line_is_named_with_what_to_write_instead(void **state)
{
    (void)state;
    const struct {
        const char *text;
        bool chat;
        const char *where, *what;
    } cases[] = {
        {"{\"prompt\": \"a\"}\nhello\n", false, "f.jsonl:2: ", "not a JSON object"},
        {"[1]\n", false, "f.jsonl:1: ", "not a JSON object"},
        {"{\"prompt\": \"\xc3\xbc\"}\n{\"prompt\": \"\xfc\"}\n", false,
         "f.jsonl:2: ", "column 13 is not UTF-8"},
        {"\n\n{\"prompt\": \"a\"", false, "f.jsonl:3: ", "not a JSON object"},
        {"{\"prompt\": \"a\"} x", false, "f.jsonl:1: ", "not a JSON object"},
        {"{\"prompt\": \"a\", \"x\": tru}", false, "f.jsonl:1: ", "not a JSON object"},
        {"{\"prompt\": bad}", false, "f.jsonl:1: ", "not a JSON object"},
        {"{\"prompt\": \"\\x\"}", false, "f.jsonl:1: ", "not a JSON object"},
        {"{\"messages\": [{]}", true, "f.jsonl:1: ", "not a JSON object"},
        {"{\"text\": \"a\"}", false, "f.jsonl:1: ", "neither"},
        {"{\"prompt\": \"a\", \"messages\": []}", true, "f.jsonl:1: ", "both"},
        {"{\"prompt\": 5}", false, "f.jsonl:1: ", "\"prompt\" is not a string"},
        {"{\"prompt\": \"\"}", false, "f.jsonl:1: ", "\"prompt\" is empty"},
        {"{\"messages\": \"hi\"}", true, "f.jsonl:1: ", "\"messages\" is not an array"},
        {"{\"messages\": []}", true, "f.jsonl:1: ", "\"messages\" is empty"},
        {"{\"messages\": [\"hi\"]}", true, "f.jsonl:1: ", "no role"},
        {"{\"messages\": [{\"content\": \"a\"}]}", true, "f.jsonl:1: ", "no role"},
        {"{\"prompt\": \"a\"}\n{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}", false,
         "f.jsonl:2: ", "--backend openai-chat"},
        {"{\"prompt\": \"a\", \"output_tokens\": 0}", false, "f.jsonl:1: ", "output_tokens"},
        {"{\"prompt\": \"a\", \"output_tokens\": 1.5}", false, "f.jsonl:1: ", "output_tokens"},
        {"{\"prompt\": \"a\", \"output_tokens\": \"9\"}", false, "f.jsonl:1: ", "output_tokens"},
        {"{\"prompt\": \"a\", \"output_tokens\": 1e12}", false, "f.jsonl:1: ", "output_tokens"},
        {"{\"prompt\": \"a\", \"at_ms\": -1}", false, "f.jsonl:1: ", "at_ms"},
        {"{\"prompt\": \"a\", \"at_ms\": 1e300}", false, "f.jsonl:1: ", "at_ms"},
        {"{\"prompt\": \"a\", \"at_ms\": 5}\n{\"prompt\": \"b\", \"at_ms\": 4}", false,
         "f.jsonl:2: ", "sort the lines"},
        {"{\"prompt\": \"a\", \"at_ms\": 5}\n{\"prompt\": \"b\"}", false,
         "f.jsonl:2: ", "missing here"},
        {"{\"prompt\": \"a\"}\n{\"prompt\": \"b\", \"at_ms\": 5}", false,
         "f.jsonl:2: ", "given here"},
        {"\x7f"
         "ELF\x02\x01",
         false, "f.jsonl:1: ", "not a JSON object"},
        {" \n\t\n", false, "f.jsonl", "no items"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct items t = {0};
        struct err e = {0};
        int rc = custom_parse(slice_of(cases[i].text), "f.jsonl", cases[i].chat, &t, &e);
        if (rc != ERR_INPUT || strncmp(e.text, cases[i].where, strlen(cases[i].where)) != 0 ||
            !strstr(e.text, cases[i].what))
            fail_msg("%s\ngave %d: %s", cases[i].text, rc, e.text);
        items_release(&t);
        t = (struct items){0};
        assert_int_equal(
            custom_parse(slice_of(cases[i].text), "f.jsonl", cases[i].chat, &t, NULL) < 0, 1);
        items_release(&t);
    }
}

/* ---- the workload over it ---- */

struct file {
    char path[64];
};

static struct file write_file(const char *text, size_t n)
{
    struct file f = {"/tmp/loadline-test-XXXXXX"};
    int fd = mkstemp(f.path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), n);
    close(fd);
    return f;
}

static struct workload *open_text(const char *text, struct workload_spec spec)
{
    struct file f = write_file(text, strlen(text));
    struct workload *w = NULL;
    struct err e = {0};
    spec.dataset = DATASET_CUSTOM;
    spec.path = f.path;
    int rc = workload_open(&spec, NULL, &w, &e);
    unlink(f.path); /* what is needed was copied */
    if (rc != OK)
        fail_msg("%s", e.text);
    return w;
}

static const char three[] = "{\"prompt\": \"one\", \"output_tokens\": 5, \"at_ms\": 0}\n"
                            "{\"prompt\": \"two\", \"at_ms\": 10}\n"
                            "{\"prompt\": \"three\", \"output_tokens\": 7, \"at_ms\": 10}\n";

static void items_come_in_the_files_order_and_again_with_a_nonce(void **state)
{
    (void)state;
    struct workload *w = open_text(three, (struct workload_spec){.seed = 1, .shuffle = true});
    struct arena a = {0};
    const char *texts[] = {"one", "two", "three"};
    const int64_t lengths[] = {5, 0, 7};
    for (uint64_t i = 0; i < 9; i++) {
        struct prompt p;
        workload_draw(w, false, i, &a, &p);
        assert_int_equal(p.repeated, i >= 3);
        assert_int_equal(p.source, i % 3);
        assert_int_equal(p.output_tokens, lengths[i % 3]);
        assert_int_equal(p.input_tokens, 0);
        assert_false(p.exact_output);
        size_t head = i >= 3 ? 17 : 0;
        assert_true(slice_is(slice_make(p.text.p + head, p.text.n - head), texts[i % 3]));
    }
    assert_int_equal(workload_items(w), 3);
    assert_int_equal(workload_arrivals_ns(w)[0], 0);
    assert_int_equal(workload_arrivals_ns(w)[2], 10000000);
    assert_false(workload_synthetic(w));
    assert_true(workload_lengths_estimated(w));
    assert_string_equal(workload_name(w), "custom");
    arena_release(&a);
    workload_close(w);
}

static void cache_bust_on_and_off_are_obeyed_and_the_warm_up_never_warms_the_run(void **state)
{
    (void)state;
    const enum cache_bust busts[] = {CACHE_BUST_AUTO, CACHE_BUST_ON, CACHE_BUST_OFF};
    for (size_t b = 0; b < 3; b++) {
        struct workload *w = open_text(three, (struct workload_spec){.cache_bust = busts[b]});
        struct arena a = {0};
        for (uint64_t i = 0; i < 6; i++) {
            struct prompt p, warm;
            workload_draw(w, false, i, &a, &p);
            workload_draw(w, true, i, &a, &warm);
            bool nonce = busts[b] == CACHE_BUST_ON || (busts[b] == CACHE_BUST_AUTO && i >= 3);
            assert_int_equal(p.text.n > 17, nonce);
            assert_true(warm.text.n > 17);
            assert_false(warm.repeated);
            if (nonce)
                assert_memory_not_equal(p.text.p, warm.text.p, 16);
        }
        arena_release(&a);
        workload_close(w);
    }
}

static void salted_loads_of_a_file_have_each_a_nonce_of_its_own(void **state)
{
    (void)state;
    struct arena a = {0};
    struct prompt p[2][3], warm[2];
    for (uint64_t side = 0; side < 2; side++) {
        struct workload *w = open_text(three, (struct workload_spec){.nonce_salt = side + 1});
        for (uint64_t i = 0; i < 3; i++)
            workload_draw(w, false, i, &a, &p[side][i]);
        workload_draw(w, true, 0, &a, &warm[side]);
        workload_close(w);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(p[0][i].text.n, p[1][i].text.n);
        assert_memory_not_equal(p[0][i].text.p, p[1][i].text.p, 16);
        assert_memory_equal(p[0][i].text.p, p[0][0].text.p, 16); /* one for all of a side */
        assert_memory_equal(p[0][i].text.p + 16, p[1][i].text.p + 16, p[0][i].text.n - 16);
    }
    assert_memory_not_equal(warm[0].text.p, warm[1].text.p, 16);
    arena_release(&a);
}

static void output_len_and_ladder_override_the_data(void **state)
{
    (void)state;
    struct arena a = {0};
    struct prompt p;
    struct workload *w = open_text(three, (struct workload_spec){.output_len = 33});
    workload_draw(w, false, 0, &a, &p);
    assert_int_equal(p.output_tokens, 33);
    assert_false(p.exact_output);
    workload_close(w);
    w = open_text(three, (struct workload_spec){.ladder = {8, 9}, .ladder_count = 2});
    workload_draw(w, false, 3, &a, &p);
    assert_int_equal(p.output_tokens, 9);
    assert_int_equal(p.rung, 1);
    assert_true(p.exact_output);
    workload_close(w);
    arena_release(&a);
}

static void a_nonce_in_messages_leaves_them_json_and_heads_the_users_text(void **state)
{
    (void)state;
    struct workload *w =
        open_text("{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},"
                  "{\"role\":\"user\",\"content\":\"hi \\\"you\\\"\"}]}",
                  (struct workload_spec){.chat = true, .cache_bust = CACHE_BUST_ON});
    struct arena a = {0};
    struct prompt p;
    workload_draw(w, false, 0, &a, &p);
    assert_int_equal(p.kind, PROMPT_MESSAGES);
    struct json j = json_of(p.text);
    assert_true(json_skip(&j));
    assert_int_equal(json_end(&j), OK);
    const char *text = slice_find(p.text, slice_of("hi \\\"you"));
    assert_non_null(text);
    assert_int_equal(text[-1], ' ');
    assert_memory_equal(text - 17 - 11, "\"content\":\"", 11);
    arena_release(&a);
    workload_close(w);
}

static void files_that_cannot_be_used_are_explained(void **state)
{
    (void)state;
    struct workload *w = NULL;
    struct err e = {0};
    struct workload_spec spec = {.dataset = DATASET_CUSTOM, .path = "/nonexistent/file.jsonl"};
    assert_int_equal(workload_open(&spec, NULL, &w, &e), ERR_INPUT);
    assert_non_null(strstr(e.text, "/nonexistent/file.jsonl"));
    assert_non_null(strstr(e.text, "No such file"));
    spec.path = "/tmp";
    assert_int_equal(workload_open(&spec, NULL, &w, &e), ERR_INPUT);
    assert_non_null(strstr(e.text, "is a directory"));
    struct file f = write_file("", 0);
    spec.path = f.path;
    assert_int_equal(workload_open(&spec, NULL, &w, &e), ERR_INPUT);
    assert_non_null(strstr(e.text, "is empty"));
    unlink(f.path);
    char junk[4096];
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (char)(i * 131 + 128);
    f = write_file(junk, sizeof junk);
    spec.path = f.path;
    assert_int_equal(workload_open(&spec, NULL, &w, &e), ERR_INPUT);
    assert_non_null(strstr(e.text, ":1: not a JSON object"));
    unlink(f.path);
    assert_null(w);
}

static void a_pipe_and_a_byte_order_mark_are_taken(void **state)
{
    (void)state;
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    const char text[] = "\xEF\xBB\xBF{\"prompt\": \"piped\"}\n";
    assert_int_equal(write(fd[1], text, strlen(text)), strlen(text));
    close(fd[1]);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd[0]);
    struct workload_spec spec = {.dataset = DATASET_CUSTOM, .path = path};
    struct workload *w = NULL;
    struct err e = {0};
    if (workload_open(&spec, NULL, &w, &e) != OK)
        fail_msg("%s", e.text);
    close(fd[0]);
    struct arena a = {0};
    struct prompt p;
    workload_draw(w, false, 0, &a, &p);
    assert_true(slice_is(p.text, "piped"));
    arena_release(&a);
    workload_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_and_lengths_are_read_and_escapes_undone),
        cmocka_unit_test(times_are_read_when_every_line_has_one),
        cmocka_unit_test(messages_are_kept_as_written),
        cmocka_unit_test(a_nonces_place_is_the_first_text_of_the_first_user),
        cmocka_unit_test(a_prompt_is_fine_with_a_chat_endpoint),
        cmocka_unit_test(every_bad_line_is_named_with_what_to_write_instead),
        cmocka_unit_test(items_come_in_the_files_order_and_again_with_a_nonce),
        cmocka_unit_test(cache_bust_on_and_off_are_obeyed_and_the_warm_up_never_warms_the_run),
        cmocka_unit_test(salted_loads_of_a_file_have_each_a_nonce_of_its_own),
        cmocka_unit_test(output_len_and_ladder_override_the_data),
        cmocka_unit_test(a_nonce_in_messages_leaves_them_json_and_heads_the_users_text),
        cmocka_unit_test(files_that_cannot_be_used_are_explained),
        cmocka_unit_test(a_pipe_and_a_byte_order_mark_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
