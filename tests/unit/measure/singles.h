#ifndef LOADLINE_TESTS_SINGLES_H
#define LOADLINE_TESTS_SINGLES_H

/* Each check alone: the good run passes it, one change to the run makes it fail with the severity
 * named. */

#include "fixture.h"

struct single {
    const char *id;
    void (*spoil)(struct fixture *f);
    enum severity severity;
};

extern const struct single singles[];
extern const size_t single_count;

/* Those that other tests want too. */
void spoil_one_dropped(struct fixture *f);
void spoil_half_as_many(struct fixture *f);
void spoil_first_tokens_wait_in_stretches(struct fixture *f);
void spoil_pace_wanders(struct fixture *f);
void spoil_decode_slows_down_late(struct fixture *f);
void spoil_most_of_a_burst_without_descriptor(struct fixture *f);

#endif
