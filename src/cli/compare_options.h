#ifndef LOADLINE_CLI_COMPARE_OPTIONS_H
#define LOADLINE_CLI_COMPARE_OPTIONS_H

/* The options of `compare`. */

#include "cli/run_options.h"
#include "decide/compare.h"

struct compare_options {
    struct run_options run; /* shared tables write into it: it comes first */
    int64_t rounds;         /* −1 not given */
    double rate;            /* NAN not given; else run.request_rate by another name */
    const char *before[COMPARE_SIDES];
    int64_t ready_timeout_ns;
    const char *metrics, *margin;
    struct option_list fail_if;
    bool allow_mismatch;
};

enum { COMPARE_DEFAULT_ROUNDS = 10 };

void compare_options_defaults(struct compare_options *o);

/* Once parsed: --rate becomes --request-rate. ERR_USAGE when both are given. */
int compare_options_join(struct compare_options *o, struct err *e);

/* What they say of the comparison itself, for whatever is compared; what is not given stays zero. ERR_USAGE. */
int compare_options_spec(const struct compare_options *o, struct compare_spec *out, struct err *e);

/* For two targets: what was not given is filled in, a seed drawn, and everything checked that can be beforehand. */
int compare_options_complete(struct compare_options *o, const struct compare_spec *spec,
                             struct err *e);

/* ERR_USAGE when something is given that says how to load a server: files are compared as they are. */
int compare_options_refuse_load(const struct compare_options *o, struct err *e);

#endif
