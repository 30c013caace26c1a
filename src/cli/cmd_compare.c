#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/compare_results.h"
#include "cli/compare_rounds.h"
#include "cli/term.h"
#include "decide/compare_file.h"

static struct results_style style_of(const struct compare_options *o, const char *run_file)
{
    return (struct results_style){.json = o->run.json, .run_file = run_file};
}

/* --- two targets --- */

/* Reads the run file back: what is printed is what a later `report` prints. */
static int print_file(const struct compare_options *o, const char *path,
                      const struct compare_spec *given)
{
    struct record_reader *r;
    struct err e;
    if (record_reader_open(path, &r, &e) < 0)
        return term_fail(&e);
    struct results_style style = style_of(o, path);
    int code = compare_results_of_file(r, given, &style);
    record_reader_close(r);
    return code;
}

static int compare_targets(struct compare_options *o, struct compare_spec *spec,
                           const struct operands *operands, const char *command)
{
    struct err e;
    char path[COMPARE_PATH];
    struct compare_rounds rounds = {o, operands->items, command};
    compare_spec_complete(spec);
    if (compare_options_complete(o, spec, &e) < 0 || results_check_json(o->run.json, &e) < 0)
        return term_fail(&e);
    int rc = compare_rounds_run(&rounds, path, &e);
    int code = path[0] ? print_file(o, path, NULL) : 0;
    if (rc == ERR_INTERRUPTED)
        return 130;
    return rc < 0 ? term_fail(&e) : code;
}

/* --- run files --- */

static int compare_files(const struct compare_options *o, struct compare_spec *spec,
                         const struct operands *operands)
{
    struct record_reader *r[COMPARE_SIDES] = {NULL};
    struct results_style style = style_of(o, NULL);
    struct comparison c;
    struct err e;
    int rc = OK, code;
    compare_spec_complete(spec);
    for (int s = 0; rc == OK && s < COMPARE_SIDES; s++)
        rc = record_reader_open(operands->items[s], &r[s], &e);
    if (rc == OK)
        rc = compare_of_runs(r, spec, &c, &e);
    if (rc == OK) {
        code = compare_results_print(&c, &style);
        comparison_release(&c);
    } else {
        code = term_fail(&e);
    }
    for (int s = 0; s < COMPARE_SIDES; s++)
        if (r[s])
            record_reader_close(r[s]);
    return code;
}

/* --- the command --- */

static bool is_target(const char *text)
{
    return strncmp(text, "sim:", 4) == 0 || strncmp(text, "unix:", 5) == 0 || strstr(text, "://");
}

static int check_operands(const struct operands *operands, struct err *e)
{
    size_t targets = 0;
    for (size_t i = 0; i < operands->n; i++)
        targets += is_target(operands->items[i]);
    if (operands->n == 0 || operands->n > 2 || (operands->n == 1 && targets == 1))
        return err_set(e, ERR_USAGE,
                       "compare needs two targets (http://HOST:PORT, https://…, unix:/path.sock, "
                       "sim:MODEL@GPU), two run files, or the run file of a comparison");
    for (size_t i = 0; i < operands->n; i++)
        if (!is_target(operands->items[i]) && access(operands->items[i], F_OK) != 0)
            return err_set(e, ERR_USAGE,
                           "\"%s\" is neither a target nor a file; targets are http://HOST:PORT, "
                           "https://…, unix:/path.sock and sim:MODEL@GPU",
                           operands->items[i]);
    return targets == 1 ? err_set(e, ERR_USAGE, "a target and a run file cannot be compared") : OK;
}

static int dispatch(struct compare_options *o, const struct operands *operands, const char *command)
{
    struct compare_spec spec;
    struct err e;
    int rc = check_operands(operands, &e);
    if (rc == OK)
        rc = compare_options_join(o, &e);
    if (rc == OK)
        rc = compare_options_spec(o, &spec, &e);
    if (rc < 0)
        return term_fail(&e);
    if (is_target(operands->items[0]))
        return compare_targets(o, &spec, operands, command);
    rc = compare_options_refuse_load(o, &e);
    if (rc == OK)
        rc = results_check_json(o->run.json, &e);
    if (rc < 0)
        return term_fail(&e);
    return operands->n == 1 ? print_file(o, operands->items[0], &spec)
                            : compare_files(o, &spec, operands);
}

int cmd_compare(int argc, char **argv)
{
    struct compare_options o;
    struct operands operands = {0};
    struct err e;
    int code = 0;
    compare_options_defaults(&o);
    char *arguments = options_command_line(&COMPARE_OPTIONS, argc, argv);
    char *command = mem_printf("loadline compare %s", arguments);
    int rc = options_parse(&COMPARE_OPTIONS, argc, argv, &o, &operands, &e);
    if (rc < 0)
        code = term_fail(&e);
    else if (o.run.help)
        command_help(command_find("compare"));
    else
        code = dispatch(&o, &operands, command);
    options_forget_secrets(&COMPARE_OPTIONS, &o);
    free(arguments);
    free(command);
    return code;
}
