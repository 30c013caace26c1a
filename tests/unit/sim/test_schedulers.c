#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "sim/engine.h"
#include "stats/queueing.h"

/* Every scheduler, with what each can be set to. */
static const char *const engines[] = {
    "?engine=vllm",
    "?engine=vllm&policy=priority",
    "?engine=vllm&draft_tokens=3",
    "?engine=vllm&prefix_caching=off",
    "?engine=sglang",
    "?engine=sglang&policy=lpm",
    "?engine=sglang&draft_tokens=2",
    "?engine=tgi",
    "?engine=tgi&prefix_caching=on",
    "?engine=trtllm",
    "?engine=trtllm&capacity=max-utilization",
    "?engine=trtllm&draft_tokens=4",
};
enum { ENGINES = sizeof engines / sizeof engines[0], DOCUMENT = 200 };

struct item {
    int64_t arrival_ns, prompt, output, priority;
    int64_t got, first_ns, end_ns, cached;
    bool shares; /* its prompt begins with the document */
    uint32_t *ids;
};

struct outcome {
    int64_t now_ns;
    int64_t present_ns; /* integral of the number of requests in the engine, over its steps … */
    int64_t unseen_ns;  /* … and from arrivals to the beginnings of the next ones */
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

static void small_cache(struct sim_config *c, int64_t blocks)
{
    c->kv_blocks = blocks;
    c->max_model_len = blocks * SIM_BLOCK_TOKENS;
}

static void submit(struct engine *e, struct item *it, uint32_t number)
{
    int64_t n = it->prompt + it->output;
    it->ids = MEM_ARRAY(uint32_t, (size_t)n);
    for (int64_t i = 0; i < n; i++)
        it->ids[i] = it->shares && i < DOCUMENT && i < it->prompt ? (uint32_t)i
                                                                  : number * 100000 + (uint32_t)i;
    struct engine_ask a = {.prompt_tokens = it->prompt,
                           .output_tokens = it->output,
                           .ids = it->ids,
                           .id_count = n,
                           .priority = it->priority,
                           .owner = it};
    assert_non_null(engine_ask(e, &a));
}

static void take(struct outcome *o, const struct engine_token *t)
{
    struct item *it = t->owner;
    assert_int_equal(t->index, it->got);
    if (it->got == 0) {
        it->first_ns = o->now_ns;
        it->cached = t->cached;
    }
    assert_true(t->count >= 1);
    it->got += t->count;
    assert_int_equal(t->last, it->got == it->output);
    if (t->last) {
        it->end_ns = o->now_ns;
        free(it->ids);
    }
    o->checksum = (o->checksum ^ (uint64_t)o->now_ns ^ (uint64_t)it->got) * 0x100000001b3u;
}

static struct outcome run(const struct sim_config *c, uint64_t seed, struct item *items, size_t n)
{
    struct engine *e = engine_new(c, seed);
    struct outcome o = {0};
    for (size_t next = 0;;) {
        for (; next < n && items[next].arrival_ns <= o.now_ns; next++) {
            submit(e, &items[next], (uint32_t)next + 1);
            o.unseen_ns += o.now_ns - items[next].arrival_ns;
        }
        int64_t step_ns;
        if (!engine_step_begin(e, &step_ns)) {
            if (next == n)
                break;
            o.now_ns = items[next].arrival_ns;
            continue;
        }
        struct engine_counts k = engine_counts(e);
        o.present_ns += (k.running + k.waiting) * step_ns;
        assert_true(k.blocks_used >= 0 && k.blocks_used <= k.blocks);
        assert_true(k.running <= c->max_num_seqs);
        o.now_ns += step_ns;
        const struct engine_token *t;
        size_t got = engine_step_end(e, &t);
        for (size_t i = 0; i < got; i++)
            take(&o, &t[i]);
    }
    o.counts = engine_counts(e);
    engine_free(e);
    return o;
}

static struct item *mixed(size_t n, double rate)
{
    struct item *items = MEM_ARRAY(struct item, n);
    struct rng r = rng_at(1, RNG_ARRIVAL, 0);
    double t = 0;
    for (size_t i = 0; i < n; i++) {
        t += rng_exponential(&r) / rate;
        items[i] = (struct item){.arrival_ns = (int64_t)(t * 1e9),
                                 .prompt = 1 + (int64_t)rng_below(&r, 600),
                                 .output = 1 + (int64_t)rng_below(&r, 120),
                                 .priority = (int64_t)rng_below(&r, 3),
                                 .shares = rng_below(&r, 2) == 0};
    }
    return items;
}

static void check_all_ended(const struct item *items, size_t n, const struct outcome *o,
                            const char *engine)
{
    uint64_t asked = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].got != items[i].output)
            fail_msg("%s: request %zu has %lld of %lld tokens", engine, i, (long long)items[i].got,
                     (long long)items[i].output);
        asked += (uint64_t)items[i].output;
    }
    assert_true(o->counts.generated_tokens == asked);
    assert_int_equal(o->counts.running + o->counts.waiting, 0);
    assert_int_equal(o->counts.blocks_used, 0);
}

static void tokens_out_are_tokens_asked_and_blocks_come_back(void **state)
{
    (void)state;
    for (int k = 0; k < ENGINES; k++) {
        struct sim_config c = config_of(engines[k]);
        c.max_num_seqs = 64;
        struct item *items = mixed(600, 40);
        struct outcome o = run(&c, 1, items, 600);
        check_all_ended(items, 600, &o, engines[k]);
        free(items);
    }
}

static void all_end_in_a_cache_that_is_far_too_small_for_them_together(void **state)
{
    (void)state;
    for (int k = 0; k < ENGINES; k++) {
        struct sim_config c = config_of(engines[k]);
        small_cache(&c, 64); /* 1024 tokens; a request has up to 720 */
        struct item *items = mixed(300, 500);
        struct outcome o = run(&c, 1, items, 300);
        check_all_ended(items, 300, &o, engines[k]);
        free(items);
    }
}

static void engines_that_reserve_never_preempt_and_the_others_do(void **state)
{
    (void)state;
    static const struct {
        const char *engine;
        bool preempts;
    } rows[] = {{"?engine=vllm", true},
                {"?engine=sglang", true},
                {"?engine=tgi", false},
                {"?engine=trtllm", false},
                {"?engine=trtllm&capacity=max-utilization", true}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct sim_config c = config_of(rows[k].engine);
        small_cache(&c, 64);
        struct item items[40];
        for (int i = 0; i < 40; i++)
            items[i] = (struct item){.prompt = 30, .output = 400};
        struct outcome o = run(&c, 1, items, 40);
        check_all_ended(items, 40, &o, rows[k].engine);
        if ((o.counts.preemptions > 0) != rows[k].preempts)
            fail_msg("%s: %llu preemptions", rows[k].engine,
                     (unsigned long long)o.counts.preemptions);
    }
}

/* Mean number present = rate · mean stay; to the nanosecond, as both are integrals over the same
 * time. */
static void littles_law_holds_under_every_scheduler(void **state)
{
    (void)state;
    for (int k = 0; k < ENGINES; k++) {
        struct sim_config c = config_of(engines[k]);
        if (k % 2)
            small_cache(&c, 64); /* with queues and preemptions */
        c.max_num_seqs = 48;
        c.noise_cv = 0.2;
        struct item *items = mixed(400, 60);
        struct outcome o = run(&c, 1, items, 400);
        int64_t stay_ns = 0;
        for (int i = 0; i < 400; i++)
            stay_ns += items[i].end_ns - items[i].arrival_ns;
        if (stay_ns != o.present_ns + o.unseen_ns)
            fail_msg("%s: stays of %lld ns, presence of %lld ns", engines[k], (long long)stay_ns,
                     (long long)(o.present_ns + o.unseen_ns));
        free(items);
    }
}

static void giving_up_at_any_moment_gives_everything_back(void **state)
{
    (void)state;
    enum { SLOTS = 40, TURNS = 3000 };
    for (int k = 0; k < ENGINES; k++) {
        struct sim_config c = config_of(engines[k]);
        small_cache(&c, 64);
        struct engine *e = engine_new(&c, 1);
        struct engine_request *held[SLOTS] = {NULL};
        int numbers[SLOTS];
        static uint32_t ids[600];
        struct rng r = rng_at(9, RNG_SHUFFLE, (uint64_t)k);
        bool in_step = false;
        for (int turn = 0; turn < TURNS; turn++) {
            int slot = (int)rng_below(&r, SLOTS);
            int64_t ns;
            const struct engine_token *t;
            if (rng_below(&r, 2) == 0 && in_step) {
                size_t n = engine_step_end(e, &t);
                for (size_t i = 0; i < n; i++)
                    if (t[i].last)
                        held[*(int *)t[i].owner] = NULL;
                in_step = false;
            } else if (!in_step && rng_below(&r, 2) == 0) {
                in_step = engine_step_begin(e, &ns);
            } else if (held[slot]) {
                engine_cancel(e, held[slot]);
                held[slot] = NULL;
            } else {
                numbers[slot] = slot;
                int64_t prompt = 1 + (int64_t)rng_below(&r, 500);
                held[slot] = engine_ask(
                    e, &(struct engine_ask){.prompt_tokens = prompt,
                                            .output_tokens = 1 + (int64_t)rng_below(&r, 100),
                                            .ids = ids,
                                            .id_count = prompt,
                                            .owner = &numbers[slot]});
            }
        }
        for (int i = 0; i < SLOTS; i++)
            if (held[i])
                engine_cancel(e, held[i]);
        struct engine_counts n = engine_counts(e);
        if (n.running || n.waiting || n.blocks_used)
            fail_msg("%s: %d running, %d waiting, %d blocks", engines[k], (int)n.running,
                     (int)n.waiting, (int)n.blocks_used);
        engine_free(e);
    }
}

static void drafts_follow_the_seed(void **state)
{
    (void)state;
    uint64_t sums[3];
    struct sim_config c = config_of("?draft_tokens=3&acceptance=0.6");
    for (int i = 0; i < 3; i++) {
        struct item *items = mixed(50, 40);
        sums[i] = run(&c, i == 2 ? 5 : 4, items, 50).checksum;
        free(items);
    }
    assert_true(sums[0] == sums[1]);
    assert_true(sums[0] != sums[2]);
}

static void same_seed_same_result(void **state)
{
    (void)state;
    for (int k = 0; k < ENGINES; k++) {
        uint64_t sums[2];
        struct sim_config c = config_of(engines[k]);
        c.noise_cv = 0.1;
        c.drift_cv = 0.1;
        for (int i = 0; i < 2; i++) {
            struct item *items = mixed(200, 40);
            sums[i] = run(&c, 4, items, 200).checksum;
            free(items);
        }
        assert_true(sums[0] == sums[1]);
    }
}

/* A large request among a stream of small ones that is more than the engine can carry. */
static void nobody_waits_for_ever_under_overload(void **state)
{
    (void)state;
    enum { SMALL = 4000, LARGE_AT = 100 };
    for (int k = 0; k < ENGINES; k++) {
        struct sim_config c = config_of(engines[k]);
        small_cache(&c, 256);
        struct item *items = MEM_ARRAY(struct item, SMALL);
        for (int i = 0; i < SMALL; i++)
            items[i] =
                (struct item){.arrival_ns = i * INT64_C(2000000), .prompt = 64, .output = 64};
        items[LARGE_AT].prompt = 2000;
        items[LARGE_AT].output = 1500;
        struct outcome o = run(&c, 1, items, SMALL);
        check_all_ended(items, SMALL, &o, engines[k]);
        size_t after = 0;
        for (int i = LARGE_AT + 1; i < SMALL; i++)
            after += items[i].end_ns > items[LARGE_AT].end_ns;
        if (after < SMALL / 10)
            fail_msg("%s: the large request ended before %zu others only", engines[k], after);
        free(items);
    }
}

static void a_prefix_is_found_again_to_the_block_or_to_the_token(void **state)
{
    (void)state;
    static const struct {
        const char *engine;
        int64_t cached;
    } rows[] = {{"?engine=vllm", DOCUMENT / 16 * 16},
                {"?engine=sglang", DOCUMENT},
                {"?engine=tgi", 0},
                {"?engine=tgi&prefix_caching=on", DOCUMENT / 16 * 16},
                {"?engine=trtllm", DOCUMENT / 16 * 16},
                {"?engine=vllm&prefix_caching=off", 0}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct sim_config c = config_of(rows[k].engine);
        struct item items[] = {
            {.prompt = 300, .output = 5, .shares = true},
            {.arrival_ns = INT64_C(10000000000), .prompt = 400, .output = 5, .shares = true},
            {.arrival_ns = INT64_C(20000000000), .prompt = 400, .output = 5}};
        struct outcome o = run(&c, 1, items, 3);
        assert_int_equal(items[0].cached, 0);
        if (items[1].cached != rows[k].cached)
            fail_msg("%s: %lld tokens cached", rows[k].engine, (long long)items[1].cached);
        assert_int_equal(items[2].cached, 0);
        assert_true(o.counts.cached_prompt_tokens == (uint64_t)rows[k].cached);
        assert_true(o.counts.admitted_prompt_tokens == 1100);
        if (rows[k].cached)
            assert_true(items[1].first_ns - items[1].arrival_ns <
                        items[2].first_ns - items[2].arrival_ns);
    }
}

static void an_answer_is_part_of_what_the_next_turn_finds(void **state)
{
    (void)state;
    struct sim_config c = config_of("");
    struct engine *e = engine_new(&c, 1);
    uint32_t ids[200];
    for (uint32_t i = 0; i < 200; i++)
        ids[i] = i;
    for (int turn = 0; turn < 3; turn++) {
        int64_t step_ns, cached = -1;
        const struct engine_token *t;
        if (turn == 2)
            engine_forget_prefixes(e);
        struct engine_ask a = {.prompt_tokens = turn ? 160 : 80, .output_tokens = 40, .ids = ids};
        a.id_count = a.prompt_tokens + a.output_tokens;
        assert_non_null(engine_ask(e, &a));
        while (engine_step_begin(e, &step_ns))
            for (size_t i = 0, n = engine_step_end(e, &t); i < n; i++)
                cached = t[i].cached;
        /* 119 tokens were computed in the first turn: seven full blocks. */
        assert_int_equal(cached, turn == 1 ? 112 : 0);
    }
    engine_free(e);
}

static void a_prompt_that_is_known_whole_leaves_a_token_to_compute(void **state)
{
    (void)state;
    for (int sglang = 0; sglang < 2; sglang++) {
        struct sim_config c = config_of(sglang ? "?engine=sglang" : "");
        struct item items[] = {
            {.prompt = 160, .output = 1, .shares = true},
            {.arrival_ns = INT64_C(1000000000), .prompt = 160, .output = 1, .shares = true}};
        run(&c, 1, items, 2);
        assert_int_equal(items[1].cached, sglang ? 159 : 144);
    }
}

static void a_prompt_whose_known_blocks_are_all_cached_goes_on_into_what_is_unknown(void **state)
{
    (void)state;
    uint32_t ids[100] = {1, 2, 3};
    struct sim_config c = config_of("");
    struct engine *e = engine_new(&c, 1);
    int64_t step_ns, cached = -1;
    const struct engine_token *t;
    for (int turn = 0; turn < 2; turn++) {
        struct engine_ask a = {
            .prompt_tokens = 100, .output_tokens = 60, .ids = ids, .id_count = 40};
        assert_non_null(engine_ask(e, &a));
        while (engine_step_begin(e, &step_ns))
            for (size_t i = 0, n = engine_step_end(e, &t); i < n; i++)
                cached = t[i].cached;
    }
    assert_int_equal(cached, 32);
    assert_int_equal(engine_counts(e).blocks_used, 0);
    engine_free(e);
}

static void the_smallest_priority_goes_first_and_stays(void **state)
{
    (void)state;
    struct sim_config c = config_of("?policy=priority&max_num_seqs=2");
    struct item items[6];
    for (int i = 0; i < 6; i++)
        items[i] = (struct item){.prompt = 50, .output = 20, .priority = 5 - i};
    run(&c, 1, items, 6);
    for (int i = 1; i < 6; i++)
        assert_true(items[i].end_ns <= items[i - 1].end_ns);
}

static void the_longest_prefix_goes_first_under_lpm(void **state)
{
    (void)state;
    struct sim_config c = config_of("?engine=sglang&policy=lpm&max_num_seqs=1");
    struct item items[4] = {{.prompt = 250, .output = 5, .shares = true},
                            {.arrival_ns = 1, .prompt = 250, .output = 5},
                            {.arrival_ns = 1, .prompt = 250, .output = 5},
                            {.arrival_ns = 1, .prompt = 250, .output = 5, .shares = true}};
    run(&c, 1, items, 4);
    assert_true(items[3].end_ns < items[1].end_ns);
    assert_true(items[1].end_ns < items[2].end_ns);
}

/* What decoding sequences suffer when a prompt comes. */
static void prompts_share_steps_with_decoding_or_hold_it_up(void **state)
{
    (void)state;
    static const struct {
        const char *engine;
        bool shares;
    } rows[] = {{"?engine=vllm", true},
                {"?engine=trtllm", true},
                {"?engine=sglang", false},
                {"?engine=tgi", false}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct sim_config c = config_of(rows[k].engine);
        struct engine *e = engine_new(&c, 1);
        int64_t ns;
        const struct engine_token *t;
        engine_submit(e, 10, 100, NULL);
        engine_step_begin(e, &ns);
        engine_step_end(e, &t);
        engine_submit(e, 1000, 10, &c);
        assert_true(engine_step_begin(e, &ns));
        assert_int_equal(engine_step_end(e, &t), rows[k].shares ? 2 : 1);
        if (!rows[k].shares)
            assert_ptr_equal(t[0].owner, &c);
        engine_free(e);
    }
}

static void tgi_lets_a_batch_decode_until_enough_wait_or_long_enough(void **state)
{
    (void)state;
    struct sim_config c = config_of("?engine=tgi&waiting_served_ratio=1.5&max_waiting_tokens=7");
    struct engine *e = engine_new(&c, 1);
    int64_t ns;
    const struct engine_token *t;
    engine_submit(e, 10, 100, NULL);
    engine_submit(e, 10, 100, NULL);
    engine_step_begin(e, &ns);
    engine_step_end(e, &t);
    engine_submit(e, 10, 10, &c);
    int steps = 0;
    for (;; steps++) {
        engine_step_begin(e, &ns);
        if (engine_step_end(e, &t) == 1)
            break;
        assert_ptr_equal(t[0].owner, NULL);
    }
    assert_int_equal(steps, 6); /* the prompts' step was the first of seven */
    for (int i = 0; i < 5; i++)
        engine_submit(e, 10, 10, &c);
    engine_step_begin(e, &ns);
    assert_int_equal(engine_step_end(e, &t), 5); /* one and a half for each of three */
    engine_free(e);
}

static void drafts_bring_the_tokens_their_acceptance_says(void **state)
{
    (void)state;
    enum { TOKENS = 40000 };
    struct sim_config c = config_of("?draft_tokens=3&acceptance=0.6");
    struct engine *e = engine_new(&c, 1);
    int64_t ns;
    const struct engine_token *t;
    engine_submit(e, 1, TOKENS, NULL);
    while (engine_step_begin(e, &ns))
        engine_step_end(e, &t);
    double steps = (double)engine_counts(e).steps;
    double want = (1 - pow(0.6, 4)) / (1 - 0.6);
    assert_true(fabs(TOKENS / steps / want - 1) < 0.02); /* four standard errors */
    engine_free(e);
}

/* ---- queueing theory ---- */

/* A server whose batch of b takes a·b + t0 exactly: one token each, the host slower than the GPU.
 */
static double mean_latency(const char *engine, double a, double t0, double rate, uint64_t seed)
{
    struct sim_config c = config_of(engine);
    c.host_hidden = true;
    c.prefix_caching = false;
    c.step_s = t0;
    c.sequence_s = a;
    c.max_num_seqs = c.max_num_batched_tokens = 20000;
    struct engine *e = engine_new(&c, 1);
    const size_t n = 300000;
    double *at_s = MEM_ARRAY(double, n);
    int64_t *arrivals = MEM_ARRAY(int64_t, n), now_ns = 0, step_ns;
    struct rng r = rng_at(seed, RNG_ARRIVAL, 0);
    double t = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        t += rng_exponential(&r);
        at_s[i] = t;
    }
    /* Stretched so that the rate is exact: else its own error, times 1/(1 - load), would drown what
     * is sought. */
    for (size_t i = 0; i < n; i++)
        arrivals[i] = (int64_t)(at_s[i] / t * (double)n / rate * 1e9);
    for (size_t next = 0, ended = 0; ended < n;) {
        for (; next < n && arrivals[next] <= now_ns; next++)
            engine_submit(e, 1, 1, &arrivals[next]);
        if (!engine_step_begin(e, &step_ns)) {
            now_ns = arrivals[next];
            continue;
        }
        const struct engine_token *k;
        size_t got = engine_step_end(e, &k);
        now_ns += step_ns;
        for (size_t i = 0; i < got; i++, ended++)
            sum += (double)(now_ns - *(int64_t *)k[i].owner) * 1e-9;
    }
    engine_free(e);
    free(arrivals);
    free(at_s);
    return sum / (double)n;
}

static void dynamic_batching_stays_under_inoues_bound_and_reaches_it_where_it_is_tight(void **state)
{
    (void)state;
    static const struct {
        double load;
        bool tight;
    } rows[] = {{0.001, true}, {0.05, false}, {0.2, false}, {0.5, false}, {0.8, true}, {0.9, true}};
    enum { SEEDS = 3 };
    const double a = 0.02, t0 = 0.2;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        double rate = rows[k].load / a;
        double bound = queueing_batching_latency_bound(rate, a, t0), mean = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++)
            mean += mean_latency("?engine=vllm", a, t0, rate, seed) / SEEDS;
        if (mean > bound * 1.003) /* the mean's own error */
            fail_msg("load %g: mean latency %g, bound %g", rows[k].load, mean, bound);
        if (rows[k].tight && mean < bound * 0.98)
            fail_msg("load %g: mean latency %g, bound %g is tight", rows[k].load, mean, bound);
    }
}

/* Requests of one token are all taken into the next step, whoever schedules. */
static void the_bound_holds_for_every_scheduler(void **state)
{
    (void)state;
    static const char *const others[] = {"?engine=sglang", "?engine=tgi", "?engine=trtllm",
                                         "?engine=trtllm&capacity=max-utilization"};
    const double a = 0.02, t0 = 0.2, load = 0.9;
    double bound = queueing_batching_latency_bound(load / a, a, t0),
           vllm = mean_latency("", a, t0, load / a, 1);
    assert_true(vllm > bound * 0.98 && vllm < bound * 1.005);
    for (size_t k = 0; k < sizeof others / sizeof others[0]; k++) {
        double mean = mean_latency(others[k], a, t0, load / a, 1);
        if (fabs(mean / vllm - 1) > 1e-9)
            fail_msg("%s: mean latency %g, bound %g, vllm %g", others[k], mean, bound, vllm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_out_are_tokens_asked_and_blocks_come_back),
        cmocka_unit_test(all_end_in_a_cache_that_is_far_too_small_for_them_together),
        cmocka_unit_test(engines_that_reserve_never_preempt_and_the_others_do),
        cmocka_unit_test(littles_law_holds_under_every_scheduler),
        cmocka_unit_test(giving_up_at_any_moment_gives_everything_back),
        cmocka_unit_test(drafts_follow_the_seed),
        cmocka_unit_test(same_seed_same_result),
        cmocka_unit_test(nobody_waits_for_ever_under_overload),
        cmocka_unit_test(a_prefix_is_found_again_to_the_block_or_to_the_token),
        cmocka_unit_test(an_answer_is_part_of_what_the_next_turn_finds),
        cmocka_unit_test(a_prompt_that_is_known_whole_leaves_a_token_to_compute),
        cmocka_unit_test(a_prompt_whose_known_blocks_are_all_cached_goes_on_into_what_is_unknown),
        cmocka_unit_test(the_smallest_priority_goes_first_and_stays),
        cmocka_unit_test(the_longest_prefix_goes_first_under_lpm),
        cmocka_unit_test(prompts_share_steps_with_decoding_or_hold_it_up),
        cmocka_unit_test(tgi_lets_a_batch_decode_until_enough_wait_or_long_enough),
        cmocka_unit_test(drafts_bring_the_tokens_their_acceptance_says),
        cmocka_unit_test(
            dynamic_batching_stays_under_inoues_bound_and_reaches_it_where_it_is_tight),
        cmocka_unit_test(the_bound_holds_for_every_scheduler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
