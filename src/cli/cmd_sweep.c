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
#include "cli/sweep_tell.h"
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
#define MIN_LEVEL_NS      NS_PER_S

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

static int check_given(const struct sweep_options *o, bool given, struct err *e)
{
    if (!given && o->run.duration_ns >= 0)
        return err_set(e, ERR_USAGE,
                       "--duration is of given levels; without --rates or --concurrency the search "
                       "divides --budget itself");
    if (o->run.duration_ns >= 0 && o->run.duration_ns < MIN_LEVEL_NS)
        return err_set(e, ERR_USAGE, "--duration: a level takes a second at the least");
    if (!given && o->stop_at)
        return err_set(e, ERR_USAGE,
                       "--stop-at is for given levels (--rates 2,4,8): a search stops by itself");
    return OK;
}

static void plan_given(const struct sweep_options *o, struct sweep_spec *spec)
{
    if (spec->given_count == 0)
        return;
    spec->stop_at_saturation = o->stop_at != NULL;
    spec->level_ns = o->run.duration_ns > 0 ? o->run.duration_ns : 0;
    if (spec->level_ns > 0) /* so many of them take so long, whatever the default budget */
        spec->budget_ns = (int64_t)spec->given_count * spec->level_ns;
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
        rc = check_given(o, specs[0].given_count + specs[1].given_count > 0, e);
    for (int i = 0; rc == OK && i < 2; i++)
        plan_given(o, &specs[i]);
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
    char label[SWEEP_LABEL];
    enum level_stage stage;
    size_t n;
    int rc = OK;
    while (rc == OK && (n = sweep_next(&j->read->sweep, points, &stage)) > 0) {
        int64_t begin_ns = runner.now_ns(runner.context);
        sweep_label(&j->read->sweep, stage, label);
        if (!j->options->run.quiet)
            sweep_tell(&j->read->sweep, stage, points, n, *j->spent_ns, j->total_ns);
        j->runner.label = label;
        j->runner.left_s = sweep_left_s(&j->read->sweep, *j->spent_ns, j->total_ns);
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
    if (rc < 0)
        return rc;
    for (int i = 0; rc == OK && i < 1 + o->both; i++)
        rc = sweep_file_read(r, keys[i], reads[i], e);
    record_reader_close(r);
    return rc;
}

static bool is_finished(const struct sweep_options *o, struct sweep_read *const reads[2])
{
    struct load_point next[RUNNER_MAX_CLIMB];
    enum level_stage stage;
    for (int i = 0; i < 1 + o->both; i++)
        if (sweep_next(&reads[i]->sweep, next, &stage) > 0)
            return false;
    return true;
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

struct invocation { /* what main was given */
    const char *target, *command;
    int argc;
    char **argv;
};

/* The load, into the session's run file. */
static int offer(struct session *s, const struct sweep_options *o, const struct invocation *in,
                 struct sweep_read *reads[2], struct err *e)
{
    const struct sweep_spec specs[2] = {reads[0]->sweep.spec, reads[1]->sweep.spec};
    int rc = OK;
    if (!o->run.quiet)
        sweep_tell_plan(specs, 1 + o->both, in->target);
    if (!o->resume)
        rc = store_arguments(s, in->argc, in->argv, e);
    if (rc == OK && !o->resume)
        rc = store_specs(s, o, specs, e);
    return rc == OK ? both_jobs(s, o, reads, e) : rc;
}

static int sweep_session(const struct sweep_options *o, const struct invocation *in,
                         struct sweep_read *reads[2])
{
    struct session *s = MEM_NEW(struct session);
    struct run_options run = for_session(o);
    struct err e = {0}, close_error = {0};
    int rc = session_open(s, &run, in->target, in->command, &e);
    if (rc < 0) {
        free(s);
        return term_fail(&e);
    }
    rc = offer(s, o, in, reads, &e);
    bool any = s->runs > 0 || o->resume;
    char *path = mem_strdup(s->run_file);
    int close_rc = session_close(s, &close_error);
    free(s);
    int code = any ? print_file(path, o) : 0;
    if (close_rc < 0 && rc == OK) {
        code = term_fail(&close_error);
    } else if (rc == ERR_INTERRUPTED) {
        if (any)
            term_say("interrupted; `loadline sweep --resume %s` goes on", path);
        code = 130;
    } else if (rc < 0) {
        code = term_fail(&e);
    }
    free(path);
    return code;
}

static int sweep_target(const struct sweep_options *o, const struct invocation *in)
{
    struct sweep_read *reads[2] = {MEM_NEW(struct sweep_read), MEM_NEW(struct sweep_read)};
    struct sweep_spec specs[2];
    struct err e = {0};
    int rc = plan(o, specs, &e);
    for (int i = 0; rc == OK && i < 2; i++)
        sweep_init(&reads[i]->sweep, &specs[i]);
    if (rc == OK)
        rc = results_check_json(o->run.json, &e);
    if (rc == OK && o->resume)
        rc = read_before(o->resume, o, reads, &e);
    int code;
    if (rc < 0)
        code = term_fail(&e);
    else if (o->resume && is_finished(o, reads)) /* which needs no server */
        code = print_file(o->resume, o);
    else
        code = sweep_session(o, in, reads);
    free(reads[0]);
    free(reads[1]);
    return code;
}

/* A sweep goes on as it was asked for: what is given besides must be of this call alone. */
static int check_resume(const struct sweep_options *first, struct err *e)
{
    static const char *const may[] = {"resume", "json", "quiet", "api-key", "header", "help"};
    struct sweep_options untouched;
    defaults(&untouched);
    const struct option *o;
    for (size_t i = 0; (o = option_at(&SWEEP_OPTIONS, i)) != NULL; i++) {
        static const size_t bytes[] = {[OPTION_FLAG] = sizeof(bool),
                                       [OPTION_TEXT] = sizeof(char *),
                                       [OPTION_PATH] = sizeof(char *),
                                       [OPTION_COUNT] = sizeof(int64_t),
                                       [OPTION_NUMBER] = sizeof(double),
                                       [OPTION_DURATION] = sizeof(int64_t),
                                       [OPTION_LIST] = sizeof(struct option_list),
                                       [OPTION_CHOICE] = sizeof(char *),
                                       [OPTION_GROUP] = 0};
        bool allowed = false;
        for (size_t k = 0; k < sizeof may / sizeof *may; k++)
            allowed |= strcmp(o->name, may[k]) == 0;
        if (!allowed && memcmp((const char *)first + o->offset,
                               (const char *)&untouched + o->offset, bytes[o->type]) != 0)
            return err_set(e, ERR_USAGE,
                           "--%s: a sweep that goes on does so as it was asked for; beside "
                           "--resume there are --json, --quiet, --api-key and --header",
                           o->name);
    }
    return OK;
}

static int check_same_target(const struct operands *now, const struct operands *stored,
                             struct err *e)
{
    if (now->n > 0 && stored->n > 0 && strcmp(now->items[0], stored->items[0]) != 0)
        return err_set(e, ERR_USAGE, "%s is not what the sweep was of: %s (which may be left out)",
                       now->items[0], stored->items[0]);
    return OK;
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
    rc = check_resume(&first, e);
    if (rc == OK)
        rc = stored_read(first.resume, stored, &seed, e);
    if (rc == OK)
        rc = options_parse(&SWEEP_OPTIONS, stored->argc, stored->argv, o, &ignored, e);
    if (rc == OK)
        rc = check_same_target(operands, &ignored, e);
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
        code = sweep_target(&o, &(struct invocation){operands.items[0], command, argc, argv});
    options_forget_secrets(&SWEEP_OPTIONS, &o);
    stored_release(&stored);
    free(arguments);
    free(command);
    return code;
}
