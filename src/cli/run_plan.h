#ifndef LOADLINE_CLI_RUN_PLAN_H
#define LOADLINE_CLI_RUN_PLAN_H

/* What the options of a load come to. */

#include "api/protocol.h"
#include "cli/run_options.h"
#include "measure/summary.h"
#include "workload/policy.h"
#include "workload/workload.h"

struct run_plan {
    const struct protocol *protocol;
    const char *path;
    struct api_options api;
    struct workload_spec workload;
    struct load_spec load;          /* arrivals.seed is set per run */
    struct summary_options summary;
    unsigned metrics;               /* bit set for report_style */
    uint64_t seed;                  /* of the first run */
    bool seed_given;
    char *context_json;             /* run_plan_release frees */
    char *workload_json, *options_json;
};

/* What the options mean, checked against each other. ERR_USAGE with a sentence. */
int run_plan_make(const struct run_options *o, struct run_plan *out, struct err *e);

/* Only the parts that say how results are shown: summary and metrics. */
int run_plan_summary(const struct run_options *o, struct run_plan *p, struct err *e);

/* Adds a fact to context_json unless the user gave one under that key. */
void run_plan_add_context(struct run_plan *p, const char *key, const char *value);

/* Once the server has said what it takes: options_json. */
void run_plan_note_api(struct run_plan *p);
void run_plan_release(struct run_plan *p);

#endif
