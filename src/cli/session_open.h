#ifndef LOADLINE_CLI_SESSION_OPEN_H
#define LOADLINE_CLI_SESSION_OPEN_H

/* What session.c keeps ready for session_load.c. Between the two only. */

#include "cli/session.h"

/* The run file and how many runs are in it are the first one's. */
static inline struct session *session_owner(struct session *s)
{
    return s->first ? s->first : s;
}

/* The workload of a seed, its prompts made as this server counts them. */
int session_new_workload(struct session *s, uint64_t seed, struct workload **out, struct err *e);

/* Gives the plan the arrival times of the workload's file, where it is to have them. */
int session_take_arrivals(struct session *s, struct err *e);

/* A server that reports no usage but has a tokenizer: the answers are counted when the load is over. */
bool session_counts_afterwards(const struct session *s);

#endif
