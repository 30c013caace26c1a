/* Bodies made ahead: the same whoever makes them, no more than the window, each handed out once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "api/openai.h"
#include "drive/prepare.h"

enum { THREADS = 4 };

/* A protocol that counts its bodies, pads them, and can hold the preparer's thread back. */
static struct {
    atomic_uint made;
    size_t pad_bytes;
    bool hold;
    pthread_t tester;
    sem_t begun, go_on;
} spy;

static int spy_request(const struct api_options *o, const struct prompt *p, struct buf *out)
{
    if (spy.hold && !pthread_equal(spy.tester, pthread_self())) {
        sem_post(&spy.begun);
        sem_wait(&spy.go_on);
    }
    int rc = openai_completions.request(o, p, out);
    if (spy.pad_bytes > 0 && rc == OK) {
        rc = buf_reserve(out, spy.pad_bytes);
        memset(out->p + out->n, ' ', spy.pad_bytes);
        out->n += spy.pad_bytes;
    }
    atomic_fetch_add(&spy.made, 1);
    return rc;
}

static const struct protocol SPY = {.name = "spy", .request = spy_request};
static const struct api_options API = {.model = "m", .stream = true, .fields = API_MAX_TOKENS};

static int set_up(void **state)
{
    struct workload_spec spec = {.dataset = DATASET_RANDOM,
                                 .input_len = 20,
                                 .output_len = 10,
                                 .range_ratio = 0.5,
                                 .seed = 3};
    struct workload *w;
    if (workload_open(&spec, NULL, &w, NULL) < 0)
        return -1;
    workload_set_tokenization(w, &(struct tokenization){0});
    *state = w;
    atomic_store(&spy.made, 0);
    spy.pad_bytes = 0;
    spy.hold = false;
    spy.tester = pthread_self();
    sem_init(&spy.begun, 0, 0);
    sem_init(&spy.go_on, 0, 0);
    return 0;
}

static int tear_down(void **state)
{
    workload_close(*state);
    sem_destroy(&spy.begun);
    sem_destroy(&spy.go_on);
    return 0;
}

static struct prepare_options options(void **state, uint64_t total, uint64_t window)
{
    return (struct prepare_options){.workload = *state,
                                    .protocol = &SPY,
                                    .api = &API,
                                    .seed = 3,
                                    .total = total,
                                    .window = window};
}

static bool is_right(const struct prepare_options *o, const struct prepared *q, uint64_t index)
{
    struct prepared *wanted = prepare_one(o, index);
    bool same = q->index == index && slice_eq(buf_slice(&q->body), buf_slice(&wanted->body)) &&
                strcmp(q->id, wanted->id) == 0 && q->asked_input == wanted->asked_input &&
                q->asked_output == wanted->asked_output && q->rung == wanted->rung;
    prepared_free(wanted);
    return same;
}

static void take_right(struct prepare *p, const struct prepare_options *o, uint64_t index)
{
    struct prepared *q = prepare_take(p, index);
    assert_true(is_right(o, q, index));
    prepared_free(q);
}

static void await_made(unsigned n)
{
    while (atomic_load(&spy.made) < n)
        sched_yield();
}

static void as_many_as_the_window_are_made_and_no_more(void **state)
{
    struct prepare_options o = options(state, 0, 8);
    struct prepare *p = prepare_start(&o);
    prepare_wait(p);
    assert_int_equal(atomic_load(&spy.made), 8);
    prepared_free(prepare_take(p, 0));
    await_made(9);
    prepared_free(prepare_take(p, 1));
    prepared_free(prepare_take(p, 2));
    await_made(11);
    assert_int_equal(prepare_underruns(p), 0);
    prepare_stop(p);
    assert_int_equal(atomic_load(&spy.made), 11);
}

static void no_more_are_made_than_there_will_be(void **state)
{
    struct prepare_options o = options(state, 5, 100);
    struct prepare *p = prepare_start(&o);
    prepare_wait(p);
    assert_int_equal(atomic_load(&spy.made), 5);
    for (uint64_t i = 0; i < 5; i++)
        take_right(p, &o, i);
    assert_int_equal(prepare_underruns(p), 0);
    prepare_stop(p);
}

static void bodies_in_the_window_may_be_taken_in_any_order(void **state)
{
    struct prepare_options o = options(state, 64, 64);
    struct prepare *p = prepare_start(&o);
    prepare_wait(p);
    for (uint64_t i = 0; i < 64; i++)
        take_right(p, &o, i * 37 % 64);
    assert_int_equal(prepare_underruns(p), 0);
    prepare_stop(p);
}

static void a_body_that_is_not_ready_is_made_by_who_asks_and_counted(void **state)
{
    struct prepare_options o = options(state, 0, 4);
    spy.hold = true;
    struct prepare *p = prepare_start(&o);
    sem_wait(&spy.begun); /* index 0 is being made, and stays so */
    take_right(p, &o, 0);
    take_right(p, &o, 1);
    assert_int_equal(prepare_underruns(p), 2);
    for (int i = 0; i < 8; i++)
        sem_post(&spy.go_on);
    prepare_wait(p); /* what came late is dropped, the window begins behind it */
    for (uint64_t i = 2; i < 6; i++)
        take_right(p, &o, i);
    assert_int_equal(prepare_underruns(p), 2);
    for (int i = 0; i < 8; i++)
        sem_post(&spy.go_on);
    prepare_stop(p);
}

static void what_will_not_be_sent_is_waited_for_by_nobody(void **state)
{
    struct prepare_options o = options(state, 0, 4);
    struct prepare *p = prepare_start(&o);
    prepare_wait(p);
    for (uint64_t i = 0; i < 40; i++) {
        struct prepared *q = prepare_take_unsent(p, i);
        assert_int_equal(q->index, i);
        prepared_free(q);
    }
    assert_int_equal(prepare_underruns(p), 0);
    prepare_wait(p);
    take_right(p, &o, 40);
    prepare_stop(p);
}

static void taking_far_ahead_of_the_window_loses_nothing(void **state)
{
    struct prepare_options o = options(state, 0, 4);
    struct prepare *p = prepare_start(&o);
    prepare_wait(p);
    take_right(p, &o, 100);
    assert_int_equal(prepare_underruns(p), 1);
    for (uint64_t i = 0; i < 4; i++)
        take_right(p, &o, i);
    assert_int_equal(prepare_underruns(p), 1);
    for (uint64_t i = 4; i < 100; i++)
        take_right(p, &o, i);
    for (uint64_t i = 101; i < 120; i++)
        take_right(p, &o, i);
    prepare_stop(p);
}

static void big_bodies_are_bounded_by_their_bytes(void **state)
{
    struct prepare_options o = options(state, 0, 1000);
    spy.pad_bytes = 5 * 1024 * 1024;
    struct prepare *p = prepare_start(&o);
    prepare_wait(p);
    unsigned made = atomic_load(&spy.made);
    size_t most = PREPARE_MAX_BYTES + 2 * spy.pad_bytes; /* the last may pass the bound */
    assert_true(made * spy.pad_bytes <= most);
    assert_true(made >= 2);
    struct prepared *q = prepare_take(p, 0);
    assert_int_equal(q->index, 0);
    assert_true(q->body.n > spy.pad_bytes);
    prepared_free(q);
    await_made(made + 1);
    assert_int_equal(prepare_underruns(p), 0);
    prepare_stop(p);
}

static void it_stops_at_once_however_full_it_is(void **state)
{
    struct prepare_options o = options(state, 0, 16);
    for (int i = 0; i < 20; i++)
        prepare_stop(prepare_start(&o)); /* somewhere in between */
    struct prepare *p = prepare_start(&o);
    prepare_wait(p);
    prepare_stop(p);
    prepare_stop(NULL);
}

static void a_window_of_nothing_is_one(void **state)
{
    struct prepare_options o = options(state, 3, 0);
    struct prepare *p = prepare_start(&o);
    for (uint64_t i = 0; i < 3; i++)
        take_right(p, &o, i);
    prepare_stop(p);
}

static void warm_up_and_run_have_other_prompts_and_names(void **state)
{
    struct prepare_options o = options(state, 0, 1);
    struct prepared *run = prepare_one(&o, 7);
    o.warmup = true;
    struct prepared *warmup = prepare_one(&o, 7);
    assert_false(slice_eq(buf_slice(&run->body), buf_slice(&warmup->body)));
    assert_string_equal(run->id, "00000000-0000-8003-8000-000000000007");
    assert_string_equal(warmup->id, "00000000-0000-8003-9000-000000000007");
    prepared_free(run);
    prepared_free(warmup);
}

struct taker {
    struct prepare *prepare;
    const struct prepare_options *options;
    _Atomic uint64_t *next;
    uint64_t end, right;
    pthread_t id;
};

static void *take_some(void *argument)
{
    struct taker *t = argument;
    for (uint64_t i; (i = atomic_fetch_add(t->next, 1)) < t->end;) {
        struct prepared *q = prepare_take(t->prepare, i);
        t->right += is_right(t->options, q, i);
        prepared_free(q);
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    enum { REQUESTS = 400 };
    struct prepare_options o = options(state, REQUESTS, 16);
    struct prepare *p = prepare_start(&o);
    struct taker takers[THREADS];
    _Atomic uint64_t next = 0;
    uint64_t right = 0;
    for (int i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){.prepare = p, .options = &o, .next = &next, .end = REQUESTS};
        assert_int_equal(pthread_create(&takers[i].id, NULL, take_some, &takers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(takers[i].id, NULL);
        right += takers[i].right;
    }
    assert_int_equal(right, REQUESTS);
    prepare_stop(p);
}

#define PREPARE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PREPARE_TEST(as_many_as_the_window_are_made_and_no_more),
        PREPARE_TEST(no_more_are_made_than_there_will_be),
        PREPARE_TEST(bodies_in_the_window_may_be_taken_in_any_order),
        PREPARE_TEST(a_body_that_is_not_ready_is_made_by_who_asks_and_counted),
        PREPARE_TEST(what_will_not_be_sent_is_waited_for_by_nobody),
        PREPARE_TEST(taking_far_ahead_of_the_window_loses_nothing),
        PREPARE_TEST(big_bodies_are_bounded_by_their_bytes),
        PREPARE_TEST(it_stops_at_once_however_full_it_is),
        PREPARE_TEST(a_window_of_nothing_is_one),
        PREPARE_TEST(warm_up_and_run_have_other_prompts_and_names),
        PREPARE_TEST(threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
