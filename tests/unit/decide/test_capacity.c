/* Replicas, headroom and costs against values worked out by hand, and sweeps that can carry no
 * plan. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "decide/capacity.h"

#define MINUTE_NS (60 * NS_PER_S)

static void expect_near(double got, double wanted)
{
    if (!(fabs(got - wanted) <= 1e-9 * fabs(wanted)))
        fail_msg("%.17g is not %.17g", got, wanted);
}

/* One GPU, 4 requests/s shown, 6 shown to miss; 500 tokens in and 200 out, one in twenty fails. */
static struct capacity_unit unit(void)
{
    return (struct capacity_unit){.floor = 4,
                                  .ceiling = 6,
                                  .gpus = 1,
                                  .prompt_tokens = 500,
                                  .output_tokens = 200,
                                  .success_share = 0.95};
}

static struct capacity_plan planned(double demand, const struct capacity_unit *u,
                                    const struct capacity_terms *t)
{
    struct capacity_plan p;
    assert_true(capacity_plan_for(demand, u, t, &p));
    return p;
}

/* ---- replicas ---- */

static void replicas_carry_the_demand_with_its_headroom(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    struct capacity_terms t = {.headroom = 0.2, .price = NAN};
    struct capacity_plan p = planned(30, &u, &t); /* 36/4 = 9; of six each has 6 */
    expect_near(p.demand, 30);
    expect_near(p.with_headroom, 36);
    assert_int_equal(p.needed.replicas, 9);
    assert_int_equal(p.needed.gpus, 9);
    expect_near(p.needed.utilisation, 30.0 / 36);
    assert_int_equal(p.at_least, 7);
}

static void a_hair_more_than_a_whole_number_takes_one_more(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    struct capacity_terms t = {.headroom = 0.2, .price = NAN};
    assert_int_equal(planned(30.001, &u, &t).needed.replicas, 10);
    assert_int_equal(planned(29.999, &u, &t).needed.replicas, 9);
}

static void a_replica_that_has_just_the_ceiling_misses(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    struct capacity_terms t = {.headroom = 0.2, .price = NAN};
    assert_int_equal(planned(29.999, &u, &t).at_least, 6);
    assert_int_equal(planned(30.001, &u, &t).at_least, 7);
    u.ceiling = 0.3; /* 3 × 0.3 is not 0.9 in doubles, and counts as that */
    u.floor = 0.1;
    t.headroom = 0;
    assert_int_equal(planned(0.9, &u, &t).at_least, 4);
}

static void no_more_are_ruled_out_than_were_shown_to_do(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    struct capacity_terms t = {.headroom = 0, .price = NAN};
    u.ceiling = 4 * (1 + 1e-12);
    for (double demand = 1; demand <= 400; demand++) {
        struct capacity_plan p = planned(demand, &u, &t);
        assert_true(p.at_least <= p.needed.replicas);
    }
}

static void rounding_of_a_quotient_takes_no_replica(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    struct capacity_terms t = {.headroom = 0.2, .price = NAN};
    u.floor = 0.1;
    u.ceiling = NAN;
    for (int n = 1; n <= 3000; n++) { /* n × 0.1/1.2 with 20 % is n × 0.1, which doubles miss */
        double demand = (double)n * 0.1 / 1.2;
        assert_int_equal(planned(demand, &u, &t).needed.replicas, n);
    }
}

static void a_demand_below_the_floor_and_none_at_all_take_one(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    struct capacity_terms t = {.headroom = 0.2, .price = 3};
    struct capacity_plan little = planned(0.001, &u, &t), none = planned(0, &u, &t);
    assert_int_equal(little.needed.replicas, 1);
    assert_int_equal(none.needed.replicas, 1);
    assert_int_equal(none.at_least, 1);
    expect_near(little.needed.utilisation, 0.00025);
    assert_true(none.needed.utilisation == 0);
    expect_near(none.needed.cost.per_hour, 3);
    assert_true(isnan(none.needed.cost.per_1k_requests)); /* of no requests */
    assert_true(isnan(none.needed.cost.per_1m_tokens));
}

static void spares_and_one_more_come_on_top_of_what_is_needed(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    struct capacity_terms t = {.headroom = 0.2, .spares = 3, .price = NAN};
    u.gpus = 8;
    struct capacity_plan p = planned(30, &u, &t);
    assert_int_equal(p.needed.replicas, 9);
    assert_int_equal(p.needed.gpus, 72);
    assert_int_equal(p.with_spares.replicas, 12);
    assert_int_equal(p.with_spares.gpus, 96);
    expect_near(p.with_spares.utilisation, 30.0 / 48);
    assert_int_equal(p.with_one_more.replicas, 10);
    assert_int_equal(p.with_one_more.gpus, 80);
    expect_near(p.with_one_more.utilisation, 0.75);
}

static void without_a_ceiling_the_least_is_unknown(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    struct capacity_terms t = {.headroom = 0.2, .price = NAN};
    u.ceiling = NAN;
    assert_int_equal(planned(30, &u, &t).at_least, 0);
    assert_int_equal(planned(30, &u, &t).needed.replicas, 9);
}

static void an_absurd_demand_is_refused_and_leaves_the_plan_alone(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    struct capacity_terms t = {.headroom = 0, .price = NAN};
    struct capacity_plan p = {.demand = 7};
    assert_false(capacity_plan_for(4e9 + 4, &u, &t, &p));
    assert_false(capacity_plan_for(1e300, &u, &t, &p));
    assert_false(capacity_plan_for(INFINITY, &u, &t, &p));
    assert_false(capacity_plan_for(NAN, &u, &t, &p));
    expect_near(p.demand, 7);
    assert_true(capacity_plan_for(4e9, &u, &t, &p));
    assert_int_equal(p.needed.replicas, 1000000000);
    t.spares = 1;
    assert_false(capacity_plan_for(4e9, &u, &t, &p));
}

/* ---- headroom ---- */

static void growth_compounds(void **state)
{
    (void)state;
    struct capacity_growth g = {0.05, MINUTE_NS}, none = {0, 0}, still = {0, MINUTE_NS};
    expect_near(capacity_growth_in(&g, MINUTE_NS), 0.05);
    expect_near(capacity_growth_in(&g, 5 * MINUTE_NS), 0.2762815625); /* 1.05⁵ − 1 */
    expect_near(capacity_growth_in(&g, MINUTE_NS / 2), sqrt(1.05) - 1);
    assert_true(capacity_growth_in(&g, 0) == 0);
    assert_true(capacity_growth_in(&none, MINUTE_NS) == 0);
    assert_true(capacity_growth_in(&still, MINUTE_NS) == 0);
}

static void the_headroom_is_never_less_than_the_growth_during_a_start(void **state)
{
    (void)state;
    struct capacity_growth g = {0.05, MINUTE_NS};
    struct capacity_headroom slow = capacity_headroom_of(0.2, &g, 5 * MINUTE_NS),
                             quick = capacity_headroom_of(0.2, &g, 3 * MINUTE_NS);
    assert_true(slow.from_growth);
    expect_near(slow.share, 0.2762815625);
    expect_near(slow.asked, 0.2);
    assert_false(quick.from_growth);
    expect_near(quick.share, 0.2);
    expect_near(quick.growth, 0.157625); /* 1.05³ − 1 */
}

/* ---- costs ---- */

static void costs_are_those_of_the_demand(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    struct capacity_terms t = {.headroom = 0.2, .spares = 1, .price = 2.5};
    struct capacity_plan p = planned(30, &u, &t);
    const struct capacity_cost *c = &p.with_spares.cost;
    const double successes = 102600; /* 30 × 3600 × 0.95 an hour */
    expect_near(c->per_hour, 25);
    expect_near(c->per_1k_requests, 25e3 / successes);
    expect_near(c->per_1m_prompt_tokens, 25e6 / (successes * 500));
    expect_near(c->per_1m_output_tokens, 25e6 / (successes * 200));
    expect_near(c->per_1m_tokens, 25e6 / (successes * 700));
    expect_near(p.needed.cost.per_hour, 22.5);
    expect_near(p.needed.cost.per_1k_requests, 22.5e3 / successes);
}

static void the_cost_at_the_floor_is_of_one_full_replica_of_all_its_gpus(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    u.gpus = 4;
    struct capacity_cost c = capacity_cost_at_floor(&u, 2.5);
    const double successes = 13680; /* 4 × 3600 × 0.95 an hour: of the floor, not of the ceiling */
    expect_near(c.per_hour, 10);
    expect_near(c.per_1k_requests, 10e3 / successes);
    expect_near(c.per_1m_tokens, 10e6 / (successes * 700));
}

static void no_plan_is_cheaper_a_request_than_a_full_replica(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    struct capacity_terms t = {.headroom = 0, .price = 2.5};
    double least = capacity_cost_at_floor(&u, t.price).per_1k_requests;
    for (double demand = 0.1; demand < 50; demand += 0.1)
        assert_true(planned(demand, &u, &t).needed.cost.per_1k_requests >= least * (1 - 1e-12));
    expect_near(planned(8, &u, &t).needed.cost.per_1k_requests, least);
}

static void without_a_price_there_is_no_cost_and_without_tokens_none_of_them(void **state)
{
    (void)state;
    struct capacity_unit u = unit();
    struct capacity_terms t = {.headroom = 0.2, .price = NAN};
    struct capacity_plan p = planned(30, &u, &t);
    assert_true(isnan(p.needed.cost.per_hour));
    assert_true(isnan(p.needed.cost.per_1k_requests));
    assert_true(isnan(capacity_cost_at_floor(&u, NAN).per_hour));
    t.price = 1;
    u.output_tokens = NAN;
    p = planned(30, &u, &t);
    assert_false(isnan(p.needed.cost.per_1k_requests));
    assert_false(isnan(p.needed.cost.per_1m_prompt_tokens));
    assert_true(isnan(p.needed.cost.per_1m_output_tokens));
    assert_true(isnan(p.needed.cost.per_1m_tokens));
}

/* ---- the basis ---- */

struct case_of { /* a sweep of three given levels */
    struct sweep *s;
    struct sweep_result r;
};

static struct case_of swept(enum load_kind kind, size_t slo, int floor, int ceiling,
                            enum sweep_end end)
{
    struct case_of c = {MEM_NEW(struct sweep), {.floor = floor, .ceiling = ceiling, .end = end}};
    c.s->spec = (struct sweep_spec){.kind = kind, .given_count = 3};
    c.s->spec.slo.n = slo;
    for (int i = 0; i < 3; i++)
        c.s->levels[c.s->count++] =
            (struct level){.stage = LEVEL_GIVEN,
                           .point = {.kind = kind, .rate = 2 + 2 * i, .users = 2 + 2 * i},
                           .offered = 100};
    return c;
}

static void expect_basis(struct case_of c, enum capacity_basis wanted)
{
    assert_int_equal(capacity_basis_of(c.s, &c.r), wanted);
    free(c.s);
}

static void a_floor_carries_a_plan_whether_or_not_the_sweep_was_finished(void **state)
{
    (void)state;
    expect_basis(swept(LOAD_AT_RATE, 1, 1, 2, SWEEP_FOUND), CAPACITY_SOUND);
    expect_basis(swept(LOAD_AT_RATE, 1, 1, -1, SWEEP_FOUND), CAPACITY_SOUND);
    expect_basis(swept(LOAD_AT_RATE, 1, 0, -1, SWEEP_UNFINISHED), CAPACITY_SOUND);
}

static void users_carry_none_even_with_a_floor(void **state)
{
    (void)state;
    expect_basis(swept(LOAD_OF_USERS, 1, 1, 2, SWEEP_FOUND), CAPACITY_OF_USERS);
}

static void without_a_floor_the_reason_is_told_apart(void **state)
{
    (void)state;
    expect_basis(swept(LOAD_AT_RATE, 0, -1, -1, SWEEP_NO_SLO), CAPACITY_NO_SLO);
    expect_basis(swept(LOAD_AT_RATE, 1, -1, 0, SWEEP_NEVER_MET), CAPACITY_NEVER_MET);
    expect_basis(swept(LOAD_AT_RATE, 1, -1, 0, SWEEP_UNFINISHED), CAPACITY_NEVER_MET);
    expect_basis(swept(LOAD_AT_RATE, 1, -1, 1, SWEEP_FOUND), CAPACITY_UNDECIDED);
    expect_basis(swept(LOAD_AT_RATE, 1, -1, -1, SWEEP_UNDECIDED), CAPACITY_UNDECIDED);
    expect_basis(swept(LOAD_AT_RATE, 1, -1, 1, SWEEP_UNFINISHED), CAPACITY_UNFINISHED);
    expect_basis(swept(LOAD_AT_RATE, 1, -1, -1, SWEEP_UNFINISHED), CAPACITY_UNFINISHED);
}

/* The single user in front of a search is no level below the ceiling, whatever its number. */
static void one_user_alone_does_not_count_as_a_lower_level(void **state)
{
    (void)state;
    struct case_of c = swept(LOAD_AT_RATE, 1, -1, 1, SWEEP_UNFINISHED);
    c.s->levels[0].stage = LEVEL_SINGLE;
    c.s->levels[0].point = (struct load_point){.kind = LOAD_OF_USERS, .users = 1};
    expect_basis(c, CAPACITY_NEVER_MET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replicas_carry_the_demand_with_its_headroom),
        cmocka_unit_test(a_hair_more_than_a_whole_number_takes_one_more),
        cmocka_unit_test(a_replica_that_has_just_the_ceiling_misses),
        cmocka_unit_test(no_more_are_ruled_out_than_were_shown_to_do),
        cmocka_unit_test(rounding_of_a_quotient_takes_no_replica),
        cmocka_unit_test(a_demand_below_the_floor_and_none_at_all_take_one),
        cmocka_unit_test(spares_and_one_more_come_on_top_of_what_is_needed),
        cmocka_unit_test(without_a_ceiling_the_least_is_unknown),
        cmocka_unit_test(an_absurd_demand_is_refused_and_leaves_the_plan_alone),
        cmocka_unit_test(growth_compounds),
        cmocka_unit_test(the_headroom_is_never_less_than_the_growth_during_a_start),
        cmocka_unit_test(costs_are_those_of_the_demand),
        cmocka_unit_test(the_cost_at_the_floor_is_of_one_full_replica_of_all_its_gpus),
        cmocka_unit_test(no_plan_is_cheaper_a_request_than_a_full_replica),
        cmocka_unit_test(without_a_price_there_is_no_cost_and_without_tokens_none_of_them),
        cmocka_unit_test(a_floor_carries_a_plan_whether_or_not_the_sweep_was_finished),
        cmocka_unit_test(users_carry_none_even_with_a_floor),
        cmocka_unit_test(without_a_floor_the_reason_is_told_apart),
        cmocka_unit_test(one_user_alone_does_not_count_as_a_lower_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
