#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/compare_results.h"
#include "cli/results.h"
#include "cli/run_plan.h"
#include "cli/sweep_results.h"
#include "cli/term.h"
#include "decide/compare_file.h"
#include "report/report.h"

struct report_options {
    const char *json, *csv, *goodput, *slo, *percentile_metrics, *percentiles, *itl;
    int64_t run;
    bool all_checks, help;
};

#define AT(field) offsetof(struct report_options, field)

static const struct option OPTIONS[] = {
    {OPTION_GROUP, "Options", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_PATH, "json", 0, "FILE", "write the summary as JSON; - is standard output", AT(json), 0,
     0, NULL, false},
    {OPTION_CHOICE, "csv", 0, "requests|gaps",
     "print one line a request, or one a token event, instead of the table", AT(csv), 0, 0,
     "requests|gaps", false},
    {OPTION_COUNT, "run", 0, "ID", "only this run of the file", AT(run), 1, 1e15, NULL, false},
    {OPTION_TEXT, "slo", 0, "EXPR", "judge by this objective; exit 4 if not met", AT(slo), 0, 0,
     NULL, false},
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
    {OPTION_FLAG, "help", 'h', NULL, "this text", AT(help), 0, 0, NULL, false},
    {0},
};
const struct option_set REPORT_OPTIONS = {{OPTIONS}};

static int write_stdout(void *context, struct slice text)
{
    (void)context;
    return fwrite(text.p, 1, text.n, stdout) == text.n ? 0 : 1;
}

static int print_csv(struct record_reader *r, const struct report_options *o, struct err *e)
{
    struct report_sink sink = {write_stdout, NULL};
    size_t n;
    const int64_t *runs = record_reader_runs(r, &n);
    for (size_t i = 0; i < n; i++) {
        if (o->run > 0 ? runs[i] != o->run : i > 0)
            continue;
        int rc = strcmp(o->csv, "gaps") == 0 ? report_csv_gaps(r, runs[i], &sink, e)
                                             : report_csv_requests(r, runs[i], &sink, e);
        if (rc < 0)
            return rc;
    }
    if (fflush(stdout) != 0)
        return err_set(e, ERR_IO, "cannot write to standard output: %s", strerror(errno));
    return OK;
}

/* What judges a single run says nothing of several that belong together. */
static int check_alone(const struct report_options *o, const char *path, const char *what,
                       const char *else_do, struct err *e)
{
    if (!o->goodput && !o->slo && !o->percentile_metrics && !o->percentiles && !o->itl)
        return OK;
    return err_set(e, ERR_USAGE, "%s holds a %s: add --run ID to look at one of its %s", path, what,
                   else_do);
}

static int print_comparison(struct record_reader *r, const struct report_options *o,
                            const char *path, struct err *e)
{
    struct results_style style = {.json = o->json, .run_file = path};
    char blocks[600];
    snprintf(blocks, sizeof blocks, "blocks, or judge it anew with loadline compare %s", path);
    return check_alone(o, path, "comparison", blocks, e) < 0
               ? term_fail(e)
               : compare_results_of_file(r, NULL, &style);
}

static int report_file(const char *path, const struct report_options *o,
                       const struct run_plan *plan, struct err *e)
{
    struct record_reader *r;
    int rc = record_reader_open(path, &r, e);
    if (rc < 0)
        return term_fail(e);
    struct results_style style = {.json = o->json,
                                  .run_file = path,
                                  .all_checks = o->all_checks,
                                  .metrics = plan->metrics,
                                  .only_run = o->run};
    int code;
    if (o->csv)
        code = print_csv(r, o, e) < 0 ? term_fail(e) : 0;
    else if (o->run == 0 && compare_in_file(r))
        code = print_comparison(r, o, path, e);
    else if (o->run == 0 && sweep_file_has(r, SWEEP_FILE_KEY))
        code = check_alone(o, path, "sweep", "levels", e) < 0 ? term_fail(e)
                                                              : sweep_results_print(r, &style);
    else
        code = results_print(r, &plan->summary, &style);
    record_reader_close(r);
    return code;
}

int cmd_report(int argc, char **argv)
{
    struct report_options o = {0};
    struct operands operands = {0};
    struct run_plan plan = {0};
    struct run_options as_run;
    struct err e;
    if (options_parse(&REPORT_OPTIONS, argc, argv, &o, &operands, &e) < 0)
        return term_fail(&e);
    if (o.help) {
        command_help(command_find("report"));
        return 0;
    }
    run_options_defaults(&as_run);
    as_run.goodput = o.goodput;
    as_run.slo = o.slo;
    as_run.percentile_metrics = o.percentile_metrics;
    as_run.percentiles = o.percentiles;
    as_run.itl = o.itl;
    if (run_plan_summary(&as_run, &plan, &e) < 0)
        return term_fail(&e);
    if (operands.n == 0) {
        err_set(&e, ERR_USAGE, "report needs a run file: loadline report FILE");
        return term_fail(&e);
    }
    if (operands.n > 1 && (o.json || o.csv)) {
        err_set(&e, ERR_USAGE, "--json and --csv take one run file at a time");
        return term_fail(&e);
    }
    int worst = 0;
    for (size_t i = 0; i < operands.n; i++) {
        int code = report_file(operands.items[i], &o, &plan, &e);
        if (worst == 0)
            worst = code;
    }
    return worst;
}
