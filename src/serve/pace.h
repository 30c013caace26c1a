#ifndef LOADLINE_SERVE_PACE_H
#define LOADLINE_SERVE_PACE_H

/* The cluster's events (sim/cluster.h), or a metronome's instants in their place, on the real clock. */

#include "serve/server.h"

void pace_init(struct server *s);
void pace_release(struct server *s);

/* Handles every event that is due and sends its tokens. */
void pace_run(struct server *s);

/* Begins steps where an engine is idle and has work. */
void pace_begin(struct server *s);

/* When the next event is due; INT64_MAX when all are idle. */
int64_t pace_due_ns(const struct server *s);

#endif
