#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "sim/engine.h"

/* A run in virtual time: requests arrive at given moments, the clock jumps from step end to step
 * end. */
struct item {
    int64_t arrival_ns, prompt, output;
    int64_t first_ns, end_ns, got;
    struct engine_request *handle;
};

struct outcome {
    int64_t now_ns, busy_ns;
    double request_seconds; /* integral of the number of requests in the engine */
    uint64_t checksum;
    struct engine_counts counts;
};

static struct sim_config config_of(const char *text)
{
    struct sim_config c;
    struct err e = {0};
    if (spec_parse(slice_of(text), &c, &e) != OK)
        fail_msg("%s", e.text);
    return c;
}

static void note_tokens(struct outcome *o, const struct engine_token *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct item *it = tokens[i].owner;
        assert_int_equal(tokens[i].index, it->got);
        if (it->got++ == 0)
            it->first_ns = o->now_ns;
        assert_int_equal(tokens[i].last, it->got == it->output);
        if (tokens[i].last)
            it->end_ns = o->now_ns;
        o->checksum = (o->checksum ^ (uint64_t)o->now_ns ^ (uint64_t)it->got) * 0x100000001b3u;
    }
}

static struct outcome run(const struct sim_config *c, uint64_t seed, struct item *items, size_t n,
                          int64_t until_ns)
{
    struct engine *e = engine_new(c, seed);
    struct outcome o = {0};
    size_t next = 0;
    for (;;) {
        while (next < n && items[next].arrival_ns <= o.now_ns) {
            items[next].handle =
                engine_submit(e, items[next].prompt, items[next].output, &items[next]);
            assert_non_null(items[next].handle);
            next++;
        }
        int64_t step_ns;
        bool busy = engine_step_begin(e, &step_ns);
        if (!busy && next == n)
            break;
        struct engine_counts now = engine_counts(e);
        assert_true(now.blocks_used >= 0 && now.blocks_used <= now.blocks);
        assert_true(now.running <= c->max_num_seqs);
        if (!busy) {
            o.now_ns = items[next].arrival_ns;
            continue;
        }
        assert_true(step_ns > 0);
        o.request_seconds += (double)(now.running + now.waiting) * (double)step_ns * 1e-9;
        o.now_ns += step_ns;
        o.busy_ns += step_ns;
        const struct engine_token *tokens;
        size_t got = engine_step_end(e, &tokens);
        note_tokens(&o, tokens, got);
        if (o.now_ns >= until_ns)
            break;
    }
    o.counts = engine_counts(e);
    engine_free(e);
    return o;
}

static struct item *poisson(size_t n, double rate, int64_t prompt, int64_t output)
{
    struct item *items = MEM_ARRAY(struct item, n);
    struct rng r = rng_at(1, RNG_ARRIVAL, 0);
    double t = 0;
    for (size_t i = 0; i < n; i++) {
        t += rng_exponential(&r) / rate;
        items[i] = (struct item){.arrival_ns = (int64_t)(t * 1e9),
                                 .prompt = 1 + (int64_t)rng_below(&r, (uint64_t)(2 * prompt)),
                                 .output = 1 + (int64_t)rng_below(&r, (uint64_t)(2 * output))};
    }
    return items;
}

static void every_request_gets_the_tokens_it_asked_for(void **state)
{
    (void)state;
    struct sim_config c = config_of("");
    struct item *items = poisson(2000, 20, 500, 100);
    struct outcome o = run(&c, 1, items, 2000, INT64_MAX);
    uint64_t asked = 0;
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(items[i].got, items[i].output);
        asked += (uint64_t)items[i].output;
    }
    assert_true(o.counts.generated_tokens == asked);
    assert_int_equal(o.counts.running, 0);
    assert_int_equal(o.counts.waiting, 0);
    assert_int_equal(o.counts.blocks_used, 0);
    free(items);
}

static void littles_law_holds(void **state)
{
    (void)state;
    struct sim_config c = config_of("");
    size_t n = 3000;
    struct item *items = poisson(n, 20, 500, 100);
    struct outcome o = run(&c, 1, items, n, INT64_MAX);
    double sojourn = 0;
    for (size_t i = 0; i < n; i++)
        sojourn += (double)(items[i].end_ns - items[i].arrival_ns) * 1e-9;
    /* A request that comes in the middle of a step is not counted before the next: half a step
     * each. */
    double late = (double)n * (double)o.busy_ns * 1e-9 / (double)o.counts.steps;
    assert_true(sojourn >= o.request_seconds);
    assert_true(sojourn - o.request_seconds < late);
    free(items);
}

static void first_tokens_come_in_order_of_arrival(void **state)
{
    (void)state;
    struct sim_config c = config_of("?max_num_seqs=16");
    struct item *items = poisson(500, 200, 300, 50);
    run(&c, 1, items, 500, INT64_MAX);
    for (int i = 1; i < 500; i++)
        assert_true(items[i].first_ns >= items[i - 1].first_ns);
    free(items);
}

static void same_seed_same_run_and_noise_follows_the_seed(void **state)
{
    (void)state;
    uint64_t sums[3];
    for (uint64_t k = 0; k < 3; k++) {
        struct sim_config c = config_of("?noise=0.1");
        struct item *items = poisson(300, 20, 500, 50);
        sums[k] = run(&c, k == 2 ? 9 : 4, items, 300, INT64_MAX).checksum;
        free(items);
    }
    assert_true(sums[0] == sums[1]);
    assert_true(sums[0] != sums[2]);
}

static int64_t first_step_ns(const char *query)
{
    struct sim_config c = config_of(query);
    struct engine *e = engine_new(&c, 3);
    int64_t ns = 0;
    engine_submit(e, 100, 10, NULL);
    assert_true(engine_step_begin(e, &ns));
    engine_free(e);
    return ns;
}

static void a_scale_stretches_every_step(void **state)
{
    (void)state;
    double plain = (double)first_step_ns(""), noisy = (double)first_step_ns("?noise=0.1");
    assert_true(fabs((double)first_step_ns("?step_scale=1.03") - 1.03 * plain) < 2);
    assert_true(fabs((double)first_step_ns("?step_scale=0.5&noise=0.1") - 0.5 * noisy) < 2);
    assert_true(fabs((double)first_step_ns("?step_scale=2&async_scheduling=on") -
                     2 * (double)first_step_ns("?async_scheduling=on")) < 3);
}

static void a_noise_seed_changes_the_noise_alone(void **state)
{
    (void)state;
    assert_true(first_step_ns("?noise=0.1&noise_seed=1") != first_step_ns("?noise=0.1"));
    assert_true(first_step_ns("?noise=0.1&noise_seed=1") ==
                first_step_ns("?noise=0.1&noise_seed=1"));
    assert_true(first_step_ns("?noise_seed=1") == first_step_ns(""));
}

static void noise_has_mean_one_and_the_variation_asked_for(void **state)
{
    (void)state;
    struct sim_config quiet = config_of(""), noisy = config_of("?noise=0.2");
    struct engine *a = engine_new(&quiet, 3), *b = engine_new(&noisy, 3);
    double sum = 0, squares = 0;
    enum { STEPS = 20000 };
    engine_submit(a, 10, STEPS, NULL);
    engine_submit(b, 10, STEPS, NULL);
    for (int i = 0; i < STEPS; i++) {
        int64_t plain_ns = 0, noisy_ns = 0;
        const struct engine_token *t;
        assert_true(engine_step_begin(a, &plain_ns) && engine_step_begin(b, &noisy_ns));
        engine_step_end(a, &t);
        engine_step_end(b, &t);
        double ratio = (double)noisy_ns / (double)plain_ns;
        sum += ratio;
        squares += ratio * ratio;
    }
    double mean = sum / STEPS, cv = sqrt(squares / STEPS - mean * mean) / mean;
    assert_true(fabs(mean - 1) < 0.01); /* seven standard errors */
    assert_true(fabs(cv - 0.2) < 0.01);
    engine_free(a);
    engine_free(b);
}

static void preempted_requests_are_computed_anew_and_finish(void **state)
{
    (void)state;
    struct sim_config c = config_of("");
    c.kv_blocks = 64; /* 1024 tokens: a few requests that all grow must push each other out */
    c.max_model_len = 1024;
    struct item items[20];
    for (int i = 0; i < 20; i++)
        items[i] = (struct item){.prompt = 100, .output = 400};
    struct outcome o = run(&c, 1, items, 20, INT64_MAX);
    assert_true(o.counts.preemptions > 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(items[i].got, 400);
    assert_int_equal(o.counts.blocks_used, 0);
    assert_true(o.counts.admitted_prompt_tokens == 2000);
}

static void admission_waits_for_cache_at_the_head_of_the_line(void **state)
{
    (void)state;
    struct sim_config c = config_of("");
    c.kv_blocks = 100;
    c.max_model_len = 1600;
    struct engine *e = engine_new(&c, 1);
    struct item a = {0}, b = {0}, small = {0};
    engine_submit(e, 800, 100, &a);
    engine_submit(e, 1000, 10, &b);
    engine_submit(e, 16, 1, &small);
    int64_t ns;
    const struct engine_token *t;
    assert_true(engine_step_begin(e, &ns));
    assert_int_equal(engine_step_end(e, &t), 1);
    assert_ptr_equal(t[0].owner, &a);
    assert_int_equal(engine_counts(e).waiting,
                     2); /* the small one would fit, but is not let past */
    assert_int_equal(engine_counts(e).preemptions, 0);
    engine_free(e);
}

static void long_prompts_are_cut_to_the_budget_and_decode_goes_on(void **state)
{
    (void)state;
    struct sim_config c = config_of("?max_num_batched_tokens=512&max_num_seqs=8");
    struct engine *e = engine_new(&c, 1);
    struct item a = {0}, b = {0};
    int64_t ns;
    const struct engine_token *t;
    engine_submit(e, 10, 100, &a);
    assert_true(engine_step_begin(e, &ns));
    engine_step_end(e, &t);
    engine_submit(e, 1000, 10, &b);
    for (int step = 0; step < 2; step++) { /* 511 and 489 tokens of b beside a's one */
        assert_true(engine_step_begin(e, &ns));
        size_t n = engine_step_end(e, &t);
        assert_int_equal(n, step == 0 ? 1 : 2);
        assert_ptr_equal(t[0].owner, &a);
    }
    engine_free(e);
}

static void overload_lets_the_queue_grow(void **state)
{
    (void)state;
    struct sim_config c = config_of("?max_num_seqs=32");
    struct item *items = poisson(4000, 400, 500, 200);
    struct outcome half = run(&c, 1, items, 4000, 4 * INT64_C(1000000000));
    free(items);
    items = poisson(4000, 400, 500, 200);
    struct outcome whole = run(&c, 1, items, 4000, 8 * INT64_C(1000000000));
    free(items);
    assert_int_equal(half.counts.running, 32);
    assert_true(half.counts.waiting > 500);
    assert_true(whole.counts.waiting > half.counts.waiting + 500);
}

static void cancelling_gives_everything_back_at_any_time(void **state)
{
    (void)state;
    struct sim_config c = config_of("?max_num_seqs=8");
    struct engine *e = engine_new(&c, 1);
    struct item items[16] = {0};
    for (int i = 0; i < 16; i++)
        items[i].handle = engine_submit(e, 50, 10, &items[i]);
    int64_t ns;
    const struct engine_token *t;
    engine_cancel(e, items[15].handle); /* waiting, before any step */
    assert_true(engine_step_begin(e, &ns));
    engine_cancel(e, items[3].handle);  /* running, in the middle of a step */
    engine_cancel(e, items[12].handle); /* waiting, likewise */
    size_t n = engine_step_end(e, &t);
    assert_int_equal(n, 7);
    for (size_t i = 0; i < n; i++)
        assert_ptr_not_equal(t[i].owner, &items[3]);
    engine_cancel(e, items[0].handle); /* running, between steps */
    for (int i = 0; i < 16; i++)
        if (i != 0 && i != 3 && i != 12 && i != 15)
            engine_cancel(e, items[i].handle);
    assert_int_equal(engine_counts(e).running, 0);
    assert_int_equal(engine_counts(e).waiting, 0);
    assert_int_equal(engine_counts(e).blocks_used, 0);
    assert_false(engine_step_begin(e, &ns));
    engine_free(e);
}

static void a_step_whose_requests_all_left_ends_with_nothing(void **state)
{
    (void)state;
    struct sim_config c = config_of("");
    struct engine *e = engine_new(&c, 1);
    struct engine_request *r = engine_submit(e, 5, 5, NULL);
    int64_t ns;
    const struct engine_token *t;
    assert_true(engine_step_begin(e, &ns));
    engine_cancel(e, r);
    assert_int_equal(engine_step_end(e, &t), 0);
    assert_false(engine_step_begin(e, &ns));
    engine_free(e);
}

static void what_can_never_fit_is_not_taken(void **state)
{
    (void)state;
    struct sim_config c = config_of("?max_model_len=1000");
    struct engine *e = engine_new(&c, 1);
    assert_null(engine_submit(e, 0, 1, NULL));
    assert_null(engine_submit(e, 1, 0, NULL));
    assert_null(engine_submit(e, 900, 101, NULL));
    assert_null(engine_submit(e, INT64_MAX, INT64_MAX, NULL));
    assert_non_null(engine_submit(e, 900, 100, NULL));
    engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_gets_the_tokens_it_asked_for),
        cmocka_unit_test(littles_law_holds),
        cmocka_unit_test(first_tokens_come_in_order_of_arrival),
        cmocka_unit_test(same_seed_same_run_and_noise_follows_the_seed),
        cmocka_unit_test(noise_has_mean_one_and_the_variation_asked_for),
        cmocka_unit_test(a_scale_stretches_every_step),
        cmocka_unit_test(a_noise_seed_changes_the_noise_alone),
        cmocka_unit_test(preempted_requests_are_computed_anew_and_finish),
        cmocka_unit_test(admission_waits_for_cache_at_the_head_of_the_line),
        cmocka_unit_test(long_prompts_are_cut_to_the_budget_and_decode_goes_on),
        cmocka_unit_test(overload_lets_the_queue_grow),
        cmocka_unit_test(cancelling_gives_everything_back_at_any_time),
        cmocka_unit_test(a_step_whose_requests_all_left_ends_with_nothing),
        cmocka_unit_test(what_can_never_fit_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
