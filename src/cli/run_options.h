#ifndef LOADLINE_CLI_RUN_OPTIONS_H
#define LOADLINE_CLI_RUN_OPTIONS_H

/* The options that say what is asked of a server and how, the same for every command that loads one. */

#include <math.h>

#include "cli/options.h"

enum { RUN_WARMUP_REQUESTS = 50 }; /* the default */

struct run_options { /* as parsed; run_options_defaults marks what was not given: NULL, −1 or NAN */
    const char *model, *backend, *endpoint, *api_key, *extra_body, *cacert;
    struct option_list headers;
    bool insecure, ignore_eos, no_stream, offline;
    double temperature, top_p;

    double request_rate, burstiness;
    int64_t max_concurrency, num_prompts, duration_ns, num_runs;
    const char *ramp_strategy, *on_cap;
    double ramp_start, ramp_end;
    int64_t timeout_ns, warmup_requests, threads, preconnect;

    const char *dataset_name, *dataset_path, *ladder, *cache_bust;
    int64_t random_input_len, random_output_len, random_prefix_len, output_len, seed;
    double random_range_ratio;

    const char *output, *json, *goodput, *slo, *percentile_metrics, *percentiles, *itl;
    struct option_list context;
    bool save_output, all_checks, quiet, help;
    bool keep_reads; /* no option: for a calibration */
    bool append;     /* no option: the run file is there, and goes on */
};

/* The options of `run`; and those of them that other commands take too, whose structs begin with this one. */
extern const struct option_set RUN_OPTIONS;
extern const struct option LOAD_OPTIONS[], PACE_OPTIONS[], REQUEST_OPTIONS[], SERVER_OPTIONS[],
    FILE_OPTIONS[];

void run_options_defaults(struct run_options *o);

#endif
