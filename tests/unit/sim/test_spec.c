#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sim/spec.h"

static struct sim_config accepted(const char *text)
{
    struct sim_config c;
    struct err e = {0};
    if (spec_parse(slice_of(text), &c, &e) != OK)
        fail_msg("\"%s\" was refused: %s", text, e.text);
    return c;
}

static void refused(const char *text, const char *words)
{
    struct sim_config c = {.tp = 77};
    struct err e = {0};
    assert_int_equal(spec_parse(slice_of(text), &c, &e), ERR_USAGE);
    if (!strstr(e.text, words))
        fail_msg("\"%s\": the sentence lacks \"%s\": %s", text, words, e.text);
    assert_int_equal(c.tp, 77);
}

static void nothing_given_means_an_8b_model_on_one_h100(void **state)
{
    (void)state;
    struct sim_config c = accepted("");
    assert_string_equal(c.model->name, "llama-3.1-8b");
    assert_string_equal(c.gpu->name, "h100");
    assert_int_equal(c.tp, 1);
    assert_int_equal(c.replicas, 1);
    assert_int_equal(c.precision, SIM_BF16);
    assert_int_equal(c.max_num_batched_tokens, 8192);
    assert_int_equal(c.max_num_seqs, 1024);
}

static void each_part_may_be_left_out(void **state)
{
    (void)state;
    assert_string_equal(accepted("qwen3-8b").gpu->name, "h100");
    assert_string_equal(accepted("@l40s").model->name, "llama-3.1-8b");
    assert_int_equal(accepted("?precision=fp8").precision, SIM_FP8);
    assert_string_equal(accepted("QWEN3-8B@H200").model->name, "qwen3-8b");
}

static void gpus_are_counted_behind_an_x(void **state)
{
    (void)state;
    assert_int_equal(accepted("llama-3.1-70b@h100x4").tp, 4);
    assert_int_equal(accepted("llama-3.1-8b@mi300x").tp, 1);
    struct sim_config c = accepted("llama-3.1-8b@mi300xx2");
    assert_string_equal(c.gpu->name, "mi300x");
    assert_int_equal(c.tp, 2);
    refused("llama-3.1-70b@h100x3", "1, 2, 4 or 8");
    refused("llama-3.1-70b@h100x99999999999999999999", "1, 2, 4 or 8");
    refused("qwen2.5-7b@h100x8", "28 attention heads");
}

static void smaller_gpus_and_the_a100_have_smaller_steps(void **state)
{
    (void)state;
    assert_int_equal(accepted("@a100").max_num_seqs, 256);
    assert_int_equal(accepted("@l40s").max_num_batched_tokens, 2048);
    assert_int_equal(accepted("@h200").max_num_seqs, 1024);
}

static void the_cache_is_what_memory_leaves(void **state)
{
    (void)state;
    /* 0.9 · 80 GiB − 8.03 B · 2 bytes − 5.5 GiB − 0.15 GiB, in blocks of 16 · 128 KiB. */
    double bytes = (0.9 * 80 - 5.5 - 0.15) * 1073741824.0 - 16.06e9;
    assert_int_equal(accepted("").kv_blocks, (int64_t)(bytes / (16 * 131072.0)));
    /* fp8 halves the weights; the cache stays bf16. */
    assert_int_equal(accepted("?precision=fp8").kv_blocks,
                     (int64_t)((bytes + 8.03e9) / (16 * 131072.0)));
    /* Two GPUs hold half the weights and half of each token's cache. */
    double two = (0.9 * 80 - 5.5 - 0.6) * 1073741824.0 - 8.03e9;
    assert_int_equal(accepted("@h100x2").kv_blocks, (int64_t)(two / (16 * 65536.0)));
}

static void the_context_never_exceeds_the_cache(void **state)
{
    (void)state;
    struct sim_config c = accepted("llama-3.1-8b@l4");
    assert_true(c.max_model_len <= c.kv_blocks * SIM_BLOCK_TOKENS);
    assert_true(c.max_model_len < 131072);
    assert_int_equal(accepted("llama-3-8b").max_model_len, 8192);
    refused("llama-3-8b?max_model_len=8193", "8192");
    refused("@l4?max_model_len=100k", "does not fit");
}

static void weights_that_do_not_fit_are_refused_with_the_sum_and_advice(void **state)
{
    (void)state;
    refused("llama-3.1-70b@h100", "131.5 GiB");
    refused("llama-3.1-70b@h100", "try @h100x4");
    refused("deepseek-v3@l4x8", "another GPU");
}

static void unknown_names_are_answered_with_the_nearest(void **state)
{
    (void)state;
    refused("lama-3.1-8b", "did you mean llama-3.1-8b?");
    refused("qwen3-8b@h1000", "did you mean h100?");
    refused("@h20", "did you mean h200?");
    refused("foo", "no model \"foo\"; known are llama-2-7b, ");
    refused("@foo", "no GPU \"foo\"; known are a100, ");
}

static void options_are_read_and_bounded(void **state)
{
    (void)state;
    struct sim_config c =
        accepted("llama-3.1-8b@h100x2?engine=vllm&replicas=3&noise=0.05&max_num_seqs=64&"
                 "max_num_batched_tokens=4k&max_model_len=4096");
    assert_int_equal(c.replicas, 3);
    assert_true(c.noise_cv > 0.0499 && c.noise_cv < 0.0501);
    assert_int_equal(c.max_num_seqs, 64);
    assert_int_equal(c.max_num_batched_tokens, 4000);
    assert_int_equal(c.max_model_len, 4096);
    assert_int_equal(accepted("?max_num_batched_tokens=512").max_num_seqs, 512);
    refused("?max_num_batched_tokens=512&max_num_seqs=513", "max_num_seqs=513");
    refused("?replicas=0", "replicas");
    refused("?noise=-1", "noise");
    refused("?max_num_seqs=", "max_num_seqs");
}

static void what_is_not_modelled_is_refused_by_name(void **state)
{
    (void)state;
    refused("?engine=sglang", "vllm is known");
    refused("?precision=fp4", "bf16 and fp8");
    refused("@a100?precision=fp8", "no FP8");
    refused("?speculative=3", "known are engine");
    refused("?=", "unknown option");
}

static void every_gpu_runs_some_model(void **state)
{
    (void)state;
    for (size_t i = 0; catalog_gpu_at(i); i++) {
        char text[64];
        snprintf(text, sizeof text, "qwen2.5-7b@%s", catalog_gpu_at(i)->name);
        assert_true(accepted(text).kv_blocks > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_means_an_8b_model_on_one_h100),
        cmocka_unit_test(each_part_may_be_left_out),
        cmocka_unit_test(gpus_are_counted_behind_an_x),
        cmocka_unit_test(smaller_gpus_and_the_a100_have_smaller_steps),
        cmocka_unit_test(the_cache_is_what_memory_leaves),
        cmocka_unit_test(the_context_never_exceeds_the_cache),
        cmocka_unit_test(weights_that_do_not_fit_are_refused_with_the_sum_and_advice),
        cmocka_unit_test(unknown_names_are_answered_with_the_nearest),
        cmocka_unit_test(options_are_read_and_bounded),
        cmocka_unit_test(what_is_not_modelled_is_refused_by_name),
        cmocka_unit_test(every_gpu_runs_some_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
