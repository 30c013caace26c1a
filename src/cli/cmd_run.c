#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/results.h"
#include "cli/session.h"
#include "cli/term.h"

/* Reads the run file back: what is printed is what a later `report` prints. */
static int print_results(const char *path, const struct run_options *o,
                         const struct summary_options *summary, unsigned metrics)
{
    struct record_reader *r;
    struct err e;
    if (record_reader_open(path, &r, &e) < 0)
        return term_fail(&e);
    struct results_style style = {
        .json = o->json, .run_file = path, .all_checks = o->all_checks, .metrics = metrics};
    int code = results_print(r, summary, &style);
    record_reader_close(r);
    return code;
}

static int measure(const struct run_options *o, const char *target, const char *command)
{
    struct session *s = calloc(1, sizeof *s);
    struct err e = {0}, close_error = {0};
    if (!s || results_check_json(o->json, &e) < 0 || session_open(s, o, target, command, &e) < 0) {
        free(s);
        return term_fail(&e);
    }
    int rc = OK;
    for (int64_t run = 1; rc == OK && run <= o->num_runs; run++)
        rc = session_run(s, run, &e);
    struct summary_options summary = s->plan.summary;
    unsigned metrics = s->plan.metrics;
    bool any = s->runs > 0;
    char path[sizeof s->run_file];
    memcpy(path, s->run_file, sizeof path);
    int close_rc = session_close(s, &close_error);
    free(s);
    int code = any ? print_results(path, o, &summary, metrics) : 0;
    if (close_rc < 0 && rc == OK)
        return term_fail(&close_error);
    if (rc == ERR_INTERRUPTED)
        return 130;
    return rc < 0 ? term_fail(&e) : code;
}

static int check_operands(const struct operands *operands, bool engine, struct err *e)
{
    if (operands->n == 0 && !engine)
        return err_set(e, ERR_USAGE,
                       "run needs a target: http://HOST:PORT, https://…, unix:/path.sock, or "
                       "sim:llama-3.1-8b@h100 for the embedded engine");
    if (operands->n > 1)
        return err_set(e, ERR_USAGE, "%s, not \"%s\" as well",
                       engine ? "sim takes one engine" : "run takes one target",
                       operands->items[1]);
    return OK;
}

/* `run TARGET`, and `sim --offline ENGINE`, whose target is the engine. */
static int run_command(const char *name, bool engine, int argc, char **argv)
{
    struct run_options o;
    struct operands operands = {0};
    struct err e;
    int code = 0;
    run_options_defaults(&o);
    char *arguments = options_command_line(&RUN_OPTIONS, argc, argv);
    char *command = mem_printf("loadline %s %s", name, arguments);
    int rc = options_parse(&RUN_OPTIONS, argc, argv, &o, &operands, &e);
    if (rc == OK && !o.help)
        rc = check_operands(&operands, engine, &e);
    const char *given = operands.n > 0 ? operands.items[0] : "";
    bool bare = engine && strncmp(given, "sim:", 4) != 0;
    char *target = mem_printf("%s%s", bare ? "sim:" : "", given);
    if (rc < 0)
        code = term_fail(&e);
    else if (o.help)
        command_help(command_find("run"));
    else
        code = measure(&o, target, command);
    options_forget_secrets(&RUN_OPTIONS, &o);
    free(target);
    free(arguments);
    free(command);
    return code;
}

int cmd_run(int argc, char **argv)
{
    return run_command("run", false, argc, argv);
}

int cmd_sim_offline(int argc, char **argv)
{
    return run_command("sim", true, argc, argv);
}
