#include "plan_fixture.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

static void put_levels(struct sweep *s)
{
    for (int i = 0; i < 3; i++)
        s->levels[s->count++] =
            (struct level){.stage = LEVEL_GIVEN,
                           .point = {.kind = LOAD_AT_RATE, .rate = 2 + 2 * i},
                           .run_id = 10 + i,
                           .window = {.start_ns = 60 * NS_PER_S, .end_ns = 660 * NS_PER_S},
                           .offered = 1000};
}

void plan_fixture_open(struct plan_fixture *f)
{
    struct err e = {0};
    *f = (struct plan_fixture){.sweep = MEM_NEW(struct sweep), .floor = MEM_NEW(struct summary)};
    f->sweep->spec = (struct sweep_spec){.kind = LOAD_AT_RATE, .given_count = 3};
    assert_int_equal(
        bounds_parse_slo(slice_of("p99 ttft < 500ms and p99 tpot < 50ms"), &f->sweep->spec.slo, &e),
        OK);
    put_levels(f->sweep);
    f->floor->run = (struct run_record){.id = 11,
                                        .target = "http://server:8000",
                                        .model = "some-model",
                                        .engine = "vllm",
                                        .engine_version = "vllm 0.11",
                                        .workload = "chat",
                                        .slo = "p99 ttft < 500ms and p99 tpot < 50ms",
                                        .burstiness = 1,
                                        .seed = 7};
    f->floor->verdict = VERDICT_VALID;
    f->r = (struct plan_report){
        .sweep = f->sweep,
        .result = {.end = SWEEP_FOUND, .floor = 1, .ceiling = 2, .binding = 1, .monotone = true},
        .floor = f->floor,
        .unit = {.floor = 4,
                 .ceiling = 6,
                 .gpus = 1,
                 .prompt_tokens = 500,
                 .output_tokens = 200,
                 .success_share = 1},
        .gpus_from = PLAN_GPUS_OF_RUN,
        .engines = 1,
        .terms = {.headroom = 0.2, .price = NAN},
        .headroom = {.share = 0.2, .asked = 0.2},
    };
}

void plan_fixture_close(struct plan_fixture *f)
{
    free(f->sweep);
    free(f->floor);
}

void plan_fixture_ask(struct plan_fixture *f, const double *demands, size_t n)
{
    struct plan_report *r = &f->r;
    r->asked_count = r->around_count = 0;
    for (size_t i = 0; i < n; i++)
        assert_true(
            capacity_plan_for(demands[i], &r->unit, &r->terms, &r->asked[r->asked_count++]));
    for (int k = 2; n == 1 && k <= 3; k++)
        assert_true(
            capacity_plan_for(k * demands[0], &r->unit, &r->terms, &r->around[r->around_count++]));
}
