#include "cli/run_options.h"

#include <stddef.h>

#include "base/clock.h"

#define AT(field) offsetof(struct run_options, field)
#define COUNT_MAX 1e15

#define DEFAULT_TIMEOUT_NS (600 * NS_PER_S)

const struct option LOAD_OPTIONS[] = {
    {OPTION_GROUP, "Load", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_NUMBER, "request-rate", 0, "R",
     "requests per second, open loop; inf without a cap: all at once", AT(request_rate), 1e-6,
     INFINITY, NULL, false},
    {OPTION_NUMBER, "burstiness", 0, "B",
     "shape of the gaps: 1 Poisson (default), < 1 burstier, inf constant", AT(burstiness), 1e-3,
     INFINITY, NULL, false},
    {OPTION_COUNT, "max-concurrency", 0, "C",
     "alone: closed loop of C users; with a rate: cap on requests in flight", AT(max_concurrency),
     1, 1e6, NULL, false},
    {OPTION_CHOICE, "on-cap", 0, "queue|drop",
     "over the cap: wait, the clock running (default), or drop and count", AT(on_cap), 0, 0,
     "queue|drop", false},
    {OPTION_COUNT, "num-prompts", 0, "N", "exactly N requests (default 1000)", AT(num_prompts), 1,
     COUNT_MAX, NULL, false},
    {OPTION_DURATION, "duration", 0, "TIME",
     "offer for TIME (30s, 5m), then go on until all that began has ended", AT(duration_ns), 0, 0,
     NULL, false},
    {OPTION_CHOICE, "ramp-up-strategy", 0, "linear|exponential",
     "let the rate go from --ramp-up-start-rps to --ramp-up-end-rps", AT(ramp_strategy), 0, 0,
     "linear|exponential", false},
    {OPTION_NUMBER, "ramp-up-start-rps", 0, "R", "rate at the start of a ramp", AT(ramp_start),
     1e-6, 1e9, NULL, false},
    {OPTION_NUMBER, "ramp-up-end-rps", 0, "R", "rate at its end", AT(ramp_end), 1e-6, 1e9, NULL,
     false},
    {OPTION_COUNT, "num-runs", 0, "K", "repeat the load K times, fresh prompts each (default 1)",
     AT(num_runs), 1, 1000, NULL, false},
    {0},
};

const struct option PACE_OPTIONS[] = {
    {OPTION_GROUP, "Around the load", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_COUNT, "warmup-requests", 0, "N",
     "requests beforehand that are not counted (default 50; a search of sweep: none)",
     AT(warmup_requests), 0, 1e6, NULL, false},
    {OPTION_DURATION, "timeout", 0, "TIME",
     "a request fails that long after its intended time (default 10m)", AT(timeout_ns), 0, 0, NULL,
     false},
    {OPTION_COUNT, "threads", 0, "T", "driver threads (default 1)", AT(threads), 1, 256, NULL,
     false},
    {OPTION_COUNT, "preconnect", 0, "N", "open N connections before the start", AT(preconnect), 0,
     1e6, NULL, false},
    {OPTION_FLAG, "offline", 0, NULL,
     "sim: targets: in virtual time, without a server, as fast as the machine can", AT(offline), 0,
     0, NULL, false},
    {0},
};

const struct option REQUEST_OPTIONS[] = {
    {OPTION_GROUP, "Requests", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_TEXT, "dataset-name", 0, "NAME",
     "lengths by profile: chat (default), code_generation, long_context_qa, summarization, "
     "translation, generation, reasoning; or random, sharegpt, custom",
     AT(dataset_name), 0, 0,
     "chat|code_generation|long_context_qa|summarization|translation|generation|reasoning|random|"
     "sharegpt|custom",
     false},
    {OPTION_PATH, "dataset-path", 0, "FILE",
     "sharegpt: the ShareGPT JSON file; custom: JSONL with prompt or messages, optional "
     "output_tokens and at_ms",
     AT(dataset_path), 0, 0, NULL, false},
    {OPTION_COUNT, "random-input-len", 0, "N", "random: tokens in (default 1024)",
     AT(random_input_len), 1, 1e7, NULL, false},
    {OPTION_COUNT, "random-output-len", 0, "N", "random: tokens out (default 128)",
     AT(random_output_len), 1, 1e7, NULL, false},
    {OPTION_NUMBER, "random-range-ratio", 0, "X",
     "random: lengths uniform within 1 - X and 1 + X times (default 0: exact)",
     AT(random_range_ratio), 0, 0.999999, NULL, false},
    {OPTION_COUNT, "random-prefix-len", 0, "N", "tokens that all drawn prompts share in front",
     AT(random_prefix_len), 0, 1e7, NULL, false},
    {OPTION_COUNT, "output-len", 0, "N", "tokens out, instead of the dataset's", AT(output_len), 1,
     1e7, NULL, false},
    {OPTION_TEXT, "output-ladder", 0, "N,N,...",
     "output lengths taken in turn, reported one by one: 32,64,128,256,512", AT(ladder), 0, 0, NULL,
     false},
    {OPTION_CHOICE, "cache-bust", 0, "auto|on|off",
     "a nonce at the head of prompts (auto: of those that are sent again)", AT(cache_bust), 0, 0,
     "auto|on|off", false},
    {OPTION_COUNT, "seed", 0, "N", "same seed, same load (default: fresh)", AT(seed), 0, 9e18, NULL,
     false},
    {0},
};

const struct option SERVER_OPTIONS[] = {
    {OPTION_GROUP, "Server", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_CHOICE, "backend", 0, "NAME", "openai (completions, default) or openai-chat",
     AT(backend), 0, 0, "openai|openai-chat", false},
    {OPTION_TEXT, "endpoint", 0, "PATH", "path of the requests (default: the backend's)",
     AT(endpoint), 0, 0, NULL, false},
    {OPTION_TEXT, "model", 0, "NAME", "default: the first that the server lists", AT(model), 0, 0,
     NULL, false},
    {OPTION_TEXT, "api-key", 0, "KEY", "sent as a bearer token (or set OPENAI_API_KEY)",
     AT(api_key), 0, 0, NULL, true},
    {OPTION_LIST, "header", 0, "'NAME: VALUE'", "an extra header; may be repeated", AT(headers), 0,
     0, NULL, true},
    {OPTION_TEXT, "extra-body", 0, "JSON", "members to add to every request body", AT(extra_body),
     0, 0, NULL, false},
    {OPTION_NUMBER, "temperature", 0, "T", "default 0", AT(temperature), 0, 100, NULL, false},
    {OPTION_NUMBER, "top-p", 0, "P", "default 1", AT(top_p), 0, 1, NULL, false},
    {OPTION_FLAG, "ignore-eos", 0, NULL,
     "let datasets too run to their full length (drawn prompts always do)", AT(ignore_eos), 0, 0,
     NULL, false},
    {OPTION_FLAG, "no-stream", 0, NULL, "ask for whole answers instead of streams", AT(no_stream),
     0, 0, NULL, false},
    {OPTION_PATH, "cacert", 0, "FILE", "trust the certificates in FILE too", AT(cacert), 0, 0, NULL,
     false},
    {OPTION_FLAG, "insecure", 0, NULL, "do not verify the server's certificate", AT(insecure), 0, 0,
     NULL, false},
    {0},
};

const struct option FILE_OPTIONS[] = {
    {OPTION_GROUP, "Results", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_PATH, "output", 'o', "FILE", "the run file (default: a dated name here)", AT(output), 0,
     0, NULL, false},
    {OPTION_PATH, "json", 0, "FILE", "write the summary as JSON; - is standard output", AT(json), 0,
     0, NULL, false},
    {OPTION_LIST, "context", 0, "KEY=VALUE",
     "what a reader must know (gpu, gpus, engine_version, precision); may be repeated", AT(context),
     0, 0, NULL, false},
    {OPTION_FLAG, "save-output", 0, NULL, "keep the text of every answer in the run file",
     AT(save_output), 0, 0, NULL, false},
    {OPTION_FLAG, "quiet", 'q', NULL, "no progress", AT(quiet), 0, 0, NULL, false},
    {OPTION_FLAG, "help", 'h', NULL, "this text", AT(help), 0, 0, NULL, false},
    {0},
};

static const struct option FIGURE_OPTIONS[] = {
    {OPTION_GROUP, "Figures", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_TEXT, "slo", 0, "EXPR",
     "objective, exit 4 if not met: \"p99 ttft < 500ms and p99 tpot < 50ms\"", AT(slo), 0, 0, NULL,
     false},
    {OPTION_TEXT, "goodput", 0, "BOUNDS", "count requests within \"ttft:500ms tpot:50ms\"",
     AT(goodput), 0, 0, NULL, false},
    {OPTION_TEXT, "percentile-metrics", 0, "LIST",
     "rows of the table: ttft,tpot,itl,e2e (default), ttft_service, ttfa, connect",
     AT(percentile_metrics), 0, 0, NULL, false},
    {OPTION_TEXT, "metric-percentiles", 0, "LIST", "default 50,75,90,95,99,99.9", AT(percentiles),
     0, 0, NULL, false},
    {OPTION_CHOICE, "itl", 0, "event|per-token",
     "per-token spreads a burst over its tokens; needs continuous usage", AT(itl), 0, 0,
     "event|per-token", false},
    {OPTION_FLAG, "all-checks", 0, NULL, "show the checks that passed too", AT(all_checks), 0, 0,
     NULL, false},
    {0},
};

const struct option_set RUN_OPTIONS = {
    {LOAD_OPTIONS, PACE_OPTIONS, REQUEST_OPTIONS, SERVER_OPTIONS, FIGURE_OPTIONS, FILE_OPTIONS}};

void run_options_defaults(struct run_options *o)
{
    *o = (struct run_options){.temperature = 0,
                              .top_p = 1,
                              .request_rate = NAN,
                              .burstiness = NAN,
                              .max_concurrency = -1,
                              .num_prompts = -1,
                              .duration_ns = -1,
                              .num_runs = 1,
                              .ramp_start = NAN,
                              .ramp_end = NAN,
                              .timeout_ns = DEFAULT_TIMEOUT_NS,
                              .warmup_requests = RUN_WARMUP_REQUESTS,
                              .threads = 1,
                              .preconnect = 0,
                              .random_input_len = -1,
                              .random_output_len = -1,
                              .random_prefix_len = -1,
                              .output_len = -1,
                              .seed = -1,
                              .random_range_ratio = NAN};
}
