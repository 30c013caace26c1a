/* Several targets under one session: what they share, what each has of its own, and that failures
 * leave nothing. In virtual time, since a live sim: target executes the program itself. */

#include "../record/support.h"

#include "base/clock.h"
#include "cli/session.h"

static const char *const engines[] = {"sim:llama-3.1-8b@h100?noise=0.1",
                                      "sim:llama-3.1-8b@h100?noise=0.1"};
static const char *const names[] = {"A", "B"};

struct pair {
    struct run_options options;
    struct session s[2];
    struct err err;
};

static int start(struct pair *p, const char *file, const char *const *targets)
{
    run_options_defaults(&p->options);
    p->options.offline = true;
    p->options.quiet = true;
    p->options.seed = 7;
    p->options.request_rate = 20;
    p->options.num_prompts = 5;
    p->options.output = file;
    return session_start(p->s, 2, &p->options, targets, names, "test", &p->err);
}

static void close_both(struct pair *p)
{
    session_close(&p->s[1], &p->err);
    if (session_close(&p->s[0], &p->err) < 0)
        fail_msg("%s", p->err.text);
}

static struct slice prompt(struct session *s, uint64_t index, struct arena *a)
{
    struct prompt p;
    workload_draw(s->workload, false, index, a, &p);
    return p.text;
}

static void targets_share_file_signals_and_seed_and_nothing_else(void **state)
{
    struct place *place = *state;
    struct pair *p = test_calloc(1, sizeof *p);
    struct arena a = {0};
    assert_int_equal(start(p, place->file, engines), OK);
    assert_ptr_equal(p->s[0].writer, p->s[1].writer);
    assert_string_equal(p->s[0].run_file, p->s[1].run_file);
    assert_int_equal(p->s[0].signal_fd, p->s[1].signal_fd);
    assert_true(p->s[0].plan.seed == 7 && p->s[1].plan.seed == 7);
    assert_true(p->s[0].spec.config.noise_seed != p->s[1].spec.config.noise_seed);
    for (int i = 1; i >= 0; i--)
        assert_int_equal(session_ask(&p->s[i], &p->err), OK);
    assert_ptr_not_equal(p->s[0].twin, p->s[1].twin);
    assert_ptr_not_equal(p->s[0].workload, p->s[1].workload);
    assert_true(slice_eq(prompt(&p->s[0], 3, &a), prompt(&p->s[1], 3, &a)));
    arena_release(&a);
    close_both(p);
    assert_int_not_equal(access(place->file, F_OK), 0); /* nothing was loaded */
    test_free(p);
}

static void a_seed_that_is_drawn_is_drawn_once(void **state)
{
    struct place *place = *state;
    struct pair *p = test_calloc(1, sizeof *p);
    run_options_defaults(&p->options);
    p->options.offline = p->options.quiet = true;
    p->options.request_rate = 20;
    p->options.output = place->file;
    assert_int_equal(session_start(p->s, 2, &p->options, engines, names, "test", &p->err), OK);
    assert_true(p->s[0].plan.seed != 0 && p->s[0].plan.seed == p->s[1].plan.seed);
    close_both(p);
    test_free(p);
}

static void runs_of_all_targets_go_into_the_one_file(void **state)
{
    struct place *place = *state;
    struct pair *p = test_calloc(1, sizeof *p);
    struct record_reader *r;
    struct run_record run;
    size_t n;
    assert_int_equal(start(p, place->file, engines), OK);
    for (int i = 0; i < 2; i++) {
        struct session_point point = {.kind = i == 0 ? "compare a" : "compare b",
                                      .ordinal = 1,
                                      .seed = session_seed(&p->s[i], 1),
                                      .load = p->s[i].plan.load,
                                      .slo = "",
                                      .from_idle = true,
                                      .series_left_s = -1};
        assert_int_equal(session_ask(&p->s[i], &p->err), OK);
        assert_int_equal(session_load(&p->s[i], &point, &run, &p->err), OK);
        assert_int_equal(run.id, i + 1);
    }
    close_both(p);
    assert_int_equal(record_reader_open(place->file, &r, &p->err), OK);
    record_reader_runs(r, &n);
    assert_int_equal(n, 2);
    record_reader_close(r);
    test_free(p);
}

static void a_target_that_is_wrong_undoes_the_others(void **state)
{
    static const char *const pairs[][2] = {{"sim:llama-3.1-8b@h100", "sim:no-such@h100"},
                                           {"sim:no-such@h100", "sim:llama-3.1-8b@h100"},
                                           {"sim:llama-3.1-8b@h100", "http://127.0.0.1:1"},
                                           {"sim:llama-3.1-8b@h100", "nowhere"}};
    struct place *place = *state;
    for (size_t i = 0; i < 4; i++) {
        struct pair *p = test_calloc(1, sizeof *p);
        assert_int_equal(start(p, place->file, pairs[i]), ERR_USAGE);
        assert_true(p->err.text[0] != '\0');
        assert_null(p->s[0].writer);
        assert_null(p->s[1].workload);
        assert_int_not_equal(access(place->file, F_OK), 0);
        test_free(p);
    }
}

static void a_file_that_is_there_is_refused_and_left_alone(void **state)
{
    struct place *place = *state;
    struct pair *p = test_calloc(1, sizeof *p);
    FILE *f = fopen(place->file, "w");
    fputs("mine", f);
    fclose(f);
    assert_true(start(p, place->file, engines) < 0);
    assert_int_equal(access(place->file, F_OK), 0);
    test_free(p);
}

/* One server is asked by both sides: neither may find the other's prompts in its cache. */
static void salted_sides_have_prompts_that_differ_in_a_nonce(void **state)
{
    struct place *place = *state;
    struct pair *p = test_calloc(1, sizeof *p);
    struct arena a = {0};
    assert_int_equal(start(p, place->file, engines), OK);
    for (int i = 1; i >= 0; i--) {
        assert_int_equal(session_salt_nonces(&p->s[i], (uint64_t)i + 1, &p->err), OK);
        assert_int_equal(session_ask(&p->s[i], &p->err), OK);
    }
    for (uint64_t k = 0; k < 5; k++) {
        struct prompt x, y;
        workload_draw(p->s[0].workload, false, k, &a, &x);
        workload_draw(p->s[1].workload, false, k, &a, &y);
        assert_int_equal(x.input_tokens, y.input_tokens);
        assert_int_equal(x.text.n, y.text.n);
        assert_int_equal(x.token_count, y.token_count);
        if (x.token_count > 0)
            assert_memory_not_equal(x.tokens, y.tokens, 4 * sizeof *x.tokens);
        else
            assert_memory_not_equal(x.text.p, y.text.p, 16);
    }
    arena_release(&a);
    close_both(p);
    test_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(targets_share_file_signals_and_seed_and_nothing_else),
        PLACE_TEST(a_seed_that_is_drawn_is_drawn_once),
        PLACE_TEST(runs_of_all_targets_go_into_the_one_file),
        PLACE_TEST(a_target_that_is_wrong_undoes_the_others),
        PLACE_TEST(a_file_that_is_there_is_refused_and_left_alone),
        PLACE_TEST(salted_sides_have_prompts_that_differ_in_a_nonce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
