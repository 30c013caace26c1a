#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/demand.h"
#include "cli/results.h"
#include "cli/term.h"
#include "decide/sweep_file.h"
#include "report/plan_report.h"

struct plan_options {
    struct option_list rates;
    const char *headroom, *growth, *json;
    int64_t startup_ns, spares, gpus;
    double price;
    bool help;
};

#define AT(field)        offsetof(struct plan_options, field)
#define DEFAULT_HEADROOM 0.2

_Static_assert((int)DEMAND_MAX_RATES <= (int)PLAN_MAX_DEMANDS, "all that are asked are planned");

enum { MAX_SPARES = 1000000, MAX_GPUS = 100000, MAX_ENGINES = 100000 };
static const double most_growth = 100; /* a hundredfold in one start is a slip of the unit */

static const struct option OPTIONS[] = {
    {OPTION_GROUP, "Demand", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_LIST, "rate", 0, "R[,R...]",
     "requests per second at the peak; several, or given several times, for a table", AT(rates), 0,
     0, NULL, false},
    {OPTION_TEXT, "headroom", 0, "PERCENT", "for more than the peak (default 20%)", AT(headroom), 0,
     0, NULL, false},
    {OPTION_TEXT, "growth", 0, "PERCENT/UNIT",
     "how fast the demand can grow: 5%/min, or a second (s) or an hour (h); with --startup it "
     "raises the headroom to what is added while a replica starts",
     AT(growth), 0, 0, NULL, false},
    {OPTION_DURATION, "startup", 0, "TIME",
     "from the decision to add a replica until it serves: 3m", AT(startup_ns), 0, 0, NULL, false},
    {OPTION_GROUP, "Replicas", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_COUNT, "spares", 0, "N", "replicas beyond those needed (default 0)", AT(spares), 0,
     MAX_SPARES, NULL, false},
    {OPTION_COUNT, "gpus", 0, "N",
     "GPUs of a replica, which is the target as it was measured (default: the sweep's context)",
     AT(gpus), 1, MAX_GPUS, NULL, false},
    {OPTION_NUMBER, "price", 0, "P",
     "of a GPU for an hour, in any currency; without it there are no costs", AT(price), 1e-9, 1e9,
     NULL, false},
    {OPTION_GROUP, "Results", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_PATH, "json", 0, "FILE", "write the plan as JSON; - is standard output", AT(json), 0, 0,
     NULL, false},
    {OPTION_FLAG, "help", 'h', NULL, "this text", AT(help), 0, 0, NULL, false},
    {0},
};
const struct option_set PLAN_OPTIONS = {{OPTIONS}};

struct plan_view {
    struct sweep_read *read;
    struct summary *floor;
    struct plan_report *report;
    bool summarised;
};

static void view_release(struct plan_view *v)
{
    if (v->summarised)
        summary_release(v->floor);
    free(v->floor);
    free(v->read);
    free(v->report);
}

/* ---- what is asked ---- */

static int take_growth(const struct plan_options *o, struct plan_report *r, struct err *e)
{
    bool started = o->startup_ns >= 0;
    if (!o->growth && !started)
        return OK;
    if (!started)
        return err_set(e, ERR_USAGE,
                       "--growth matters while a replica starts: say how long with --startup, for "
                       "example --startup 3m");
    if (!o->growth)
        return err_set(e, ERR_USAGE,
                       "--startup matters when the demand grows: say how fast with --growth, for "
                       "example --growth 5%%/min");
    int rc = demand_growth(o->growth, "--growth", &r->growth, e);
    if (rc < 0)
        return rc;
    r->startup_ns = o->startup_ns;
    if (!(capacity_growth_in(&r->growth, r->startup_ns) <= most_growth))
        return err_set(e, ERR_USAGE,
                       "--growth %s for --startup would be more than a hundredfold: is its unit "
                       "right? s, min and h are a second, minute and hour",
                       o->growth);
    return OK;
}

/* Everything that does not need the file. */
static int take_options(const struct plan_options *o, struct plan_report *r,
                        double rates[DEMAND_MAX_RATES], size_t *n, struct err *e)
{
    double asked = DEFAULT_HEADROOM;
    if (o->rates.n == 0)
        return err_set(e, ERR_USAGE,
                       "how many requests per second at the peak? loadline plan FILE --rate R");
    int rc = demand_rates(&o->rates, rates, n, e);
    if (rc == OK && o->headroom)
        rc = demand_percent(o->headroom, "--headroom", &asked, e);
    if (rc == OK)
        rc = take_growth(o, r, e);
    if (rc == OK)
        rc = results_check_json(o->json, e);
    r->headroom_given = o->headroom != NULL;
    r->headroom = capacity_headroom_of(asked, &r->growth, r->startup_ns);
    r->terms = (struct capacity_terms){
        .headroom = r->headroom.share, .spares = o->spares, .price = o->price};
    return rc;
}

/* ---- what the sweep says ---- */

/* A whole number of the run's context; 0 when it holds none of that name. */
static int64_t context_count(const struct run_record *run, const char *key, int64_t most)
{
    json_t *context = json_loads(run->context_json, 0, NULL);
    const char *value = json_string_value(json_object_get(context, key));
    int64_t n = 0;
    if (value)
        units_count(slice_of(value), key, 1, most, &n, NULL);
    json_decref(context);
    return n;
}

static bool is_simulated(const struct run_record *run)
{
    return strncmp(run->target, "sim:", 4) == 0;
}

/* Says why there can be no plan, and returns the exit code. */
static int refuse(enum capacity_basis basis, const struct plan_view *v, const char *path)
{
    const struct sweep_result *x = &v->report->result;
    char time[24], longer[80] = "";
    switch (basis) {
    case CAPACITY_OF_USERS:
        term_say(
            "the sweep in %s was a closed loop, so its floor is of users. What they got through "
            "is no demand that the server could carry: they waited for their answers before "
            "they asked again, so no queue could grow. Sweep the open loop: loadline sweep "
            "TARGET --slo EXPR, without --concurrency",
            path);
        return 1;
    case CAPACITY_NO_SLO:
        term_say("the sweep in %s had no SLO, so it has no floor to plan by: loadline sweep TARGET "
                 "--slo 'p99 ttft < 500ms and p99 tpot < 50ms'",
                 path);
        return 1;
    case CAPACITY_NEVER_MET:
        term_say("NOT MET: the SLO is missed even at the lowest level of the sweep in %s, so no "
                 "number of such replicas meets it. Relax it, or measure a faster server; if the "
                 "level was high (--rates), lower ones",
                 path);
        return 4;
    case CAPACITY_UNFINISHED:
        term_say("the sweep in %s was interrupted before it had a floor to plan by: loadline sweep "
                 "--resume %s",
                 path, path);
        return 1;
    default:
        if (isfinite(x->more_s) && x->more_s * 1e9 > (double)v->read->sweep.spec.budget_ns)
            snprintf(longer, sizeof longer, ", of about %s",
                     units_format_ns((int64_t)(x->more_s * 1e9), time, sizeof time));
        term_say("UNDECIDED: no level of the sweep in %s was shown to meet its SLO, so there is no "
                 "floor to plan by. Sweep again with a longer --budget%s, or --duration of given "
                 "levels",
                 path, longer);
        return 1;
    }
}

static int refuse_invalid(const struct plan_view *v, const char *path)
{
    const struct summary *s = v->floor;
    const struct check *c = NULL;
    for (size_t i = 0; !c && i < s->check_count; i++)
        if (s->checks[i].status == CHECK_FAIL && s->checks[i].severity == SEVERITY_INVALID)
            c = &s->checks[i];
    term_say("INVALID: the run that the floor rests on may be wrong, so nothing is planned by it: "
             "%s, %s (wanted: %s). loadline report %s --run %" PRId64
             " says what to do; then sweep "
             "again",
             c ? c->id : "its checks", c ? c->value : "failed", c ? c->threshold : "to pass", path,
             s->run.id);
    return 3;
}

static void take_unit(const struct plan_options *o, struct plan_view *v)
{
    struct plan_report *r = v->report;
    const struct summary *s = v->floor;
    const struct sweep_result *x = &r->result;
    double floor = level_load(&v->read->sweep.levels[x->floor]);
    double ceiling = x->ceiling >= 0 ? level_load(&v->read->sweep.levels[x->ceiling]) : NAN;
    int64_t gpus = context_count(&s->run, "gpus", MAX_GPUS);
    int64_t engines = context_count(&s->run, "replicas", MAX_ENGINES);
    r->engines = engines > 0 ? engines : 1;
    r->gpus_from = o->gpus > 0 ? PLAN_GPUS_GIVEN : gpus > 0 ? PLAN_GPUS_OF_RUN : PLAN_GPUS_ASSUMED;
    r->simulated = is_simulated(&s->run);
    r->floor = s;
    r->sweep = &v->read->sweep;
    r->unit = (struct capacity_unit){
        .floor = floor,
        .ceiling = ceiling > floor ? ceiling : NAN,
        .gpus = o->gpus > 0 ? o->gpus
                : gpus > 0  ? gpus
                            : 1,
        .prompt_tokens = s->got_input_mean,
        .output_tokens = s->got_output_mean,
        .success_share = (double)s->completed / (double)s->offered,
    };
}

/* The exit code, when it is not 0 with a message on standard error. */
static int read_view(struct record_reader *reader, const char *path, struct plan_view *v)
{
    struct summary_options options = {0};
    struct err e;
    if (!sweep_file_has(reader, SWEEP_FILE_KEY)) {
        err_set(&e, ERR_INPUT,
                "%s holds no sweep, and a plan rests on the floor of one: loadline sweep TARGET "
                "--slo 'p99 ttft < 500ms and p99 tpot < 50ms' -o FILE",
                path);
        return term_fail(&e);
    }
    if (sweep_file_read(reader, SWEEP_FILE_KEY, v->read, &e) < 0)
        return term_fail(&e);
    sweep_judge(&v->read->sweep, &v->report->result);
    enum capacity_basis basis = capacity_basis_of(&v->read->sweep, &v->report->result);
    if (basis != CAPACITY_SOUND)
        return refuse(basis, v, path);
    int64_t id = v->read->sweep.levels[v->report->result.floor].run_id;
    if (summary_of_run(reader, id, &options, v->floor, &e) < 0)
        return term_fail(&e);
    v->summarised = true;
    return v->floor->verdict == VERDICT_INVALID ? refuse_invalid(v, path) : 0;
}

/* ---- the plan ---- */

static int make_plans(const double *rates, size_t n, struct plan_report *r, struct err *e)
{
    static const double multiples[] = {0.25, 0.5, 1.5, 2, 3, 5};
    for (size_t i = 0; i < n; i++) {
        if (!capacity_plan_for(rates[i], &r->unit, &r->terms, &r->asked[i]))
            return err_set(
                e, ERR_USAGE,
                "--rate: %g requests/s would take more than %g replicas of %.3g each; is "
                "it per second?",
                rates[i], CAPACITY_MAX_REPLICAS, r->unit.floor);
        r->asked_count++;
    }
    for (size_t i = 0; n == 1 && i < sizeof multiples / sizeof multiples[0]; i++)
        r->around_count += capacity_plan_for(rates[0] * multiples[i], &r->unit, &r->terms,
                                             &r->around[r->around_count]);
    return OK;
}

static int print(const struct plan_report *r, const char *path, const char *json_path)
{
    struct results_style style = {.json = json_path, .run_file = path};
    struct report_style rs = results_report_style(&style);
    struct buf text = {0}, json = {0};
    struct err e;
    plan_report_text(r, &rs, &text);
    int rc = results_write_table(&text, &style, &e);
    if (rc == OK && json_path)
        rc = plan_report_json(r, &json, &e);
    if (rc == OK && json_path)
        rc = results_write_json(&json, json_path, &e);
    buf_release(&text);
    buf_release(&json);
    return rc < 0 ? term_fail(&e) : 0;
}

static int plan_file(const struct plan_options *o, const char *path)
{
    struct plan_view v = {.read = MEM_NEW(struct sweep_read),
                          .floor = MEM_NEW(struct summary),
                          .report = MEM_NEW(struct plan_report)};
    struct record_reader *reader = NULL;
    double rates[DEMAND_MAX_RATES];
    size_t n = 0;
    struct err e;
    int rc = take_options(o, v.report, rates, &n, &e);
    if (rc == OK)
        rc = record_reader_open(path, &reader, &e);
    int code = rc < 0 ? term_fail(&e) : read_view(reader, path, &v);
    if (code == 0) {
        take_unit(o, &v);
        code =
            make_plans(rates, n, v.report, &e) < 0 ? term_fail(&e) : print(v.report, path, o->json);
    }
    if (reader)
        record_reader_close(reader);
    view_release(&v);
    return code;
}

int cmd_plan(int argc, char **argv)
{
    struct plan_options o = {.startup_ns = -1, .price = NAN};
    struct operands operands = {0};
    struct err e;
    if (options_parse(&PLAN_OPTIONS, argc, argv, &o, &operands, &e) < 0)
        return term_fail(&e);
    if (o.help) {
        command_help(command_find("plan"));
        return 0;
    }
    if (operands.n != 1) {
        err_set(&e, ERR_USAGE, "plan takes one run file of a sweep: loadline plan FILE --rate R");
        return term_fail(&e);
    }
    return plan_file(&o, operands.items[0]);
}
