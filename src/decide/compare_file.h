#ifndef LOADLINE_DECIDE_COMPARE_FILE_H
#define LOADLINE_DECIDE_COMPARE_FILE_H

/* A comparison as a pure function of its run file: rows of kind "compare a" and "compare b" whose ordinal is the round, and
 * under the key "comparison" of `meta` what was asked. Or of two files of ordinary runs. */

#include "decide/compare.h"

#define COMPARE_META_KEY "comparison"
extern const char *const compare_kinds[COMPARE_SIDES]; /* of run rows */

struct compare_plan { /* what goes into meta; texts as the user gave them, NULL where not */
    const char *metrics;
    const char *const *fail_if;
    size_t fail_if_count;
    double margin;
    bool allow_mismatch;
    int64_t rounds;
    const char *before[COMPARE_SIDES];
    bool own_nonces;       /* prompts of the sides differ in a nonce: they are one server */
};
void compare_plan_put(const struct compare_plan *p, struct buf *json);

/* Whether the file holds a comparison. */
bool compare_in_file(struct record_reader *r);

/* Judged by what is stored, and over that by what is `given` (NULL: nothing; fields of zeros likewise). Rounds that lack a side, or in which one was cut short, are left
 * out. ERR_INPUT for a file that cannot be one. */
int compare_of_file(struct record_reader *r, const struct compare_spec *given, struct comparison *out, struct err *e);

/* Two files of runs. ERR_USAGE with a sentence that names what differs, where that is not allowed. */
int compare_of_runs(struct record_reader *const r[COMPARE_SIDES], const struct compare_spec *spec,
                    struct comparison *out, struct err *e);

#endif
