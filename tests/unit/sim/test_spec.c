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
    /* fp8 halves the weights but for the embeddings; the cache stays bf16 unless asked for
     * otherwise. */
    double halved = 8.03e9 - 2.0 * 128256 * 4096;
    assert_int_equal(accepted("?precision=fp8").kv_blocks,
                     (int64_t)((bytes + halved) / (16 * 131072.0)));
    assert_int_equal(accepted("?kv_precision=fp8").kv_blocks, (int64_t)(bytes / (16 * 65536.0)));
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
    assert_true(accepted("").step_scale == 1);
    assert_true(accepted("?step_scale=1.03").step_scale == 1.03);
    refused("?step_scale=0", "step_scale");
    refused("?step_scale=11", "step_scale");
    assert_int_equal(accepted("?noise_seed=7").noise_seed, 7);
    refused("?noise_seed=-1", "noise_seed");
    refused("?max_num_seqs=", "max_num_seqs");
}

static void what_is_unknown_or_does_not_go_together_is_refused(void **state)
{
    (void)state;
    refused("?engine=orca", "vllm, sglang, tgi and trtllm are known");
    refused("?precision=int4", "bf16, fp8 and fp4 are known");
    refused("?kv_precision=fp4", "bf16 and fp8 are known");
    refused("@a100?precision=fp8", "no FP8");
    refused("?speculative=3", "known are engine");
    refused("?=", "unknown option");
    refused("?prefix_caching=yes", "on and off");
    refused("?engine=sglang&policy=priority", "vllm's");
    refused("?policy=lpm", "sglang's");
    refused("?capacity=max-utilization", "trtllm's");
    refused("?definitions=mine.json", "cannot be read here");
}

static void each_engine_brings_its_own_defaults_wherever_it_is_named(void **state)
{
    (void)state;
    struct sim_config sglang = accepted("?noise=0.1&engine=sglang");
    assert_int_equal(sglang.max_num_batched_tokens, 16384);
    assert_int_equal(sglang.chunk_tokens, 8192);
    assert_true(sglang.host_hidden && sglang.prefix_caching);
    assert_true(sglang.noise_cv > 0.09);
    assert_false(accepted("?engine=tgi").prefix_caching);
    assert_int_equal(accepted("?engine=trtllm").max_num_seqs, 2048);
    assert_true(accepted("?engine=trtllm").host_hidden);
    assert_false(accepted("").host_hidden);
    assert_false(accepted("?engine=sglang&async_scheduling=off").host_hidden);
}

static void a_model_comes_in_the_format_it_was_published_in(void **state)
{
    (void)state;
    assert_int_equal(accepted("gpt-oss-120b@h100").precision, SIM_FP4);
    assert_int_equal(accepted("gpt-oss-20b?precision=bf16").precision, SIM_BF16);
    assert_int_equal(accepted("deepseek-v3@h200x8").precision, SIM_FP8);
    refused("deepseek-v3@a100x8", "in bf16 does not fit");
}

static void own_definitions_go_before_the_catalog(void **state)
{
    (void)state;
    static const char text[] =
        "{\"gpus\":[{\"name\":\"next\",\"like\":\"b200\",\"memory_gib\":288,\"bandwidth_tb_s\":16}]"
        ","
        "\"models\":[{\"name\":\"big-8b\",\"like\":\"llama-3.1-8b\",\"params_b\":9,\"layers\":36},"
        "{\"name\":\"qwen3-8b\",\"like\":\"big-8b\",\"layers\":40}]}";
    struct definitions *d = NULL;
    struct sim_config c;
    assert_int_equal(definitions_parse(slice_of(text), &d, NULL), OK);
    assert_int_equal(spec_parse_with(slice_of("big-8b@nextx2?definitions=x"), d, &c, NULL), OK);
    assert_int_equal(c.model->layers, 36);
    assert_int_equal(c.model->hidden, 4096);
    assert_true(c.gpu->bandwidth > 15.9e12 && c.gpu->estimated);
    assert_int_equal(c.tp, 2);
    assert_int_equal(spec_parse_with(slice_of("qwen3-8b"), d, &c, NULL), OK);
    assert_int_equal(c.model->layers, 40);
    definitions_free(d);
    assert_true(
        slice_is(spec_definitions(slice_of("a@b?noise=1&definitions=dir/x.json")), "dir/x.json"));
}

static void bad_definitions_are_refused_by_field(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "must be an object"},
        {"{\"models\":{}}", "must be a list"},
        {"{\"models\":[{\"layers\":3}]}", "has no \"name\""},
        {"{\"models\":[{\"name\":\"a b\"}]}", "\"name\""},
        {"{\"models\":[{\"name\":\"a\"}]}", "needs params_b"},
        {"{\"models\":[{\"name\":\"a\",\"like\":\"b\"}]}", "not known"},
        {"{\"models\":[{\"name\":\"a\",\"like\":\"qwen3-8b\",\"layers\":1.5}]}", "whole"},
        {"{\"models\":[{\"name\":\"a\",\"like\":\"qwen3-8b\",\"layers\":0}]}", "between"},
        {"{\"models\":[{\"name\":\"a\",\"like\":\"qwen3-8b\",\"depth\":1}]}", "not a known field"},
        {"{\"models\":[{\"name\":\"a\",\"like\":\"qwen3-8b\",\"experts\":4}]}", "expert_ff"},
        {"{\"gpus\":[{\"name\":\"a\",\"memory_gib\":80}]}", "like"},
        {"{\"gpus\":[{\"name\":\"a\",\"like\":\"h100\",\"decode_share\":1.01}]}", "between"},
        {"{\"models\":[]", "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct definitions *d = NULL;
        struct err e = {0};
        assert_int_equal(definitions_parse(slice_of(cases[i][0]), &d, &e), ERR_INPUT);
        assert_null(d);
        if (!strstr(e.text, cases[i][1]))
            fail_msg("%s: the sentence lacks \"%s\": %s", cases[i][0], cases[i][1], e.text);
    }
}

static void all_shares_lie_between_none_and_all(void **state)
{
    (void)state;
    const struct sim_gpu *g;
    for (size_t i = 0; (g = catalog_gpu_at(i)); i++) {
        for (int p = 0; p < SIM_PRECISIONS; p++) {
            if (g->flops[p] <= 0)
                continue;
            assert_true(g->product[p].memory_share > 0 && g->product[p].memory_share <= 1);
            assert_true(g->product[p].math_share > 0 && g->product[p].math_share <= 1);
            assert_true(g->product[p].p >= 1 && g->product[p].t0_us >= 0);
        }
        assert_true(g->decode.memory_share > 0 && g->decode.memory_share <= 1);
        assert_true(g->prefill.math_share > 0 && g->prefill.math_share <= 1);
    }
}

static void the_catalog_agrees_with_the_published_cache_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double kib;
    } rows[] = {
        {"llama-2-7b", 512},    {"llama-2-70b", 320},        {"llama-3.1-8b", 128},
        {"llama-3.1-70b", 320}, {"llama-3.1-405b", 504},     {"mistral-7b", 128},
        {"mixtral-8x7b", 128},  {"qwen2.5-7b", 56},          {"qwen3-8b", 144},
        {"qwen3-32b", 256},     {"qwen3-coder-30b-a3b", 96}, {"gpt-oss-20b", 48},
        {"gpt-oss-120b", 72},   {"deepseek-v3", 68.625},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double bytes = catalog_kv_bytes(catalog_model(slice_of(rows[i].name)), 2);
        if (bytes / 1024 < rows[i].kib * 0.999 || bytes / 1024 > rows[i].kib * 1.001)
            fail_msg("%s: %g KiB a token", rows[i].name, bytes / 1024);
    }
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

static void an_output_has_the_room_behind_its_prompt(void **state)
{
    (void)state;
    struct sim_config c = {.max_model_len = 1000};
    assert_int_equal(spec_output_limit(&c, 900, 100, false), 100);
    assert_int_equal(spec_output_limit(&c, 900, 101, false), 0);
    assert_int_equal(spec_output_limit(&c, 1000, 1, true), 0);
    assert_int_equal(spec_output_limit(&c, 5000, 0, true), 0);
    assert_int_equal(spec_output_limit(&c, 100, 0, true), 900);
    assert_int_equal(spec_output_limit(&c, 100, -1, false), 16);
    assert_int_equal(spec_output_limit(&c, 990, -1, false), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_means_an_8b_model_on_one_h100),
        cmocka_unit_test(each_part_may_be_left_out),
        cmocka_unit_test(gpus_are_counted_behind_an_x),
        cmocka_unit_test(smaller_gpus_and_the_a100_have_smaller_steps),
        cmocka_unit_test(the_cache_is_what_memory_leaves),
        cmocka_unit_test(an_output_has_the_room_behind_its_prompt),
        cmocka_unit_test(the_context_never_exceeds_the_cache),
        cmocka_unit_test(weights_that_do_not_fit_are_refused_with_the_sum_and_advice),
        cmocka_unit_test(unknown_names_are_answered_with_the_nearest),
        cmocka_unit_test(options_are_read_and_bounded),
        cmocka_unit_test(what_is_unknown_or_does_not_go_together_is_refused),
        cmocka_unit_test(each_engine_brings_its_own_defaults_wherever_it_is_named),
        cmocka_unit_test(a_model_comes_in_the_format_it_was_published_in),
        cmocka_unit_test(own_definitions_go_before_the_catalog),
        cmocka_unit_test(bad_definitions_are_refused_by_field),
        cmocka_unit_test(all_shares_lie_between_none_and_all),
        cmocka_unit_test(the_catalog_agrees_with_the_published_cache_sizes),
        cmocka_unit_test(every_gpu_runs_some_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
