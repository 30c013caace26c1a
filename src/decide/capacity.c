#include "decide/capacity.h"

#include <math.h>

static const double seconds_per_hour = 3600;

/* ---- the basis ---- */

/* Whether a level below the ceiling was offered; the single user and the burst are no rates. */
static bool any_below(const struct sweep *s, const struct level *ceiling)
{
    for (size_t i = 0; i < s->count; i++)
        if (level_on_curve(&s->levels[i]) && level_load(&s->levels[i]) < level_load(ceiling))
            return true;
    return false;
}

enum capacity_basis capacity_basis_of(const struct sweep *s, const struct sweep_result *r)
{
    if (s->spec.kind == LOAD_OF_USERS)
        return CAPACITY_OF_USERS;
    if (s->spec.slo.n == 0)
        return CAPACITY_NO_SLO;
    if (r->floor >= 0)
        return CAPACITY_SOUND;
    if (r->end == SWEEP_NEVER_MET || (r->ceiling >= 0 && !any_below(s, &s->levels[r->ceiling])))
        return CAPACITY_NEVER_MET;
    return r->end == SWEEP_UNFINISHED ? CAPACITY_UNFINISHED : CAPACITY_UNDECIDED;
}

/* ---- headroom ---- */

double capacity_growth_in(const struct capacity_growth *g, int64_t time_ns)
{
    if (g->per_ns <= 0)
        return 0;
    return expm1(log1p(g->share) * (double)time_ns / (double)g->per_ns);
}

struct capacity_headroom capacity_headroom_of(double asked, const struct capacity_growth *g,
                                              int64_t startup_ns)
{
    struct capacity_headroom h = {.asked = asked, .growth = capacity_growth_in(g, startup_ns)};
    h.from_growth = h.growth > asked;
    h.share = h.from_growth ? h.growth : asked;
    return h;
}

/* ---- replicas ---- */

/* A quotient that is whole but for the rounding of its parts is taken as whole: 10 × 1.2 / 4 is 3,
 * not a hair more. */
static double quotient(double load, double each)
{
    const double rounding = 1e-9;
    double x = load / each, nearest = round(x);
    return fabs(x - nearest) <= rounding * nearest ? nearest : x;
}

/* Each has what was shown to be met, or less. */
static double replicas_needed(double load, double floor_rate)
{
    return fmax(ceil(quotient(load, floor_rate)), 1);
}

/* Each has less than what was shown to be missed: one that has just as much misses too. Never more
 * than are needed, however near to each other floor and ceiling are. */
static double replicas_at_least(double load, double ceiling_rate, double needed)
{
    return fmin(floor(quotient(load, ceiling_rate)) + 1, needed);
}

/* ---- money ---- */

static struct capacity_cost cost_of(const struct capacity_unit *u, double per_hour,
                                    double requests_per_s)
{
    double successes = requests_per_s * seconds_per_hour * u->success_share;
    if (!(successes > 0)) /* nothing asked for: a cost of nothing is none */
        successes = NAN;
    return (struct capacity_cost){
        .per_hour = per_hour,
        .per_1k_requests = per_hour / successes * 1e3,
        .per_1m_prompt_tokens = per_hour / (successes * u->prompt_tokens) * 1e6,
        .per_1m_output_tokens = per_hour / (successes * u->output_tokens) * 1e6,
        .per_1m_tokens = per_hour / (successes * (u->prompt_tokens + u->output_tokens)) * 1e6,
    };
}

struct capacity_cost capacity_cost_at_floor(const struct capacity_unit *u, double price)
{
    return cost_of(u, price * (double)u->gpus, u->floor);
}

/* ---- the plan ---- */

static struct capacity_deployment deploy(int64_t replicas, double demand,
                                         const struct capacity_unit *u, double price)
{
    int64_t gpus = replicas * u->gpus;
    return (struct capacity_deployment){
        .replicas = replicas,
        .gpus = gpus,
        .utilisation = demand / ((double)replicas * u->floor),
        .cost = cost_of(u, price * (double)gpus, demand),
    };
}

bool capacity_plan_for(double demand, const struct capacity_unit *u, const struct capacity_terms *t,
                       struct capacity_plan *out)
{
    double load = demand * (1 + t->headroom);
    if (!isfinite(load))
        return false;
    double needed = replicas_needed(load, u->floor);
    if (!(needed + (double)t->spares <= CAPACITY_MAX_REPLICAS))
        return false;
    int64_t n = (int64_t)needed;
    *out = (struct capacity_plan){
        .demand = demand,
        .with_headroom = load,
        .needed = deploy(n, demand, u, t->price),
        .with_spares = deploy(n + t->spares, demand, u, t->price),
        .with_one_more = deploy(n + 1, demand, u, t->price),
        .at_least = isnan(u->ceiling) ? 0 : (int64_t)replicas_at_least(load, u->ceiling, needed),
    };
    return true;
}
