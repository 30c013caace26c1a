#include "measure/claim.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/early.h"
#include "stats/lag1.h"
#include "stats/moments.h"
#include "stats/rank.h"
#include "stats/special.h"

static const double level = 0.95;
static const double level_batches = 0.01; /* of their mean: nothing that anybody cares about */

/* ---- what the load allows ---- */

struct waits { /* how long each request of the window waited for its first token, in time order */
    double *ns;
    size_t n;
};

static struct waits collect(const struct sample_set *set, const struct window *w,
                            enum latency_metric m)
{
    struct waits x = {MEM_ARRAY(double, set->n + 1), 0};
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        if (window_samples(w, q) && !isnan(q->value_ns[m]))
            x.ns[x.n++] = q->value_ns[m];
    }
    return x;
}

static double turnover_s(const struct sample_set *set, const struct window *w)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct sample *q = &set->list[i];
        double s = q->value_ns[LATENCY_E2E] / 1e9;
        if (!window_samples(w, q) || isnan(s))
            continue;
        sum += s;
        squares += s * s;
    }
    return sum > 0 ? squares / sum : NAN;
}

struct placed {
    double value;
    size_t place;
};

static int by_value(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* Each value becomes the normal quantile of its rank; equal ones share the middle of theirs. */
static void make_normal_scores(double *x, size_t n)
{
    struct placed *order = MEM_ARRAY(struct placed, n + 1);
    for (size_t i = 0; i < n; i++)
        order[i] = (struct placed){x[i], i};
    qsort(order, n, sizeof *order, by_value);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && order[to].value == order[from].value;)
            to++;
        double score = special_normal_quantile((double)(from + to) / 2 / (double)n);
        for (size_t i = from; i < to; i++)
            x[order[i].place] = score;
    }
    free(order);
}

/* Differences are taken from the first value: of equal ones nothing is left. */
static double lagged_correlation(const double *x, size_t n, size_t lag)
{
    double mean = 0, squares = 0, products = 0;
    for (size_t i = 0; i < n; i++)
        mean += (x[i] - x[0]) / (double)n;
    mean += x[0];
    for (size_t i = 0; i < n; i++) {
        squares += (x[i] - mean) * (x[i] - mean);
        if (i >= lag)
            products += (x[i] - mean) * (x[i - lag] - mean);
    }
    return squares > 0 ? products / squares : 0;
}

/* Fills n, lag and memory. Requests of one decode step have alike TTFTs however idle the server is:
 * the places between must be more time than that. */
static void remember(const struct sample_set *set, const struct window *w, struct claim_ground *out)
{
    struct waits x = collect(set, w, LATENCY_TTFT);
    if (x.n == 0) {
        free(x.ns);
        x = collect(set, w, LATENCY_E2E);
    }
    out->n = x.n;
    out->lag = CLAIM_LAG;
    out->memory = NAN;
    if (x.n > 0) {
        double *copy = MEM_ARRAY(double, x.n);
        memcpy(copy, x.ns, x.n * sizeof *copy);
        double median_s = rank_select(copy, x.n, rank_of(0.5, x.n)) / 1e9;
        free(copy);
        double places = ceil(CLAIM_LAG_TTFTS * median_s * (double)x.n / window_s(w));
        if (places > CLAIM_LAG)
            out->lag = places < (double)x.n ? (size_t)places : x.n;
    }
    if (x.n > out->lag) {
        make_normal_scores(x.ns, x.n);
        out->memory = lagged_correlation(x.ns, x.n, out->lag);
    }
    free(x.ns);
}

double claim_rho_least(double x)
{
    double lost = -expm1(-x); /* 1 − e^(−x) */
    return lost * lost / (2 * (x - lost));
}

static double batch_rho(const struct concurrency *c, double turnovers)
{
    struct moments m = {0};
    for (size_t i = 0; i < CONCURRENCY_BATCHES; i++)
        moments_add(&m, c->batch[i]);
    if (moments_sd(&m) <= level_batches * m.mean)
        return 0;
    double least = turnovers > 0 ? claim_rho_least(turnovers / CONCURRENCY_BATCHES) : 0;
    return fmax(lag1_correlation(c->batch, CONCURRENCY_BATCHES), least);
}

const char *claim_bar_name(enum claim_bar bar)
{
    static const char *const names[] = {
        [CLAIM_MAY] = "none",         [CLAIM_UNSTEADY] = "unsteady", [CLAIM_OVERLOAD] = "overload",
        [CLAIM_FEW] = "few-requests", [CLAIM_SHORT] = "short",       [CLAIM_WAITING] = "waiting",
        [CLAIM_DRIFT] = "drift",
    };
    return names[bar];
}

static enum claim_bar bar_of(const struct claim_ground *g, const struct window *w,
                             const struct overload *o)
{
    if (o->overloaded)
        return CLAIM_OVERLOAD;
    if (!w->steady)
        return CLAIM_UNSTEADY;
    if (g->n < CLAIM_LEAST_REQUESTS || isnan(g->memory))
        return CLAIM_FEW;
    if (!(g->turnovers >= CLAIM_LEAST_TURNOVERS))
        return CLAIM_SHORT;
    if (g->memory + 1 / sqrt((double)g->n) > CLAIM_MOST_MEMORY)
        return CLAIM_WAITING;
    return g->rho > CLAIM_MOST_RHO ? CLAIM_DRIFT : CLAIM_MAY;
}

void claim_survey(const struct sample_set *set, const struct window *w, const struct concurrency *c,
                  const struct overload *o, struct claim_ground *out)
{
    *out = (struct claim_ground){.turnover_s = turnover_s(set, w)};
    out->turnovers = window_s(w) / out->turnover_s;
    out->rho = batch_rho(c, out->turnovers);
    remember(set, w, out);
    out->bar = bar_of(out, w, o);
}

/* ---- each percentile ---- */

uint64_t claim_least(double p)
{
    return early_total(p, level, 1);
}

/* θ = (π/2)u⁴ takes the logarithm's edge off: the rule of midpoints is then good to 1e-11. */
double claim_tail(double p)
{
    enum { POINTS = 1000 };
    double z = special_normal_quantile(p), of_p = 0, of_median = 0;
    for (int i = 0; i < POINTS; i++) {
        double u = (i + 0.5) / POINTS, s = sin(M_PI_2 * u * u * u * u);
        double weight = -log(s) * u * u * u;
        of_p += weight * exp(-z * z / (1 + s));
        of_median += weight;
    }
    return of_median * p * (1 - p) / (of_p * 0.25);
}

static double inflation(double rho)
{
    return (1 + rho) / (1 - rho);
}

void claim_judge(const struct claim_ground *g, const struct blockci *median, double p,
                 struct blockci *b)
{
    double own = fmax(b->rho1, 0), rho = fmax(own, g->rho);
    b->bound = b->df > 0 && rho <= CLAIM_MOST_RHO && g->bar == CLAIM_MAY;
    if (rho < 1 && b->df > 0) {
        double wider = inflation(rho) / inflation(own);
        b->variance *= wider;
        b->n_eff /= wider;
        b->df = BLOCKCI_BATCHES / inflation(rho) - 1;
    }
    double most = claim_tail(p) * median->n_eff;
    if (b->n_eff > most) {
        b->variance *= b->n_eff / most;
        b->n_eff = most;
        b->df = fmin(b->df, median->df);
        b->bound = b->bound && median->bound;
    }
    b->bound = b->bound && b->n_eff >= (double)claim_least(p);
}

void claim_ranks(const struct blockci *b, size_t n, double p, size_t *low, size_t *high)
{
    *low = 0;
    *high = n + 1;
    if (!b->bound)
        return;
    double t = special_t_quantile(1 - (1 - level) / 2, b->df);
    double middle = (double)n * p, half = t * (double)n * sqrt(b->variance);
    if (middle - half >= 1)
        *low = (size_t)floor(middle - half);
    if (ceil(middle + half) <= (double)n)
        *high = (size_t)ceil(middle + half);
}
