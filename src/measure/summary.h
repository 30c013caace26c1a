#ifndef LOADLINE_MEASURE_SUMMARY_H
#define LOADLINE_MEASURE_SUMMARY_H

/* All figures of one run, as a pure function of its run file. Every table, JSON text and verdict is made
 * from this; nothing is computed twice. Latencies in ms, rates per second, NAN where there is no value. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "measure/bounds.h"
#include "record/reader.h"
#include "stats/interval.h"
#include "stats/missrate.h"

enum { SUMMARY_MAX_CHANGES = 4 }; /* of each series */
enum { SUMMARY_MAX_PERCENTILES = 16, SUMMARY_MAX_CHECKS = 48, SUMMARY_MAX_RUNGS = 32 };

struct summary_options {
    double percentiles[SUMMARY_MAX_PERCENTILES]; /* 50, 99.9, … ascending */
    size_t percentile_count;                     /* 0: 50 75 90 95 99 99.9 */
    bool itl_per_token;                          /* refused without continuous usage */
    const char *goodput;                         /* NULL: as stored in the run */
    const char *slo;                             /* likewise */
};

enum latency_metric {
    LATENCY_TTFT,         /* from intended */
    LATENCY_TTFT_SERVICE, /* from sent */
    LATENCY_TTFA,         /* first answer token, from intended */
    LATENCY_TPOT,
    LATENCY_ITL,
    LATENCY_E2E,
    LATENCY_CONNECT,
    LATENCY_METRICS,
};
const char *latency_metric_name(enum latency_metric m); /* "ttft_ms", … */

struct latency {
    uint64_t n;
    double n_eff;            /* as many independent values would make the median as certain; 0 when n is */
    double n_eff_of[SUMMARY_MAX_PERCENTILES]; /* likewise for each percentile */
    double n_eff_claimed;    /* and for the one the run claims, shown or not (summary.claimed) */
    bool claimed_bounded;    /* that one's interval has both its ends */
    double mean, sd, min, max;
    double percentile[SUMMARY_MAX_PERCENTILES];
    struct interval ci95[SUMMARY_MAX_PERCENTILES];
    double tail_ratio;       /* p99/p50 */
};

struct change_list {          /* of one series within the window (measure/shifts.h) */
    bool judged;
    size_t n;
    struct { double at_s, before, after; } list[SUMMARY_MAX_CHANGES]; /* levels: requests, or ms */
};

enum check_status { CHECK_PASS, CHECK_FAIL, CHECK_SKIPPED };
enum severity { SEVERITY_NOTE, SEVERITY_PROVISIONAL, SEVERITY_INVALID };

struct check {
    const char *id;          /* "schedule-lag", … stable names, in docs/metrics.md */
    enum severity severity;  /* what a failure means */
    enum check_status status;
    char value[96];          /* with unit, for people */
    char threshold[96];
    char advice[256];        /* what to do; "" when passed */
};

enum verdict { VERDICT_VALID, VERDICT_PROVISIONAL, VERDICT_INVALID };

struct rung { /* one output length of a ladder */
    int64_t output_tokens;
    uint64_t n;
    double ttft_p50_ms, tpot_p50_ms, tpot_p99_ms, e2e_p50_ms, e2e_p99_ms;
};

enum slo_decision { SLO_UNDECIDED, SLO_PASS, SLO_FAIL };

/* The chance of a wrong PASS, and of a wrong FAIL, that a run's report takes. */
#define SUMMARY_SLO_ALPHA 0.05

struct slo_result {
    struct objective objective;
    double allowed_share;    /* of misses: 1 − p */
    struct missrate test;    /* of value/limit: offered, misses, what they show beyond this sample */
    bool met;                /* by this sample */
};

struct summary {
    struct run_record run;
    struct summary_options options;  /* percentiles as used */
    double window_start_s, window_end_s;
    bool steady;                     /* a window was found: warm-up cut off, what is left has settled */
    struct {                         /* how its start was found (measure/window.h) */
        const char *by;              /* "none", "fill", "in-flight", "tpot" */
        bool filled, in_flight_settled, tpot_settled;
        double fill_s, in_flight_s, tpot_s; /* NAN: not judged */
    } search;

    uint64_t offered, sent, completed, failed, dropped;
    uint64_t errors[OUTCOME_COUNT];
    uint64_t tail_requests, warmup_requests, resends;
    char first_error[256];           /* an example, "" when none */

    uint64_t prompt_tokens, output_tokens, cached_tokens;
    bool cached_known;
    enum token_source output_source; /* of most requests */
    double tokens_per_event;
    double cache_hit_share;          /* of prompt tokens, by the server's own counters; NAN unknown */
    uint64_t repeated_prompts;       /* requests whose prompt was used before in this run */
    /* NAN unknown; got is of the requests that asked for a length, of all where none did */
    double asked_input_mean, got_input_mean, asked_output_mean, got_output_mean;

    double requests_per_s, output_tokens_per_s, prompt_tokens_per_s, total_tokens_per_s;
    double offered_per_s;            /* of the window, by intended times */
    double started_per_s;            /* achieved: (n − 1)/(last − first start) */
    bool has_goodput;
    double goodput_per_s, goodput_fraction; /* of offered */
    double concurrency_mean;
    uint64_t concurrency_peak;
    uint64_t cap_waited;             /* requests that found the cap full and queued */

    struct latency latency[LATENCY_METRICS];
    double claimed;                  /* the highest percentile that the run speaks about, as 99 */
    struct {                         /* what the load allows to claim (measure/claim.h) */
        const char *bar;             /* why no percentile is bounded: "none" when they may be, "unsteady", … */
        double turnover_s, turnovers, memory, in_flight_rho; /* NAN: unknown */
        uint64_t memory_lag;
    } ground;
    struct change_list in_flight_changes, tpot_changes;
    double stalled_share;            /* requests with a gap > 10 × their median */
    double longest_stall_ms;
    uint64_t itl_left_out;           /* gaps with an end that our own lateness left unknown */

    struct rung rungs[SUMMARY_MAX_RUNGS];
    size_t rung_count;

    struct { /* the instrument's own account */
        double rx_stamped_fraction, censored_fraction, censored_ours_fraction;
        double read_lag_p50_ms, read_lag_p99_ms, read_lag_max_ms;
        double schedule_lag_p50_ms, schedule_lag_p99_ms, schedule_lag_max_ms;
        double cpu_user_us_per_event, cpu_total_us_per_event;
        double spin_fraction, busy_fraction; /* of one driver thread's time */
        uint32_t clock_steps;
        double steal_fraction;
    } instrument;

    const char *calibration_json;    /* the last one before the run, as the file brings it; NULL none */

    struct slo_result slo[BOUNDS_MAX];
    size_t slo_count;
    bool slo_met;                    /* by this sample */
    enum slo_decision slo_decision;  /* beyond it */

    enum verdict verdict;
    struct check checks[SUMMARY_MAX_CHECKS];
    size_t check_count;

    struct { char severity[16]; char text[256]; } findings[32]; /* of the run file: what the driver said */
    size_t finding_count;

    struct arena arena;
};

/* ERR_INPUT for a run that is not there or damaged rows. summary_release frees what it holds. */
int summary_of_run(struct record_reader *r, int64_t run_id, const struct summary_options *o,
                   struct summary *out, struct err *e);
void summary_release(struct summary *s);

/* Figures over the runs of a series (--num-runs): run-level values. */
struct series_metric {
    char name[48]; /* "ttft_ms p50", "output_tokens_per_s", … */
    size_t n;
    double median, mean, sd, cv;
    struct interval ci95; /* t-interval */
};
/* Fills at most max rows; returns how many. */
size_t summary_series(const struct summary *runs, size_t count, struct series_metric *out, size_t max);

#endif
