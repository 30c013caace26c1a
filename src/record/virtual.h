#ifndef LOADLINE_RECORD_VIRTUAL_H
#define LOADLINE_RECORD_VIRTUAL_H

/* Runs of the embedded engine in virtual time: no client and no network measured them. Their context says so, under a key
 * that is not the user's. */

#include "record/record.h"

#define VIRTUAL_KEY   "simulated"
#define VIRTUAL_VALUE "in virtual time"

bool virtual_run(const struct run_record *run);

#endif
