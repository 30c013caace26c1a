#ifndef LOADLINE_DECIDE_COMPARE_METRIC_H
#define LOADLINE_DECIDE_COMPARE_METRIC_H

/* What two servers are compared by: "p99 ttft", "mean e2e", "throughput"; and how a regression of one is written that is to
 * fail a build:
 *     p99 ttft worse than 5%               its regression beyond 5 % is shown
 *     p99 ttft possibly worse than 5%      … is not ruled out
 * Errors point at the column. */

#include "measure/summary.h"

enum compare_quantity {
    COMPARE_LATENCY,        /* less is better, ms */
    COMPARE_OUTPUT_TOKENS,  /* "throughput": output tokens/s; more is better, as of the two below */
    COMPARE_REQUESTS,       /* "request_throughput" */
    COMPARE_GOODPUT,        /* "goodput": requests/s within all bounds of --goodput */
};

struct compare_metric {
    enum compare_quantity quantity;
    enum latency_metric latency; /* COMPARE_LATENCY: any but connect */
    double percentile;           /* 50, 99.9; 0: the mean */
};

enum { COMPARE_MAX_METRICS = 16, COMPARE_MAX_GATES = 16, COMPARE_NAME = 40 };

struct compare_metrics {
    struct compare_metric list[COMPARE_MAX_METRICS];
    size_t n;
};

struct compare_gate {
    struct compare_metric metric;
    double limit;  /* 0.05: 5 % worse */
    bool possibly;
};

struct compare_gates {
    struct compare_gate list[COMPARE_MAX_GATES];
    size_t n;
};

/* p50 ttft, p99 ttft, p50 tpot, p99 tpot, p50 e2e, throughput. */
struct compare_metrics compare_metrics_default(void);

/* "p50 ttft, mean tpot, goodput": at least one, none twice. ERR_USAGE. */
int compare_metrics_parse(struct slice text, struct compare_metrics *out, struct err *e);

/* Adds the conditions of one --fail-if, joined by "or" or commas; nothing on failure. ERR_USAGE. */
int compare_gates_parse(struct slice text, struct compare_gates *out, struct err *e);

/* Adds m unless it is there. False when there is no room. */
bool compare_metrics_add(struct compare_metrics *list, const struct compare_metric *m);
size_t compare_metrics_find(const struct compare_metrics *list, const struct compare_metric *m); /* list->n: not there */

/* As parsed. out: COMPARE_NAME bytes; returned. */
const char *compare_metric_name(const struct compare_metric *m, char *out);

/* As parsed. */
void compare_gate_put(const struct compare_gate *g, struct buf *out);

static inline bool compare_more_is_better(const struct compare_metric *m)
{
    return m->quantity != COMPARE_LATENCY;
}

/* The percentiles that a summary must have for these metrics. */
void compare_metrics_options(const struct compare_metrics *list, struct summary_options *o);

/* NAN where the run has no such value. */
double compare_metric_value(const struct compare_metric *m, const struct summary *s);

#endif
