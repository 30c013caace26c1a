/* A load of several levels without a stop: each record goes to the level in whose time it was
 * intended. */

#include "support.h"

#include <math.h>

#define S INT64_C(1000000000)

enum { STEPS = 3 };

static const int64_t from_ns[STEPS] = {0, 5 * S, 12 * S};

static struct record_writer *begin(const struct place *p, struct run_record runs[STEPS])
{
    struct record_writer *w = open_writer(p->file, false);
    struct err e = {0};
    for (int i = 0; i < STEPS; i++) {
        runs[i] = sample_run();
        runs[i].kind = "climb";
        runs[i].ordinal = i + 1;
        runs[i].request_rate = 1 << i;
    }
    assert_ok(record_writer_begin_steps(w, runs, from_ns, STEPS, &e), &e);
    return w;
}

static void end(struct record_writer *w, struct run_record runs[STEPS])
{
    struct err e = {0};
    for (int i = 0; i < STEPS; i++)
        assert_ok(record_writer_finish(w, &runs[i], &e), &e);
    assert_ok(record_writer_close(w, &e), &e);
}

static struct request_record at(uint64_t index, int64_t intended_ns)
{
    struct request_record q = sample_request(0);
    int64_t *const times[] = {&q.intended_ns,   &q.started_ns,     &q.sent_ns,
                              &q.first_byte_ns, &q.first_token_ns, &q.first_answer_ns,
                              &q.last_token_ns, &q.end_ns};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        *times[i] += intended_ns;
    q.index = index;
    return q;
}

static int keep(void *context, const struct request_record *q)
{
    struct request_record *list = context;
    list[q->index] = *q;
    return 0;
}

static void records_go_to_the_level_of_their_intended_time_and_count_from_it(void **state)
{
    struct place *p = *state;
    struct run_record runs[STEPS];
    struct request_record got[8] = {0};
    struct err e = {0};
    static const struct {
        int64_t intended_ns, counted_ns;
        int step;
    } cases[] = {{0, 0, 0},      {5 * S - 1, 5 * S - 1, 0},
                 {5 * S, 0, 1},  {12 * S - 1, 7 * S - 1, 1},
                 {12 * S, 0, 2}, {99 * S, 87 * S, 2}};
    struct record_writer *w = begin(p, runs);
    for (uint64_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request_record q = at(i, cases[i].intended_ns);
        record_writer_put(w, &q);
    }
    end(w, runs);
    struct record_reader *r = open_reader(p->file);
    for (int k = 0; k < STEPS; k++) {
        assert_int_equal(tally_of(r, runs[k].id).count, 2);
        assert_ok(record_reader_requests(r, runs[k].id, true, keep, got, &e), &e);
        for (uint64_t i = 0; i < sizeof cases / sizeof *cases; i++)
            if (cases[i].step == k) {
                struct request_record wanted = at(i, cases[i].counted_ns);
                assert_int_equal(got[i].intended_ns, cases[i].counted_ns);
                assert_int_equal(got[i].first_token_ns, wanted.first_token_ns);
                assert_int_equal(got[i].end_ns, wanted.end_ns);
                assert_int_equal(got[i].connect_ns, RECORD_NONE); /* nothing becomes a time */
            }
    }
    record_reader_close(r);
}

static void what_did_not_happen_does_not_become_a_time(void **state)
{
    struct place *p = *state;
    struct run_record runs[STEPS];
    struct request_record got[1] = {0};
    struct err e = {0};
    struct record_writer *w = begin(p, runs);
    struct request_record q = at(0, 6 * S);
    q.outcome = OUTCOME_CANCELLED;
    q.first_byte_ns = q.first_token_ns = q.first_answer_ns = q.last_token_ns = RECORD_NONE;
    record_writer_put(w, &q);
    end(w, runs);
    struct record_reader *r = open_reader(p->file);
    assert_ok(record_reader_requests(r, runs[1].id, true, keep, got, &e), &e);
    assert_int_equal(got[0].intended_ns, S);
    assert_int_equal(got[0].first_token_ns, RECORD_NONE);
    assert_int_equal(got[0].last_token_ns, RECORD_NONE);
    record_reader_close(r);
}

static void a_warm_up_and_findings_are_of_the_first_level(void **state)
{
    struct place *p = *state;
    struct run_record runs[STEPS];
    struct record_writer *w = begin(p, runs);
    struct request_record q = at(0, 7 * S); /* on the warm-up's own clock */
    q.phase = 0;
    record_writer_put(w, &q);
    record_writer_finding(w, &(struct finding_record){"server", "note", "said once"});
    end(w, runs);
    struct record_reader *r = open_reader(p->file);
    assert_int_equal(tally_of(r, runs[0].id).count, 1);
    assert_int_equal(tally_of(r, runs[1].id).count, 0);
    record_reader_close(r);
}

static void a_load_behind_a_climb_is_a_row_of_its_own(void **state)
{
    struct place *p = *state;
    struct run_record runs[STEPS], next = sample_run();
    struct err e = {0};
    struct record_writer *w = begin(p, runs);
    for (int i = 0; i < STEPS; i++)
        assert_ok(record_writer_finish(w, &runs[i], &e), &e);
    assert_ok(record_writer_begin(w, &next, &e), &e);
    struct request_record q = at(3, 13 * S);
    record_writer_put(w, &q);
    assert_ok(record_writer_finish(w, &next, &e), &e);
    assert_ok(record_writer_close(w, &e), &e);
    struct record_reader *r = open_reader(p->file);
    assert_int_equal(tally_of(r, runs[2].id).count, 0);
    assert_int_equal(tally_of(r, next.id).count, 1);
    record_reader_close(r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        PLACE_TEST(records_go_to_the_level_of_their_intended_time_and_count_from_it),
        PLACE_TEST(what_did_not_happen_does_not_become_a_time),
        PLACE_TEST(a_warm_up_and_findings_are_of_the_first_level),
        PLACE_TEST(a_load_behind_a_climb_is_a_row_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
