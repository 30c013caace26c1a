/* A comparison out of its run file: rounds, what was asked, and files that are none. */

#include "../record/support.h"

#include <math.h>

#include "decide/compare_file.h"

struct file {
    struct place *place;
    struct record_writer *w;
    const char *model_b; /* where it is not A's */
};

static struct file create(void **state)
{
    struct file f = {*state, NULL, "m"};
    struct err e = {0};
    assert_int_equal(record_writer_open(f.place->file, false, &f.w, &e), OK);
    return f;
}

/* Two places of which the second is in the first's folder. */
static struct file create_beside(struct place *second, void **state)
{
    struct file f = {second, NULL, "m"};
    struct err e = {0};
    *second = *(struct place *)*state;
    snprintf(second->file, sizeof second->file, "%s/second", second->dir);
    assert_int_equal(record_writer_open(second->file, false, &f.w, &e), OK);
    return f;
}

static struct request_record request(uint64_t index, double gap_ms)
{
    int64_t at = (int64_t)index * 100000000, first = at + 50000000;
    int64_t last = first + (int64_t)(9e6 * gap_ms);
    return (struct request_record){.phase = 1,
                                   .index = index,
                                   .rung = -1,
                                   .intended_ns = at,
                                   .started_ns = at,
                                   .sent_ns = at + 1,
                                   .first_byte_ns = first,
                                   .first_token_ns = first,
                                   .first_answer_ns = first,
                                   .last_token_ns = last,
                                   .end_ns = last + 1,
                                   .dns_ns = RECORD_NONE,
                                   .connect_ns = RECORD_NONE,
                                   .tls_ns = RECORD_NONE,
                                   .outcome = OUTCOME_OK,
                                   .http_status = 200,
                                   .prompt_tokens = 5,
                                   .output_tokens = 10,
                                   .cached_tokens = -1,
                                   .reasoning_tokens = -1,
                                   .output_source = TOKENS_USAGE,
                                   .asked_input = 5,
                                   .asked_output = 10,
                                   .events = 10};
}

/* A run of twenty requests. */
static void put_run(struct file *f, const char *kind, int64_t ordinal, double gap_ms, bool whole)
{
    struct err e = {0};
    struct run_record run = {.kind = kind,
                             .ordinal = ordinal,
                             .target = "t",
                             .backend = "openai",
                             .engine = "",
                             .engine_version = "",
                             .model = strcmp(kind, "compare b") == 0 ? f->model_b : "m",
                             .command = "",
                             .mode = "open",
                             .request_rate = 10,
                             .burstiness = 1,
                             .ramp = "",
                             .on_cap = "queue",
                             .duration_ns = 2000000000,
                             .timeout_ns = 60000000000,
                             .threads = 1,
                             .workload = "chat",
                             .workload_json = "{}",
                             .goodput = "",
                             .slo = "",
                             .options_json = "{}",
                             .host_json = "{}",
                             .context_json = "{}",
                             .streaming = true,
                             .seed = (uint64_t)ordinal};
    assert_int_equal(record_writer_begin(f->w, &run, &e), OK);
    for (uint64_t i = 0; i < 20; i++) {
        struct request_record q = request(i, gap_ms);
        record_writer_put(f->w, &q);
    }
    run.finished = true;
    run.interrupted = !whole;
    run.offered_end_ns = run.drained_ns = 2000000000;
    assert_int_equal(record_writer_finish(f->w, &run, &e), OK);
}

static void put_round(struct file *f, int64_t round, double factor)
{
    double gap_ms = 5 + 0.01 * (double)round;
    put_run(f, "compare a", round, gap_ms, true);
    put_run(f, "compare b", round, gap_ms * factor, true);
}

static void put_plan(struct file *f, const char *metrics, const char *gate, int64_t rounds)
{
    struct buf json = {0};
    struct err e = {0};
    struct compare_plan plan = {.metrics = metrics,
                                .fail_if = &gate,
                                .fail_if_count = gate ? 1 : 0,
                                .margin = 0.05,
                                .rounds = rounds,
                                .before = {"echo \"a\\b\"", NULL}};
    compare_plan_put(&plan, &json);
    assert_int_equal(record_writer_meta(f->w, COMPARE_META_KEY, buf_cstr(&json), &e), OK);
    buf_release(&json);
}

static struct record_reader *reopen(struct file *f)
{
    struct record_reader *r = NULL;
    struct err e = {0};
    assert_int_equal(record_writer_close(f->w, &e), OK);
    if (record_reader_open(f->place->file, &r, &e) < 0)
        fail_msg("%s", e.text);
    return r;
}

static struct comparison read_back(struct record_reader *r, const struct compare_spec *given)
{
    struct comparison c;
    struct err e = {0};
    if (compare_of_file(r, given, &c, &e) < 0)
        fail_msg("%s", e.text);
    return c;
}

static void rounds_come_back_with_what_was_asked(void **state)
{
    struct file f = create(state);
    put_plan(&f, "p50 tpot, throughput", "p50 tpot worse than 5%", 6);
    for (int64_t i = 1; i <= 6; i++)
        put_round(&f, i, 1.1);
    struct record_reader *r = reopen(&f);
    assert_true(compare_in_file(r));
    struct comparison c = read_back(r, NULL);
    assert_int_equal(c.design, COMPARE_ROUNDS);
    assert_true(c.complete == 6 && c.planned == 6 && !c.interrupted && c.same_seeds);
    assert_true(c.row_count == 2 && c.gate_count == 1 && c.spec.margin == 0.05);
    assert_true(fabs(c.rows[0].ratio - log(1.1)) < 1e-6);
    assert_true(c.rows[0].p == 2.0 / 64);
    assert_int_equal(c.gates[0].state, COMPARE_FAILS);
    comparison_release(&c);

    struct compare_spec given = {.margin = 0.2};
    c = read_back(r, &given);
    assert_true(c.spec.margin == 0.2 && c.row_count == 2 && c.gate_count == 1);
    comparison_release(&c);
    struct err e;
    compare_metrics_parse(slice_of("mean e2e"), &given.metrics, &e);
    compare_gates_parse(slice_of("mean e2e worse than 50%"), &given.gates, &e);
    c = read_back(r, &given);
    assert_true(c.row_count == 1 && c.gate_count == 1);
    assert_int_equal(c.gates[0].state, COMPARE_PASSES);
    comparison_release(&c);
    record_reader_close(r);
}

static void a_round_without_both_sides_whole_is_left_out(void **state)
{
    struct file f = create(state);
    put_plan(&f, NULL, NULL, 9);
    put_round(&f, 1, 1);
    put_run(&f, "compare b", 2, 5, true); /* its A is missing */
    put_round(&f, 3, 1);
    put_run(&f, "compare a", 4, 5, true);
    put_run(&f, "compare b", 4, 5, false); /* cut short */
    struct record_reader *r = reopen(&f);
    struct comparison c = read_back(r, NULL);
    assert_true(c.complete == 2 && c.planned == 9 && c.interrupted);
    assert_int_equal(c.side[COMPARE_A].blocks, 2);
    assert_non_null(strstr(c.flaws[0].text, "it was stopped after 2 of 9 rounds"));
    comparison_release(&c);
    record_reader_close(r);
}

static void what_differs_takes_the_verdicts_away_unless_told(void **state)
{
    struct file f = create(state);
    struct compare_spec told = {.allow_mismatch = true};
    f.model_b = "other";
    put_plan(&f, "p50 tpot", "p50 tpot worse", 6);
    for (int64_t i = 1; i <= 6; i++)
        put_round(&f, i, 1.2);
    struct record_reader *r = reopen(&f);
    struct comparison c = read_back(r, NULL);
    assert_true(c.mismatch);
    assert_int_equal(c.verdict, VERDICT_INVALID);
    assert_int_equal(c.rows[0].verdict, COMPARE_NO_VERDICT);
    assert_int_equal(c.gates[0].state, COMPARE_CANNOT_TELL);
    comparison_release(&c);
    c = read_back(r, &told);
    assert_int_equal(c.rows[0].verdict, COMPARE_WORSE);
    assert_int_equal(c.gates[0].state, COMPARE_FAILS);
    comparison_release(&c);
    record_reader_close(r);
}

static void a_plan_that_cannot_be_read_is_refused(void **state)
{
    static const char *const plans[] = {
        "nonsense",
        "[]",
        "{\"margin\":0.05",
        "{\"margin\":0}",
        "{\"margin\":-1}",
        "{\"margin\":\"5\"}",
        "{\"margin\":0.05,\"metrics\":\"speed\"}",
        "{\"margin\":0.05,\"fail_if\":[\"p50 ttft better\"]}",
        "{\"margin\":0.05,\"fail_if\":[7]}",
        "{\"margin\":0.05,\"rounds\":1e400}",
        "{\"margin\":0.05} trailing",
    };
    struct place *place = *state;
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        struct file f = create(state);
        struct err e = {0};
        struct comparison c;
        put_run(&f, "compare a", 1, 5, true);
        assert_int_equal(record_writer_meta(f.w, COMPARE_META_KEY, plans[i], &e), OK);
        struct record_reader *r = reopen(&f);
        if (compare_of_file(r, NULL, &c, &e) != ERR_INPUT)
            fail_msg("taken: %s", plans[i]);
        record_reader_close(r);
        unlink(place->file);
    }
}

static void a_comparison_without_a_block_has_no_verdict(void **state)
{
    struct file f = create(state);
    put_plan(&f, NULL, "p50 ttft worse", 6);
    put_run(&f, "compare a", 1, 5, false);
    struct record_reader *r = reopen(&f);
    struct comparison c = read_back(r, NULL);
    assert_int_equal(c.verdict, VERDICT_INVALID);
    assert_int_equal(c.rows[0].verdict, COMPARE_NO_VERDICT);
    assert_true(compare_gates_cannot_tell(&c));
    comparison_release(&c);
    record_reader_close(r);
}

/* Runs of A and of B, all of a kind; seeds are 1, 2, … plus `apart` at B. */
static int compare_runs(void **state, size_t n_a, size_t n_b, int64_t apart, bool cut,
                        struct comparison *c, struct err *e)
{
    struct compare_spec spec = {0};
    struct place second;
    struct file a = create(state), b = create_beside(&second, state);
    compare_spec_complete(&spec);
    for (size_t i = 1; i <= n_a; i++)
        put_run(&a, "run", (int64_t)i, 5 + 0.01 * (double)i, true);
    for (size_t i = 1; i <= n_b; i++)
        put_run(&b, "run", (int64_t)i + apart, 6 + 0.01 * (double)i, true);
    if (cut)
        put_run(&b, "run", 99, 6, false);
    struct record_reader *r[] = {reopen(&a), reopen(&b)};
    int rc = compare_of_runs(r, &spec, c, e);
    for (int s = 0; s < 2; s++)
        record_reader_close(r[s]);
    unlink(a.place->file);
    unlink(second.file);
    return rc;
}

static void runs_of_two_files_are_compared_by_what_they_allow(void **state)
{
    static const struct {
        size_t a, b;
        int64_t apart;
        enum compare_design design;
    } cases[] = {{1, 1, 0, COMPARE_SINGLE_RUNS},   {1, 3, 0, COMPARE_UNPAIRED_RUNS},
                 {3, 3, 0, COMPARE_UNPAIRED_RUNS}, {6, 6, 0, COMPARE_PAIRED_RUNS},
                 {6, 6, 1, COMPARE_UNPAIRED_RUNS}, {6, 7, 0, COMPARE_UNPAIRED_RUNS}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct comparison c;
        struct err e = {0};
        assert_int_equal(compare_runs(state, cases[i].a, cases[i].b, cases[i].apart, false, &c, &e),
                         OK);
        assert_int_equal(c.design, cases[i].design);
        assert_int_equal(c.verdict, VERDICT_PROVISIONAL);
        assert_int_equal(c.same_seeds, cases[i].a == cases[i].b && cases[i].apart == 0);
        comparison_release(&c);
    }
}

static void a_run_cut_short_is_left_out_and_told(void **state)
{
    struct comparison c;
    struct err e = {0};
    assert_int_equal(compare_runs(state, 2, 2, 0, true, &c, &e), OK);
    assert_int_equal(c.side[COMPARE_B].blocks, 2);
    bool told = false;
    for (size_t i = 0; i < c.flaw_count; i++)
        told = told || strcmp(c.flaws[i].text, "left out: 1 run that was cut short") == 0;
    assert_true(told);
    comparison_release(&c);
    assert_int_equal(compare_runs(state, 2, 0, 0, true, &c, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "B holds no whole run"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(rounds_come_back_with_what_was_asked),
        PLACE_TEST(a_round_without_both_sides_whole_is_left_out),
        PLACE_TEST(what_differs_takes_the_verdicts_away_unless_told),
        PLACE_TEST(a_plan_that_cannot_be_read_is_refused),
        PLACE_TEST(a_comparison_without_a_block_has_no_verdict),
        PLACE_TEST(runs_of_two_files_are_compared_by_what_they_allow),
        PLACE_TEST(a_run_cut_short_is_left_out_and_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
