#include "measure/verdict.h"

#include <stdarg.h>
#include <stdio.h>

#include "measure/checks.h"

void check_put(struct summary *s, const char *id, enum severity severity, enum check_status status,
               const char *threshold, const char *advice, const char *value_format, ...)
{
    if (s->check_count == SUMMARY_MAX_CHECKS)
        BUG("more checks than a summary has room for");
    struct check *c = &s->checks[s->check_count++];
    *c = (struct check){.id = id, .severity = severity, .status = status};
    va_list args;
    va_start(args, value_format);
    vsnprintf(c->value, sizeof c->value, value_format, args);
    va_end(args);
    snprintf(c->threshold, sizeof c->threshold, "%s", threshold);
    if (status == CHECK_FAIL)
        snprintf(c->advice, sizeof c->advice, "%s", advice);
}

static enum severity severity_named(const char *name)
{
    if (strcmp(name, "invalid") == 0)
        return SEVERITY_INVALID;
    return strcmp(name, "provisional") == 0 ? SEVERITY_PROVISIONAL : SEVERITY_NOTE;
}

/* What the driver wrote down while the run went on counts like a check. */
static void check_findings(struct summary *s)
{
    enum severity worst = SEVERITY_NOTE;
    size_t grave = 0;
    for (size_t i = 0; i < s->finding_count; i++) {
        enum severity severity = severity_named(s->findings[i].severity);
        grave += severity > SEVERITY_NOTE;
        if (severity > worst)
            worst = severity;
    }
    check_put(s, "findings", grave > 0 ? worst : SEVERITY_PROVISIONAL, check_when(grave > 0),
              "none but notes",
              "Read what happened during the run, under \"Seen during the run\", and run again "
              "without it.",
              "%zu graver than a note", grave);
}

static enum verdict worst_of(const struct summary *s)
{
    enum verdict worst = VERDICT_VALID;
    for (size_t i = 0; i < s->check_count; i++) {
        const struct check *c = &s->checks[i];
        if (c->status != CHECK_FAIL)
            continue;
        if (c->severity == SEVERITY_INVALID)
            worst = VERDICT_INVALID;
        else if (c->severity == SEVERITY_PROVISIONAL && worst == VERDICT_VALID)
            worst = VERDICT_PROVISIONAL;
    }
    return worst;
}

void verdict_reach(struct summary *s, const struct evidence *v)
{
    s->check_count = 0;
    checks_of_run(s, v);
    checks_of_server(s, v);
    checks_of_instrument(s, v);
    check_findings(s);
    s->verdict = worst_of(s);
}
