#ifndef LOADLINE_DECIDE_CAPACITY_H
#define LOADLINE_DECIDE_CAPACITY_H

/* How many replicas a demand takes, by the floor and the ceiling of a sweep.
 *
 *   replicas = ⌈demand × (1 + headroom) / floor⌉, then the spares
 *
 * A replica is what the sweep measured, whole: a target that was itself several engines behind a router is one. Replicas
 * are taken to carry N times what one carries, which a router that spreads requests evenly makes true.
 *
 * Costs are those of the SLO point, never of saturation: what a replica answers per hour is what it was shown to carry, or
 * the part of it that the demand uses. Each kind of token bears the whole cost in its own figure. */

#include <stdbool.h>
#include <stdint.h>

#include "decide/sweep.h"

enum capacity_basis { /* whether a sweep can carry a plan, and why not */
    CAPACITY_SOUND,
    CAPACITY_OF_USERS,   /* a closed loop: its floor is of users, and its throughput no demand that came by itself */
    CAPACITY_NO_SLO,
    CAPACITY_NEVER_MET,  /* the lowest level misses the SLO: no number of replicas meets it */
    CAPACITY_UNFINISHED, /* interrupted before it had a floor */
    CAPACITY_UNDECIDED,  /* no floor: the budget was too small to show one */
};
enum capacity_basis capacity_basis_of(const struct sweep *s, const struct sweep_result *r);

struct capacity_unit { /* one replica */
    double floor, ceiling;               /* requests per s; ceiling NAN: none, or not above the floor */
    int64_t gpus;
    double prompt_tokens, output_tokens; /* of a successful request, means at the floor; NAN unknown */
    double success_share;                /* of the requests offered at the floor */
};

struct capacity_growth { /* of the demand: by this share in every such time */
    double share;
    int64_t per_ns; /* 0: it does not grow */
};

/* By what share it grows in so long: (1 + share)^(time/per) − 1. */
double capacity_growth_in(const struct capacity_growth *g, int64_t time_ns);

struct capacity_headroom {
    double share;     /* the larger of the two: until a new replica serves, those that run carry what is added */
    double asked, growth;
    bool from_growth; /* growth was larger */
};
struct capacity_headroom capacity_headroom_of(double asked, const struct capacity_growth *g,
                                              int64_t startup_ns);

struct capacity_cost { /* in the unit of the price; NAN without a price, or where tokens are unknown */
    double per_hour;
    double per_1k_requests;      /* successful ones */
    double per_1m_prompt_tokens, per_1m_output_tokens; /* all of the cost over this kind alone */
    double per_1m_tokens;        /* all of it over both kinds together */
};

struct capacity_deployment { /* so many replicas under the demand */
    int64_t replicas, gpus;
    double utilisation;          /* demand/(replicas × floor) */
    struct capacity_cost cost;
};

struct capacity_terms {
    double headroom;
    int64_t spares;
    double price; /* of a GPU for an hour; NAN none */
};

struct capacity_plan {
    double demand, with_headroom;
    struct capacity_deployment needed, with_spares, with_one_more;
    int64_t at_least; /* the fewest of which each has less than the ceiling, which was shown to miss; 0 unknown */
};

/* False when it takes more than CAPACITY_MAX_REPLICAS: then something was mistyped, and out is as it was. */
#define CAPACITY_MAX_REPLICAS 1e9
bool capacity_plan_for(double demand, const struct capacity_unit *u, const struct capacity_terms *t,
                       struct capacity_plan *out);

/* Of one replica at its floor: the least that requests and tokens can cost within the SLO. */
struct capacity_cost capacity_cost_at_floor(const struct capacity_unit *u, double price);

#endif
