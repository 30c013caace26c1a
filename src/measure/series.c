#include "measure/summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/moments.h"
#include "stats/rank.h"

static const double series_level = 0.95;

/* One run-level value under a name. `which` is a percentile's place for latencies, −1 for the mean.
 */
struct column {
    char name[48];
    enum { OF_RATE, OF_LATENCY } of;
    int metric, which;
};

enum rate { RATE_REQUESTS, RATE_OUTPUT, RATE_TOTAL, RATE_GOODPUT, RATE_IN_FLIGHT, RATES };

static const char *const rate_names[RATES] = {
    [RATE_REQUESTS] = "requests_per_s",    [RATE_OUTPUT] = "output_tokens_per_s",
    [RATE_TOTAL] = "total_tokens_per_s",   [RATE_GOODPUT] = "goodput_per_s",
    [RATE_IN_FLIGHT] = "concurrency_mean",
};

static double rate_of(const struct summary *s, int metric)
{
    switch (metric) {
    case RATE_REQUESTS:
        return s->requests_per_s;
    case RATE_OUTPUT:
        return s->output_tokens_per_s;
    case RATE_TOTAL:
        return s->total_tokens_per_s;
    case RATE_GOODPUT:
        return s->has_goodput ? s->goodput_per_s : NAN;
    default:
        return s->concurrency_mean;
    }
}

static double value_of(const struct summary *s, const struct column *c)
{
    if (c->of == OF_RATE)
        return rate_of(s, c->metric);
    const struct latency *l = &s->latency[c->metric];
    return c->which < 0 ? l->mean : l->percentile[c->which];
}

/* Lower of the two middle values for an even count: a rank, as everywhere. */
static double median_of(double *x, size_t n)
{
    return rank_select(x, n, rank_of(0.5, n));
}

static bool make_row(const struct summary *runs, size_t count, const struct column *c,
                     double *scratch, struct series_metric *out)
{
    size_t n = 0;
    struct moments m = {0};
    for (size_t i = 0; i < count; i++) {
        double v = value_of(&runs[i], c);
        if (!isfinite(v))
            continue;
        scratch[n++] = v;
        moments_add(&m, v);
    }
    if (n == 0)
        return false;
    *out = (struct series_metric){.n = n, .mean = m.mean, .sd = n >= 2 ? moments_sd(&m) : NAN};
    memcpy(out->name, c->name, sizeof out->name);
    out->cv = n >= 2 && m.mean != 0 ? out->sd / m.mean : NAN;
    interval_mean(scratch, n, series_level, &out->ci95);
    out->median = median_of(scratch, n);
    return true;
}

size_t summary_series(const struct summary *runs, size_t count, struct series_metric *out,
                      size_t max)
{
    static const enum latency_metric shown[] = {LATENCY_TTFT, LATENCY_TPOT, LATENCY_ITL,
                                                LATENCY_E2E};
    double *scratch = MEM_ARRAY(double, count + 1);
    size_t rows = 0;
    for (int i = 0; i < RATES && rows < max; i++) {
        struct column c = {.of = OF_RATE, .metric = i};
        snprintf(c.name, sizeof c.name, "%s", rate_names[i]);
        rows += make_row(runs, count, &c, scratch, &out[rows]);
    }
    const struct summary_options *o = count > 0 ? &runs[0].options : NULL;
    for (size_t i = 0; o && i < sizeof shown / sizeof shown[0]; i++) {
        for (int k = -1; k < (int)o->percentile_count && rows < max; k++) {
            struct column c = {.of = OF_LATENCY, .metric = shown[i], .which = k};
            if (k < 0)
                snprintf(c.name, sizeof c.name, "%s mean", latency_metric_name(shown[i]));
            else
                snprintf(c.name, sizeof c.name, "%s p%.5g", latency_metric_name(shown[i]),
                         o->percentiles[k]);
            rows += make_row(runs, count, &c, scratch, &out[rows]);
        }
    }
    free(scratch);
    return rows;
}
