#include <math.h>
#include <string.h>

#include "report/json_values.h"
#include "report/sweep_report.h"

static json_t *objective_object(const struct slo_result *o, double tail)
{
    char objective[OBJECTIVE_TEXT];
    json_t *j = json_object();
    put(j, "objective", text(objective_text(&o->objective, objective, sizeof objective)));
    put(j, "offered", whole(o->test.n));
    put(j, "misses", whole(o->test.misses));
    put(j, "miss_share", real(o->test.share));
    put(j, "allowed_share", real(o->allowed_share));
    put(j, "n_eff", real(o->test.n_eff));
    put(j, "p_value_pass", real(o->test.p_bad));
    put(j, "p_value_fail", real(o->test.p_good));
    put(j, "quantile_over_limit", real(o->test.quantile));
    put(j, "smoothed_quantile_over_limit", real(tail));
    return j;
}

static json_t *level_object(const struct sweep_read *s, size_t i)
{
    static const char *const decisions[] = {"undecided", "pass", "fail"};
    const struct level *l = &s->sweep.levels[i];
    const struct curve_point *p = &s->points[i];
    json_t *j = json_object(), *slo = json_array();
    put(j, "run_id", whole((uint64_t)l->run_id));
    put(j, "stage", text(level_stage_name(l->stage)));
    put(j, "request_rate", l->point.kind == LOAD_AT_RATE ? real(l->point.rate) : json_null());
    put(j, "users", l->point.kind == LOAD_OF_USERS ? whole((uint64_t)l->point.users) : json_null());
    put(j, "duration_s", real((double)l->point.duration_ns / 1e9));
    put(j, "cut", json_boolean(l->point.cut));
    put(j, "window_start_s", real((double)l->window.start_ns / 1e9));
    put(j, "window_end_s", real((double)l->window.end_ns / 1e9));
    put(j, "requests", whole(p->n));
    put(j, "requests_per_s", real(p->requests_per_s));
    put(j, "output_tokens_per_s", real(p->output_tokens_per_s));
    put(j, "in_flight", real(p->in_flight));
    put(j, "ttft_p50_ms", real(p->ttft_p50_ms));
    put(j, "ttft_p99_ms", real(p->ttft_p99_ms));
    put(j, "tpot_p50_ms", real(p->tpot_p50_ms));
    put(j, "tpot_p99_ms", real(p->tpot_p99_ms));
    put(j, "e2e_p50_ms", real(p->e2e_p50_ms));
    put(j, "overloaded", json_boolean(l->overloaded));
    put(j, "decision", text(decisions[sweep_decide(&s->sweep, l)]));
    for (size_t k = 0; k < s->sweep.spec.slo.n; k++)
        json_array_append_new(slo, objective_object(&l->slo[k], l->tail[k]));
    put(j, "objectives", slo);
    return j;
}

static json_t *levels_array(const struct sweep_read *s)
{
    json_t *a = json_array();
    for (size_t i = 0; i < s->sweep.count; i++)
        json_array_append_new(a, level_object(s, i));
    return a;
}

/* {"load", "run_id"} of a level, or null. */
static json_t *place_object(const struct sweep_report *r, int i)
{
    if (i < 0)
        return json_null();
    const struct level *l = &r->sweep->sweep.levels[i];
    json_t *j = json_object();
    put(j, "load", real(level_load(l)));
    put(j, "run_id", whole((uint64_t)l->run_id));
    return j;
}

static json_t *result_object(const struct sweep_report *r)
{
    static const char *const ends[] = {"found", "undecided", "never met", "no slo", "unfinished"};
    static const char *const verdicts[] = {"valid", "provisional", "invalid"};
    const struct sweep_result *x = &r->result;
    char objective[OBJECTIVE_TEXT];
    json_t *j = json_object();
    put(j, "end", text(ends[x->end]));
    put(j, "floor", place_object(r, x->floor));
    put(j, "ceiling", place_object(r, x->ceiling));
    put(j, "floor_verdict", r->floor ? text(verdicts[r->floor->verdict]) : json_null());
    put(j, "crossing", isfinite(x->crossing) ? real(x->crossing) : json_null());
    put(j, "binding",
        x->binding >= 0 ? text(objective_text(&r->sweep->sweep.spec.slo.list[x->binding], objective,
                                              sizeof objective))
                        : json_null());
    put(j, "knee", place_object(r, x->knee));
    put(j, "saturated", place_object(r, x->saturated));
    put(j, "monotone", json_boolean(x->monotone));
    put(j, "more_certainty_s", real(x->more_s));
    return j;
}

int sweep_report_json(const struct sweep_report *r, struct buf *out, struct err *e)
{
    json_t *j = json_object(), *run = json_object();
    put(j, "schema", text("loadline.sweep/1"));
    put(j, "tool", json_values_tool());
    put(run, "target", text(r->run->target));
    put(run, "model", text(r->run->model));
    put(run, "engine", text(r->run->engine));
    put(run, "engine_version", text(r->run->engine_version));
    put(run, "workload", text(r->run->workload));
    put(run, "seed", whole(r->run->seed));
    put(run, "command", text(r->run->command));
    put(j, "run", run);
    put(j, "slo", text(r->run->slo));
    put(j, "levels_of", text(r->sweep->sweep.spec.kind == LOAD_OF_USERS ? "users" : "rate"));
    put(j, "budget_s", real((double)r->sweep->sweep.spec.budget_ns / 1e9));
    put(j, "spent_s", real((double)r->sweep->sweep.spent_ns / 1e9));
    put(j, "result", result_object(r));
    put(j, "levels", levels_array(r->sweep));
    put(j, "closed_levels", r->closed ? levels_array(r->closed) : json_null());
    return json_values_dump(j, out, e);
}
