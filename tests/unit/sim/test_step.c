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

/* The law written out once more, plainly, for llama-3.1-8b on one H100 in bf16: T rows, of them
 * `sampled`. */
static double gemm(double m, double k, double n)
{
    double memory = 2 * (m * k + k * n + m * n) / (.884 * 3.35e12);
    double math = 2 * m * k * n / (.816 * 989e12);
    return 3.83e-6 + pow(pow(memory, 3.32) + pow(math, 3.32), 1 / 3.32);
}

static double without_attention(double rows, double sampled)
{
    double layer = gemm(rows, 4096, 48 * 128) + gemm(rows, 4096, 4096) +
                   gemm(rows, 4096, 2 * 14336) + gemm(rows, 14336, 4096);
    double small = 5 * 2e-6 + 2 * rows * (8 * 4096 + 3 * 14336) / (.75 * 3.35e12);
    double sample = sampled * 128256 * 4 * 6 / (.75 * 3.35e12);
    return 32 * (layer + small) + gemm(sampled, 4096, 128256) + sample + 1e-3;
}

static void a_decoding_sequence_costs_what_its_kernels_do(void **state)
{
    (void)state;
    double attention = 32 * (12.4e-6 + 2 * 8 * 128 * 2 * 1000 / (.841 * 3.35e12));
    near(seconds("", (struct step_batch){.decodes = 1, .decode_context_tokens = 1000}),
         without_attention(1, 1) + 14e-6 + attention, 1e-12);
}

static void a_prompt_costs_its_products_and_the_square_of_its_length(void **state)
{
    (void)state;
    struct step_chunk chunk = {4096, 2048};
    double flop = 4.0 * 32 * 128 * 4096 * (2048 + 4096 / 2);
    double attention = 32 * (13.6e-6 + flop / (989e12 * .659 * 4096 / (4096 + 997.0)));
    near(seconds("", (struct step_batch){.chunks = &chunk, .chunk_count = 1, .prompts_done = 1}),
         without_attention(4096, 1) + 14e-6 + attention, 1e-12);
}

static void the_host_is_hidden_behind_the_gpu_or_the_gpu_behind_it(void **state)
{
    (void)state;
    struct step_batch b = {.decodes = 1, .decode_context_tokens = 100};
    near(seconds("", b) - seconds("?async_scheduling=on", b), 1e-3 + 14e-6, 1e-9);
    struct step_law law = law_of("?async_scheduling=on");
    law.step_s = 1;
    near(step_seconds(&law, &b), 1 + 14e-6, 1e-12);
}

/* T = B(n + 1): for the GPU drafts are rows like any other, each of them sampled; the host has B
 * sequences. */
static void drafts_are_verified_as_rows_and_cost_the_host_nothing(void **state)
{
    (void)state;
    struct step_batch drafts = {.decodes = 4, .drafts = 12, .decode_context_tokens = 9000};
    struct step_batch rows = {.decodes = 16, .decode_context_tokens = 9000};
    near(seconds("", rows) - seconds("", drafts), 12 * 14e-6, 1e-9);
}

static void time_is_linear_in_context(void **state)
{
    (void)state;
    double a = seconds("", (struct step_batch){.decodes = 10, .decode_context_tokens = 10000});
    double b = seconds("", (struct step_batch){.decodes = 10, .decode_context_tokens = 20000});
    double c = seconds("", (struct step_batch){.decodes = 10, .decode_context_tokens = 30000});
    near(c - b, b - a, 1e-9);
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

static void gpus_in_parallel_share_products_and_cache_and_reduce(void **state)
{
    (void)state;
    struct step_law one = law_of("llama-3.1-8b@h200"), four = law_of("llama-3.1-8b@h200x4");
    near(four.dense.each[0].weights_s, one.dense.each[0].weights_s / 4, 1e-12);
    near(four.dense.each[0].math_s, one.dense.each[0].math_s / 4, 1e-12);
    near(four.decode_token_s, one.decode_token_s / 4, 1e-12);
    near(four.reduce_s, 2 * 4.8e-6, 1e-12);
    near(four.reduce_token_s, 2 * 9.75e-6 * 4096 / 1e6, 1e-12);
    assert_true(one.reduce_s == 0);
    /* Four KV heads can be cut four ways, a latent cache not at all. */
    near(law_of("qwen3-coder-30b-a3b@h200x8").decode_token_s,
         law_of("qwen3-coder-30b-a3b@h200x4").decode_token_s, 1e-12);
    near(law_of("deepseek-v3@b200x8").decode_token_s, (512 + 64) * 2 / (.881 * 7.7e12), 1e-12);
    near(law_of("deepseek-v3@b200x8").decode_math_s, 2 * 16 * (2 * 512.0 + 64) / (.722 * 2250e12),
         1e-12);
}

static void fp8_weights_are_half_the_bytes_and_the_cache_stays(void **state)
{
    (void)state;
    struct step_law bf16 = law_of(""), fp8 = law_of("?precision=fp8");
    near(fp8.dense.each[0].weights_s, bf16.dense.each[0].weights_s / 2 * 0.884 / 0.868, 1e-12);
    near(fp8.decode_token_s, bf16.decode_token_s, 1e-12);
    near(law_of("?kv_precision=fp8").decode_token_s, bf16.decode_token_s / 2, 1e-12);
    near(fp8.head.weights_s, bf16.head.weights_s, 1e-12); /* embeddings are not quantised */
}

static void four_bits_on_a_gpu_without_them_compute_in_bf16(void **state)
{
    (void)state;
    struct step_law h100 = law_of("?precision=fp4"), b200 = law_of("@b200?precision=fp4");
    double k = 4096, n = 2 * 14336;
    near(h100.dense.each[0].math_s, 2 * k * n / (.469 * 989e12), 1e-12);
    near(b200.dense.each[0].math_s, 2 * k * n / (.470 * 9000e12), 1e-12);
    near(h100.dense.each[0].weights_s, k * n * .5625 / (.868 * 3.35e12), 1e-12);
}

static void a_mixture_reads_the_experts_its_tokens_touch(void **state)
{
    (void)state;
    /* With arithmetic and rows for nothing, what is left of the experts is reading them. */
    struct step_law law = law_of("mixtral-8x7b@h100x2"), none = {0};
    none.expert_layers = none.layers = 1;
    none.experts = law.experts;
    none.expert_count = law.expert_count;
    none.chosen = law.chosen;
    double whole = 0;
    for (int i = 0; i < none.experts.count; i++) {
        none.experts.each[i].row_s = none.experts.each[i].math_s = none.experts.each[i].t0_s = 0;
        whole += 8 * none.experts.each[i].weights_s;
    }
    near(whole, 8 * 3.0 * 4096 * 14336 / 2 * 2 / (.884 * 3.35e12), 1e-12);
    double routing = 6 * 2e-6;
    double one = step_seconds(&none, &(struct step_batch){.decodes = 1});
    double two = step_seconds(&none, &(struct step_batch){.decodes = 2});
    double many = step_seconds(&none, &(struct step_batch){.decodes = 200});
    near(one - routing, whole * 2 / 8, 1e-9);
    near(two - routing, whole * (1 - .75 * .75), 1e-9);
    near(many - routing, whole, 1e-9);
}

static void a_window_bounds_what_half_the_layers_read(void **state)
{
    (void)state;
    struct step_law law = law_of("gpt-oss-20b");
    struct step_batch near_by = {
        .decodes = 1, .decode_context_tokens = 128, .decode_window_tokens = 128};
    struct step_batch far = {
        .decodes = 1, .decode_context_tokens = 10128, .decode_window_tokens = 128};
    near(step_seconds(&law, &far) - step_seconds(&law, &near_by), 12 * 10000 * law.decode_token_s,
         1e-9);
    /* A chunk inside the window sees all before it, one far behind only the window. */
    struct step_chunk first = {64, 0}, last = {64, 100000};
    struct step_batch a = {.chunks = &first, .chunk_count = 1},
                      b = {.chunks = &last, .chunk_count = 1};
    double slower = (64 + law.prefill_half_tokens) / 64;
    double whole = 64 * 100000.0, windowed = 64 * 128 - 64 * 32;
    near(step_seconds(&law, &b) - step_seconds(&law, &a),
         12 * law.prefill_pair_s * slower * (whole + windowed), 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decoding_sequence_costs_what_its_kernels_do),
        cmocka_unit_test(a_prompt_costs_its_products_and_the_square_of_its_length),
        cmocka_unit_test(the_host_is_hidden_behind_the_gpu_or_the_gpu_behind_it),
        cmocka_unit_test(drafts_are_verified_as_rows_and_cost_the_host_nothing),
        cmocka_unit_test(time_is_linear_in_context),
        cmocka_unit_test(more_work_never_takes_less_time),
        cmocka_unit_test(gpus_in_parallel_share_products_and_cache_and_reduce),
        cmocka_unit_test(fp8_weights_are_half_the_bytes_and_the_cache_stays),
        cmocka_unit_test(four_bits_on_a_gpu_without_them_compute_in_bf16),
        cmocka_unit_test(a_mixture_reads_the_experts_its_tokens_touch),
        cmocka_unit_test(a_window_bounds_what_half_the_layers_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
