#ifndef LOADLINE_MEASURE_CALIBRATION_H
#define LOADLINE_MEASURE_CALIBRATION_H

/* The instrument's own error: the stamps of a run file against the times at which the server sent the same tokens.
 *
 * Of a token's arrival and of TTFT (the first token's arrival) the error is the stamp less the clock before the send that
 * carried the token; of a gap between tokens (ITL) it is the difference of two such, without its sign. Each is taken
 * of the kernel's stamp and of the clock when our own read returned, which is what a program without kernel stamps
 * would call the arrival. A gap counts as censored when one of its ends is. */

#include <stdbool.h>
#include <stdint.h>

#include "record/reader.h"

enum calibration_of { CALIBRATION_TTFT, CALIBRATION_ARRIVAL, CALIBRATION_ITL, CALIBRATION_KINDS };
enum calibration_stamp { CALIBRATION_KERNEL, CALIBRATION_USER, CALIBRATION_STAMPS };

struct calibration_error { /* ns; percentiles are ranks, never interpolated; all 0 when n is */
    uint64_t n;
    int64_t min, p50, p99, p999, max;
};

struct calibration {
    uint64_t requests, events, censored;
    uint64_t unmatched; /* events that the truth does not know; in no error */
    struct calibration_error error[CALIBRATION_KINDS][2][CALIBRATION_STAMPS]; /* [of][censored][stamp] */
};

/* When token `token` of measured request `index` was sent (CLOCK_MONOTONIC ns); 0 unknown. */
struct calibration_truth {
    int64_t (*sent_ns)(void *context, uint64_t index, uint32_t token);
    void *context;
};

/* Over the successful measured requests of a run whose time 0 is origin_ns. Events must carry one token each. ERR_INPUT
 * when the file has no reads for its events (it is not of a calibration) or is damaged. */
int calibration_of_run(struct record_reader *r, int64_t run_id, int64_t origin_ns,
                       const struct calibration_truth *truth, struct calibration *out,
                       struct err *e);

#endif
