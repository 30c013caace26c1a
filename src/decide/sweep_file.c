#include "decide/sweep_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static const char schema[] = "loadline.sweep-spec/1";
static const char *const kinds[] = {
    [LOAD_AT_RATE] = "rate", [LOAD_OF_USERS] = "users", [LOAD_AT_ONCE] = "burst"};

void sweep_file_put_spec(const struct sweep_spec *spec, const char *slo, struct buf *out)
{
    buf_printf(out, "{\"schema\":\"%s\",\"slo\":", schema);
    json_put_string(out, slice_of(slo));
    buf_printf(out, ",\"levels_of\":\"%s\",\"given\":[", kinds[spec->kind]);
    for (size_t i = 0; i < spec->given_count; i++) {
        buf_puts(out, i > 0 ? "," : "");
        json_put_double(out, spec->given[i]);
    }
    buf_printf(out, "],\"level_ns\":%lld,\"budget_ns\":%lld,\"stop_at_saturation\":%s}",
               (long long)spec->level_ns, (long long)spec->budget_ns,
               spec->stop_at_saturation ? "true" : "false");
}

/* ---- reading ---- */

static int damaged(struct err *e)
{
    return err_set(e, ERR_INPUT,
                   "what the run file says of its sweep cannot be read; it was changed, or written "
                   "by a newer loadline");
}

static bool take_given(struct json *j, struct sweep_spec *spec)
{
    for (json_enter_array(j); json_next_item(j);) {
        double x = 0;
        if (!json_double(j, &x) || !(x > 0) || spec->given_count == SWEEP_MAX_GIVEN)
            return false;
        spec->given[spec->given_count++] = x;
    }
    return true;
}

static bool take_kind(struct json *j, enum load_kind *out)
{
    struct slice raw = {0};
    if (!json_string(j, &raw))
        return false;
    for (int i = LOAD_AT_RATE; i <= LOAD_OF_USERS; i++)
        if (slice_is(raw, kinds[i])) {
            *out = (enum load_kind)i;
            return true;
        }
    return false;
}

static int take_slo(struct json *j, struct objectives *out, struct err *e)
{
    struct slice raw = {0};
    struct buf text = {0};
    if (!json_string(j, &raw) || json_unescape(raw, &text) < 0)
        return damaged(e);
    int rc = text.n > 0 ? bounds_parse_slo(buf_slice(&text), out, e) : OK;
    buf_release(&text);
    return rc < 0 ? damaged(e) : OK; /* it speaks of an option that nobody gave */
}

int sweep_file_take_spec(const char *json, struct sweep_spec *out, struct err *e)
{
    struct json j = json_of(slice_of(json));
    struct slice key, text = {0};
    struct sweep_spec spec = {0};
    bool ok = true, known = false;
    for (json_enter_object(&j); ok && json_next_key(&j, &key);) {
        if (slice_is(key, "schema"))
            known = json_string(&j, &text) && slice_is(text, schema);
        else if (slice_is(key, "slo")) {
            int rc = take_slo(&j, &spec.slo, e);
            if (rc < 0)
                return rc;
        } else if (slice_is(key, "levels_of"))
            ok = take_kind(&j, &spec.kind);
        else if (slice_is(key, "given"))
            ok = take_given(&j, &spec);
        else if (slice_is(key, "level_ns"))
            ok = json_int(&j, &spec.level_ns);
        else if (slice_is(key, "budget_ns"))
            ok = json_int(&j, &spec.budget_ns);
        else if (slice_is(key, "stop_at_saturation"))
            ok = json_bool(&j, &spec.stop_at_saturation);
        else
            json_skip(&j);
    }
    if (!ok || !known || json_end(&j) < 0 || spec.budget_ns < 0 || spec.level_ns < 0)
        return damaged(e);
    *out = spec;
    return OK;
}

bool sweep_file_has(struct record_reader *r, const char *key)
{
    return record_reader_meta(r, key)[0] != '\0';
}

/* ---- levels ---- */

static enum load_kind kind_of(const struct run_record *run)
{
    return strcmp(run->mode, "closed") == 0    ? LOAD_OF_USERS
           : strcmp(run->mode, "offline") == 0 ? LOAD_AT_ONCE
                                               : LOAD_AT_RATE;
}

/* What the row says was offered. How it was, the search itself says: `planned` is what it asks for
 * at this place. */
static struct load_point point_of(const struct run_record *run, const struct load_point *planned)
{
    struct load_point p = *planned;
    p.kind = kind_of(run);
    p.rate = p.kind == LOAD_AT_RATE ? run->request_rate : 0;
    p.users = p.kind == LOAD_OF_USERS ? run->max_concurrency : 0;
    p.requests = (uint64_t)run->num_prompts;
    p.duration_ns = run->duration_ns;
    return p;
}

/* A load that could have been offered: a floor below 0 would carry plans of nonsense. */
static bool is_load(const struct load_point *p)
{
    return p->kind == LOAD_AT_RATE    ? isfinite(p->rate) && p->rate > 0
           : p->kind == LOAD_OF_USERS ? p->users > 0
                                      : true;
}

/* The stage of a row of this sweep, or of the closed loop beside it; −1 for other rows. */
static int stage_of(const struct run_record *run, bool closed_beside)
{
    size_t n = strlen(SWEEP_FILE_CLOSED_PREFIX);
    bool prefixed = strncmp(run->kind, SWEEP_FILE_CLOSED_PREFIX, n) == 0;
    return prefixed == closed_beside ? level_stage_of(run->kind + (prefixed ? n : 0)) : -1;
}

struct group { /* rows that were offered together */
    struct probed got[RUNNER_MAX_CLIMB];
    struct load_point points[RUNNER_MAX_CLIMB];
    size_t n;
};

static void group_release(struct group *g)
{
    for (size_t i = 0; i < g->n; i++)
        probed_release(&g->got[i]);
    g->n = 0;
}

static void take_group(struct sweep_read *out, enum level_stage stage, struct group *g)
{
    size_t before = out->sweep.count;
    if (g->n == 0)
        return;
    sweep_take(&out->sweep, stage, g->points, g->got, g->n, g->got[0].run.drained_ns);
    for (size_t i = before; i < out->sweep.count; i++)
        curve_measure(&out->sweep.levels[i], &g->got[i - before], &out->points[i]);
    group_release(g);
}

static bool was_finished(const struct run_record *run)
{
    return run->finished && !run->interrupted;
}

struct place { /* where the reading of the levels is */
    struct sweep_read *out;
    struct group group;
    enum level_stage stage; /* of the group */
    struct load_point planned[RUNNER_MAX_CLIMB];
    size_t planned_count;
};

/* Asks the search what stands at this place, when a group is over. */
static void plan(struct place *p, enum level_stage found)
{
    enum level_stage stage = LEVEL_GIVEN;
    p->planned_count = sweep_next(&p->out->sweep, p->planned, &stage);
    if (p->planned_count == 0 || stage != found) { /* a search of another version */
        bool places = found == LEVEL_CLIMB || found == LEVEL_NARROW;
        p->planned_count = 1;
        p->planned[0] = (struct load_point){.purpose = level_stage_name(found), .cut = places};
    }
    p->stage = found;
}

static int add_row(struct place *p, struct record_reader *r, const struct run_record *run,
                   enum level_stage stage, struct err *e)
{
    struct group *g = &p->group;
    if (g->n == 0)
        plan(p, stage);
    struct probed *got = &g->got[g->n];
    struct load_point point = point_of(run, &p->planned[g->n]);
    if (!is_load(&point))
        return damaged(e);
    *got = (struct probed){.run_id = run->id, .run = *run};
    int rc = samples_read(r, run->id, &got->set, e);
    if (rc != 0)
        return rc;
    g->points[g->n++] = point;
    if (g->n == p->planned_count)
        take_group(p->out, p->stage, g);
    return OK;
}

int sweep_file_read(struct record_reader *r, const char *key, struct sweep_read *out, struct err *e)
{
    bool beside = strcmp(key, SWEEP_FILE_CLOSED_KEY) == 0;
    struct sweep_spec spec;
    size_t count;
    int rc = sweep_file_take_spec(record_reader_meta(r, key), &spec, e);
    if (rc < 0)
        return rc;
    struct place *p = MEM_NEW(struct place);
    p->out = out;
    sweep_init(&out->sweep, &spec);
    const int64_t *ids = record_reader_runs(r, &count);
    for (size_t i = 0; rc == OK && i < count; i++) {
        struct run_record run;
        rc = record_reader_run(r, ids[i], &run, e);
        int stage = rc == OK ? stage_of(&run, beside) : -1;
        if (stage < 0)
            continue;
        out->runs++;
        if (!out->any)
            out->first = run;
        out->any = true;
        if (was_finished(&run) && out->sweep.count < SWEEP_MAX_LEVELS)
            rc = add_row(p, r, &run, (enum level_stage)stage, e);
        else
            group_release(&p->group); /* a climb that broke off counts for nothing */
    }
    group_release(&p->group);
    free(p);
    return rc;
}
