#include "cli/results.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/term.h"
#include "report/report.h"

enum { COLUMNS = 80 }; /* at the most: longer lines read badly */

/* JSON over a run file would destroy what was measured, perhaps in hours. Any SQLite file is
 * spared. Pipes are not looked at: that would take what is meant for their readers. */
static int check_no_run_file(const char *path, struct err *e)
{
    static const char magic[16] = "SQLite format 3";
    char head[sizeof magic];
    struct stat found;
    if (stat(path, &found) != 0 || !S_ISREG(found.st_mode))
        return OK;
    FILE *f = fopen(path, "re");
    bool spared =
        f && fread(head, 1, sizeof head, f) == sizeof head && memcmp(head, magic, sizeof head) == 0;
    if (f)
        fclose(f);
    if (spared)
        return err_set(e, ERR_USAGE,
                       "--json would write over %s, which is a run file or another database; "
                       "choose another place",
                       path);
    return OK;
}

int results_write_json(const struct buf *text, const char *path, struct err *e)
{
    bool standard = strcmp(path, "-") == 0;
    int rc = standard ? OK : check_no_run_file(path, e);
    if (rc < 0)
        return rc;
    FILE *f = standard ? stdout : fopen(path, "we");
    bool ok = f && fwrite(text->p, 1, text->n, f) == text->n && fflush(f) == 0;
    int error = errno;
    if (f && !standard && fclose(f) != 0 && ok) {
        ok = false;
        error = errno;
    }
    if (!ok)
        return err_set(e, ERR_IO, "cannot write the JSON summary to %s: %s", path, strerror(error));
    return OK;
}

static int write_json(const char *path, const struct summary *runs, size_t n, struct err *e)
{
    struct buf text = {0};
    int rc = n == 1 ? report_json(runs, &text, e) : report_json_series(runs, n, &text, e);
    if (rc == OK)
        rc = results_write_json(&text, path, e);
    buf_release(&text);
    return rc;
}

int results_check_json(const char *path, struct err *e)
{
    struct stat found;
    if (!path || strcmp(path, "-") == 0)
        return OK;
    bool there = stat(path, &found) == 0;
    if (there && !S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode))
        return OK; /* a pipe's reader would take our looking for the end */
    int rc = check_no_run_file(path, e);
    if (rc < 0)
        return rc;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set(e, ERR_IO, "cannot write %s: %s; choose another place with --json", path,
                       strerror(errno));
    close(fd);
    if (!there)
        unlink(path);
    return OK;
}

static int exit_code(const struct summary *runs, size_t n)
{
    bool invalid = false, unmet = false, interrupted = false, any = false;
    for (size_t i = 0; i < n; i++) {
        uint64_t succeeded = runs[i].errors[OUTCOME_OK] + runs[i].completed;
        any |= succeeded > 0;
        invalid |= runs[i].verdict == VERDICT_INVALID;
        unmet |= runs[i].slo_count > 0 && !runs[i].slo_met;
        interrupted |= runs[i].run.interrupted;
    }
    if (interrupted)
        return 130;
    if (!any)
        return 2;
    return invalid ? 3 : unmet ? 4 : 0;
}

static FILE *table_stream(const struct results_style *style)
{
    return style->json && strcmp(style->json, "-") == 0 ? stderr : stdout;
}

struct report_style results_report_style(const struct results_style *style)
{
    struct term term = term_of(table_stream(style));
    return (struct report_style){.color = term.color,
                                 .columns =
                                     term.tty && term.columns < COLUMNS ? term.columns : COLUMNS,
                                 .all_checks = style->all_checks,
                                 .run_file = style->run_file,
                                 .metrics = style->metrics};
}

int results_write_table(const struct buf *text, const struct results_style *style, struct err *e)
{
    FILE *out = table_stream(style);
    bool ok = fwrite(text->p, 1, text->n, out) == text->n && fflush(out) == 0;
    int error = errno;
    ok |= out == stderr; /* standard output has the JSON then, which is the result */
    return ok ? OK : err_set(e, ERR_IO, "cannot write the result: %s", strerror(error));
}

static int print_table(const struct summary *runs, size_t n, const struct results_style *style,
                       struct err *e)
{
    struct report_style rs = results_report_style(style);
    struct buf text = {0};
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_putc(&text, '\n');
        report_text(&runs[i], &rs, &text);
    }
    if (n > 1) {
        buf_putc(&text, '\n');
        report_text_series(runs, n, &rs, &text);
    }
    int rc = results_write_table(&text, style, e);
    buf_release(&text);
    return rc;
}

int results_print(struct record_reader *r, const struct summary_options *options,
                  const struct results_style *style)
{
    size_t count, n = 0;
    struct err e;
    const int64_t *ids = record_reader_runs(r, &count);
    struct summary *runs = MEM_ARRAY(struct summary, count + 1);
    int rc = OK;
    for (size_t i = 0; rc == OK && i < count; i++) {
        if (style->only_run > 0 && ids[i] != style->only_run)
            continue;
        rc = summary_of_run(r, ids[i], options, &runs[n], &e);
        n += rc == OK;
    }
    if (rc == OK && n == 0)
        rc = err_set(&e, ERR_INPUT, "%s holds no such run", style->run_file);
    bool made = rc == OK;
    if (made)
        rc = print_table(runs, n, style, &e);
    if (made && style->json) { /* also for who could not be shown the table */
        struct err again;
        int json = write_json(style->json, runs, n, rc == OK ? &e : &again);
        rc = rc == OK ? json : rc;
    }
    int code = rc < 0 ? term_fail(&e) : exit_code(runs, n);
    for (size_t i = 0; i < n; i++)
        summary_release(&runs[i]);
    free(runs);
    return code;
}
