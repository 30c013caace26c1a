#include "cli/sweep_results.h"

#include <stdlib.h>

#include "base/mem.h"
#include "cli/term.h"
#include "report/sweep_report.h"

struct sweep_view {
    struct sweep_read *open, *closed;
    struct summary *floor;
    struct sweep_report report;
};

static void release(struct sweep_view *v)
{
    if (v->report.floor)
        summary_release(v->floor);
    free(v->floor);
    free(v->open);
    free(v->closed);
}

static int read_view(struct record_reader *r, struct sweep_view *v, struct err *e)
{
    struct summary_options options = {0};
    v->open = MEM_NEW(struct sweep_read);
    v->closed = MEM_NEW(struct sweep_read);
    v->floor = MEM_NEW(struct summary);
    int rc = sweep_file_read(r, SWEEP_FILE_KEY, v->open, e);
    bool both = sweep_file_has(r, SWEEP_FILE_CLOSED_KEY);
    if (rc == OK && both)
        rc = sweep_file_read(r, SWEEP_FILE_CLOSED_KEY, v->closed, e);
    if (rc == OK && !v->open->any)
        rc = err_set(e, ERR_INPUT, "the run file holds no level of its sweep yet");
    if (rc < 0)
        return rc;
    v->report = (struct sweep_report){
        .sweep = v->open, .closed = both ? v->closed : NULL, .run = &v->open->first};
    sweep_judge(&v->open->sweep, &v->report.result);
    if (v->report.result.floor < 0)
        return OK;
    int64_t id = v->open->sweep.levels[v->report.result.floor].run_id;
    rc = summary_of_run(r, id, &options, v->floor, e);
    if (rc == OK)
        v->report.floor = v->floor;
    return rc;
}

static int exit_code(const struct sweep_report *r)
{
    if (sweep_report_invalid(r))
        return 3;
    return r->result.end == SWEEP_NEVER_MET ? 4 : 0;
}

int sweep_results_print(struct record_reader *r, const struct results_style *style)
{
    struct sweep_view v = {0};
    struct buf text = {0}, json = {0};
    struct report_style rs = results_report_style(style);
    struct err e;
    int rc = read_view(r, &v, &e);
    if (rc == OK) {
        sweep_report_text(&v.report, &rs, &text);
        rc = results_write_table(&text, style, &e);
    }
    if (rc == OK && style->json)
        rc = sweep_report_json(&v.report, &json, &e);
    if (rc == OK && style->json)
        rc = results_write_json(&json, style->json, &e);
    int code = rc < 0 ? term_fail(&e) : exit_code(&v.report);
    buf_release(&text);
    buf_release(&json);
    release(&v);
    return code;
}
