#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "sim/step.h"

static struct step_law law_of(const char *text)
{
    struct sim_config c;
    assert_int_equal(spec_parse(slice_of(text), &c, NULL), OK);
    return step_law_of(&c);
}

static double seconds(const char *text, struct step_batch b)
{
    struct step_law law = law_of(text);
    return step_seconds(&law, &b);
}

static void near(double got, double want, double relative)
{
    if (fabs(got - want) > relative * fabs(want))
        fail_msg("%g is not %g", got, want);
}

static void one_sequence_waits_for_the_weights(void **state)
{
    (void)state;
    /* 16.06 GB at 0.884 · 3.35 TB/s, 1 ms and 20 us of host work, 1000 cached tokens of 128 KiB. */
    double want = 16.06e9 / (0.884 * 3.35e12) + 1e-3 + 20e-6 + 1000 * 131072.0 / (0.841 * 3.35e12);
    near(seconds("", (struct step_batch){.decodes = 1, .decode_context_tokens = 1000}), want,
         1e-12);
}

static void a_long_prompt_is_bound_by_arithmetic(void **state)
{
    (void)state;
    struct step_chunk chunk = {8192, 0};
    double want =
        8192 * 2 * 8.03e9 / (0.816 * 989e12) + 1e-3 + 20e-6 + 8192 * 131072.0 / (0.841 * 3.35e12);
    near(seconds("", (struct step_batch){.chunks = &chunk, .chunk_count = 1}), want, 1e-12);
}

static void time_is_linear_in_context_and_sequences(void **state)
{
    (void)state;
    double a = seconds("", (struct step_batch){.decodes = 10, .decode_context_tokens = 10000});
    double b = seconds("", (struct step_batch){.decodes = 10, .decode_context_tokens = 20000});
    double c = seconds("", (struct step_batch){.decodes = 10, .decode_context_tokens = 30000});
    near(c - b, b - a, 1e-9);
    double d = seconds("", (struct step_batch){.decodes = 11, .decode_context_tokens = 10000});
    near(d - a, 20e-6, 1e-6);
}

static void more_work_never_takes_less_time(void **state)
{
    (void)state;
    double before = 0;
    for (int64_t tokens = 1; tokens <= 8192; tokens *= 2) {
        struct step_chunk chunk = {tokens, 100};
        double t = seconds("mixtral-8x7b@h100x2", (struct step_batch){.decodes = 4,
                                                                      .decode_context_tokens = 400,
                                                                      .chunks = &chunk,
                                                                      .chunk_count = 1});
        assert_true(t > before);
        before = t;
    }
}

static void gpus_in_parallel_share_weights_and_cache(void **state)
{
    (void)state;
    struct step_law one = law_of("llama-3.1-8b@h200"), four = law_of("llama-3.1-8b@h200x4");
    near(four.weights_s, one.weights_s / 4, 1e-12);
    near(four.token_s, one.token_s / 4, 1e-12);
    near(four.kv_token_s, one.kv_token_s / 4, 1e-12);
    /* Four KV heads can be cut four ways, a latent cache not at all. */
    near(law_of("qwen3-coder-30b-a3b@h200x8").kv_token_s,
         law_of("qwen3-coder-30b-a3b@h200x4").kv_token_s, 1e-12);
    near(law_of("deepseek-v3@b200x8?precision=fp8").kv_token_s, 68.625 * 1024 / (.881 * 7.7e12),
         1e-12);
}

static void fp8_weights_are_half_the_bytes_and_the_cache_stays(void **state)
{
    (void)state;
    struct step_law bf16 = law_of(""), fp8 = law_of("?precision=fp8");
    near(fp8.weights_s, bf16.weights_s / 2 * 0.884 / 0.868, 1e-12);
    near(fp8.kv_token_s, bf16.kv_token_s, 1e-12);
}

static void a_mixture_reads_the_experts_its_tokens_touch(void **state)
{
    (void)state;
    struct step_law law = law_of("mixtral-8x7b@h100x2");
    struct step_batch one = {.decodes = 1}, many = {.decodes = 64};
    double fixed = law.step_s + law.sequence_s;
    near(step_seconds(&law, &one) - fixed, law.weights_s * 12.8 / 46.7, 1e-9);
    near(step_seconds(&law, &many) - law.step_s - 64 * law.sequence_s, law.weights_s, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_sequence_waits_for_the_weights),
        cmocka_unit_test(a_long_prompt_is_bound_by_arithmetic),
        cmocka_unit_test(time_is_linear_in_context_and_sequences),
        cmocka_unit_test(more_work_never_takes_less_time),
        cmocka_unit_test(gpus_in_parallel_share_weights_and_cache),
        cmocka_unit_test(fp8_weights_are_half_the_bytes_and_the_cache_stays),
        cmocka_unit_test(a_mixture_reads_the_experts_its_tokens_touch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
