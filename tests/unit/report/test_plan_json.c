/* A capacity plan for programs. */

#include "plan_fixture.h"

#include <jansson.h>
#include <math.h>

#include "base/mem.h"

static int set_up(void **state)
{
    static struct plan_fixture f;
    plan_fixture_open(&f);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    plan_fixture_close(*state);
    return 0;
}

static json_t *json_of(const struct plan_fixture *f)
{
    struct buf b = {0};
    struct err e = {0};
    json_error_t why;
    assert_int_equal(plan_report_json(&f->r, &b, &e), OK);
    json_t *j = json_loadb((const char *)b.p, b.n, 0, &why);
    if (!j)
        fail_msg("%s", why.text);
    buf_release(&b);
    return j;
}

/* The value at "a.b.0.c". */
static json_t *at(json_t *j, const char *path)
{
    char key[64];
    while (*path && j) {
        size_t n = strcspn(path, ".");
        assert_true(n < sizeof key);
        memcpy(key, path, n);
        key[n] = '\0';
        j = json_is_array(j) ? json_array_get(j, (size_t)(key[0] - '0')) : json_object_get(j, key);
        path += n + (path[n] == '.');
    }
    if (!j)
        fail_msg("there is no %s", key);
    return j;
}

static void expect_number(json_t *j, const char *path, double wanted)
{
    double got = json_number_value(at(j, path));
    if (!json_is_number(at(j, path)) || !(fabs(got - wanted) <= 1e-9 * fabs(wanted)))
        fail_msg("%s is %.17g, not %.17g", path, got, wanted);
}

static void expect_text(json_t *j, const char *path, const char *wanted)
{
    assert_true(json_is_string(at(j, path)));
    assert_string_equal(json_string_value(at(j, path)), wanted);
}

static void expect_null(json_t *j, const char *path)
{
    if (!json_is_null(at(j, path)))
        fail_msg("%s is not null", path);
}

static void the_plan_of_a_demand_has_all_its_figures(void **state)
{
    struct plan_fixture *f = *state;
    const double demand = 30;
    f->r.terms.spares = 3;
    f->r.terms.price = 2.4;
    plan_fixture_ask(f, &demand, 1);
    json_t *j = json_of(f);
    expect_text(j, "schema", "loadline.plan/1");
    expect_text(j, "verdict", "valid");
    expect_number(j, "spares", 3);
    expect_number(j, "price_per_gpu_hour", 2.4);
    assert_int_equal(json_array_size(at(j, "demands")), 1);
    assert_int_equal(json_array_size(at(j, "multiples")), 2);
    expect_number(j, "demands.0.requests_per_s", 30);
    expect_number(j, "demands.0.with_headroom", 36);
    expect_number(j, "demands.0.replicas_at_least", 7);
    expect_number(j, "demands.0.needed.replicas", 9);
    expect_number(j, "demands.0.needed.utilisation", 30.0 / 36);
    expect_number(j, "demands.0.with_spares.replicas", 12);
    expect_number(j, "demands.0.n_plus_1.gpus", 10);
    expect_number(j, "demands.0.needed.cost.per_hour", 21.6);
    expect_number(j, "demands.0.needed.cost.per_1k_successful_requests", 0.2);
    expect_number(j, "demands.0.needed.cost.per_1m_prompt_tokens", 0.4);
    expect_number(j, "demands.0.needed.cost.per_1m_output_tokens", 1);
    expect_number(j, "demands.0.needed.cost.per_1m_tokens", 21.6e6 / (108000.0 * 700));
    expect_number(j, "replica.cost_at_floor.per_hour", 2.4);
    expect_number(j, "multiples.1.requests_per_s", 90);
    json_decref(j);
}

static void what_it_rests_on_is_there(void **state)
{
    struct plan_fixture *f = *state;
    const double demands[] = {3, 30};
    plan_fixture_ask(f, demands, 2);
    json_t *j = json_of(f);
    expect_number(j, "sweep.floor.requests_per_s", 4);
    expect_number(j, "sweep.floor.alpha", 0.05);
    expect_number(j, "sweep.floor.window_s", 600);
    expect_number(j, "sweep.floor.run_id", 11);
    expect_text(j, "sweep.floor.verdict", "valid");
    expect_number(j, "sweep.ceiling.requests_per_s", 6);
    assert_true(json_is_true(at(j, "sweep.ceiling.above_floor")));
    expect_text(j, "sweep.binding", "p99 tpot < 50.0 ms");
    assert_true(json_is_true(at(j, "sweep.finished")));
    expect_number(j, "mix.prompt_tokens", 500);
    expect_number(j, "mix.success_share", 1);
    expect_text(j, "replica.gpus_from", "context");
    assert_int_equal(json_array_size(at(j, "demands")), 2);
    assert_int_equal(json_array_size(at(j, "multiples")), 0);
    json_decref(j);
}

static void what_is_unknown_is_null(void **state)
{
    struct plan_fixture *f = *state;
    const double demand = 30;
    f->r.result.ceiling = -1;
    f->r.result.binding = -1;
    f->r.unit.ceiling = f->r.unit.output_tokens = NAN;
    plan_fixture_ask(f, &demand, 1);
    json_t *j = json_of(f);
    expect_null(j, "price_per_gpu_hour");
    expect_null(j, "demands.0.needed.cost");
    expect_null(j, "demands.0.replicas_at_least");
    expect_null(j, "replica.cost_at_floor");
    expect_null(j, "sweep.ceiling");
    expect_null(j, "sweep.binding");
    expect_null(j, "mix.output_tokens");
    expect_text(j, "headroom.from", "default");
    expect_null(j, "headroom.growth_share");
    expect_null(j, "headroom.startup_s");
    json_decref(j);
}

static void growth_is_told_with_its_time(void **state)
{
    struct plan_fixture *f = *state;
    const double demand = 30;
    f->r.growth = (struct capacity_growth){0.05, INT64_C(60000000000)};
    f->r.startup_ns = INT64_C(300000000000);
    f->r.headroom = capacity_headroom_of(0.2, &f->r.growth, f->r.startup_ns);
    plan_fixture_ask(f, &demand, 1);
    json_t *j = json_of(f);
    expect_text(j, "headroom.from", "growth");
    expect_number(j, "headroom.share", 0.2762815625);
    expect_number(j, "headroom.asked_share", 0.2);
    expect_number(j, "headroom.growth_share", 0.05);
    expect_number(j, "headroom.growth_every_s", 60);
    expect_number(j, "headroom.startup_s", 300);
    expect_number(j, "headroom.growth_in_startup", 0.2762815625);
    json_decref(j);
}

static void a_contradicted_floor_is_provisional(void **state)
{
    struct plan_fixture *f = *state;
    const double demand = 30;
    f->r.result.ceiling = 0;
    f->r.unit.ceiling = NAN;
    plan_fixture_ask(f, &demand, 1);
    json_t *j = json_of(f);
    expect_text(j, "verdict", "provisional");
    expect_text(j, "sweep.floor.verdict", "valid");
    expect_number(j, "sweep.ceiling.requests_per_s", 2);
    assert_true(json_is_false(at(j, "sweep.ceiling.above_floor")));
    json_decref(j);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_plan_of_a_demand_has_all_its_figures),
        TEST(what_it_rests_on_is_there),
        TEST(what_is_unknown_is_null),
        TEST(growth_is_told_with_its_time),
        TEST(a_contradicted_floor_is_provisional),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
