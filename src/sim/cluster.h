#ifndef LOADLINE_SIM_CLUSTER_H
#define LOADLINE_SIM_CLUSTER_H

/* A whole deployment: replicas behind a router, or engines that compute prompts before engines that decode, with the
 * transfer of the cache between them. Driven by events; the caller owns the clock, real or virtual:
 *
 *     cluster_ask(…);                       whenever a request comes
 *     cluster_begin(c, now);                idle engines with work begin their next steps
 *     due = cluster_due_ns(c);              wait until then
 *     while (cluster_run(c, now, &t, &n)) { give out the tokens; cluster_begin(c, now); }
 *
 * A step begun at t with duration d is due at t + d, and the next begins at the due time, however late it was run, so
 * that lateness does not add up; only when a whole step was missed does it begin at the present. */

#include "sim/engine.h"

struct cluster;
struct cluster_request;

struct cluster *cluster_new(const struct sim_config *config, uint64_t seed);
void cluster_free(struct cluster *c);

/* As engine_ask. */
struct cluster_request *cluster_ask(struct cluster *c, const struct engine_ask *ask);
void cluster_cancel(struct cluster *c, struct cluster_request *r);

/* The engine a request is at, or was last: below cluster_engines. */
int cluster_engine_of(const struct cluster_request *r);

void cluster_begin(struct cluster *c, int64_t now_ns);

/* The next event; INT64_MAX when there is none. */
int64_t cluster_due_ns(const struct cluster *c);

/* Handles the first event due by now, if there is one. Tokens that left *engine at *at_ns are valid until the next call; an
 * event may bring none. *engine is −1 for the end of a transfer. */
bool cluster_run(struct cluster *c, int64_t now_ns, const struct engine_token **tokens, size_t *n,
                 int *engine, int64_t *at_ns);

int cluster_engines(const struct cluster *c);
struct engine_counts cluster_counts(const struct cluster *c, int engine);
void cluster_forget_prefixes(struct cluster *c);

#endif
