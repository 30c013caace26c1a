#include "cli/compare_results.h"

#include "cli/term.h"
#include "decide/compare_file.h"
#include "report/comparison.h"

static int exit_code(const struct comparison *c)
{
    if (c->interrupted)
        return 130;
    if (c->side[COMPARE_A].completed + c->side[COMPARE_B].completed == 0)
        return 2;
    if (c->verdict == VERDICT_INVALID)
        return 3;
    if (compare_gates_fail(c))
        return 4;
    return compare_gates_cannot_tell(c) ? 3 : 0;
}

int compare_results_print(const struct comparison *c, const struct results_style *style)
{
    struct report_style rs = results_report_style(style);
    struct buf text = {0};
    struct err e;
    comparison_text(c, &rs, &text);
    int rc = results_write_table(&text, style, &e);
    buf_release(&text);
    if (style->json) { /* also for who could not be shown the table */
        struct err again;
        int json = comparison_json(c, &text, rc == OK ? &e : &again);
        if (json == OK)
            json = results_write_json(&text, style->json, rc == OK ? &e : &again);
        rc = rc == OK ? json : rc;
    }
    buf_release(&text);
    return rc < 0 ? term_fail(&e) : exit_code(c);
}

int compare_results_of_file(struct record_reader *r, const struct compare_spec *given,
                            const struct results_style *style)
{
    struct comparison c;
    struct err e;
    if (compare_of_file(r, given, &c, &e) < 0)
        return term_fail(&e);
    int code = compare_results_print(&c, style);
    comparison_release(&c);
    return code;
}
