#include "cli/compare_options.h"

#include <stddef.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/commands.h"

#define AT(field)     offsetof(struct compare_options, field)
#define RUN_AT(field) offsetof(struct compare_options, run.field)
#define COUNT_MAX     1e15

#define DEFAULT_BLOCK_NS (60 * NS_PER_S)
#define DEFAULT_READY_NS (600 * NS_PER_S)

static const double margin_max = 100;

static const struct option ROUND_OPTIONS[] = {
    {OPTION_GROUP, "Rounds", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_COUNT, "rounds", 0, "N",
     "rounds of a block of A and a block of B (default 10); 6 is the least for a 95 % interval, "
     "six metrics need 8",
     AT(rounds), 1, COMPARE_MAX_ROUNDS, NULL, false},
    {OPTION_DURATION, "duration", 0, "TIME", "of offering in each block (default 60s)",
     RUN_AT(duration_ns), 0, 0, NULL, false},
    {OPTION_COUNT, "num-prompts", 0, "N", "exactly N requests a block, instead",
     RUN_AT(num_prompts), 1, COUNT_MAX, NULL, false},
    {OPTION_TEXT, "before-a", 0, "COMMAND",
     "run before each block of A, to start its engine; then wait until it answers",
     AT(before[COMPARE_A]), 0, 0, NULL, false},
    {OPTION_TEXT, "before-b", 0, "COMMAND", "the same before each block of B",
     AT(before[COMPARE_B]), 0, 0, NULL, false},
    {OPTION_DURATION, "ready-timeout", 0, "TIME",
     "how long to wait for an answer after such a command (default 10m)", AT(ready_timeout_ns), 0,
     0, NULL, false},
    {0},
};

static const struct option LOAD[] = {
    {OPTION_GROUP, "Load of a block", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_NUMBER, "request-rate", 0, "R",
     "requests per second, open loop; inf without a cap: all at once", RUN_AT(request_rate), 1e-6,
     INFINITY, NULL, false},
    {OPTION_NUMBER, "rate", 0, "R", "the same, shorter", AT(rate), 1e-6, INFINITY, NULL, false},
    {OPTION_NUMBER, "burstiness", 0, "B",
     "shape of the gaps: 1 Poisson (default), < 1 burstier, inf constant", RUN_AT(burstiness), 1e-3,
     INFINITY, NULL, false},
    {OPTION_COUNT, "max-concurrency", 0, "C",
     "alone: closed loop of C users; with a rate: cap on requests in flight",
     RUN_AT(max_concurrency), 1, 1e6, NULL, false},
    {OPTION_CHOICE, "on-cap", 0, "queue|drop",
     "over the cap: wait, the clock running (default), or drop and count", RUN_AT(on_cap), 0, 0,
     "queue|drop", false},
    {0},
};

static const struct option RESULT[] = {
    {OPTION_GROUP, "Results", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_TEXT, "metrics", 0, "LIST",
     "default \"p50 ttft, p99 ttft, p50 tpot, p99 tpot, p50 e2e, throughput\"; also mean, "
     "ttft_service, ttfa, itl, request_throughput, goodput",
     AT(metrics), 0, 0, NULL, false},
    {OPTION_TEXT, "margin", 0, "SHARE",
     "differences within it do not matter: \"equivalent\" is shown against it (default 5%)",
     AT(margin), 0, 0, NULL, false},
    {OPTION_LIST, "fail-if", 0, "EXPR",
     "exit 4 if B is shown to be \"p99 ttft worse than 5%\"; \"possibly worse\": unless it is "
     "shown "
     "not to be; may be repeated, or joined by or",
     AT(fail_if), 0, 0, NULL, false},
    {OPTION_FLAG, "allow-mismatch", 0, NULL,
     "compare different models, workloads, loads or lengths too", AT(allow_mismatch), 0, 0, NULL,
     false},
    {OPTION_TEXT, "goodput", 0, "BOUNDS", "for the metric goodput: \"ttft:500ms tpot:50ms\"",
     RUN_AT(goodput), 0, 0, NULL, false},
    {OPTION_PATH, "output", 'o', "FILE", "the run file (default: a dated name here)",
     RUN_AT(output), 0, 0, NULL, false},
    {OPTION_PATH, "json", 0, "FILE", "write the comparison as JSON; - is standard output",
     RUN_AT(json), 0, 0, NULL, false},
    {OPTION_LIST, "context", 0, "KEY=VALUE",
     "what a reader must know of both (gpu, driver); may be repeated", RUN_AT(context), 0, 0, NULL,
     false},
    {OPTION_FLAG, "save-output", 0, NULL, "keep the text of every answer in the run file",
     RUN_AT(save_output), 0, 0, NULL, false},
    {OPTION_FLAG, "quiet", 'q', NULL, "no progress", RUN_AT(quiet), 0, 0, NULL, false},
    {OPTION_FLAG, "help", 'h', NULL, "this text", RUN_AT(help), 0, 0, NULL, false},
    {0},
};

const struct option_set COMPARE_OPTIONS = {
    {ROUND_OPTIONS, LOAD, PACE_OPTIONS, REQUEST_OPTIONS, SERVER_OPTIONS, RESULT}};

void compare_options_defaults(struct compare_options *o)
{
    *o = (struct compare_options){.rounds = -1, .rate = NAN, .ready_timeout_ns = -1};
    run_options_defaults(&o->run);
}

/* "5%", "0.5 %". */
static int read_margin(const char *text, double *out, struct err *e)
{
    struct slice t = slice_trim(slice_of(text));
    if (t.n == 0 || t.p[t.n - 1] != '%')
        return err_set(e, ERR_USAGE, "--margin wants a share like 5%%, not \"%s\"", text);
    int rc =
        units_number(slice_trim(slice_make(t.p, t.n - 1)), "--margin", 0, 100 * margin_max, out, e);
    *out /= 100;
    if (rc == OK && !(*out > 0))
        return err_set(e, ERR_USAGE,
                       "--margin must be above 0: that there is no difference at all cannot be "
                       "shown");
    return rc;
}

static bool has_goodput(const struct compare_spec *spec)
{
    const struct compare_metric goodput = {.quantity = COMPARE_GOODPUT};
    for (size_t i = 0; i < spec->gates.n; i++)
        if (spec->gates.list[i].metric.quantity == COMPARE_GOODPUT)
            return true;
    return compare_metrics_find(&spec->metrics, &goodput) < spec->metrics.n;
}

int compare_options_join(struct compare_options *o, struct err *e)
{
    if (isnan(o->rate))
        return OK;
    if (!isnan(o->run.request_rate))
        return err_set(e, ERR_USAGE, "--rate is --request-rate by another name: give one of them");
    o->run.request_rate = o->rate;
    return OK;
}

int compare_options_spec(const struct compare_options *o, struct compare_spec *out, struct err *e)
{
    struct bounds bounds;
    int rc = OK;
    *out = (struct compare_spec){.allow_mismatch = o->allow_mismatch, .goodput = o->run.goodput};
    if (o->metrics)
        rc = compare_metrics_parse(slice_of(o->metrics), &out->metrics, e);
    for (size_t i = 0; rc == OK && i < o->fail_if.n; i++)
        rc = compare_gates_parse(slice_of(o->fail_if.items[i]), &out->gates, e);
    if (rc == OK && o->margin)
        rc = read_margin(o->margin, &out->margin, e);
    if (rc == OK && o->run.goodput)
        rc = bounds_parse_goodput(slice_of(o->run.goodput), &bounds, e);
    return rc;
}

static void draw_seed(struct run_options *o)
{
    uint64_t seed;
    if (o->seed < 0 && getrandom(&seed, sizeof seed, 0) == sizeof seed)
        o->seed = (int64_t)(seed >> 2); /* as run draws it */
}

static int check_before(const struct compare_options *o, struct err *e)
{
    bool any = o->before[COMPARE_A] || o->before[COMPARE_B];
    if (any && o->run.offline)
        return err_set(e, ERR_USAGE, "--before-a and --before-b start servers; --offline has none");
    if (!any && o->ready_timeout_ns >= 0)
        return err_set(e, ERR_USAGE, "--ready-timeout goes with --before-a or --before-b");
    return OK;
}

int compare_options_complete(struct compare_options *o, const struct compare_spec *spec,
                             struct err *e)
{
    int rc = check_before(o, e);
    if (rc < 0)
        return rc;
    if (o->rounds < 0)
        o->rounds = COMPARE_DEFAULT_ROUNDS;
    if (o->ready_timeout_ns < 0)
        o->ready_timeout_ns = DEFAULT_READY_NS;
    size_t needed = compare_rounds_for_gates(&spec->gates);
    if ((size_t)o->rounds < needed)
        return err_set(e, ERR_USAGE,
                       "--fail-if cannot be judged by %lld rounds: with so many conditions it "
                       "takes --rounds %zu",
                       (long long)o->rounds, needed);
    if (has_goodput(spec) && !o->run.goodput)
        return err_set(e, ERR_USAGE, "the metric goodput needs --goodput \"ttft:500ms tpot:50ms\"");
    bool at_once =
        !isnan(o->run.request_rate) && isinf(o->run.request_rate) && o->run.max_concurrency <= 0;
    if (o->run.duration_ns < 0 && o->run.num_prompts < 0 && !at_once)
        o->run.duration_ns = DEFAULT_BLOCK_NS;
    draw_seed(&o->run);
    return OK;
}

int compare_options_refuse_load(const struct compare_options *o, struct err *e)
{
    const struct run_options *r = &o->run;
    const struct {
        bool given;
        const char *name;
    } options[] = {
        {o->rounds >= 0, "rounds"},
        {r->duration_ns >= 0, "duration"},
        {r->num_prompts >= 0, "num-prompts"},
        {o->before[COMPARE_A] != NULL, "before-a"},
        {o->before[COMPARE_B] != NULL, "before-b"},
        {!isnan(r->request_rate), "request-rate"},
        {r->max_concurrency >= 0, "max-concurrency"},
        {!isnan(r->burstiness), "burstiness"},
        {r->on_cap != NULL, "on-cap"},
        {r->dataset_name != NULL, "dataset-name"},
        {r->dataset_path != NULL, "dataset-path"},
        {r->random_input_len >= 0, "random-input-len"},
        {r->random_output_len >= 0, "random-output-len"},
        {r->output_len >= 0, "output-len"},
        {r->cache_bust != NULL, "cache-bust"},
        {r->context.n > 0, "context"},
        {r->output != NULL, "output"},
        {r->offline, "offline"},
        {r->seed >= 0, "seed"},
        {r->model != NULL, "model"},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (options[i].given)
            return err_set(e, ERR_USAGE,
                           "run files are compared as they are: --%s is for two targets",
                           options[i].name);
    return OK;
}
