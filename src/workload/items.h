#ifndef LOADLINE_WORKLOAD_ITEMS_H
#define LOADLINE_WORKLOAD_ITEMS_H

/* The items of a dataset, copied out of its file so that the file may change or go while the run lasts. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "workload/prompt.h"

struct item {
    enum prompt_kind kind;
    struct slice text;     /* in the arena of the items */
    size_t nonce_at;       /* where in text a nonce may be put; ITEM_NO_NONCE: nowhere */
    int64_t input_tokens;  /* counted or estimated */
    int64_t output_tokens; /* 0: the data does not say */
    uint64_t source;       /* its place in the file, from 0 */
};

#define ITEM_NO_NONCE SIZE_MAX

struct items {
    struct arena arena;
    struct item *v;
    size_t n, cap;
    int64_t *at_ns;   /* n of them, or NULL */
    uint64_t skipped; /* left out by a filter */
    bool estimated;   /* some input_tokens is bytes / 4 */
};

struct item *items_add(struct items *t); /* zeroed; valid until the next items_add */
void items_release(struct items *t);

/* Tokens of a text nobody has counted: four bytes each, at least one. */
int64_t items_estimate_tokens(size_t bytes);

#endif
