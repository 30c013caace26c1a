#include "decide/compare_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "decide/compare_blocks.h"
#include "decide/compare_same.h"
#include "decide/compare_single.h"

const char *const compare_kinds[COMPARE_SIDES] = {"compare a", "compare b"};

enum { FEWEST_PAIRS = 6 }; /* with fewer the signed-rank test has no 95 % interval */

/* --- what was asked, as kept in the file --- */

static void put_text(struct buf *json, const char *key, const char *text)
{
    if (!text)
        return;
    buf_printf(json, ",\"%s\":", key);
    json_put_string(json, slice_of(text));
}

void compare_plan_put(const struct compare_plan *p, struct buf *json)
{
    buf_printf(json, "{\"rounds\":%" PRId64 ",\"margin\":", p->rounds);
    json_put_double(json, p->margin);
    buf_printf(json, ",\"allow_mismatch\":%s,\"own_nonces\":%s",
               p->allow_mismatch ? "true" : "false", p->own_nonces ? "true" : "false");
    put_text(json, "metrics", p->metrics);
    buf_puts(json, ",\"fail_if\":[");
    for (size_t i = 0; i < p->fail_if_count; i++) {
        buf_puts(json, i > 0 ? "," : "");
        json_put_string(json, slice_of(p->fail_if[i]));
    }
    buf_putc(json, ']');
    put_text(json, "before_a", p->before[COMPARE_A]);
    put_text(json, "before_b", p->before[COMPARE_B]);
    buf_putc(json, '}');
}

static int read_gates(struct json *j, struct compare_gates *out, struct err *e)
{
    struct slice raw;
    int rc = OK;
    for (json_enter_array(j); json_next_item(j);) {
        struct buf text = {0};
        if (!json_string(j, &raw))
            break;
        if (rc == OK && (rc = json_unescape(raw, &text)) == OK)
            rc = compare_gates_parse(buf_slice(&text), out, e);
        buf_release(&text);
    }
    return rc;
}

static int read_metrics(struct json *j, struct compare_metrics *out, struct err *e)
{
    struct slice raw;
    struct buf text = {0};
    if (!json_string(j, &raw))
        return OK;
    int rc = json_unescape(raw, &text);
    if (rc == OK)
        rc = compare_metrics_parse(buf_slice(&text), out, e);
    buf_release(&text);
    return rc;
}

static int read_plan(const char *text, struct compare_spec *spec, size_t *rounds, struct err *e)
{
    struct json j = json_of(slice_of(text));
    struct slice key;
    int64_t planned = 0;
    int rc = OK;
    *spec = (struct compare_spec){.metrics = compare_metrics_default()};
    for (json_enter_object(&j); rc == OK && json_next_key(&j, &key);) {
        if (slice_is(key, "rounds"))
            json_int(&j, &planned);
        else if (slice_is(key, "margin"))
            json_double(&j, &spec->margin);
        else if (slice_is(key, "allow_mismatch"))
            json_bool(&j, &spec->allow_mismatch);
        else if (slice_is(key, "metrics"))
            rc = read_metrics(&j, &spec->metrics, e);
        else if (slice_is(key, "fail_if"))
            rc = read_gates(&j, &spec->gates, e);
        else
            json_skip(&j);
    }
    *rounds = planned > 0 ? (size_t)planned : 0;
    bool sane = isfinite(spec->margin) && spec->margin > 0;
    if (rc < 0 || json_end(&j) < 0 || !sane)
        return err_set(e, ERR_INPUT, "what the file says of its comparison cannot be read");
    return OK;
}

/* What is given anew wins; the rest stays as it was asked. */
static void override(struct compare_spec *spec, const struct compare_spec *given)
{
    if (given->metrics.n > 0)
        spec->metrics = given->metrics;
    if (given->gates.n > 0)
        spec->gates = given->gates;
    if (given->margin > 0)
        spec->margin = given->margin;
    if (given->goodput)
        spec->goodput = given->goodput;
    spec->allow_mismatch = spec->allow_mismatch || given->allow_mismatch;
}

bool compare_in_file(struct record_reader *r)
{
    return record_reader_meta(r, COMPARE_META_KEY)[0] != '\0';
}

/* --- runs --- */

struct found { /* a run that may be a block */
    int64_t id, ordinal;
    uint64_t seed;
    struct record_reader *reader;
};

struct list {
    struct found *v;
    size_t n;
};

static int by_ordinal(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return x->ordinal != y->ordinal ? (x->ordinal > y->ordinal) - (x->ordinal < y->ordinal)
                                    : (x->id > y->id) - (x->id < y->id);
}

static int by_seed(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return (x->seed > y->seed) - (x->seed < y->seed);
}

/* Whole runs of a kind, in order; cut: how many were cut short. */
static int list_runs(struct record_reader *r, const char *kind, struct list *out, size_t *cut,
                     struct err *e)
{
    size_t count;
    const int64_t *ids = record_reader_runs(r, &count);
    out->v = MEM_ARRAY(struct found, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct run_record run;
        int rc = record_reader_run(r, ids[i], &run, e);
        if (rc < 0)
            return rc;
        if (strcmp(run.kind, kind) != 0)
            continue;
        if (run.finished && !run.interrupted)
            out->v[out->n++] = (struct found){run.id, run.ordinal, run.seed, r};
        else
            (*cut)++;
    }
    qsort(out->v, out->n, sizeof *out->v, by_ordinal);
    return OK;
}

static int take_run(struct comparison *c, struct compare_blocks *b, enum compare_side side,
                    size_t at, const struct found *f, const struct summary_options *o,
                    struct err *e)
{
    struct summary *s = MEM_NEW(struct summary);
    int rc = summary_of_run(f->reader, f->id, o, s, e);
    if (rc == OK) {
        compare_blocks_take(b, c, side, at, s);
        if (c->design == COMPARE_SINGLE_RUNS)
            compare_single_take(c, side, s);
        summary_release(s);
    }
    free(s);
    return rc;
}

static int take_all(struct comparison *c, struct compare_blocks *b, const struct list *lists,
                    struct err *e)
{
    struct summary_options o = {.goodput = c->spec.goodput};
    int rc = OK;
    compare_metrics_options(&c->spec.metrics, &o);
    for (int s = 0; s < COMPARE_SIDES; s++)
        for (size_t i = 0; rc == OK && i < lists[s].n; i++)
            rc = take_run(c, b, (enum compare_side)s, i, &lists[s].v[i], &o, e);
    return rc;
}

/* --- what a reader must know --- */

static void judge_failures(struct comparison *c)
{
    const struct compare_about *a = &c->side[COMPARE_A], *b = &c->side[COMPARE_B];
    if (a->failed == b->failed)
        return;
    compare_flaw_add(c, SEVERITY_NOTE,
                     "failed requests are in no latency: %" PRIu64 " of %" PRIu64
                     " failed at A, %" PRIu64 " of %" PRIu64 " at B",
                     a->failed, a->offered, b->failed, b->offered);
}

static void judge_rounds(struct comparison *c)
{
    size_t n = c->complete, tests = c->row_count, needed = compare_rounds_for_metrics(tests);
    if (n < c->planned)
        compare_flaw_add(c, n > 0 ? SEVERITY_PROVISIONAL : SEVERITY_INVALID,
                         "%s after %zu of %zu rounds",
                         c->interrupted ? "it was stopped" : "it broke off", n, c->planned);
    if (n > 0 && n < FEWEST_PAIRS)
        compare_flaw_add(c, SEVERITY_PROVISIONAL,
                         "the exact test has no 95 %% interval in fewer than %d rounds",
                         FEWEST_PAIRS);
    else if (n > 0 && n < needed)
        compare_flaw_add(c, SEVERITY_PROVISIONAL,
                         "with %zu metrics no difference can be shown in fewer than %zu rounds",
                         tests, needed);
}

static void judge_design(struct comparison *c)
{
    if (c->design == COMPARE_ROUNDS)
        judge_rounds(c);
    else if (c->design == COMPARE_SINGLE_RUNS)
        compare_flaw_add(c, SEVERITY_PROVISIONAL,
                         "one run of each: the intervals hold what varies within these two, not "
                         "what differs between two runs of one server, so there is no verdict; "
                         "interleave them (loadline compare TARGET TARGET)");
    else
        compare_flaw_add(c, SEVERITY_PROVISIONAL,
                         "the runs were not interleaved: what drifted between those of A and those "
                         "of B counts as a difference (loadline compare TARGET TARGET interleaves "
                         "them)");
}

static bool all_differences(const struct comparison *c, struct buf *text)
{
    size_t n = compare_load_differences(&c->side[COMPARE_A].run, &c->side[COMPARE_B].run, text);
    struct buf lengths = {0};
    if (compare_length_differences(c, &lengths) > 0) {
        buf_puts(text, n > 0 ? "; " : "");
        buf_put(text, buf_slice(&lengths));
        n++;
    }
    buf_release(&lengths);
    return n > 0;
}

/* What was loaded differently is not compared, unless that is wanted. */
static void judge_sameness(struct comparison *c)
{
    struct buf text = {0};
    bool allowed = c->spec.allow_mismatch;
    c->mismatch = all_differences(c, &text);
    if (c->mismatch) {
        compare_flaw_add(c, allowed ? SEVERITY_NOTE : SEVERITY_INVALID, "%s%s", buf_cstr(&text),
                         allowed ? "" : " (--allow-mismatch compares all the same)");
        if (!allowed)
            compare_withhold(c, "A and B were not asked the same, or are not the same model");
    }
    buf_release(&text);
}

static int refuse_differences(const struct comparison *c, struct err *e)
{
    struct buf text = {0};
    int rc = OK;
    if (!c->spec.allow_mismatch && all_differences(c, &text))
        rc = err_set(e, ERR_USAGE, "%s; --allow-mismatch compares all the same", buf_cstr(&text));
    buf_release(&text);
    return rc;
}

static void finish(struct comparison *c, struct compare_blocks *b)
{
    judge_design(c);
    compare_blocks_end(b, c);
    judge_failures(c);
    compare_judge(c);
    if (c->side[COMPARE_A].blocks > 0 && c->side[COMPARE_B].blocks > 0)
        judge_sameness(c);
}

/* --- rounds of one file --- */

/* Rounds of which both sides are there: the two lists are brought side by side. */
static void pair_rounds(struct list *a, struct list *b)
{
    size_t n = 0;
    for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
        if (a->v[i].ordinal != b->v[j].ordinal) {
            *(a->v[i].ordinal < b->v[j].ordinal ? &i : &j) += 1;
            continue;
        }
        a->v[n] = a->v[i++];
        b->v[n++] = b->v[j++];
    }
    a->n = b->n = n;
}

static int rounds_of(struct record_reader *r, struct comparison *c, struct list *lists,
                     struct err *e)
{
    struct compare_blocks blocks = {0};
    size_t cut = 0;
    int rc = OK;
    for (int s = 0; rc == OK && s < COMPARE_SIDES; s++)
        rc = list_runs(r, compare_kinds[s], &lists[s], &cut, e);
    if (rc < 0)
        return rc;
    pair_rounds(&lists[COMPARE_A], &lists[COMPARE_B]);
    c->same_seeds = true;
    c->interrupted = cut > 0;
    c->complete = lists[COMPARE_A].n;
    rc = compare_begin(c, c->complete, e);
    if (rc == OK)
        rc = take_all(c, &blocks, lists, e);
    if (rc == OK)
        finish(c, &blocks);
    return rc;
}

int compare_of_file(struct record_reader *r, const struct compare_spec *given,
                    struct comparison *out, struct err *e)
{
    struct list lists[COMPARE_SIDES] = {0};
    *out = (struct comparison){.design = COMPARE_ROUNDS};
    if (!compare_in_file(r))
        return err_set(e, ERR_INPUT, "the file holds no comparison");
    int rc = read_plan(record_reader_meta(r, COMPARE_META_KEY), &out->spec, &out->planned, e);
    if (given)
        override(&out->spec, given);
    if (rc == OK)
        rc = rounds_of(r, out, lists, e);
    for (int s = 0; s < COMPARE_SIDES; s++)
        free(lists[s].v);
    if (rc < 0)
        comparison_release(out);
    return rc;
}

/* --- runs of two files --- */

static bool seeds_agree(const struct list *a, const struct list *b)
{
    if (a->n != b->n)
        return false;
    qsort(a->v, a->n, sizeof *a->v, by_seed);
    qsort(b->v, b->n, sizeof *b->v, by_seed);
    for (size_t i = 0; i < a->n; i++)
        if (a->v[i].seed != b->v[i].seed)
            return false;
    return true;
}

static enum compare_design design_of(const struct list *a, const struct list *b, bool same_seeds)
{
    if (same_seeds && a->n >= FEWEST_PAIRS)
        return COMPARE_PAIRED_RUNS;
    return a->n > 1 || b->n > 1 ? COMPARE_UNPAIRED_RUNS : COMPARE_SINGLE_RUNS;
}

static int check_runs(struct record_reader *r, const struct list *list, const char *side,
                      struct err *e)
{
    size_t all;
    record_reader_runs(r, &all);
    if (compare_in_file(r))
        return err_set(e, ERR_USAGE,
                       "%s holds a comparison already: loadline report prints it, and loadline "
                       "compare FILE judges it anew",
                       side);
    if (list->n == 0)
        return err_set(e, ERR_USAGE,
                       "%s holds no whole run of `loadline run`; two of those can be compared",
                       side);
    return OK;
}

static int runs_of(struct record_reader *const r[COMPARE_SIDES], struct comparison *c,
                   struct list *lists, struct err *e)
{
    static const char *const names[] = {"A", "B"};
    struct compare_blocks blocks = {0};
    size_t cut = 0;
    int rc = OK;
    for (int s = 0; rc == OK && s < COMPARE_SIDES; s++) {
        rc = list_runs(r[s], "run", &lists[s], &cut, e);
        if (rc == OK)
            rc = check_runs(r[s], &lists[s], names[s], e);
    }
    if (rc < 0)
        return rc;
    c->same_seeds = seeds_agree(&lists[COMPARE_A], &lists[COMPARE_B]);
    c->design = design_of(&lists[COMPARE_A], &lists[COMPARE_B], c->same_seeds);
    size_t most = lists[COMPARE_A].n > lists[COMPARE_B].n ? lists[COMPARE_A].n : lists[COMPARE_B].n;
    rc = compare_begin(c, most, e);
    for (size_t i = 0; rc == OK && i < c->row_count; i++)
        for (int s = 0; s < COMPARE_SIDES; s++)
            c->rows[i].n[s] = lists[s].n;
    if (rc == OK)
        rc = take_all(c, &blocks, lists, e);
    if (rc < 0)
        return rc;
    if (c->design == COMPARE_SINGLE_RUNS)
        compare_single_end(c);
    if (cut > 0)
        compare_flaw_add(c, SEVERITY_NOTE, "left out: %zu run%s cut short", cut,
                         cut == 1 ? " that was" : "s that were");
    finish(c, &blocks);
    return refuse_differences(c, e);
}

int compare_of_runs(struct record_reader *const r[COMPARE_SIDES], const struct compare_spec *spec,
                    struct comparison *out, struct err *e)
{
    struct list lists[COMPARE_SIDES] = {0};
    *out = (struct comparison){.spec = *spec};
    int rc = runs_of(r, out, lists, e);
    for (int s = 0; s < COMPARE_SIDES; s++)
        free(lists[s].v);
    if (rc < 0)
        comparison_release(out);
    return rc;
}
