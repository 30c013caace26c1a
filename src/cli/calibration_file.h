#ifndef LOADLINE_CLI_CALIBRATION_FILE_H
#define LOADLINE_CLI_CALIBRATION_FILE_H

/* A calibration as JSON, and the last one of this user: $XDG_STATE_HOME/loadline/calibration.json, or below
 * ~/.local/state. */

#include <stddef.h>

#include "cli/calibrate_level.h"

/* Schema loadline.calibration/1. The caller frees. */
char *calibration_json(const struct calibrate_level *levels, size_t count);

/* Makes the folders too and replaces what was there, whole. ERR_IO. */
int calibration_save(const char *json, struct err *e);

/* The last one as a line of JSON, or NULL when there is none of this machine (its processor and its number of cores). The
 * caller frees. */
char *calibration_last(void);

#endif
