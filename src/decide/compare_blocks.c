#include "decide/compare_blocks.h"

#include <math.h>
#include <stdio.h>

/* Of all blocks: from here on it is more than a few accidents. */
static const double many_blocks = 0.1;

static const double cached_off = 0.01;

enum {
    FROM_INTENDED = 1 << LATENCY_TTFT | 1 << LATENCY_TTFA | 1 << LATENCY_E2E,
    EVERY_LATENCY = (1 << LATENCY_METRICS) - 1,
    RATES = 1 << LATENCY_METRICS,
    EVERYTHING = RATES | EVERY_LATENCY,
};

enum counts {               /* a failed check of a block counts against the comparison */
              COUNTS_NEVER, /* it says what one run alone may claim, or is said elsewhere */
              COUNTS_ALWAYS,
              COUNTS_IF_MANY,
              COUNTS_AS_NOTE,
};

static const struct rule {
    const char *id;
    enum counts invalid, provisional;
    int metrics; /* that rest on it */
    const char *words;
} rules[] = {
    {"outcomes", COUNTS_ALWAYS, COUNTS_ALWAYS, EVERYTHING, "requests are missing from the record"},
    {"in-flight-identity", COUNTS_ALWAYS, COUNTS_ALWAYS, EVERYTHING, "times cannot be trusted"},
    {"completed", COUNTS_ALWAYS, COUNTS_ALWAYS, EVERYTHING, "no request succeeded"},
    {"errors", COUNTS_ALWAYS, COUNTS_ALWAYS, EVERYTHING, "requests failed"},
    {"descriptors", COUNTS_ALWAYS, COUNTS_ALWAYS, EVERYTHING, "file descriptors ran out"},
    {"achieved-rate", COUNTS_IF_MANY, COUNTS_AS_NOTE, EVERYTHING, "the rate was not as asked"},
    {"schedule-lag", COUNTS_IF_MANY, COUNTS_AS_NOTE, FROM_INTENDED, "requests started late"},
    {"censored", COUNTS_IF_MANY, COUNTS_AS_NOTE, EVERY_LATENCY, "tokens were read late"},
    {"receive-stamps", COUNTS_IF_MANY, COUNTS_AS_NOTE, EVERY_LATENCY, "there were no stamps"},
    {"cache", COUNTS_IF_MANY, COUNTS_IF_MANY, EVERYTHING,
     "the prefix cache served prompts that should be fresh"},
    {"overload-latency", COUNTS_AS_NOTE, COUNTS_AS_NOTE, EVERY_LATENCY,
     "the queue grew, so latencies depend on the length of a block"},
    {"steady-window", COUNTS_AS_NOTE, COUNTS_AS_NOTE, EVERYTHING,
     "the load took longer to fill up than half of the block"},
    {"sample-size", COUNTS_NEVER, COUNTS_NEVER, 0, ""},
    {"window-length", COUNTS_NEVER, COUNTS_NEVER, 0, ""},
    {"intervals", COUNTS_NEVER, COUNTS_NEVER, 0, ""},
    {"change-point", COUNTS_AS_NOTE, COUNTS_AS_NOTE, EVERYTHING,
     "the server changed its pace within the block"},
    {"interrupted", COUNTS_NEVER, COUNTS_NEVER, 0, ""},
    {"input-length", COUNTS_AS_NOTE, COUNTS_AS_NOTE, EVERYTHING,
     "prompts were not as long as asked"},
    {"output-length", COUNTS_AS_NOTE, COUNTS_AS_NOTE, EVERYTHING,
     "answers were not as long as asked"},
};

static const struct rule *rule_of(const char *id)
{
    static const struct rule other = {"", COUNTS_IF_MANY, COUNTS_AS_NOTE, EVERYTHING, ""};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strcmp(rules[i].id, id) == 0)
            return &rules[i];
    return &other;
}

/* --- taking --- */

static const char *keep(struct arena *a, const char *text)
{
    return arena_strndup(a, text ? text : "", text ? strlen(text) : 0);
}

static void describe(struct comparison *c, struct compare_about *about, const struct summary *s)
{
    struct run_record *run = &about->run;
    *run = s->run;
    const char **const strings[] = {
        &run->kind,      &run->target,        &run->backend, &run->engine, &run->engine_version,
        &run->model,     &run->command,       &run->mode,    &run->ramp,   &run->on_cap,
        &run->workload,  &run->workload_json, &run->goodput, &run->slo,    &run->options_json,
        &run->host_json, &run->context_json,
    };
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        *strings[i] = keep(&c->arena, *strings[i]);
}

static struct compare_tally *tally_of(struct compare_blocks *b, const char *id)
{
    size_t i = 0;
    while (i < b->tally_count && strcmp(b->tally[i].id, id) != 0)
        i++;
    if (i == COMPARE_MAX_TALLIES)
        return NULL;
    if (i == b->tally_count)
        b->tally[b->tally_count++] = (struct compare_tally){.id = id};
    return &b->tally[i];
}

static void take_checks(struct compare_blocks *b, enum compare_side side, const struct summary *s)
{
    for (size_t i = 0; i < s->check_count; i++) {
        const struct check *k = &s->checks[i];
        if (k->status != CHECK_FAIL || k->severity == SEVERITY_NOTE)
            continue;
        struct compare_tally *t = tally_of(b, k->id);
        if (t && k->severity == SEVERITY_INVALID)
            t->invalid[side]++;
        else if (t)
            t->provisional[side]++;
    }
}

/* Adds a mean of so many values to a sum of all; nothing where it is unknown. */
static void weigh(double mean, uint64_t n, double *sum)
{
    if (isfinite(mean))
        *sum += mean * (double)n;
}

/* By the answers, or else by the server's counters. */
static double cached_share(const struct summary *s)
{
    if (s->cached_known && s->prompt_tokens > 0)
        return (double)s->cached_tokens / (double)s->prompt_tokens;
    return s->cache_hit_share;
}

void compare_blocks_take(struct compare_blocks *b, struct comparison *c, enum compare_side side,
                         size_t at, const struct summary *s)
{
    struct compare_about *about = &c->side[side];
    if (b->n[COMPARE_A] + b->n[COMPARE_B] == 0)
        b->fewest = UINT64_MAX;
    if (b->n[side]++ == 0)
        describe(c, about, s);
    for (size_t i = 0; i < c->row_count; i++)
        c->rows[i].value[side][at] = compare_metric_value(&c->rows[i].metric, s);
    about->blocks++;
    about->offered += s->offered;
    about->completed += s->completed;
    about->failed += s->failed;
    about->dropped += s->dropped;
    weigh(s->got_input_mean, s->completed, &b->sum[side].got_in);
    weigh(s->got_output_mean, s->completed, &b->sum[side].got_out);
    weigh(s->asked_input_mean, s->completed, &b->sum[side].asked_in);
    weigh(s->asked_output_mean, s->completed, &b->sum[side].asked_out);
    b->got[side] += isfinite(s->got_output_mean) ? s->completed : 0;
    b->asked[side] += isfinite(s->asked_output_mean) ? s->completed : 0;
    weigh(s->tokens_per_event, s->completed, &b->sum[side].per_event);
    b->streams[side] += isfinite(s->tokens_per_event) ? s->completed : 0;
    weigh(cached_share(s), s->completed, &b->sum[side].cached);
    b->told[side] += isfinite(cached_share(s)) ? s->completed : 0;
    if (s->latency[LATENCY_TTFT].n < b->fewest)
        b->fewest = s->latency[LATENCY_TTFT].n;
    take_checks(b, side, s);
}

/* --- what it adds up to --- */

static int metrics_compared(const struct comparison *c)
{
    int set = 0;
    for (size_t i = 0; i < c->row_count; i++) {
        const struct compare_metric *m = &c->rows[i].metric;
        set |= m->quantity == COMPARE_LATENCY ? 1 << m->latency : RATES;
    }
    return set;
}

/* Which severity of a comparison so many blocks make; -1: none. */
static int severity_of(enum counts how, enum severity severity, size_t failed, size_t all)
{
    if (failed == 0 || how == COUNTS_NEVER)
        return -1;
    bool many = (double)failed > many_blocks * (double)all;
    return how == COUNTS_ALWAYS || (how == COUNTS_IF_MANY && many) ? (int)severity : SEVERITY_NOTE;
}

static void judge_tally(struct comparison *c, const struct compare_tally *t, size_t all)
{
    const struct rule *rule = rule_of(t->id);
    if (!(rule->metrics & metrics_compared(c)))
        return;
    size_t invalid = t->invalid[COMPARE_A] + t->invalid[COMPARE_B];
    size_t provisional = t->provisional[COMPARE_A] + t->provisional[COMPARE_B];
    int worst = severity_of(rule->invalid, SEVERITY_INVALID, invalid, all);
    int other = severity_of(rule->provisional, SEVERITY_PROVISIONAL, provisional, all);
    if (worst < 0 && other < 0)
        return;
    compare_flaw_add(c, (enum severity)(worst > other ? worst : other),
                     "%s in %zu of %zu blocks (%zu of A, %zu of B)%s%s", t->id,
                     invalid + provisional, all, t->invalid[COMPARE_A] + t->provisional[COMPARE_A],
                     t->invalid[COMPARE_B] + t->provisional[COMPARE_B], rule->words[0] ? ": " : "",
                     rule->words);
}

static double highest_percentile(const struct comparison *c)
{
    double highest = 0;
    for (size_t i = 0; i < c->row_count; i++)
        if (c->rows[i].metric.quantity == COMPARE_LATENCY && c->rows[i].metric.percentile > highest)
            highest = c->rows[i].metric.percentile;
    return highest;
}

static void judge_size(const struct compare_blocks *b, struct comparison *c)
{
    double highest = highest_percentile(c), n = (double)b->fewest;
    if (b->fewest > 0 && b->fewest < UINT64_MAX && highest > 50 && n * (1 - highest / 100) < 1)
        compare_flaw_add(c, SEVERITY_NOTE,
                         "p%.10g of a block with %.0f requests is its largest value; longer blocks "
                         "(--duration) would say more",
                         highest, n);
}

static void judge_cache(struct comparison *c)
{
    double a = c->side[COMPARE_A].cached, b = c->side[COMPARE_B].cached;
    if (fabs(b - a) > cached_off)
        compare_flaw_add(c, SEVERITY_NOTE,
                         "a prefix cache served %.3g %% of A's prompt tokens and %.3g %% of B's",
                         100 * a, 100 * b);
}

static double over(double sum, uint64_t n)
{
    return n > 0 ? sum / (double)n : NAN;
}

void compare_blocks_end(struct compare_blocks *b, struct comparison *c)
{
    for (int s = 0; s < COMPARE_SIDES; s++) {
        struct compare_about *about = &c->side[s];
        about->got_input = over(b->sum[s].got_in, b->got[s]);
        about->got_output = over(b->sum[s].got_out, b->got[s]);
        about->asked_input = over(b->sum[s].asked_in, b->asked[s]);
        about->asked_output = over(b->sum[s].asked_out, b->asked[s]);
        about->cached = over(b->sum[s].cached, b->told[s]);
        about->tokens_per_event = over(b->sum[s].per_event, b->streams[s]);
    }
    for (size_t i = 0; i < b->tally_count; i++)
        judge_tally(c, &b->tally[i], b->n[COMPARE_A] + b->n[COMPARE_B]);
    judge_size(b, c);
    judge_cache(c);
}
