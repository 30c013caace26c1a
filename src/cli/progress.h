#ifndef LOADLINE_CLI_PROGRESS_H
#define LOADLINE_CLI_PROGRESS_H

/* The live line while load runs: rewritten in place on a terminal, a plain line now and then elsewhere. */

#include <stdbool.h>
#include <stdint.h>

#include "drive/drive.h"

struct progress {
    bool tty, quiet, shown;
    int64_t duration_ns;     /* of the load; 0 when its end is a count */
    double rate;             /* requests per s asked; 0 unknown */
    int64_t last_line_ns;    /* of a plain line */
    enum drive_stage stage;
    const char *label;       /* of one load point of several, in front of the line; NULL none */
    double series_left_s;    /* with a label: until the last of them ends, from progress_init on; below 0 unknown */
    int64_t since_ns;        /* progress_init */
    bool virtual_time;       /* the load's time is not ours */
};

void progress_init(struct progress *p, bool quiet, int64_t duration_ns, double rate);
void progress_show(struct progress *p, const struct drive_progress *now);
void progress_count(struct progress *p, const char *what, uint64_t done, uint64_t total);
void progress_clear(struct progress *p); /* takes the line away before other output */

#endif
