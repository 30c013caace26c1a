#ifndef LOADLINE_TESTS_PLAN_FIXTURE_H
#define LOADLINE_TESTS_PLAN_FIXTURE_H

/* A plan made by hand: a sweep of three levels at 2, 4 and 6 requests/s, the middle one met, the last one missed. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "report/plan_report.h"

struct plan_fixture {
    struct sweep *sweep;
    struct summary *floor;
    struct plan_report r;
};

void plan_fixture_open(struct plan_fixture *f);
void plan_fixture_close(struct plan_fixture *f);

/* By the terms that stand in f->r; multiples are added for a single demand. */
void plan_fixture_ask(struct plan_fixture *f, const double *demands, size_t n);

#endif
