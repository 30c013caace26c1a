#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "sim/cluster.h"
#include "sim/noise.h"

struct item {
    int64_t output, got, first_ns, second_ns, end_ns, admitted_ns;
    struct cluster_request *handle;
};

static struct sim_config config_of(const char *text)
{
    struct sim_config c;
    struct err e = {0};
    if (spec_parse(slice_of(text), &c, &e) != OK)
        fail_msg("%s", e.text);
    return c;
}

static struct cluster_request *ask(struct cluster *c, struct item *it, int64_t prompt)
{
    struct engine_ask a = {.prompt_tokens = prompt, .output_tokens = it->output, .owner = it};
    return it->handle = cluster_ask(c, &a);
}

/* Runs until nothing is left to do, on the virtual clock. */
static int64_t run(struct cluster *c, int64_t now_ns)
{
    cluster_begin(c, now_ns);
    while (cluster_due_ns(c) != INT64_MAX) {
        const struct engine_token *t;
        size_t n;
        int engine;
        int64_t due_ns = cluster_due_ns(c);
        assert_true(due_ns >= now_ns);
        assert_true(cluster_run(c, due_ns, &t, &n, &engine, &now_ns));
        assert_int_equal(now_ns, due_ns);
        for (size_t i = 0; i < n; i++) {
            struct item *it = t[i].owner;
            assert_int_equal(t[i].index, it->got);
            it->got += t[i].count;
            if (t[i].index == 0) {
                it->first_ns = now_ns;
                it->admitted_ns = t[i].admitted_ns;
            }
            if (t[i].index == 1)
                it->second_ns = now_ns;
            assert_int_equal(t[i].last, it->got == it->output);
            if (t[i].last)
                it->end_ns = now_ns;
        }
        cluster_begin(c, now_ns);
    }
    return now_ns;
}

static void check_idle(const struct cluster *c)
{
    for (int i = 0; i < cluster_engines(c); i++) {
        assert_int_equal(cluster_counts(c, i).running + cluster_counts(c, i).waiting, 0);
        assert_int_equal(cluster_counts(c, i).blocks_used, 0);
    }
}

static void requests_go_to_who_has_fewest_or_in_turn(void **state)
{
    (void)state;
    static const char *const routers[] = {"?replicas=3", "?replicas=3&router=round-robin"};
    for (int k = 0; k < 2; k++) {
        struct sim_config config = config_of(routers[k]);
        struct cluster *c = cluster_new(&config, 1);
        struct item items[4];
        for (int i = 0; i < 4; i++)
            items[i] = (struct item){.output = 5};
        for (int i = 0; i < 3; i++)
            assert_int_equal(cluster_engine_of(ask(c, &items[i], 10)), i);
        cluster_cancel(c, items[1].handle);
        assert_int_equal(cluster_engine_of(ask(c, &items[3], 10)), k == 0 ? 1 : 0);
        run(c, 0);
        assert_int_equal(items[0].got + items[2].got + items[3].got, 15);
        check_idle(c);
        cluster_free(c);
    }
}

static void each_replica_has_noise_of_its_own(void **state)
{
    (void)state;
    struct sim_config config = config_of("?replicas=2&router=round-robin&noise=0.2");
    struct cluster *c = cluster_new(&config, 1);
    struct item a = {.output = 5}, b = {.output = 5};
    ask(c, &a, 10);
    ask(c, &b, 10);
    run(c, 0);
    assert_true(a.first_ns != b.first_ns);
    cluster_free(c);
}

static void replicas_share_the_load(void **state)
{
    (void)state;
    int64_t end_ns[2];
    for (int k = 0; k < 2; k++) {
        struct sim_config config = config_of(k ? "?replicas=4&max_num_seqs=8" : "?max_num_seqs=8");
        struct cluster *c = cluster_new(&config, 1);
        struct item items[64];
        for (int i = 0; i < 64; i++) {
            items[i] = (struct item){.output = 50};
            ask(c, &items[i], 100);
        }
        end_ns[k] = run(c, 0);
        cluster_free(c);
    }
    double ratio = (double)end_ns[0] / (double)end_ns[1];
    assert_true(ratio > 3.9 && ratio < 4.1);
}

static void the_cache_of_a_prompt_travels_between_its_first_and_second_token(void **state)
{
    (void)state;
    static const char *const engines[] = {"vllm", "sglang", "tgi", "trtllm"};
    for (int k = 0; k < 4; k++) {
        char text[96];
        snprintf(text, sizeof text, "?prefill_replicas=1&link_gb_s=1&engine=%s", engines[k]);
        struct sim_config config = config_of(text);
        struct cluster *c = cluster_new(&config, 1);
        struct item one = {.output = 20}, single = {.output = 1};
        ask(c, &one, 8000);
        run(c, 0);
        assert_int_equal(one.got, 20);
        /* 8000 tokens of 128 KiB at 1 GB/s, then a step that decodes. */
        double travel = 8000 * 131072.0 / 1e9;
        double gap = (double)(one.second_ns - one.first_ns) * 1e-9;
        if (!(gap > travel && gap < travel + 0.02))
            fail_msg("%s: %g s between the tokens", engines[k], gap);
        assert_true(cluster_counts(c, 0).steps == 1 && cluster_counts(c, 1).steps == 19);
        ask(c, &single, 100); /* one token: nothing to send on */
        run(c, one.end_ns);
        assert_int_equal(single.got, 1);
        check_idle(c);
        cluster_free(c);
    }
}

static void a_link_carries_one_prompt_after_the_other(void **state)
{
    (void)state;
    struct sim_config config = config_of("?prefill_replicas=1&replicas=2&link_gb_s=1");
    struct cluster *c = cluster_new(&config, 1);
    struct item a = {.output = 2}, b = {.output = 2};
    ask(c, &a, 4000);
    ask(c, &b, 4000);
    run(c, 0);
    int64_t apart = b.second_ns - a.second_ns;
    double travel_ns = 4000 * 131072.0;
    assert_true(fabs((double)apart / travel_ns - 1) < 0.01);
    cluster_free(c);
}

static void a_request_can_be_given_up_anywhere_on_its_way(void **state)
{
    (void)state;
    struct sim_config config = config_of("?prefill_replicas=1&link_gb_s=0.1");
    struct cluster *c = cluster_new(&config, 1);
    struct item items[3];
    const struct engine_token *t;
    size_t n;
    int engine;
    int64_t at_ns;
    for (int i = 0; i < 3; i++) {
        items[i] = (struct item){.output = 100};
        ask(c, &items[i], 1000);
    }
    cluster_begin(c, 0);
    cluster_cancel(c, items[0].handle); /* in its prompt's step */
    cluster_run(c, INT64_MAX - 1, &t, &n, &engine, &at_ns);
    assert_int_equal(n, 2);
    cluster_cancel(c, items[1].handle); /* its cache on the way */
    cluster_run(c, INT64_MAX - 1, &t, &n, &engine, &at_ns);
    assert_int_equal(n, 0);
    cluster_begin(c, at_ns);
    cluster_cancel(c, items[2].handle); /* decoding */
    run(c, at_ns);
    check_idle(c);
    cluster_free(c);
}

static void a_first_token_tells_when_the_step_began_that_first_held_its_request(void **state)
{
    (void)state;
    static const char *const engines[] = {
        "?max_num_seqs=1", "?max_num_seqs=1&engine=sglang", "?max_num_seqs=1&engine=tgi",
        "?max_num_seqs=1&engine=trtllm", "?max_num_seqs=1&prefill_replicas=1"};
    for (size_t k = 0; k < sizeof engines / sizeof engines[0]; k++) {
        struct sim_config config = config_of(engines[k]);
        struct cluster *c = cluster_new(&config, 1);
        struct item a = {.output = 5}, b = {.output = 5};
        bool pools = config.prefill_replicas > 0;
        ask(c, &a, 100);
        ask(c, &b, 100);
        run(c, 1000);
        assert_int_equal(a.admitted_ns, 1000);
        assert_int_equal(b.admitted_ns, pools ? a.first_ns : a.end_ns);
        cluster_free(c);
    }
}

/* The second is admitted beside the last piece of the first one's prompt, and preempted before its
 * own is computed. */
static void who_is_admitted_again_keeps_the_time_of_the_first(void **state)
{
    (void)state;
    struct sim_config config = config_of("?max_num_batched_tokens=16&max_num_seqs=8");
    config.kv_blocks = 40;
    config.max_model_len = 600;
    struct cluster *c = cluster_new(&config, 1);
    struct item a = {.output = 100}, b = {.output = 5};
    ask(c, &a, 200);
    ask(c, &b, 440);
    run(c, 1000);
    assert_true(cluster_counts(c, 0).preemptions > 0);
    assert_true(a.first_ns < b.first_ns);
    assert_true(b.admitted_ns < a.first_ns);
    cluster_free(c);
}

static void lateness_does_not_add_up(void **state)
{
    (void)state;
    struct sim_config config = config_of("");
    struct cluster *c = cluster_new(&config, 1);
    struct item one = {.output = 10};
    const struct engine_token *t;
    size_t n;
    int engine;
    int64_t at_ns;
    ask(c, &one, 10);
    cluster_begin(c, 1000);
    int64_t due_ns = cluster_due_ns(c);
    assert_true(cluster_run(c, due_ns + 100000, &t, &n, &engine, &at_ns)); /* 0.1 ms late */
    assert_int_equal(at_ns, due_ns);
    cluster_begin(c, due_ns + 100000);
    int64_t step_ns = cluster_due_ns(c) - due_ns;
    assert_true(step_ns > 1000000 && step_ns < 20000000);
    int64_t missed_ns = cluster_due_ns(c) + 2 * step_ns; /* a whole step missed: from the present */
    cluster_run(c, missed_ns, &t, &n, &engine, &at_ns);
    cluster_begin(c, missed_ns);
    assert_true(cluster_due_ns(c) > missed_ns);
    cluster_cancel(c, one.handle);
    cluster_free(c);
}

static void drift_has_mean_one_its_variation_and_a_long_memory(void **state)
{
    (void)state;
    enum { STEPS = 400000 };
    struct noise n = {.seed = 5, .drift_cv = 0.2};
    double sum = 0, squares = 0, near = 0, far = 0;
    static double all[STEPS];
    for (int i = 0; i < STEPS; i++) {
        all[i] = noise_factor(&n, (uint64_t)i, 1.0); /* a second each: 30 remember */
        sum += all[i];
        squares += all[i] * all[i];
    }
    double mean = sum / STEPS, variance = squares / STEPS - mean * mean;
    for (int i = 0; i + 300 < STEPS; i++) {
        near += (all[i] - mean) * (all[i + 1] - mean);
        far += (all[i] - mean) * (all[i + 300] - mean);
    }
    assert_true(fabs(mean - 1) < 0.01);
    assert_true(fabs(sqrt(variance) / mean - 0.2) < 0.01);
    assert_true(near / STEPS / variance > 0.95);
    assert_true(fabs(far / STEPS / variance) < 0.05);
}

static void drift_goes_on_while_nothing_is_done(void **state)
{
    (void)state;
    enum { PAIRS = 20000 };
    struct noise n = {.seed = 7, .drift_cv = 0.2};
    double near = 0, far = 0, squares = 0;
    for (int i = 0; i < PAIRS; i++) {
        double a = log(noise_factor(&n, (uint64_t)(3 * i), 0.01));
        noise_rest(&n, 3);
        double b = log(noise_factor(&n, (uint64_t)(3 * i + 1), 0.01));
        noise_rest(&n, 300);
        double c = log(noise_factor(&n, (uint64_t)(3 * i + 2), 0.01));
        noise_rest(&n, 300);
        double middle = -log1p(0.04) / 2;
        near += (a - middle) * (b - middle);
        far += (b - middle) * (c - middle);
        squares += (a - middle) * (a - middle);
    }
    assert_true(fabs(near / squares - exp(-3.0 / 30)) < 0.03);
    assert_true(fabs(far / squares) < 0.03);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_go_to_who_has_fewest_or_in_turn),
        cmocka_unit_test(each_replica_has_noise_of_its_own),
        cmocka_unit_test(replicas_share_the_load),
        cmocka_unit_test(the_cache_of_a_prompt_travels_between_its_first_and_second_token),
        cmocka_unit_test(a_link_carries_one_prompt_after_the_other),
        cmocka_unit_test(a_request_can_be_given_up_anywhere_on_its_way),
        cmocka_unit_test(a_first_token_tells_when_the_step_began_that_first_held_its_request),
        cmocka_unit_test(who_is_admitted_again_keeps_the_time_of_the_first),
        cmocka_unit_test(lateness_does_not_add_up),
        cmocka_unit_test(drift_has_mean_one_its_variation_and_a_long_memory),
        cmocka_unit_test(drift_goes_on_while_nothing_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
