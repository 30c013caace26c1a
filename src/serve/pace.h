#ifndef LOADLINE_SERVE_PACE_H
#define LOADLINE_SERVE_PACE_H

/* The engines' steps on the real clock. A step begun at t with duration d is due at t + d; then its tokens go out and
 * the next begins at the due time, however late the burst was, so that lateness does not add up. Only when a whole
 * step was missed does the next begin at the present. Under a metronome its instants take the place of steps. */

#include "serve/server.h"

void pace_init(struct server *s);
void pace_release(struct server *s);

/* The replica with the fewest requests. */
struct lane *pace_lane(struct server *s);

/* Ends every step that is due and sends its tokens. */
void pace_run(struct server *s);

/* Begins steps where a replica is idle and has work. */
void pace_begin(struct server *s);

/* When the next step is due; INT64_MAX when all are idle. */
int64_t pace_due_ns(const struct server *s);

#endif
