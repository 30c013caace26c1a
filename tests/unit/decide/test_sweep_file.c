/* A sweep in its run file: what was asked comes back, levels are found again, and files that are
 * damaged say so. */

#include "../record/support.h"

#include <math.h>

#include "base/clock.h"
#include "decide/sweep_file.h"

#define MS INT64_C(1000000)

static struct sweep_spec taken(const char *json)
{
    struct sweep_spec s;
    struct err e = {0};
    if (sweep_file_take_spec(json, &s, &e) != OK)
        fail_msg("%s: %s", json, e.text);
    return s;
}

static char *text_of(const struct sweep_spec *s, const char *slo, struct buf *b)
{
    *b = (struct buf){0};
    sweep_file_put_spec(s, slo, b);
    buf_cstr(b);
    return b->p;
}

static void what_was_asked_comes_back(void **state)
{
    (void)state;
    struct sweep_spec s = {.kind = LOAD_OF_USERS,
                           .given = {1, 2.5, 1e-6, 123456789.125},
                           .given_count = 4,
                           .level_ns = 5 * NS_PER_S,
                           .budget_ns = INT64_C(123456789012345),
                           .stop_at_saturation = true};
    struct buf b;
    struct sweep_spec back = taken(text_of(&s, "p99 ttft < 500ms and p95 e2e < 9s", &b));
    buf_release(&b);
    assert_int_equal(back.kind, LOAD_OF_USERS);
    assert_int_equal(back.given_count, 4);
    assert_memory_equal(back.given, s.given, 4 * sizeof *s.given);
    assert_int_equal(back.level_ns, s.level_ns);
    assert_int_equal(back.budget_ns, s.budget_ns);
    assert_true(back.stop_at_saturation);
    assert_int_equal(back.slo.n, 2);
    assert_true(back.slo.list[0].p == 0.99 && back.slo.list[1].p == 0.95);
    assert_int_equal(back.slo.list[1].bounds.list[0].limit_ns, 9 * NS_PER_S);
}

static void a_sweep_without_anything_comes_back(void **state)
{
    (void)state;
    struct sweep_spec s = {.budget_ns = NS_PER_S};
    struct buf b;
    struct sweep_spec back = taken(text_of(&s, "", &b));
    buf_release(&b);
    assert_int_equal(back.kind, LOAD_AT_RATE);
    assert_int_equal(back.given_count + back.slo.n, 0);
    assert_false(back.stop_at_saturation);
}

static void keys_of_a_later_version_are_passed_over(void **state)
{
    (void)state;
    struct sweep_spec s = taken("{\"later\":{\"x\":[1,2]},\"schema\":\"loadline.sweep-spec/1\","
                                "\"budget_ns\":7,\"more\":null}");
    assert_int_equal(s.budget_ns, 7);
}

static void damaged_values_are_refused_with_a_sentence(void **state)
{
    (void)state;
#define HEAD "{\"schema\":\"loadline.sweep-spec/1\","
    static const char *const damaged[] = {
        "",
        "{",
        "[]",
        "7",
        "{}",
        "{\"schema\":\"loadline.sweep-spec/2\",\"budget_ns\":7}",
        "{\"schema\":1}",
        HEAD "\"budget_ns\":-1}",
        HEAD "\"level_ns\":-1}",
        HEAD "\"budget_ns\":1.5}",
        HEAD "\"budget_ns\":\"7\"}",
        HEAD "\"levels_of\":\"burst\"}",
        HEAD "\"levels_of\":3}",
        HEAD "\"given\":[0]}",
        HEAD "\"given\":[-1]}",
        HEAD "\"given\":[null]}",
        HEAD "\"given\":[\"1\"]}",
        HEAD "\"stop_at_saturation\":1}",
        HEAD "\"slo\":7}",
        HEAD "\"budget_ns\":7} x",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        struct sweep_spec s = {.budget_ns = 42};
        struct err e = {0};
        if (sweep_file_take_spec(damaged[i], &s, &e) == OK)
            fail_msg("taken: %s", damaged[i]);
        assert_true(strlen(e.text) > 20);
        assert_int_equal(s.budget_ns, 42); /* left as it was */
    }
    struct sweep_spec s;
    struct err e = {0};
    assert_true(sweep_file_take_spec(HEAD "\"slo\":\"p99 ttft < 5\"}", &s, &e) < 0);
    assert_non_null(strstr(e.text, "run file")); /* and not an option that nobody gave */
    assert_null(strstr(e.text, "--slo"));
}

static void more_levels_than_there_is_room_for_are_damage(void **state)
{
    (void)state;
    struct buf b = {0};
    struct sweep_spec s;
    struct err e = {0};
    buf_puts(&b, HEAD "\"given\":[");
    for (int i = 1; i <= SWEEP_MAX_GIVEN + 1; i++)
        buf_printf(&b, "%s%d", i > 1 ? "," : "", i);
    buf_puts(&b, "]}");
    assert_int_equal(sweep_file_take_spec(buf_cstr(&b), &s, &e), ERR_INPUT);
    buf_release(&b);
}

/* ---- levels ---- */

static struct record_writer *create(void **state, const char *key, const struct sweep_spec *s,
                                    const char *slo)
{
    struct place *p = *state;
    struct record_writer *w = open_writer(p->file, false);
    struct err e = {0};
    struct buf b;
    assert_ok(record_writer_meta(w, key, text_of(s, slo, &b), &e), &e);
    buf_release(&b);
    return w;
}

enum fate { WHOLE, INTERRUPTED, KILLED };

/* A level of ten seconds at a rate, or of so many users, with a request each 100 ms. */
static void put_level(struct record_writer *w, const char *kind, double rate, int64_t users,
                      enum fate fate)
{
    struct err e = {0};
    struct run_record run = sample_run();
    run.kind = kind;
    run.mode = users > 0 ? "closed" : isinf(rate) ? "offline" : "open";
    run.request_rate = rate;
    run.max_concurrency = users;
    run.num_prompts = 0;
    run.duration_ns = 10 * NS_PER_S;
    run.offered_end_ns = 10 * NS_PER_S;
    run.drained_ns = 11 * NS_PER_S;
    run.interrupted = fate == INTERRUPTED;
    assert_ok(record_writer_begin(w, &run, &e), &e);
    for (uint64_t i = 0; i < 100; i++) {
        struct request_record q = sample_request(i);
        int64_t at = (int64_t)i * 100 * MS;
        q.intended_ns = q.started_ns = q.sent_ns = at;
        q.first_byte_ns = q.first_token_ns = q.first_answer_ns = at + 40 * MS;
        q.last_token_ns = q.end_ns = at + 80 * MS;
        record_writer_put(w, &q);
    }
    if (fate != KILLED)
        assert_ok(record_writer_finish(w, &run, &e), &e);
}

static struct sweep_read *read_back(void **state, struct record_writer *w, const char *key)
{
    struct place *p = *state;
    struct err e = {0};
    struct sweep_read *out = test_calloc(1, sizeof *out);
    if (w)
        assert_ok(record_writer_close(w, &e), &e);
    struct record_reader *r = open_reader(p->file);
    assert_true(sweep_file_has(r, key));
    assert_ok(sweep_file_read(r, key, out, &e), &e);
    record_reader_close(r);
    return out;
}

static const struct sweep_spec three = {
    .given = {10, 20, 30}, .given_count = 3, .level_ns = 10 * NS_PER_S, .budget_ns = 30 * NS_PER_S};

static void levels_are_read_in_their_order_and_those_that_broke_off_are_not(void **state)
{
    struct record_writer *w = create(state, SWEEP_FILE_KEY, &three, "p99 ttft < 50ms");
    put_level(w, "level", 10, 0, WHOLE);
    put_level(w, "level", 20, 0, INTERRUPTED);
    put_level(w, "run", 99, 0, WHOLE); /* somebody else's */
    put_level(w, "level", 20, 0, WHOLE);
    put_level(w, "level", 30, 0, KILLED);
    struct sweep_read *s = read_back(state, w, SWEEP_FILE_KEY);
    assert_true(s->any);
    assert_int_equal(s->runs, 4);
    assert_int_equal(s->sweep.count, 2);
    assert_int_equal(s->sweep.levels[0].run_id, 1);
    assert_int_equal(s->sweep.levels[1].run_id, 4);
    assert_int_equal(s->sweep.spent_ns, 2 * 11 * NS_PER_S);
    assert_true(level_load(&s->sweep.levels[1]) == 20);
    assert_int_equal(s->sweep.levels[1].point.duration_ns, 10 * NS_PER_S);
    assert_float_equal(s->points[0].ttft_p99_ms, 40, 1e-9);
    struct load_point next[RUNNER_MAX_CLIMB];
    enum level_stage stage;
    assert_int_equal(sweep_next(&s->sweep, next, &stage), 1); /* and the third is to come */
    assert_true(next[0].rate == 30);
    test_free(s);
}

static void a_rate_that_nobody_can_offer_is_damage(void **state)
{
    struct place *p = *state;
    struct record_writer *w = create(state, SWEEP_FILE_KEY, &three, "p99 ttft < 50ms");
    struct sweep_read *s = test_calloc(1, sizeof *s);
    struct err e = {0};
    put_level(w, "level", 10, 0, WHOLE);
    put_level(w, "level", -1, 0, WHOLE);
    assert_ok(record_writer_close(w, &e), &e);
    struct record_reader *r = open_reader(p->file);
    assert_int_equal(sweep_file_read(r, SWEEP_FILE_KEY, s, &e), ERR_INPUT);
    assert_non_null(strstr(e.text, "was changed"));
    record_reader_close(r);
    test_free(s);
}

static void a_sweep_that_has_not_begun_is_empty(void **state)
{
    struct record_writer *w = create(state, SWEEP_FILE_KEY, &three, "");
    put_level(w, "run", 5, 0, WHOLE);
    struct sweep_read *s = read_back(state, w, SWEEP_FILE_KEY);
    assert_false(s->any);
    assert_int_equal(s->sweep.count + (size_t)s->runs, 0);
    assert_int_equal(s->sweep.spec.given_count, 3);
    test_free(s);
}

static void the_closed_loop_beside_it_has_rows_of_its_own(void **state)
{
    struct sweep_spec users = three;
    users.kind = LOAD_OF_USERS;
    struct record_writer *w = create(state, SWEEP_FILE_KEY, &three, "");
    struct err e = {0};
    struct buf b;
    assert_ok(record_writer_meta(w, SWEEP_FILE_CLOSED_KEY, text_of(&users, "", &b), &e), &e);
    buf_release(&b);
    put_level(w, "level", 10, 0, WHOLE);
    put_level(w, SWEEP_FILE_CLOSED_PREFIX "level", 0, 10, WHOLE);
    put_level(w, SWEEP_FILE_CLOSED_PREFIX "level", 0, 20, WHOLE);
    struct sweep_read *open = read_back(state, w, SWEEP_FILE_KEY);
    struct sweep_read *closed = read_back(state, NULL, SWEEP_FILE_CLOSED_KEY);
    assert_int_equal(open->sweep.count, 1);
    assert_int_equal(open->sweep.levels[0].point.kind, LOAD_AT_RATE);
    assert_int_equal(closed->sweep.count, 2);
    assert_int_equal(closed->sweep.levels[1].point.kind, LOAD_OF_USERS);
    assert_int_equal(closed->sweep.levels[1].point.users, 20);
    assert_int_equal(closed->sweep.levels[1].run_id, 3);
    test_free(open);
    test_free(closed);
}

static void a_climb_counts_whole_or_not_at_all(void **state)
{
    static const struct sweep_spec search = {.budget_ns = 1200 * NS_PER_S};
    struct record_writer *w = create(state, SWEEP_FILE_KEY, &search, "");
    put_level(w, "single", 0, 1, WHOLE);
    put_level(w, "burst", INFINITY, 0, WHOLE);
    for (int i = 0; i < 8; i++)
        put_level(w, "climb", 1 + i, 0, i < 5 ? WHOLE : INTERRUPTED);
    struct sweep_read *s = read_back(state, w, SWEEP_FILE_KEY);
    assert_int_equal(s->sweep.count, 2);
    assert_int_equal(s->runs, 10);
    test_free(s);
    struct place *p = *state;
    w = open_writer(p->file, true);
    for (int i = 0; i < 8; i++)
        put_level(w, "climb", 1 + i, 0, WHOLE);
    s = read_back(state, w, SWEEP_FILE_KEY);
    assert_int_equal(s->sweep.count, 10);
    assert_int_equal(s->sweep.levels[2].run_id, 11);
    assert_true(s->sweep.levels[9].point.cut); /* the search says so, not the row */
    assert_int_equal(s->sweep.spent_ns,
                     3 * 11 * NS_PER_S); /* a climb's time is that of its first row */
    test_free(s);
}

static void a_file_without_a_sweep_says_so(void **state)
{
    struct place *p = *state;
    struct record_writer *w = open_writer(p->file, false);
    struct err e = {0};
    put_level(w, "run", 5, 0, WHOLE);
    assert_ok(record_writer_close(w, &e), &e);
    struct record_reader *r = open_reader(p->file);
    struct sweep_read *out = test_calloc(1, sizeof *out);
    assert_false(sweep_file_has(r, SWEEP_FILE_KEY));
    assert_int_equal(sweep_file_read(r, SWEEP_FILE_KEY, out, &e), ERR_INPUT);
    record_reader_close(r);
    test_free(out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_asked_comes_back),
        cmocka_unit_test(a_sweep_without_anything_comes_back),
        cmocka_unit_test(keys_of_a_later_version_are_passed_over),
        cmocka_unit_test(damaged_values_are_refused_with_a_sentence),
        cmocka_unit_test(more_levels_than_there_is_room_for_are_damage),
        PLACE_TEST(levels_are_read_in_their_order_and_those_that_broke_off_are_not),
        PLACE_TEST(a_rate_that_nobody_can_offer_is_damage),
        PLACE_TEST(a_sweep_that_has_not_begun_is_empty),
        PLACE_TEST(the_closed_loop_beside_it_has_rows_of_its_own),
        PLACE_TEST(a_climb_counts_whole_or_not_at_all),
        PLACE_TEST(a_file_without_a_sweep_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
