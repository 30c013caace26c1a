#include "report/verdict_line.h"

#include <stdio.h>

static const char *const severity_words[] = {
    [SEVERITY_NOTE] = "NOTE",
    [SEVERITY_PROVISIONAL] = "PROVISIONAL",
    [SEVERITY_INVALID] = "INVALID",
};

const char *verdict_line_word(enum verdict v)
{
    return v == VERDICT_VALID ? "VALID" : v == VERDICT_PROVISIONAL ? "PROVISIONAL" : "INVALID";
}

enum layout_tone verdict_line_tone(enum verdict v)
{
    return v == VERDICT_VALID ? TONE_GOOD : v == VERDICT_PROVISIONAL ? TONE_WARN : TONE_BAD;
}

const char *verdict_line_check(const struct check *c)
{
    if (c->status == CHECK_FAIL)
        return severity_words[c->severity];
    return c->status == CHECK_PASS ? "pass" : "skipped";
}

/* The first failed check of the severity, and how many there are. */
static const struct check *first_failed(const struct summary *s, enum severity severity, size_t *n)
{
    const struct check *first = NULL;
    *n = 0;
    for (size_t i = 0; i < s->check_count; i++) {
        if (s->checks[i].status != CHECK_FAIL || s->checks[i].severity != severity)
            continue;
        if (!first)
            first = &s->checks[i];
        (*n)++;
    }
    return first;
}

static void reason(const struct summary *s, char *out, size_t n)
{
    size_t count, more;
    const struct check *c;
    if (s->verdict == VERDICT_VALID) {
        first_failed(s, SEVERITY_NOTE, &count);
        if (count == 0)
            snprintf(out, n, "nothing stands against these figures");
        else
            snprintf(out, n, "nothing stands against these figures; %zu note%s below", count,
                     count == 1 ? "" : "s");
        return;
    }
    bool invalid = s->verdict == VERDICT_INVALID;
    if (invalid && s->offered == 0) {
        snprintf(out, n, "nothing was measured%s",
                 !s->run.finished     ? ": the record breaks off before any request of the load"
                 : s->run.interrupted ? ": the run was stopped before its load began"
                                      : "");
        return;
    }
    c = first_failed(s, invalid ? SEVERITY_INVALID : SEVERITY_PROVISIONAL, &count);
    more = count > 0 ? count - 1 : 0;
    int at = snprintf(out, n, "%s: %s, %s",
                      invalid ? "these figures may be wrong"
                              : "true of this run, too little to generalise",
                      c ? c->id : "", c ? c->value : "");
    if (more > 0 && at > 0 && (size_t)at < n)
        snprintf(out + at, n - (size_t)at, "; and %zu more", more);
}

void verdict_line(struct layout *l, const struct summary *s)
{
    const char *word = verdict_line_word(s->verdict);
    unsigned used = (unsigned)strlen(word) + 2;
    char why[320];
    reason(s, why, sizeof why);
    layout_put(l, verdict_line_tone(s->verdict), word);
    buf_puts(l->out, "  ");
    layout_wrap(l, TONE_PLAIN, used, used, why);
}
