#ifndef LOADLINE_MEASURE_CACHE_H
#define LOADLINE_MEASURE_CACHE_H

/* Prefix-cache hits by the server's own counters (…prefix_cache_hits and …prefix_cache_queries, with or without _total):
 * what the last scrape has over the first, summed over label sets. */

#include "record/reader.h"

/* *share: hits/queries over the run; NAN when the file holds no such counters or nothing was asked. */
int cache_read(struct record_reader *r, int64_t run_id, double *share, struct err *e);

#endif
