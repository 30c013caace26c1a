#ifndef LOADLINE_MEASURE_INSTRUMENT_H
#define LOADLINE_MEASURE_INSTRUMENT_H

/* The instrument's own account: from the run's totals and its seconds (from second 0 on). Fills s->instrument but for the
 * schedule lag (pacing.h). Fields are NAN where the file does not tell. */

#include "measure/samples.h"

int instrument_read(struct record_reader *r, const struct run_record *run,
                    const struct sample_set *set, struct summary *s, struct err *e);

#endif
