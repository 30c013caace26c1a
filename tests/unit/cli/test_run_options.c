/* What the options of a load mean together. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/run_plan.h"

enum { WORDS_MAX = 48 };

struct planned {
    char *argv[WORDS_MAX];
    int argc;
    struct run_options options;
    struct run_plan plan;
    struct err err;
    int rc;
};

static int set_up(void **state)
{
    *state = test_calloc(1, sizeof(struct planned));
    return 0;
}

static void forget(struct planned *p)
{
    run_plan_release(&p->plan);
    for (int i = 0; i < p->argc; i++)
        free(p->argv[i]);
    free((char *)p->options.api_key);
    for (size_t i = 0; i < p->options.headers.n; i++)
        free((char *)p->options.headers.items[i]);
    *p = (struct planned){0};
}

static int tear_down(void **state)
{
    forget(*state);
    test_free(*state);
    return 0;
}

/* The plan of a line of options; words are parted by blanks, or by '\t' where a value has blanks.
 */
static void plan(struct planned *p, const char *line)
{
    struct operands operands = {0};
    forget(p);
    const char *between = strchr(line, '\t') ? "\t" : " ";
    char *copy = strdup(line);
    for (char *word = strtok(copy, between); word; word = strtok(NULL, between))
        p->argv[p->argc++] = strdup(word);
    free(copy);
    run_options_defaults(&p->options);
    p->rc = options_parse(&RUN_OPTIONS, p->argc, p->argv, &p->options, &operands, &p->err);
    if (p->rc == OK)
        p->rc = run_plan_make(&p->options, &p->plan, &p->err);
}

static const struct run_plan *good(struct planned *p, const char *line)
{
    plan(p, line);
    if (p->rc != OK)
        fail_msg("%s: %s", line, p->err.text);
    return &p->plan;
}

static void refused(struct planned *p, const char *line, const char *sentence)
{
    plan(p, line);
    assert_int_equal(p->rc, ERR_USAGE);
    if (!strstr(p->err.text, sentence))
        fail_msg("%s: \"%s\" does not say \"%s\"", line, p->err.text, sentence);
}

/* --- the table of modes --- */

static void neither_rate_nor_users_is_refused_with_advice(void **state)
{
    refused(*state, "", "how much load? Give --request-rate R");
    refused(*state, "--num-prompts 10", "--max-concurrency C");
    refused(*state, "--duration 10s", "how much load?");
}

static void users_alone_are_a_closed_loop(void **state)
{
    static const char *const LINES[] = {"--max-concurrency 8",
                                        "--max-concurrency 8 --request-rate inf"};
    for (size_t i = 0; i < 2; i++) {
        const struct run_plan *p = good(*state, LINES[i]);
        assert_int_equal(p->load.mode, LOAD_CLOSED);
        assert_int_equal(p->load.max_concurrency, 8);
        assert_int_equal(p->load.num_prompts, 1000);
        assert_int_equal(p->load.duration_ns, 0);
    }
}

static void an_endless_rate_alone_is_everything_at_once(void **state)
{
    const struct run_plan *p = good(*state, "--request-rate inf --num-prompts 7");
    assert_int_equal(p->load.mode, LOAD_OFFLINE);
    assert_int_equal(p->load.num_prompts, 7);
    assert_int_equal(p->load.max_concurrency, 0);
}

static void a_rate_is_an_open_load_with_or_without_a_cap(void **state)
{
    const struct run_plan *p = good(*state, "--request-rate 2.5");
    assert_int_equal(p->load.mode, LOAD_OPEN);
    assert_true(p->load.arrivals.rate == 2.5);
    assert_true(p->load.arrivals.burstiness == 1);
    assert_int_equal(p->load.max_concurrency, 0);
    p = good(*state, "--request-rate 2 --max-concurrency 3");
    assert_int_equal(p->load.mode, LOAD_OPEN);
    assert_int_equal(p->load.max_concurrency, 3);
    assert_int_equal(p->load.on_cap, ON_CAP_QUEUE);
    p = good(*state, "--request-rate 2 --max-concurrency 3 --on-cap drop --burstiness inf");
    assert_int_equal(p->load.on_cap, ON_CAP_DROP);
    assert_true(isinf(p->load.arrivals.burstiness));
}

static void a_duration_replaces_the_default_number_and_keeps_a_given_one(void **state)
{
    const struct run_plan *p = good(*state, "--request-rate 2 --duration 30s");
    assert_int_equal(p->load.duration_ns, 30 * NS_PER_S);
    assert_int_equal(p->load.num_prompts, 0);
    p = good(*state, "--request-rate 2 --duration 30s --num-prompts 9");
    assert_int_equal(p->load.num_prompts, 9);
}

static void a_ramp_gives_the_rate(void **state)
{
    const struct run_plan *p =
        good(*state, "--ramp-up-strategy linear --ramp-up-start-rps 1 --ramp-up-end-rps 9");
    assert_int_equal(p->load.mode, LOAD_OPEN);
    assert_int_equal(p->load.arrivals.ramp, RAMP_LINEAR);
    assert_true(p->load.arrivals.ramp_start == 1 && p->load.arrivals.ramp_end == 9);
    assert_int_equal(p->load.arrivals.ramp_requests, 1000);
    p = good(*state, "--ramp-up-strategy exponential --ramp-up-start-rps 9 --ramp-up-end-rps 1 "
                     "--duration 1m --max-concurrency 4");
    assert_int_equal(p->load.mode, LOAD_OPEN);
    assert_int_equal(p->load.arrivals.ramp, RAMP_EXPONENTIAL);
    assert_int_equal(p->load.arrivals.ramp_ns, 60 * NS_PER_S);
    assert_int_equal(p->load.max_concurrency, 4);
}

static void a_trace_needs_no_rate(void **state)
{
    const struct run_plan *p = good(*state, "--dataset-name custom --dataset-path t.jsonl");
    assert_int_equal(p->load.mode, LOAD_OPEN);
    assert_true(p->load.arrivals.rate == 0);
}

static void loads_that_contradict_themselves_are_refused(void **state)
{
    static const char *const PAIRS[][2] = {
        {"--max-concurrency 4 --burstiness 2", "--burstiness shapes arrivals"},
        {"--request-rate inf --burstiness 2", "--burstiness shapes arrivals"},
        {"--max-concurrency 4 --on-cap drop", "--on-cap needs"},
        {"--request-rate 4 --on-cap drop", "--on-cap needs"},
        {"--request-rate inf --duration 5s", "give --num-prompts, not --duration"},
        {"--request-rate 4 --duration 0", "--duration must be longer than 0"},
        {"--request-rate 4 --timeout 0", "--timeout must be longer than 0"},
        {"--request-rate 4 --ramp-up-start-rps 1", "a ramp needs --ramp-up-strategy"},
        {"--ramp-up-strategy linear --ramp-up-start-rps 1", "--ramp-up-end-rps"},
        {"--request-rate 4 --ramp-up-strategy linear --ramp-up-start-rps 1 --ramp-up-end-rps 2",
         "exclude each other"},
        {"--request-rate 0", "--request-rate"},
        {"--request-rate -1", "--request-rate"},
        {"--max-concurrency 0", "--max-concurrency"},
        {"--request-rate 4 --duration 10", "--duration"},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++)
        refused(*state, PAIRS[i][0], PAIRS[i][1]);
}

/* --- what is asked --- */

#define LOAD "--request-rate 1 "

static void lengths_are_drawn_from_a_profile_unless_said_otherwise(void **state)
{
    const struct run_plan *p = good(*state, LOAD);
    assert_int_equal(p->workload.dataset, DATASET_PROFILE);
    assert_string_equal(p->workload.profile, "chat");
    assert_int_equal(p->workload.cache_bust, CACHE_BUST_AUTO);
    assert_int_equal(p->workload.count_hint, 1000);
    p = good(*state, LOAD "--random-input-len 2k");
    assert_int_equal(p->workload.dataset, DATASET_RANDOM);
    assert_int_equal(p->workload.input_len, 2000);
    assert_int_equal(p->workload.output_len, 128);
    p = good(*state, LOAD "--dataset-name random --output-len 9 --random-range-ratio 0.25");
    assert_int_equal(p->workload.input_len, 1024);
    assert_int_equal(p->workload.output_len, 9);
    assert_true(p->workload.range_ratio == 0.25);
    p = good(*state, LOAD "--dataset-name sharegpt --dataset-path f.json --cache-bust on");
    assert_int_equal(p->workload.dataset, DATASET_SHAREGPT);
    assert_true(p->workload.shuffle);
    assert_int_equal(p->workload.cache_bust, CACHE_BUST_ON);
    p = good(*state, LOAD "--dataset-name custom --dataset-path f.jsonl");
    assert_false(p->workload.shuffle);
}

static void a_ladder_is_a_list_of_lengths(void **state)
{
    const struct run_plan *p = good(*state, LOAD "--output-ladder 32,64,1k");
    assert_int_equal(p->workload.ladder_count, 3);
    assert_int_equal(p->workload.ladder[2], 1000);
    assert_non_null(strstr(p->workload_json, "\"output_ladder\":[32,64,1000]"));
    refused(*state, LOAD "--output-ladder 32,,64", "--output-ladder");
    refused(*state, LOAD "--output-ladder 32,x", "--output-ladder");
    refused(*state, LOAD "--output-ladder 0", "--output-ladder");
    refused(*state, LOAD "--output-ladder=", "--output-ladder is empty");
    refused(*state, LOAD "--output-ladder 8 --output-len 9", "leave out the other");
    refused(*state, LOAD "--output-ladder 8 --random-output-len 9", "leave out the other");
    refused(*state,
            LOAD "--output-ladder "
                 "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,"
                 "28,29,30,31,32,33",
            "more than 32");
}

static void datasets_that_contradict_themselves_are_refused(void **state)
{
    static const char *const PAIRS[][2] = {
        {LOAD "--dataset-name chatt", "did you mean chat?"},
        {LOAD "--dataset-name qqqqqqq", "there are chat"},
        {LOAD "--dataset-name sharegpt", "needs --dataset-path"},
        {LOAD "--dataset-path f", "goes with --dataset-name sharegpt or custom"},
        {LOAD "--dataset-name chat --random-input-len 9",
         "go with --dataset-name random, not chat"},
        {LOAD "--dataset-name custom --dataset-path f --random-prefix-len 9", "drawn prompts"},
        {LOAD "--random-output-len 9 --output-len 9", "say the same thing"},
        {LOAD "--random-range-ratio 1", "--random-range-ratio"},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++)
        refused(*state, PAIRS[i][0], PAIRS[i][1]);
}

static void requests_follow_the_backend(void **state)
{
    const struct run_plan *p = good(*state, LOAD);
    assert_string_equal(p->path, "/v1/completions");
    assert_true(p->api.stream);
    assert_true(p->api.fields & API_CONTINUOUS_USAGE);
    assert_false(p->workload.chat);
    p = good(*state, LOAD "--backend openai-chat --no-stream --temperature 0.5 --top-p 0.9 "
                          "--ignore-eos --extra-body {\"max_tokens\":3}");
    assert_string_equal(p->path, "/v1/chat/completions");
    assert_true(p->workload.chat);
    assert_false(p->api.stream);
    assert_true(p->api.exact_output);
    assert_int_equal(p->api.overridden, API_MAX_TOKENS);
    p = good(*state, LOAD "--endpoint /x");
    assert_string_equal(p->path, "/x");
    refused(*state, LOAD "--endpoint x", "must begin with a slash");
    refused(*state, LOAD "--backend tgi", "--backend takes openai|openai-chat");
    refused(*state, LOAD "--extra-body [1]", "--extra-body");
    refused(*state, LOAD "--extra-body {\"stream\":true}", "has its own option");
    refused(*state, "--request-rate\t1\t--header\tno colon", "--header wants");
    refused(*state, "--request-rate\t1\t--header\tA: b\r\nC: d", "--header wants");
    refused(*state, "--request-rate\t1\t--api-key\ta\nb", "--api-key must be one line");
}

/* --- what is shown --- */

static void percentiles_rise_within_bounds(void **state)
{
    const struct run_plan *p = good(*state, LOAD "--metric-percentiles 50,99.9");
    assert_int_equal(p->summary.percentile_count, 2);
    assert_true(p->summary.percentiles[1] == 99.9);
    assert_int_equal(good(*state, LOAD)->summary.percentile_count, 0); /* the defaults */
    refused(*state, LOAD "--metric-percentiles 99,50", "must rise");
    refused(*state, LOAD "--metric-percentiles 50,50", "must rise");
    refused(*state, LOAD "--metric-percentiles 0", "--metric-percentiles");
    refused(*state, LOAD "--metric-percentiles 100", "--metric-percentiles");
    refused(*state, LOAD "--metric-percentiles 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
            "more than 16");
}

static void metrics_go_by_their_names_and_by_vllms(void **state)
{
    const struct run_plan *p = good(*state, LOAD "--percentile-metrics ttft,tpot_ms,e2el,ttfa");
    assert_int_equal(p->metrics, 1u << LATENCY_TTFT | 1u << LATENCY_TPOT | 1u << LATENCY_E2E |
                                     1u << LATENCY_TTFA);
    assert_int_equal(good(*state, LOAD)->metrics, 0);
    refused(*state, LOAD "--percentile-metrics ttft,foo", "\"foo\" is none of ttft");
    assert_true(good(*state, LOAD "--itl per-token")->summary.itl_per_token);
    assert_false(good(*state, LOAD "--itl event")->summary.itl_per_token);
}

static void objectives_are_checked_before_the_run(void **state)
{
    good(*state,
         "--request-rate\t1\t--slo\tp99 ttft < 500ms and p99 tpot < 50ms\t--goodput\tttft:1s");
    refused(*state, "--request-rate\t1\t--slo\tp99 ttft < 500", "500");
    refused(*state, LOAD "--goodput ttft", "ttft");
}

static void context_becomes_json(void **state)
{
    struct planned *s = *state;
    const struct run_plan *p =
        good(s, "--request-rate\t1\t--context\tgpu=2 x \"H100\"\t--context\tnote=a=b");
    assert_string_equal(p->context_json, "{\"gpu\":\"2 x \\\"H100\\\"\",\"note\":\"a=b\"}");
    run_plan_add_context(&s->plan, "gpu", "other");
    assert_non_null(strstr(s->plan.context_json, "H100"));
    run_plan_add_context(&s->plan, "engine", "sim");
    assert_string_equal(s->plan.context_json,
                        "{\"gpu\":\"2 x \\\"H100\\\"\",\"note\":\"a=b\",\"engine\":\"sim\"}");
    assert_string_equal(good(s, LOAD)->context_json, "{}");
    run_plan_add_context(&s->plan, "a", "b");
    assert_string_equal(s->plan.context_json, "{\"a\":\"b\"}");
    refused(s, LOAD "--context gpu", "KEY=VALUE");
    refused(s, LOAD "--context =H100", "KEY=VALUE");
    refused(s, LOAD "--context gpu=a --context gpu=b", "\"gpu\" twice");
    refused(s, LOAD "--context simulated=no", "--context simulated");
    good(s, LOAD "--context simulated_by=me");
}

static void virtual_time_refuses_what_needs_bodies_or_texts(void **state)
{
    refused(*state, LOAD "--offline --save-output", "--save-output needs a server");
    refused(*state, LOAD "--offline --no-stream", "--no-stream needs a server");
    refused(*state, LOAD "--offline --extra-body {}", "--extra-body needs a server");
    good(*state,
         LOAD "--offline --threads 4 --preconnect 2 --api-key x --endpoint /v1/completions");
}

static void a_seed_is_kept_or_drawn_afresh(void **state)
{
    struct planned *s = *state;
    const struct run_plan *p = good(s, LOAD "--seed 0");
    assert_true(p->seed_given);
    assert_int_equal(p->seed, 0);
    uint64_t drawn = good(s, LOAD)->seed;
    assert_false(s->plan.seed_given);
    assert_true(drawn < (uint64_t)1 << 62);
    assert_int_not_equal(good(s, LOAD)->seed, drawn);
    char line[64];
    snprintf(line, sizeof line, LOAD "--seed %llu", (unsigned long long)drawn);
    assert_int_equal(good(s, line)->seed, drawn);
}

static void what_is_sent_is_noted(void **state)
{
    struct planned *s = *state;
    good(s, LOAD "--extra-body {\"top_k\":4}");
    s->plan.api.fields = API_TOP_P | API_MAX_TOKENS;
    run_plan_note_api(&s->plan);
    assert_string_equal(s->plan.options_json,
                        "{\"stream\":true,\"temperature\":0,\"top_p\":1,\"fields\":[\"top_p\","
                        "\"max_tokens\"],\"extra_body\":{\"top_k\":4}}");
}

#define PLAN_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAN_TEST(neither_rate_nor_users_is_refused_with_advice),
        PLAN_TEST(users_alone_are_a_closed_loop),
        PLAN_TEST(an_endless_rate_alone_is_everything_at_once),
        PLAN_TEST(a_rate_is_an_open_load_with_or_without_a_cap),
        PLAN_TEST(a_duration_replaces_the_default_number_and_keeps_a_given_one),
        PLAN_TEST(a_ramp_gives_the_rate),
        PLAN_TEST(a_trace_needs_no_rate),
        PLAN_TEST(loads_that_contradict_themselves_are_refused),
        PLAN_TEST(lengths_are_drawn_from_a_profile_unless_said_otherwise),
        PLAN_TEST(a_ladder_is_a_list_of_lengths),
        PLAN_TEST(datasets_that_contradict_themselves_are_refused),
        PLAN_TEST(requests_follow_the_backend),
        PLAN_TEST(percentiles_rise_within_bounds),
        PLAN_TEST(metrics_go_by_their_names_and_by_vllms),
        PLAN_TEST(objectives_are_checked_before_the_run),
        PLAN_TEST(context_becomes_json),
        PLAN_TEST(virtual_time_refuses_what_needs_bodies_or_texts),
        PLAN_TEST(a_seed_is_kept_or_drawn_afresh),
        PLAN_TEST(what_is_sent_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
