#ifndef LOADLINE_DECIDE_SWEEP_H
#define LOADLINE_DECIDE_SWEEP_H

/* The highest load that meets an SLO, between a floor (the highest level at which it was shown to be met) and a ceiling (the
 * lowest at which it was shown to be missed).
 *
 * The search is a function of what was asked and of the levels measured so far: sweep_next says what to offer next, whoever
 * offers it hands the outcome to sweep_take, and a search that was interrupted goes on when its levels are taken again in
 * their order. Given levels are offered in turn; users that are not given, doubled until throughput no longer grows.
 * Otherwise:
 *
 *   single   one user, for what an idle server does
 *   burst    everything at once, for about what it can do at all
 *   climb    eight geometric steps from 10 to 110 % of that, without draining between them, and on until one misses the SLO
 *            (beyond doubt, when there is time)
 *   narrow   about the rate at which the climb crosses the SLO: above it when there is time, then below
 *   confirm  one long load, backed off from the crossing, with prompts of its own: more than half of the budget
 *
 * The steps are short and only place the crossing (crossing.h). The confirmation is what a floor rests on, and gets all of
 * alpha for it; alpha for ceilings is shared by all levels. Without an SLO the climb has most of the budget and goes on
 * until it overloads the server. */

#include "decide/level.h"

enum {
    SWEEP_MAX_LEVELS = 96,
    SWEEP_MAX_GIVEN = 64,
    SWEEP_LOOKS = 19,     /* levels of a search that may show a miss */
    SWEEP_DOUBLINGS = 13, /* 1 to 4096 users */
};

struct sweep_spec {
    struct objectives slo;         /* none: the curve alone */
    enum load_kind kind;           /* LOAD_AT_RATE or LOAD_OF_USERS */
    double given[SWEEP_MAX_GIVEN]; /* levels, ascending; users are whole */
    size_t given_count;            /* 0: find them */
    int64_t level_ns;              /* of each given level; 0: an even share of the budget */
    int64_t budget_ns;             /* of the load's clock, for all */
    bool stop_at_saturation;       /* given levels: none above the first that overloads the server */
};

struct sweep {
    struct sweep_spec spec;
    struct level levels[SWEEP_MAX_LEVELS];
    size_t count;
    int64_t spent_ns;
};

#define SWEEP_ALPHA 0.05

void sweep_init(struct sweep *s, const struct sweep_spec *spec);

/* The next load points: 0 when the search is over; more than 1 are to be climbed (runner.h). */
size_t sweep_next(const struct sweep *s, struct load_point out[RUNNER_MAX_CLIMB],
                  enum level_stage *stage);

/* What came of them, and the time they took. */
void sweep_take(struct sweep *s, enum level_stage stage, const struct load_point *points,
                const struct probed *got, size_t n, int64_t cost_ns);

enum sweep_end {
    SWEEP_FOUND,        /* a floor, a ceiling, or both */
    SWEEP_UNDECIDED,    /* neither: the budget was too small */
    SWEEP_NEVER_MET,    /* the lowest level was shown to miss the SLO */
    SWEEP_NO_SLO,
    SWEEP_UNFINISHED,   /* there is more to measure */
};

struct sweep_result {
    enum sweep_end end;
    int floor, ceiling;       /* places in levels; −1: none */
    double crossing;          /* where the SLO is crossed by point estimates; NAN unknown. A guess, not a result */
    int binding;              /* the objective that is nearest to its limit there; −1 without */
    int knee;                 /* the level from which the binding tail turns up (Kneedle); −1: none */
    int saturated;            /* the lowest level from which on all overload the server; −1: none */
    bool monotone;            /* no tail falls with the load beyond its noise */
    double more_s;            /* the budget of a search whose floor lies within 5 % of the crossing, about; NAN: unknown, or
                               * it does already */
};
void sweep_judge(const struct sweep *s, struct sweep_result *out);

/* PASS or FAIL of one level, as its stage and the number of levels allow. */
enum slo_decision sweep_decide(const struct sweep *s, const struct level *l);

#endif
