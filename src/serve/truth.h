#ifndef LOADLINE_SERVE_TRUTH_H
#define LOADLINE_SERVE_TRUTH_H

/* What the server did, and when: an append-only log in memory that truth_file.h writes at the end. Due times are not
 * the truth; sends are. All times CLOCK_MONOTONIC nanoseconds. Grows by chunks, so that no entry is ever moved. */

#include <stdint.h>

#include "base/slice.h"

struct truth_request {
    int64_t arrived_ns; /* the request was complete */
    int64_t tokens;     /* it will have */
    char name[128];     /* its X-Request-Id; "" without */
};

struct truth_token {
    uint32_t request;  /* number of its request */
    uint32_t token;    /* from 0 */
    uint32_t step;     /* number of the step it came from */
    int64_t before_ns; /* clock just before and just after the send that carried its last byte */
    int64_t after_ns;
};

struct truth_step { /* a step that ended */
    uint32_t replica;
    uint32_t sends;  /* messages of its burst that the kernel took at once */
    int64_t due_ns;
    int64_t first_ns; /* clock before the first of them, 0 when there was none … */
    int64_t last_ns;  /* … and after the last */
};

struct truth;

struct truth *truth_new(void);
void truth_free(struct truth *t);

/* Each returns the number of what it added, from 0. */
uint32_t truth_add_request(struct truth *t, struct slice name, int64_t arrived_ns, int64_t tokens);
uint32_t truth_add_token(struct truth *t, const struct truth_token *token);
uint32_t truth_add_step(struct truth *t, const struct truth_step *step);

uint32_t truth_requests(const struct truth *t);
uint32_t truth_tokens(const struct truth *t);
uint32_t truth_steps(const struct truth *t);

const struct truth_request *truth_request_at(const struct truth *t, uint32_t i);
const struct truth_token *truth_token_at(const struct truth *t, uint32_t i);
const struct truth_step *truth_step_at(const struct truth *t, uint32_t i);

#endif
