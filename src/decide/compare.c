#include "decide/compare.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const double default_margin = 0.05;

static const char *const verdict_names[] = {
    [COMPARE_UNDECIDED] = "undecided",   [COMPARE_BETTER] = "better",   [COMPARE_WORSE] = "worse",
    [COMPARE_EQUIVALENT] = "equivalent", [COMPARE_NO_VERDICT] = "none",
};

const char *compare_verdict_name(enum compare_verdict v)
{
    return verdict_names[v];
}

static double *no_values(struct arena *a, size_t n)
{
    double *x = arena_alloc(a, (n + 1) * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = NAN;
    return x;
}

void compare_spec_complete(struct compare_spec *s)
{
    if (s->metrics.n == 0)
        s->metrics = compare_metrics_default();
    if (!(s->margin > 0))
        s->margin = default_margin;
}

int compare_begin(struct comparison *c, size_t blocks, struct err *e)
{
    struct compare_metrics *list = &c->spec.metrics;
    if (blocks > COMPARE_MAX_ROUNDS)
        return err_set(e, ERR_INPUT, "there are %zu blocks of one side; %d is the most", blocks,
                       COMPARE_MAX_ROUNDS);
    for (size_t i = 0; i < c->spec.gates.n; i++)
        if (!compare_metrics_add(list, &c->spec.gates.list[i].metric))
            return err_set(e, ERR_USAGE, "--metrics and --fail-if name more than %d metrics",
                           COMPARE_MAX_METRICS);
    c->row_count = list->n;
    c->rows = arena_alloc(&c->arena, (list->n + 1) * sizeof *c->rows);
    for (size_t i = 0; i < list->n; i++) {
        struct compare_row *r = &c->rows[i];
        *r = (struct compare_row){.metric = list->list[i],
                                  .n = {blocks, blocks},
                                  .ratio = NAN,
                                  .p = NAN,
                                  .p_holm = NAN,
                                  .sd = NAN,
                                  .rounds_needed = NAN,
                                  .t = {.ratio = NAN, .p = NAN, .df = NAN}};
        for (int s = 0; s < COMPARE_SIDES; s++)
            r->value[s] = no_values(&c->arena, blocks);
    }
    return OK;
}

/* Only what may be a fault of the comparison itself is counted: notes leave the verdict alone. */
static enum verdict verdict_of(enum severity s)
{
    return s == SEVERITY_INVALID       ? VERDICT_INVALID
           : s == SEVERITY_PROVISIONAL ? VERDICT_PROVISIONAL
                                       : VERDICT_VALID;
}

void compare_flaw_add(struct comparison *c, enum severity severity, const char *format, ...)
{
    va_list args;
    if (verdict_of(severity) > c->verdict)
        c->verdict = verdict_of(severity);
    if (c->flaw_count == COMPARE_MAX_FLAWS)
        return;
    struct compare_flaw *f = &c->flaws[c->flaw_count++];
    f->severity = severity;
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
}

void compare_withhold(struct comparison *c, const char *why)
{
    for (size_t i = 0; i < c->row_count; i++) {
        c->rows[i].verdict = COMPARE_NO_VERDICT;
        c->rows[i].rounds_needed = NAN;
        snprintf(c->rows[i].why, sizeof c->rows[i].why, "%s", why);
    }
    for (size_t i = 0; i < c->gate_count; i++)
        c->gates[i].state = COMPARE_CANNOT_TELL;
}

static bool any_gate(const struct comparison *c, enum compare_gate_state state)
{
    for (size_t i = 0; i < c->gate_count; i++)
        if (c->gates[i].state == state)
            return true;
    return false;
}

bool compare_gates_fail(const struct comparison *c)
{
    return any_gate(c, COMPARE_FAILS);
}

bool compare_gates_cannot_tell(const struct comparison *c)
{
    return any_gate(c, COMPARE_CANNOT_TELL);
}

void comparison_release(struct comparison *c)
{
    arena_release(&c->arena);
    *c = (struct comparison){0};
}
