#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "sim/engine.h"

/* What each scheduler admits, keeps back and gives up, step by step. Requests have letters for
 * names. */

static char letters[] = "abcdefghijklmnopqrstuvwxyz";

struct world {
    struct engine *e;
    struct sim_config c;
    int64_t cached[26]; /* of each, told with its tokens */
    char got[64];
};

static struct world world_of(const char *text)
{
    struct world w = {0};
    struct err e = {0};
    if (spec_parse(slice_of(text), &w.c, &e) != OK)
        fail_msg("%s", e.text);
    return w;
}

static struct world begin(const char *text)
{
    struct world w = world_of(text);
    w.e = engine_new(&w.c, 1);
    return w;
}

static struct world begin_small(const char *text, int64_t blocks)
{
    struct world w = world_of(text);
    w.c.kv_blocks = blocks;
    w.c.max_model_len = blocks * SIM_BLOCK_TOKENS;
    w.e = engine_new(&w.c, 1);
    return w;
}

static struct engine_request *ask_for(struct world *w, char name, struct engine_ask a)
{
    a.owner = &letters[name - 'a'];
    struct engine_request *r = engine_ask(w->e, &a);
    assert_non_null(r);
    return r;
}

static void ask(struct world *w, char name, int64_t prompt, int64_t output)
{
    ask_for(w, name, (struct engine_ask){.prompt_tokens = prompt, .output_tokens = output});
}

static struct engine_counts step_begin(struct world *w)
{
    int64_t ns;
    assert_true(engine_step_begin(w->e, &ns));
    return engine_counts(w->e);
}

/* The names of those that a token came out for. */
static const char *step_end(struct world *w)
{
    const struct engine_token *t;
    size_t n = engine_step_end(w->e, &t);
    for (size_t i = 0; i < n; i++) {
        w->got[i] = *(char *)t[i].owner;
        w->cached[w->got[i] - 'a'] = t[i].cached;
    }
    w->got[n] = '\0';
    return w->got;
}

static const char *step(struct world *w)
{
    step_begin(w);
    return step_end(w);
}

static int64_t blocks(int64_t tokens)
{
    return (tokens + SIM_BLOCK_TOKENS - 1) / SIM_BLOCK_TOKENS;
}

/* ---- the cache ---- */

static void the_cache_in_use_is_what_the_sequences_take(void **state)
{
    (void)state;
    static const struct {
        const char *engine;
        bool whole_life, to_the_token;
    } rows[] = {{"?engine=vllm", false, false},
                {"?engine=vllm&prefix_caching=off", false, false},
                {"?engine=sglang", false, true},
                {"?engine=tgi", true, false},
                {"?engine=trtllm", false, false},
                {"?engine=trtllm&capacity=max-utilization", false, false}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct world w = begin(rows[k].engine);
        ask(&w, 'a', 100, 60);
        ask(&w, 'b', 37, 60);
        for (int64_t more = 0; more < 59; more++) {
            int64_t want = rows[k].whole_life     ? blocks(160) + blocks(97)
                           : rows[k].to_the_token ? blocks(100 + 37 + 2 * more)
                                                  : blocks(100 + more) + blocks(37 + more);
            int64_t used = step_begin(&w).blocks_used;
            if (used != want)
                fail_msg("%s, step %d: %d blocks in use, not %d", rows[k].engine, (int)more,
                         (int)used, (int)want);
            assert_string_equal(step_end(&w), "ab");
        }
        engine_free(w.e);
    }
}

static void a_prefix_is_held_once_by_all_that_share_it(void **state)
{
    (void)state;
    uint32_t ids[160];
    for (uint32_t i = 0; i < 160; i++)
        ids[i] = i;
    struct engine_ask same = {
        .prompt_tokens = 160, .output_tokens = 9, .ids = ids, .id_count = 160};
    struct world w = begin("?engine=vllm");
    ask_for(&w, 'a', same);
    step(&w);
    ask_for(&w, 'b', same);
    /* Nine blocks for both, one for each one's last piece of prompt, one for a's second token. */
    assert_int_equal(step_begin(&w).blocks_used, 9 + 2 + 1);
    assert_string_equal(step_end(&w), "ab");
    assert_int_equal(w.cached['b' - 'a'], 144);
    engine_free(w.e);
}

static void only_what_has_been_computed_is_found(void **state)
{
    (void)state;
    static const char *const engines[] = {"?engine=vllm", "?engine=sglang", "?engine=trtllm",
                                          "?engine=tgi&prefix_caching=on"};
    uint32_t ids[160] = {7};
    for (size_t k = 0; k < sizeof engines / sizeof engines[0]; k++) {
        struct engine_ask same = {
            .prompt_tokens = 160, .output_tokens = 9, .ids = ids, .id_count = 160};
        struct world w = begin(engines[k]);
        ask_for(&w, 'a', same);
        ask_for(&w, 'b', same);
        assert_string_equal(step(&w), "ab"); /* in one step */
        assert_int_equal(w.cached[1], 0);
        ask_for(&w, 'c', same);
        while (!strchr(step(&w), 'c'))
            ;
        assert_true(w.cached[2] >= 144);
        engine_free(w.e);
    }
}

static void of_a_prompt_half_computed_its_full_blocks_are_found(void **state)
{
    (void)state;
    uint32_t ids[160] = {7};
    struct engine_ask same = {
        .prompt_tokens = 160, .output_tokens = 9, .ids = ids, .id_count = 160};
    struct world w = begin("?max_num_batched_tokens=100&max_num_seqs=8");
    ask_for(&w, 'a', same);
    assert_string_equal(step(&w), "");
    ask_for(&w, 'b', same);
    while (!strchr(step(&w), 'b'))
        ;
    assert_int_equal(w.cached[1], 96);
    engine_free(w.e);
}

/* ---- vllm ---- */

static void vllm_deals_the_budget_to_the_batch_first(void **state)
{
    (void)state;
    static const struct {
        int64_t prompt;
        int steps;
    } rows[] = {{511, 1}, {512, 2}, {1022, 2}, {1023, 3}}; /* 511 a step beside one that decodes */
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct world w = begin("?max_num_batched_tokens=512&max_num_seqs=8");
        ask(&w, 'a', 10, 100);
        assert_string_equal(step(&w), "a");
        ask(&w, 'b', rows[k].prompt, 10);
        for (int i = 1; i < rows[k].steps; i++)
            assert_string_equal(step(&w), "a");
        assert_string_equal(step(&w), "ab");
        engine_free(w.e);
    }
}

static void vllm_cuts_long_prompts_at_the_threshold_and_lets_others_beside_them(void **state)
{
    (void)state;
    struct world w = begin("?chunk_tokens=100");
    ask(&w, 'a', 250, 5);
    ask(&w, 'b', 100, 5);
    assert_string_equal(step(&w), "b");
    assert_string_equal(step(&w), "b");
    assert_string_equal(step(&w), "ab");
    engine_free(w.e);
}

/* Four blocks. In the fifth step the first request needs a third one, and has it of the second. */
static void
vllm_admits_nobody_in_a_step_that_preempts_and_the_preempted_first_thereafter(void **state)
{
    (void)state;
    struct world w = begin_small("?max_num_batched_tokens=16&max_num_seqs=4", 4);
    ask(&w, 'a', 30, 34);
    ask(&w, 'b', 20, 12);
    static const char *const before[] = {"", "a", "a", "ab"};
    for (int i = 0; i < 4; i++)
        assert_string_equal(step(&w), before[i]);
    ask(&w, 'c', 1, 1);
    struct engine_counts n = step_begin(&w);
    assert_int_equal(n.preemptions, 1);
    assert_int_equal(n.running, 1); /* though there was a block for a piece of the second */
    assert_int_equal(n.waiting, 2);
    assert_string_equal(step_end(&w), "a");
    n = step_begin(&w);
    assert_int_equal(n.waiting, 1);
    assert_string_equal(step_end(&w), "a"); /* not "ac" */
    engine_free(w.e);
}

static void vllm_preempts_the_worst_priority_and_of_these_the_latest(void **state)
{
    (void)state;
    struct engine_ask a = {.prompt_tokens = 30, .output_tokens = 20, .priority = 2};
    struct engine_ask b = {.prompt_tokens = 30, .output_tokens = 20, .priority = 0};
    struct engine_ask c = {.prompt_tokens = 30, .output_tokens = 20, .priority = 1};
    struct world w = begin_small("?policy=priority", 6);
    ask_for(&w, 'a', a);
    assert_string_equal(step(&w), "a");
    ask_for(&w, 'b', b);
    ask_for(&w, 'c', c);
    assert_string_equal(step(&w), "abc");
    assert_string_equal(step(&w), "abc");
    assert_string_equal(step(&w), "bc"); /* the first was to have a third block */
    engine_free(w.e);

    w = begin_small("?policy=priority", 6);
    a.priority = b.priority = 1;
    c.priority = 0;
    c.prompt_tokens = 32;
    ask_for(&w, 'a', a);
    ask_for(&w, 'b', b);
    ask_for(&w, 'c', c);
    assert_string_equal(step(&w), "cab");
    assert_string_equal(step(&w), "ca");
    engine_free(w.e);
}

static void vllm_takes_back_what_a_preempted_request_had_of_the_same_step(void **state)
{
    (void)state;
    struct world w = begin_small("?policy=priority", 6);
    ask_for(&w, 'a', (struct engine_ask){.prompt_tokens = 20, .output_tokens = 9, .priority = 1});
    assert_string_equal(step(&w), "a");
    ask_for(&w, 'b', (struct engine_ask){.prompt_tokens = 32, .output_tokens = 9});
    ask_for(&w, 'c', (struct engine_ask){.prompt_tokens = 20, .output_tokens = 9});
    assert_string_equal(step(&w), "abc");
    assert_string_equal(step(&w), "bc"); /* nobody's turn is passed over */
    engine_free(w.e);
}

/* ---- sglang ---- */

/* The largest need that is admitted after so many steps of decoding beside a request alone in the
 * cache. */
static double memory_beside(int64_t cache, int64_t prompt, int64_t output, int64_t steps)
{
    double ratio = 0.7 - (0.7 - 0.098) * (double)steps / 600;
    int64_t rest = output - 1 - steps;
    return (double)(cache - prompt - steps) -
           (double)(rest < 4096 ? rest : 4096) * (ratio > 0.098 ? ratio : 0.098);
}

static bool admitted_beside(int64_t cache, int64_t prompt, int64_t output, int64_t steps,
                            int64_t needed)
{
    struct world w = begin_small("?engine=sglang", cache / SIM_BLOCK_TOKENS);
    ask(&w, 'a', prompt, output);
    for (int64_t i = 0; i <= steps; i++)
        assert_string_equal(step(&w), "a");
    ask(&w, 'b', needed - 10, 10);
    bool admitted = !strchr(step(&w), 'a'); /* prompts have steps of their own */
    engine_free(w.e);
    return admitted;
}

static void sglang_keeps_back_a_decaying_share_of_what_may_yet_be_generated(void **state)
{
    (void)state;
    static const struct {
        int64_t cache, prompt, output, steps;
    } rows[] = {{4096, 100, 3000, 0},   {4096, 100, 3000, 1},    {4096, 100, 3000, 300},
                {4096, 100, 3000, 599}, {4096, 100, 3000, 900},  {16384, 100, 8000, 0},
                {16384, 100, 8000, 50}, {16384, 100, 8000, 1000}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        double memory = memory_beside(rows[k].cache, rows[k].prompt, rows[k].output, rows[k].steps);
        for (int more = 0; more < 2; more++)
            if (admitted_beside(rows[k].cache, rows[k].prompt, rows[k].output, rows[k].steps,
                                (int64_t)memory + more) != !more)
                fail_msg("%d of %d, after %d steps: %g tokens are there", (int)rows[k].output,
                         (int)rows[k].cache, (int)rows[k].steps, memory);
    }
}

/* The share has decayed when b and c come, so that the cache runs out, and c, with the longer
 * prompt, is retracted. When b ends there would be room for c, were the share not set back. With a
 * d that waits, too long for what is free until a ends, c stands behind it. */
static void sglang_sets_the_share_back_and_sends_who_is_retracted_to_the_end(void **state)
{
    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        struct world w = begin_small("?engine=sglang", 64);
        ask(&w, 'a', 10, 900);
        for (int i = 0; i <= 600; i++)
            assert_string_equal(step(&w), "a");
        ask(&w, 'b', 10, 120);
        ask(&w, 'c', 134, 100);
        assert_string_equal(step(&w), "bc");
        if (waits)
            ask(&w, 'd', 200, 200);
        for (int i = 0; i < 90; i++)
            assert_string_equal(step(&w), "abc");
        for (int i = 0; i < 29; i++)
            assert_string_equal(step(&w), "ab");
        assert_int_equal(engine_counts(w.e).preemptions, 1);
        for (int i = 720; i < 900; i++)
            assert_string_equal(step(&w), "a");
        assert_string_equal(step(&w), waits ? "dc" : "c");
        engine_free(w.e);
    }
}

static void sglang_cuts_long_prompts_and_goes_on_with_them_before_it_decodes(void **state)
{
    (void)state;
    struct world w = begin("?engine=sglang&chunk_tokens=100");
    ask(&w, 'a', 10, 50);
    assert_string_equal(step(&w), "a");
    ask(&w, 'b', 250, 5);
    assert_string_equal(step(&w), "");
    assert_string_equal(step(&w), "");
    assert_string_equal(step(&w), "b");
    assert_string_equal(step(&w), "ab");
    engine_free(w.e);
}

static void sglang_forgets_a_prompt_given_up_between_its_pieces(void **state)
{
    (void)state;
    struct world w = begin("?engine=sglang&chunk_tokens=100");
    struct engine_request *a =
        ask_for(&w, 'a', (struct engine_ask){.prompt_tokens = 250, .output_tokens = 5});
    assert_string_equal(step(&w), "");
    ask(&w, 'b', 10, 5);
    engine_cancel(w.e, a);
    assert_string_equal(step(&w), "b");
    assert_string_equal(step(&w), "b");
    engine_free(w.e);
}

static void sglang_looks_for_the_longest_prefix_among_128_at_most(void **state)
{
    (void)state;
    uint32_t ids[50] = {5};
    struct engine_ask known = {.prompt_tokens = 50, .output_tokens = 1, .ids = ids, .id_count = 50};
    for (int waiting = 128; waiting <= 129; waiting++) {
        struct world w = begin("?engine=sglang&policy=lpm&max_num_seqs=1");
        ask_for(&w, 'a', known);
        assert_string_equal(step(&w), "a");
        for (int i = 1; i < waiting; i++)
            ask(&w, 'x', 50, 1);
        ask_for(&w, 'b', known);
        assert_string_equal(step(&w), waiting == 128 ? "b" : "x");
        engine_free(w.e);
    }
}

/* ---- tgi ---- */

static void tgi_fills_a_step_with_whole_prompts_and_lets_a_longer_one_go_alone(void **state)
{
    (void)state;
    struct world w = begin("?engine=tgi&max_num_batched_tokens=4096");
    ask(&w, 'a', 3000, 50);
    ask(&w, 'b', 1000, 50);
    ask(&w, 'c', 97, 50); /* 4097 */
    ask(&w, 'd', 5000, 50);
    ask(&w, 'e', 10, 50);
    assert_string_equal(step(&w), "ab");
    assert_string_equal(step(&w), "c");
    assert_string_equal(step(&w), "d");
    assert_string_equal(step(&w), "abcd"); /* one waits, and 0.3 · 4 are wanted */
    engine_free(w.e);
}

/* ---- trtllm ---- */

static void trtllm_computes_prompts_whole_beside_the_batch_or_lets_them_wait(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct world w = begin("?engine=trtllm&max_num_batched_tokens=512&max_num_seqs=8");
        ask(&w, 'a', 10, 4);
        assert_string_equal(step(&w), "a");
        ask(&w, 'b', 511 + k, 9);
        for (int i = 1; i < 4; i++)
            assert_string_equal(step(&w), k == 0 ? "ab" : "a");
        assert_string_equal(step(&w), "b");
        engine_free(w.e);
    }
}

static void trtllm_cuts_prompts_that_are_longer_than_a_step(void **state)
{
    (void)state;
    struct world w = begin("?engine=trtllm&max_num_batched_tokens=512&max_num_seqs=8");
    ask(&w, 'a', 1000, 9);
    assert_string_equal(step(&w), "");
    assert_string_equal(step(&w), "a");
    engine_free(w.e);
}

static void trtllm_admits_for_a_whole_life_or_for_the_next_step(void **state)
{
    (void)state;
    static const char *const rows[] = {"?engine=trtllm", "?engine=trtllm&capacity=max-utilization"};
    for (int k = 0; k < 2; k++) {
        struct world w = begin_small(rows[k], 10);
        ask(&w, 'a', 16, 96); /* seven blocks in the end */
        ask(&w, 'b', 16, 48); /* four: one too many */
        ask(&w, 'c', 16, 16); /* nobody passes the head of the line */
        assert_string_equal(step(&w), k == 0 ? "a" : "abc");
        engine_free(w.e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_in_use_is_what_the_sequences_take),
        cmocka_unit_test(a_prefix_is_held_once_by_all_that_share_it),
        cmocka_unit_test(only_what_has_been_computed_is_found),
        cmocka_unit_test(of_a_prompt_half_computed_its_full_blocks_are_found),
        cmocka_unit_test(vllm_deals_the_budget_to_the_batch_first),
        cmocka_unit_test(vllm_cuts_long_prompts_at_the_threshold_and_lets_others_beside_them),
        cmocka_unit_test(
            vllm_admits_nobody_in_a_step_that_preempts_and_the_preempted_first_thereafter),
        cmocka_unit_test(vllm_preempts_the_worst_priority_and_of_these_the_latest),
        cmocka_unit_test(vllm_takes_back_what_a_preempted_request_had_of_the_same_step),
        cmocka_unit_test(sglang_keeps_back_a_decaying_share_of_what_may_yet_be_generated),
        cmocka_unit_test(sglang_sets_the_share_back_and_sends_who_is_retracted_to_the_end),
        cmocka_unit_test(sglang_cuts_long_prompts_and_goes_on_with_them_before_it_decodes),
        cmocka_unit_test(sglang_forgets_a_prompt_given_up_between_its_pieces),
        cmocka_unit_test(sglang_looks_for_the_longest_prefix_among_128_at_most),
        cmocka_unit_test(tgi_fills_a_step_with_whole_prompts_and_lets_a_longer_one_go_alone),
        cmocka_unit_test(trtllm_computes_prompts_whole_beside_the_batch_or_lets_them_wait),
        cmocka_unit_test(trtllm_cuts_prompts_that_are_longer_than_a_step),
        cmocka_unit_test(trtllm_admits_for_a_whole_life_or_for_the_next_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
