#include "measure/checks.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>

/* Thresholds of docs/metrics.md. */
static const double tokens_per_event_off = 0.01;
static const double cache_share = 0.01;
static const double lump_share = 0.1;

static void check_overload(struct summary *s, const struct evidence *v)
{
    if (!mode_is(s, "open"))
        return;
    const struct overload *o = v->overload;
    const char *threshold = "no growth, or 98 % ended of offered";
    char value[96];
    snprintf(value, sizeof value, "%+.0f in flight over the window, %.3g %% ended", o->growth,
             isnan(o->ended_share) ? 0 : 100 * o->ended_share);
    check_put(s, "overload", SEVERITY_NOTE, check_when(o->overloaded), threshold,
              s->steady
                  ? "The server gets more than it can serve: its queue grows. Its throughput here "
                    "is its limit; for latencies ask for less."
                  : "The server gets more than it can serve: its queue grows. For latencies ask "
                    "for less; for its limit run longer.",
              "%s", value);
    check_put(s, "overload-latency", SEVERITY_PROVISIONAL, check_when(o->overloaded), threshold,
              "Latencies of a growing queue depend on how long the run was: quote none of them.",
              "%s", value);
}

static void check_tokens(struct summary *s)
{
    bool told = s->output_source == TOKENS_USAGE || s->output_source == TOKENS_CONTINUOUS;
    check_put(s, "token-source", SEVERITY_NOTE, check_when(!told), "the server's usage",
              "Token counts are not the server's own word. Turn on usage in streams at the server "
              "(stream_options include_usage).",
              "%s", token_source_name(s->output_source));
    if (isnan(s->tokens_per_event)) {
        check_put(s, "tokens-per-event", SEVERITY_NOTE, CHECK_SKIPPED, "1", "", "no token events");
        return;
    }
    check_put(
        s, "tokens-per-event", SEVERITY_NOTE,
        check_when(fabs(s->tokens_per_event - 1) > tokens_per_event_off), "1",
        "The server sends several tokens in one event, or events without tokens: compare tpot "
        "between servers, not itl.",
        "%.4g", s->tokens_per_event);
}

/* True when the workload's spec says that prompts may hit the cache. */
static bool hits_asked(const struct run_record *run)
{
    json_t *spec = json_loads(run->workload_json, 0, NULL);
    const char *bust = json_string_value(json_object_get(spec, "cache_bust"));
    bool off = bust && strcmp(bust, "off") == 0;
    json_decref(spec);
    return off || run->prefix_len > 0;
}

static double told_share(const struct sample_set *set)
{
    return set->cached_prompt_tokens > 0
               ? (double)set->cached_tokens / (double)set->cached_prompt_tokens
               : NAN;
}

static void check_cache(struct summary *s, const struct evidence *v)
{
    const char *threshold = "at most 1 % of prompt tokens unasked";
    double told = told_share(v->set), counted = s->cache_hit_share;
    double share = isnan(told) || counted > told ? counted : told;
    bool asked = hits_asked(&s->run);
    if (isnan(share)) {
        check_put(s, "cache", SEVERITY_NOTE, CHECK_SKIPPED, threshold, "",
                  "the server does not tell");
    } else {
        check_put(
            s, "cache", asked ? SEVERITY_NOTE : SEVERITY_PROVISIONAL,
            check_when(share > cache_share), threshold,
            asked ? "The prompts share a prefix, and the server's cache served part of it; "
                    "compare only with runs of the same prefix."
                  : "The prefix cache served prompts that should be fresh: prefill looks faster "
                    "than it is. Use another --seed, or --cache-bust on.",
            "%.3g %% of prompt tokens", 100 * share);
    }
    check_put(s, "repeated-prompts", SEVERITY_NOTE, check_when(s->repeated_prompts > 0), "none",
              "The data set has fewer prompts than requests. Use a larger one, or --cache-bust on.",
              "%" PRIu64 " of %" PRIu64 " requests", s->repeated_prompts, s->offered);
}

static void check_streaming(struct summary *s, const struct evidence *v)
{
    if (!s->run.streaming)
        return;
    const struct sample_set *set = v->set;
    const char *threshold = "at most 10 % of requests at once";
    if (set->with_stream == 0) {
        check_put(s, "streaming", SEVERITY_NOTE, CHECK_SKIPPED, threshold, "",
                  "no output long enough to tell");
        return;
    }
    double share = (double)set->lumps / (double)set->with_stream;
    check_put(
        s, "streaming", SEVERITY_NOTE, check_when(share > lump_share), threshold,
        "Tokens come all at once: something buffers the stream (a proxy, or the server). ttft is "
        "then the end-to-end latency, and tpot and itl mean nothing.",
        "%.3g %% came at once", 100 * share);
}

void checks_of_server(struct summary *s, const struct evidence *v)
{
    check_overload(s, v);
    check_tokens(s);
    check_cache(s, v);
    check_streaming(s, v);
}
