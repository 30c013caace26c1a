#include <math.h>

#include "report/json_values.h"
#include "report/plan_report.h"

static json_t *cost_object(const struct capacity_cost *c)
{
    json_t *j = json_object();
    if (isnan(c->per_hour)) {
        json_decref(j);
        return json_null();
    }
    put(j, "per_hour", real(c->per_hour));
    put(j, "per_1k_successful_requests", real(c->per_1k_requests));
    put(j, "per_1m_prompt_tokens", real(c->per_1m_prompt_tokens));
    put(j, "per_1m_output_tokens", real(c->per_1m_output_tokens));
    put(j, "per_1m_tokens", real(c->per_1m_tokens));
    return j;
}

static json_t *deployment_object(const struct capacity_deployment *d)
{
    json_t *j = json_object();
    put(j, "replicas", whole((uint64_t)d->replicas));
    put(j, "gpus", whole((uint64_t)d->gpus));
    put(j, "utilisation", real(d->utilisation));
    put(j, "cost", cost_object(&d->cost));
    return j;
}

static json_t *plans_array(const struct capacity_plan *plans, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *j = json_object();
        put(j, "requests_per_s", real(plans[i].demand));
        put(j, "with_headroom", real(plans[i].with_headroom));
        put(j, "replicas_at_least", whole_or_null(plans[i].at_least));
        put(j, "needed", deployment_object(&plans[i].needed));
        put(j, "with_spares", deployment_object(&plans[i].with_spares));
        put(j, "n_plus_1", deployment_object(&plans[i].with_one_more));
        json_array_append_new(a, j);
    }
    return a;
}

static json_t *run_object(const struct plan_report *r)
{
    const struct run_record *run = &r->floor->run;
    json_t *j = json_object();
    put(j, "target", text(run->target));
    put(j, "model", text(run->model));
    put(j, "engine", text(run->engine));
    put(j, "engine_version", text(run->engine_version));
    put(j, "seed", whole(run->seed));
    put(j, "simulated", json_boolean(r->simulated));
    return j;
}

static json_t *sweep_object(const struct plan_report *r)
{
    static const char *const verdicts[] = {"valid", "provisional", "invalid"};
    const struct level *floor = &r->sweep->levels[r->result.floor];
    char objective[OBJECTIVE_TEXT];
    json_t *j = json_object(), *f = json_object(), *c = json_null();
    put(f, "requests_per_s", real(r->unit.floor));
    put(f, "alpha", real(SWEEP_ALPHA));
    put(f, "window_s", real((double)(floor->window.end_ns - floor->window.start_ns) / 1e9));
    put(f, "run_id", whole((uint64_t)floor->run_id));
    put(f, "verdict", text(verdicts[r->floor->verdict]));
    if (r->result.ceiling >= 0) {
        const struct level *ceiling = &r->sweep->levels[r->result.ceiling];
        c = json_object();
        put(c, "requests_per_s", real(level_load(ceiling)));
        put(c, "run_id", whole((uint64_t)ceiling->run_id));
        put(c, "above_floor", json_boolean(!isnan(r->unit.ceiling)));
    }
    put(j, "slo", text(r->floor->run.slo));
    put(j, "floor", f);
    put(j, "ceiling", c);
    put(j, "binding",
        r->result.binding >= 0 ? text(objective_text(&r->sweep->spec.slo.list[r->result.binding],
                                                     objective, sizeof objective))
                               : json_null());
    put(j, "monotone", json_boolean(r->result.monotone));
    put(j, "finished", json_boolean(r->result.end != SWEEP_UNFINISHED));
    return j;
}

static json_t *mix_object(const struct plan_report *r)
{
    json_t *j = json_object();
    put(j, "workload", text(r->floor->run.workload));
    put(j, "prompt_tokens", real(r->unit.prompt_tokens));
    put(j, "output_tokens", real(r->unit.output_tokens));
    put(j, "burstiness", real(r->floor->run.burstiness));
    put(j, "success_share", real(r->unit.success_share));
    return j;
}

static json_t *unit_object(const struct plan_report *r)
{
    static const char *const sources[] = {"option", "context", "assumed"};
    struct capacity_cost full = capacity_cost_at_floor(&r->unit, r->terms.price);
    json_t *j = json_object();
    put(j, "engines", whole((uint64_t)r->engines));
    put(j, "gpus", whole((uint64_t)r->unit.gpus));
    put(j, "gpus_from", text(sources[r->gpus_from]));
    put(j, "cost_at_floor", cost_object(&full));
    return j;
}

static json_t *headroom_object(const struct plan_report *r)
{
    json_t *j = json_object();
    bool grows = r->growth.per_ns > 0;
    put(j, "share", real(r->headroom.share));
    put(j, "from",
        text(r->headroom.from_growth ? "growth"
             : r->headroom_given     ? "option"
                                     : "default"));
    put(j, "asked_share", real(r->headroom.asked));
    put(j, "growth_share", grows ? real(r->growth.share) : json_null());
    put(j, "growth_every_s", grows ? real((double)r->growth.per_ns / 1e9) : json_null());
    put(j, "startup_s", grows ? real((double)r->startup_ns / 1e9) : json_null());
    put(j, "growth_in_startup", grows ? real(r->headroom.growth) : json_null());
    return j;
}

int plan_report_json(const struct plan_report *r, struct buf *out, struct err *e)
{
    json_t *j = json_object();
    put(j, "schema", text("loadline.plan/1"));
    put(j, "tool", json_values_tool());
    put(j, "verdict", text(plan_report_provisional(r) ? "provisional" : "valid"));
    put(j, "run", run_object(r));
    put(j, "sweep", sweep_object(r));
    put(j, "mix", mix_object(r));
    put(j, "replica", unit_object(r));
    put(j, "headroom", headroom_object(r));
    put(j, "spares", whole((uint64_t)r->terms.spares));
    put(j, "price_per_gpu_hour", real(r->terms.price));
    put(j, "demands", plans_array(r->asked, r->asked_count));
    put(j, "multiples", plans_array(r->around, r->around_count));
    return json_values_dump(j, out, e);
}
