#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "cli/session_runner.h"
#include "cli/sweep_levels.h"
#include "cli/sweep_results.h"
#include "cli/term.h"
#include "decide/sweep_file.h"

struct sweep_options {
    struct run_options run; /* first: the tables it shares with `run` describe this */
    const char *rates, *concurrency, *stop_at, *resume;
    int64_t budget_ns;
    bool both;
};

#define AT(field)         offsetof(struct sweep_options, field)
#define DEFAULT_BUDGET_NS (20 * 60 * NS_PER_S)
#define MIN_BUDGET_NS     (60 * NS_PER_S)

enum { WARMUP_AS_NEEDED = -1 };

static const struct option OPTIONS[] = {
    {OPTION_GROUP, "Levels", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_TEXT, "rates", 0, "LIST|LO:HI:N|auto",
     "requests per second: 2,4,8; N from LO to HI in equal ratios; or found (default)", AT(rates),
     0, 0, NULL, false},
    {OPTION_TEXT, "concurrency", 0, "LIST|LO:HI:N|auto",
     "a closed loop of so many users instead; auto, or 1:1.2xMAX: until the server has no use for "
     "more, and a fifth beyond",
     AT(concurrency), 0, 0, NULL, false},
    {OPTION_TEXT, "slo", 0, "EXPR",
     "what must hold: \"p99 ttft < 500ms and p99 tpot < 50ms\", or \"goodput(ttft < 500ms, tpot < "
     "50ms) >= 99%\"",
     AT(run.slo), 0, 0, NULL, false},
    {OPTION_DURATION, "budget", 0, "TIME", "for the whole sweep (default 20m)", AT(budget_ns), 0, 0,
     NULL, false},
    {OPTION_DURATION, "duration", 0, "TIME",
     "of each given level (default: an even share of the budget)", AT(run.duration_ns), 0, 0, NULL,
     false},
    {OPTION_CHOICE, "stop-at", 0, "saturation",
     "given levels: none above the first that the server cannot carry", AT(stop_at), 0, 0,
     "saturation", false},
    {OPTION_FLAG, "both", 0, NULL,
     "the closed loop beside the open one, in half of the budget each: what it hides", AT(both), 0,
     0, NULL, false},
    {OPTION_NUMBER, "burstiness", 0, "B",
     "shape of the gaps: 1 Poisson (default), < 1 burstier, inf constant", AT(run.burstiness), 1e-3,
     INFINITY, NULL, false},
    {OPTION_PATH, "resume", 0, "FILE",
     "go on with a sweep that was interrupted, as it was asked for", AT(resume), 0, 0, NULL, false},
    {0},
};

const struct option_set SWEEP_OPTIONS = {
    {OPTIONS, PACE_OPTIONS, REQUEST_OPTIONS, SERVER_OPTIONS, FILE_OPTIONS}};

static const char arguments_key[] = "sweep_arguments", seed_key[] = "sweep_seed";

struct job { /* one sweep, or one of two, over a session */
    struct session *session;
    const struct sweep_options *options;
    struct session_runner runner;
    struct sweep_read *read; /* its levels so far, those of a file it goes on with first */
    int64_t total_ns;        /* the budgets of all sweeps of this command */
    int64_t *spent_ns;
    struct record_reader *reader;
};

/* ---- what is asked ---- */

static void defaults(struct sweep_options *o)
{
    *o = (struct sweep_options){.budget_ns = DEFAULT_BUDGET_NS};
    run_options_defaults(&o->run);
    o->run.warmup_requests = WARMUP_AS_NEEDED;
}

static int plan_given(const struct sweep_options *o, struct sweep_spec *spec, struct err *e)
{
    if (spec->given_count == 0 && o->run.duration_ns > 0)
        return err_set(e, ERR_USAGE,
                       "--duration is of given levels; without --rates or --concurrency the search "
                       "divides --budget itself");
    if (spec->given_count == 0 && o->stop_at)
        return err_set(e, ERR_USAGE,
                       "--stop-at is for given levels (--rates 2,4,8): a search stops by itself");
    spec->stop_at_saturation = o->stop_at != NULL;
    spec->level_ns = o->run.duration_ns > 0 ? o->run.duration_ns : 0;
    if (spec->level_ns > 0) /* so many of them take so long, whatever the default budget */
        spec->budget_ns = (int64_t)spec->given_count * spec->level_ns;
    return OK;
}

/* The sweep, and the closed loop beside it, which is empty without --both. */
static int plan(const struct sweep_options *o, struct sweep_spec specs[2], struct err *e)
{
    int rc = OK;
    if (o->budget_ns < MIN_BUDGET_NS)
        return err_set(e, ERR_USAGE, "--budget: a sweep takes a minute at the least");
    if (o->rates && o->concurrency && !o->both)
        return err_set(e, ERR_USAGE,
                       "--rates is the open loop and --concurrency the closed one; --both does "
                       "them one after the other");
    specs[0] = specs[1] =
        (struct sweep_spec){.budget_ns = o->both ? o->budget_ns / 2 : o->budget_ns};
    if (o->run.slo)
        rc = bounds_parse_slo(slice_of(o->run.slo), &specs[0].slo, e);
    specs[1].slo = specs[0].slo;
    specs[1].kind = LOAD_OF_USERS;
    bool closed = o->concurrency && !o->both;
    if (rc == OK && o->rates)
        rc = sweep_levels_rates(o->rates, &specs[0], e);
    if (rc == OK && o->concurrency)
        rc = sweep_levels_users(o->concurrency, closed ? &specs[0] : &specs[1], e);
    if (rc == OK)
        rc = plan_given(o, &specs[0], e);
    if (rc == OK && o->both && specs[1].given_count > 0)
        rc = plan_given(o, &specs[1], e);
    return rc;
}

/* What a session needs to be given although every level brings its own. */
static struct run_options for_session(const struct sweep_options *o)
{
    struct run_options run = o->run;
    run.request_rate = 1;
    run.duration_ns = NS_PER_S;
    if (run.warmup_requests == WARMUP_AS_NEEDED)
        run.warmup_requests = 0; /* levels bring their own */
    return run;
}

/* ---- what was asked before ---- */

static int store_arguments(struct session *s, int argc, char **argv, struct err *e)
{
    char seed[32];
    json_t *list = json_array();
    for (int i = 0; i < argc; i++)
        json_array_append_new(list, json_string(argv[i]));
    char *text = json_dumps(list, JSON_COMPACT);
    int rc = record_writer_meta(s->writer, arguments_key, text ? text : "[]", e);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->plan.seed);
    if (rc == OK)
        rc = record_writer_meta(s->writer, seed_key, seed, e);
    free(text);
    json_decref(list);
    return rc;
}

static int store_specs(struct session *s, const struct sweep_options *o,
                       const struct sweep_spec specs[2], struct err *e)
{
    static const char *const keys[2] = {SWEEP_FILE_KEY, SWEEP_FILE_CLOSED_KEY};
    int rc = OK;
    for (int i = 0; rc == OK && i < 1 + o->both; i++) {
        struct buf text = {0};
        sweep_file_put_spec(&specs[i], o->run.slo ? o->run.slo : "", &text);
        rc = record_writer_meta(s->writer, keys[i], buf_cstr(&text), e);
        buf_release(&text);
    }
    return rc;
}

struct stored { /* the arguments of an interrupted sweep; they live as long as the options parsed
                   from them */
    json_t *list;
    char **argv;
    int argc;
};

static void stored_release(struct stored *s)
{
    for (int i = 0; i < s->argc; i++)
        free(s->argv[i]);
    free(s->argv);
    json_decref(s->list);
}

static int stored_read(const char *path, struct stored *out, int64_t *seed, struct err *e)
{
    struct record_reader *r;
    int rc = record_reader_open(path, &r, e);
    if (rc < 0)
        return rc;
    *seed = strtoll(record_reader_meta(r, seed_key), NULL, 10);
    out->list = json_loads(record_reader_meta(r, arguments_key), 0, NULL);
    record_reader_close(r);
    if (!json_is_array(out->list))
        return err_set(e, ERR_INPUT, "%s holds no sweep that could go on", path);
    out->argv = MEM_ARRAY(char *, json_array_size(out->list) + 1);
    for (size_t i = 0; i < json_array_size(out->list); i++) {
        const char *word = json_string_value(json_array_get(out->list, i));
        out->argv[out->argc++] = mem_strdup(word ? word : "");
    }
    return OK;
}

/* ---- telling ---- */

static const char *load_text(const struct load_point *p, char *out, size_t room)
{
    if (p->kind == LOAD_AT_ONCE)
        snprintf(out, room, "%llu requests at once", (unsigned long long)p->requests);
    else if (p->kind == LOAD_OF_USERS)
        snprintf(out, room, "%lld user%s", (long long)p->users, p->users == 1 ? "" : "s");
    else
        snprintf(out, room, "%.3g requests/s", p->rate);
    return out;
}

static const char *purpose_text(enum level_stage stage)
{
    switch (stage) {
    case LEVEL_SINGLE:
        return "one user, for what an idle server does";
    case LEVEL_BURST:
        return "everything at once, for what it can do at all";
    case LEVEL_CLIMB:
        return "climbing";
    case LEVEL_NARROW:
        return "near the limit";
    case LEVEL_CONFIRM:
        return "confirming";
    default:
        return "level";
    }
}

static void tell(const struct job *j, enum level_stage stage, const struct load_point *p, size_t n)
{
    char spent[24], total[24], from[48], to[48], time[24] = "";
    int64_t takes_ns = 0;
    if (j->options->run.quiet)
        return;
    for (size_t i = 0; i < n; i++)
        takes_ns += p[i].duration_ns;
    if (takes_ns > 0)
        units_format_ns(takes_ns, time, sizeof time);
    units_format_ns(*j->spent_ns, spent, sizeof spent);
    units_format_ns(j->total_ns, total, sizeof total);
    load_text(&p[0], from, sizeof from);
    load_text(&p[n - 1], to, sizeof to);
    fprintf(stderr, "[%s of %s] %s: ", *j->spent_ns > 0 ? spent : "0 s", total,
            purpose_text(stage));
    if (n > 1)
        fprintf(stderr, "%zu levels, %s to %s", n, from, to);
    else
        fprintf(stderr, "%s", from);
    fprintf(stderr, "%s%s\n", time[0] ? ", " : "", time);
}

/* What will happen, before it does. */
static void tell_plan(const struct sweep_options *o, const struct sweep_spec specs[2],
                      const char *target)
{
    char budget[24], text[OBJECTIVE_TEXT];
    if (o->run.quiet)
        return;
    units_format_ns(specs[0].budget_ns + (o->both ? specs[1].budget_ns : 0), budget, sizeof budget);
    fprintf(stderr, "Sweep of %s in about %s\n", target, budget);
    for (size_t i = 0; i < specs[0].slo.n; i++)
        fprintf(stderr, "  %s %s\n", i == 0 ? "SLO  " : "and  ",
                objective_text(&specs[0].slo.list[i], text, sizeof text));
    for (int k = 0; k < 1 + o->both; k++) {
        const struct sweep_spec *s = &specs[k];
        char each[24];
        units_format_ns(s->level_ns > 0      ? s->level_ns
                        : s->given_count > 0 ? s->budget_ns / (int64_t)s->given_count
                                             : 0,
                        each, sizeof each);
        const char *what = s->kind == LOAD_OF_USERS ? "users" : "requests/s";
        if (s->given_count > 0) {
            fprintf(stderr, "  plan  %zu levels of %s:", s->given_count, each);
            for (size_t i = 0; i < s->given_count; i++)
                fprintf(stderr, " %.4g", s->given[i]);
            fprintf(stderr, " %s\n", what);
        } else if (s->kind == LOAD_OF_USERS) {
            fprintf(stderr,
                    "  plan  one user, then twice as many until throughput no longer grows\n");
        } else {
            fprintf(stderr,
                    "  plan  one user; a burst; eight levels from 10 to 110 %% of its rate;\n"
                    "        levels near the limit; %s\n",
                    s->slo.n > 0 ? "one long confirmation below it" : "no SLO, so no confirmation");
        }
    }
}

/* ---- doing ---- */

static int take_levels(struct job *j, enum level_stage stage, const struct load_point *points,
                       struct probed *got, size_t n, int64_t cost_ns)
{
    size_t before = j->read->sweep.count;
    sweep_take(&j->read->sweep, stage, points, got, n, cost_ns);
    for (size_t i = before; i < j->read->sweep.count; i++)
        curve_measure(&j->read->sweep.levels[i], &got[i - before], &j->read->points[i]);
    *j->spent_ns += cost_ns;
    return OK;
}

static int work(struct job *j, struct err *e)
{
    struct load_point points[RUNNER_MAX_CLIMB];
    struct probed *got = MEM_ARRAY(struct probed, RUNNER_MAX_CLIMB);
    struct runner runner = session_runner(&j->runner);
    enum level_stage stage;
    size_t n;
    int rc = OK;
    while (rc == OK && (n = sweep_next(&j->read->sweep, points, &stage)) > 0) {
        int64_t begin_ns = runner.now_ns(runner.context);
        tell(j, stage, points, n);
        j->runner.label = level_stage_name(stage);
        j->runner.left_s = (double)(j->total_ns - *j->spent_ns) / 1e9;
        rc = n > 1 ? runner.climb(runner.context, points, n, got, e)
                   : runner.probe(runner.context, points, got, e);
        if (rc != OK)
            break;
        rc = take_levels(j, stage, points, got, n, runner.now_ns(runner.context) - begin_ns);
        for (size_t i = 0; i < n; i++)
            probed_release(&got[i]);
    }
    free(got);
    return rc;
}

/* What a file already has of both sweeps. */
static int read_before(const char *path, const struct sweep_options *o, struct sweep_read *reads[2],
                       struct err *e)
{
    static const char *const keys[2] = {SWEEP_FILE_KEY, SWEEP_FILE_CLOSED_KEY};
    struct record_reader *r;
    int rc = record_reader_open(path, &r, e);
    for (int i = 0; rc == OK && i < 1 + o->both; i++)
        rc = sweep_file_read(r, keys[i], reads[i], e);
    if (rc != ERR_IO && rc != ERR_INPUT)
        record_reader_close(r);
    return rc;
}

/* The first stages of a search place it and claim nothing: they warm the server up. */
static uint64_t warmup_requests(const struct sweep_options *o, const struct sweep_spec *spec)
{
    if (o->run.warmup_requests != WARMUP_AS_NEEDED)
        return (uint64_t)o->run.warmup_requests;
    return spec->given_count > 0 || spec->kind == LOAD_OF_USERS ? RUN_WARMUP_REQUESTS : 0;
}

static int both_jobs(struct session *s, const struct sweep_options *o, struct sweep_read *reads[2],
                     struct err *e)
{
    int64_t spent_ns = 0, total_ns = 0, rows = 0;
    int rc = OK;
    for (int i = 0; i < 1 + o->both; i++) {
        spent_ns += reads[i]->sweep.spent_ns;
        total_ns += reads[i]->sweep.spec.budget_ns;
        rows += reads[i]->runs;
    }
    for (int i = 0; rc == OK && i < 1 + o->both; i++) {
        struct job j = {.session = s,
                        .options = o,
                        .runner = {.session = s,
                                   .kind_prefix = i == 1 ? SWEEP_FILE_CLOSED_PREFIX : "",
                                   .slo = o->run.slo ? o->run.slo : "",
                                   .ordinal = rows,
                                   .warmup_requests = warmup_requests(o, &reads[i]->sweep.spec)},
                        .read = reads[i],
                        .total_ns = total_ns,
                        .spent_ns = &spent_ns};
        rc = work(&j, e);
        rows = j.runner.ordinal;
    }
    return rc;
}

static int print_file(const char *path, const struct sweep_options *o)
{
    struct record_reader *r;
    struct err e;
    if (record_reader_open(path, &r, &e) < 0)
        return term_fail(&e);
    struct results_style style = {.json = o->run.json, .run_file = path};
    int code = sweep_results_print(r, &style);
    record_reader_close(r);
    return code;
}

static int sweep_target(const struct sweep_options *o, const char *target, const char *command,
                        int argc, char **argv)
{
    struct session *s = MEM_NEW(struct session);
    struct sweep_read *reads[2] = {MEM_NEW(struct sweep_read), MEM_NEW(struct sweep_read)};
    struct run_options run = for_session(o);
    struct sweep_spec specs[2];
    struct err e = {0}, close_error = {0};
    char path[sizeof s->run_file] = "";
    int rc = plan(o, specs, &e);
    for (int i = 0; rc == OK && i < 2; i++)
        sweep_init(&reads[i]->sweep, &specs[i]);
    if (rc == OK)
        rc = results_check_json(o->run.json, &e);
    if (rc == OK && o->resume)
        rc = read_before(o->resume, o, reads, &e);
    if (rc == OK)
        rc = session_open(s, &run, target, command, &e);
    bool opened = rc == OK;
    if (opened) {
        tell_plan(o, specs, target);
        memcpy(path, s->run_file, sizeof path);
        rc = o->resume ? OK : store_arguments(s, argc, argv, &e);
        if (rc == OK && !o->resume)
            rc = store_specs(s, o, specs, &e);
        if (rc == OK)
            rc = both_jobs(s, o, reads, &e);
    }
    bool any = opened && (s->runs > 0 || o->resume);
    int close_rc = opened ? session_close(s, &close_error) : OK;
    free(reads[0]);
    free(reads[1]);
    free(s);
    int code = any ? print_file(path, o) : 0;
    if (close_rc < 0 && rc == OK)
        return term_fail(&close_error);
    if (rc == ERR_INTERRUPTED) {
        if (any)
            term_say("interrupted; `loadline sweep --resume %s` goes on", path);
        return 130;
    }
    return rc < 0 ? term_fail(&e) : code;
}

/* The stored arguments first, so that what is given now is put over them. */
static int parse(int argc, char **argv, struct sweep_options *o, struct operands *operands,
                 struct stored *stored, struct err *e)
{
    struct sweep_options first;
    struct operands ignored = {0};
    int64_t seed = -1;
    defaults(o);
    defaults(&first);
    int rc = options_parse(&SWEEP_OPTIONS, argc, argv, &first, operands, e);
    if (rc < 0 || !first.resume) {
        *o = first;
        return rc;
    }
    rc = stored_read(first.resume, stored, &seed, e);
    if (rc == OK)
        rc = options_parse(&SWEEP_OPTIONS, stored->argc, stored->argv, o, &ignored, e);
    options_forget_secrets(&SWEEP_OPTIONS, o); /* as stored they are stars */
    if (rc < 0) {
        options_forget_secrets(&SWEEP_OPTIONS, &first);
        return rc;
    }
    o->run.json = first.run.json ? first.run.json : o->run.json;
    o->run.api_key = first.run.api_key;
    o->run.headers = first.run.headers;
    o->run.quiet = first.run.quiet || o->run.quiet;
    o->run.help = first.run.help;
    o->resume = first.resume;
    o->run.output = first.resume;
    o->run.append = true;
    o->run.seed = seed;
    if (operands->n == 0)
        *operands = ignored;
    return OK;
}

static int check_operands(const struct operands *operands, struct err *e)
{
    if (operands->n == 0)
        return err_set(e, ERR_USAGE,
                       "sweep needs a target: http://HOST:PORT, https://…, unix:/path.sock, or "
                       "sim:llama-3.1-8b@h100 for the embedded engine");
    if (operands->n > 1)
        return err_set(e, ERR_USAGE, "sweep takes one target, not \"%s\" as well",
                       operands->items[1]);
    return OK;
}

int cmd_sweep(int argc, char **argv)
{
    struct sweep_options o;
    struct operands operands = {0};
    struct stored stored = {0};
    struct err e;
    int code = 0;
    char *arguments = options_command_line(&SWEEP_OPTIONS, argc, argv);
    char *command = mem_printf("loadline sweep %s", arguments);
    int rc = parse(argc, argv, &o, &operands, &stored, &e); /* blanks secrets in argv */
    if (rc == OK && !o.run.help)
        rc = check_operands(&operands, &e);
    if (rc < 0)
        code = term_fail(&e);
    else if (o.run.help)
        command_help(command_find("sweep"));
    else
        code = sweep_target(&o, operands.items[0], command, argc, argv);
    options_forget_secrets(&SWEEP_OPTIONS, &o);
    stored_release(&stored);
    free(arguments);
    free(command);
    return code;
}
