/* Many threads hand over records at once; none is lost, none is written twice. */

#include <pthread.h>

#include "support.h"

enum { PRODUCERS = 4, EACH = 5000 };

struct producer {
    struct record_writer *writer;
    uint64_t number;
};

static void *produce(void *context)
{
    struct producer *p = context;
    for (uint64_t i = 0; i < EACH; i++) {
        struct buf gaps = {0};
        gaps_put(&gaps, &(struct gap){0, 0, i});
        struct request_record q = sample_request(i * PRODUCERS + p->number);
        q.gaps = buf_slice(&gaps);
        q.events = 1;
        record_writer_put(p->writer, &q);
        buf_release(&gaps); /* it was copied */
        if (i % 1000 == 0) {
            record_writer_second(p->writer, &(struct second_record){.second = (int64_t)i});
            record_writer_sample(p->writer, &(struct sample_record){0, "s", "n", "", 1});
            record_writer_finding(p->writer, &(struct finding_record){"i", "note", "t"});
            assert_false(record_writer_error(p->writer, NULL));
        }
    }
    return NULL;
}

static int check_gap(void *context, const struct request_record *q)
{
    uint64_t *count = context;
    struct gap g;
    struct slice bytes = q->gaps;
    assert_int_equal(q->index, *count);
    assert_int_equal(gaps_take(&bytes, &g), OK);
    assert_int_equal(g.tokens, q->index / PRODUCERS);
    ++*count;
    return 0;
}

static int count_finding(void *context, const struct finding_record *f)
{
    (void)f;
    ++*(int *)context;
    return 0;
}

static void records_of_many_threads_all_arrive(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct run_record run = sample_run();
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    pthread_t threads[PRODUCERS];
    struct producer producers[PRODUCERS];
    for (uint64_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){w, i};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    assert_ok(record_writer_finish(w, &run, &e), &e);
    assert_ok(record_writer_close(w, &e), &e);

    struct record_reader *r = open_reader(p->file);
    uint64_t count = 0;
    int findings = 0;
    assert_ok(record_reader_requests(r, run.id, true, check_gap, &count, &e), &e);
    assert_int_equal(count, PRODUCERS * EACH);
    assert_ok(record_reader_findings(r, run.id, count_finding, &findings, &e), &e);
    assert_int_equal(findings, PRODUCERS * EACH / 1000);
    record_reader_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {PLACE_TEST(records_of_many_threads_all_arrive)};
    return cmocka_run_group_tests_name("record producers", tests, NULL, NULL);
}
