#ifndef LOADLINE_CLI_CALIBRATE_LEVEL_H
#define LOADLINE_CLI_CALIBRATE_LEVEL_H

/* One level of a calibration: the engine as a metronome, so many streams in a closed loop against it, and what their
 * stamps are worth by the engine's own account. */

#include "measure/calibration.h"

struct spread { /* ns */
    int64_t p50, p99, max;
};

struct calibrate_level {
    int64_t streams, itl_ns, duration_ns; /* given */
    uint64_t seed;
    int64_t tokens;                       /* of a request; found along with what follows */
    struct calibration result;
    double stamped_fraction, censored_ours_fraction; /* of events; NAN unknown */
    double cpu_user_us_per_event, cpu_total_us_per_event;
    double busy_fraction;
    uint64_t bursts;
    struct spread lateness, width; /* of the engine's bursts */
};

/* Takes about duration_ns and some seconds of questions. Nothing is left behind. ERR_INTERRUPTED by Ctrl-C. */
int calibrate_level_run(struct calibrate_level *l, struct err *e);

#endif
