#include "report/comparison.h"
#include "report/comparison_words.h"
#include "report/json_values.h"

static const char *const verdicts[] = {"valid", "provisional", "invalid"};
static const char *const severities[] = {"note", "provisional", "invalid"};

static json_t *side_object(const struct compare_about *a)
{
    json_t *o = json_object();
    const struct run_record *run = &a->run;
    if (a->blocks == 0)
        return o;
    put(o, "target", text_or_null(run->target));
    put(o, "model", text_or_null(run->model));
    put(o, "engine", text_or_null(run->engine));
    put(o, "engine_version", text_or_null(run->engine_version));
    put(o, "blocks", whole(a->blocks));
    put(o, "offered", whole(a->offered));
    put(o, "completed", whole(a->completed));
    put(o, "failed", whole(a->failed));
    put(o, "dropped", whole(a->dropped));
    put(o, "got_input_mean", real(a->got_input));
    put(o, "got_output_mean", real(a->got_output));
    put(o, "tokens_per_event", real(a->tokens_per_event));
    return o;
}

static json_t *load_object(const struct comparison *c)
{
    const struct compare_about *a = &c->side[COMPARE_A];
    const struct run_record *run = &a->run;
    json_t *o = json_object();
    if (a->blocks == 0)
        return o;
    put(o, "mode", text(run->mode));
    put(o, "request_rate", run->request_rate > 0 ? real(run->request_rate) : json_null());
    put(o, "max_concurrency", whole_or_null(run->max_concurrency));
    put(o, "num_prompts", whole_or_null(run->num_prompts));
    put(o, "duration_s", run->duration_ns > 0 ? real((double)run->duration_ns / 1e9) : json_null());
    put(o, "workload", text_or_null(run->workload));
    put(o, "seed", whole(run->seed));
    return o;
}

static json_t *rounds_object(const struct comparison *c)
{
    json_t *o = json_object();
    put(o, "planned", whole(c->planned));
    put(o, "complete", whole(c->complete));
    put(o, "interrupted", json_boolean(c->interrupted));
    return o;
}

/* exp of both ends. */
static json_t *ratio_interval(const struct interval *ci)
{
    struct interval ratio = {exp(ci->low), exp(ci->high), ci->has_low, ci->has_high};
    return interval_array(&ratio);
}

static json_t *values_array(const double *x, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, real(x[i]));
    return a;
}

static json_t *values_object(const struct compare_row *r)
{
    json_t *o = json_object();
    put(o, "a", values_array(r->value[COMPARE_A], r->n[COMPARE_A]));
    put(o, "b", values_array(r->value[COMPARE_B], r->n[COMPARE_B]));
    return o;
}

static json_t *ttest_object(const struct compare_row *r)
{
    json_t *o = json_object();
    put(o, "ratio", real(exp(r->t.ratio)));
    put(o, "ci95", ratio_interval(&r->t.ci));
    put(o, "p", real(r->t.p));
    put(o, "df", real(r->t.df));
    return o;
}

static json_t *metric_object(const struct compare_row *r)
{
    json_t *o = json_object();
    char name[COMPARE_NAME];
    put(o, "name", text(compare_metric_name(&r->metric, name)));
    put(o, "unit",
        text(r->metric.quantity == COMPARE_LATENCY         ? "ms"
             : r->metric.quantity == COMPARE_OUTPUT_TOKENS ? "tokens/s"
                                                           : "requests/s"));
    put(o, "better", text(compare_more_is_better(&r->metric) ? "higher" : "lower"));
    put(o, "a_median", real(r->median[COMPARE_A]));
    put(o, "b_median", real(r->median[COMPARE_B]));
    put(o, "ratio", real(exp(r->ratio)));
    put(o, "ci95", ratio_interval(&r->ci));
    put(o, "p", real(r->p));
    put(o, "p_holm", real(r->p_holm));
    put(o, "t_test", ttest_object(r));
    put(o, "sd_log", real(r->sd));
    put(o, "verdict", text(compare_verdict_name(r->verdict)));
    put(o, "within_margin", json_boolean(r->within_margin));
    put(o, "why", text_or_null(r->why));
    put(o, "rounds_needed", real(r->rounds_needed));
    put(o, "values", values_object(r));
    return o;
}

static json_t *gates_array(const struct comparison *c)
{
    static const char *const states[] = {"passes", "fails", "cannot tell"};
    json_t *a = json_array();
    for (size_t i = 0; i < c->gate_count; i++) {
        const struct compare_gate_result *g = &c->gates[i];
        struct buf condition = {0}, why = {0};
        json_t *o = json_object();
        compare_gate_put(&g->gate, &condition);
        words_gate(c, g, &why);
        put(o, "condition", text(buf_cstr(&condition)));
        put(o, "state", text(states[g->state]));
        put(o, "p", real(g->p));
        put(o, "why", text(buf_cstr(&why)));
        json_array_append_new(a, o);
        buf_release(&condition);
        buf_release(&why);
    }
    return a;
}

static json_t *findings_array(const struct comparison *c)
{
    json_t *a = json_array();
    for (size_t i = 0; i < c->flaw_count; i++) {
        json_t *o = json_object();
        put(o, "severity", text(severities[c->flaws[i].severity]));
        put(o, "text", text(c->flaws[i].text));
        json_array_append_new(a, o);
    }
    return a;
}

int comparison_json(const struct comparison *c, struct buf *out, struct err *e)
{
    json_t *o = json_object(), *metrics = json_array();
    struct buf result = {0};
    for (size_t i = 0; i < c->row_count; i++)
        json_array_append_new(metrics, metric_object(&c->rows[i]));
    words_result(c, &result);
    put(o, "schema", text("loadline.comparison/1"));
    put(o, "tool", json_values_tool());
    put(o, "design", text(words_design(c->design)));
    put(o, "a", side_object(&c->side[COMPARE_A]));
    put(o, "b", side_object(&c->side[COMPARE_B]));
    put(o, "load", load_object(c));
    put(o, "rounds", rounds_object(c));
    put(o, "level", real(COMPARE_LEVEL));
    put(o, "margin", real(c->spec.margin));
    put(o, "metrics", metrics);
    put(o, "gates", gates_array(c));
    put(o, "result", text(buf_cstr(&result)));
    put(o, "findings", findings_array(c));
    put(o, "verdict", text(verdicts[c->verdict]));
    buf_release(&result);
    return json_values_dump(o, out, e);
}
