#include "measure/calibration.h"

#include <stdlib.h>

#include "base/mem.h"
#include "record/gaps.h"

struct values { /* int64_t each */
    struct buf of[CALIBRATION_KINDS][2][CALIBRATION_STAMPS];
};

struct pass {
    struct calibration *out;
    const struct calibration_truth *truth;
    int64_t origin_ns;
    struct values *values;
    struct err *e;
};

struct token { /* one event and its truth */
    bool known, censored;
    int64_t error_ns[CALIBRATION_STAMPS];
};

static void add(struct pass *p, enum calibration_of of, bool censored, const int64_t *error_ns)
{
    for (int s = 0; s < CALIBRATION_STAMPS; s++)
        buf_append(&p->values->of[of][censored][s], &error_ns[s], sizeof error_ns[s]);
}

static void add_gap(struct pass *p, const struct token *before, const struct token *now)
{
    int64_t error_ns[CALIBRATION_STAMPS];
    for (int s = 0; s < CALIBRATION_STAMPS; s++)
        error_ns[s] = llabs(now->error_ns[s] - before->error_ns[s]);
    add(p, CALIBRATION_ITL, before->censored || now->censored, error_ns);
}

static int no_reads(struct pass *p, const struct request_record *q)
{
    return err_set(p->e, ERR_INPUT,
                   "request %llu of the run file has no times of our reads: the run was no "
                   "calibration",
                   (unsigned long long)q->index);
}

static int take(void *context, const struct request_record *q)
{
    struct pass *p = context;
    struct slice gaps = q->gaps, reads = q->reads;
    struct token before = {0};
    struct gap g;
    uint64_t lag_ns;
    int64_t at_ns = p->origin_ns + q->first_token_ns;
    if (q->phase != 1 || q->outcome != OUTCOME_OK || q->events == 0)
        return 0;
    p->out->requests++;
    for (uint32_t i = 0; i < q->events; i++) {
        if (gaps_take(&gaps, &g) < 0 || varint_take(&reads, &lag_ns) < 0)
            return no_reads(p, q);
        at_ns += g.gap_ns;
        int64_t sent_ns = p->truth->sent_ns(p->truth->context, q->index, i);
        struct token now = {.known = sent_ns != 0, .censored = g.width_ns > 0};
        now.error_ns[CALIBRATION_KERNEL] = at_ns - sent_ns;
        now.error_ns[CALIBRATION_USER] = at_ns + (int64_t)lag_ns - sent_ns;
        p->out->events++;
        p->out->censored += now.censored;
        p->out->unmatched += !now.known;
        if (now.known)
            add(p, CALIBRATION_ARRIVAL, now.censored, now.error_ns);
        if (now.known && i == 0)
            add(p, CALIBRATION_TTFT, now.censored, now.error_ns);
        if (now.known && before.known)
            add_gap(p, &before, &now);
        before = now;
    }
    return 0;
}

static int compare(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

/* The ⌈n·thousandths/1000⌉-th smallest. */
static int64_t rank(const int64_t *sorted, uint64_t n, uint64_t thousandths)
{
    return sorted[(n * thousandths + 999) / 1000 - 1];
}

static struct calibration_error condense(struct buf *b)
{
    uint64_t n = b->n / sizeof(int64_t);
    if (n == 0)
        return (struct calibration_error){0};
    int64_t *sorted = MEM_ARRAY(int64_t, n);
    memcpy(sorted, b->p, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare);
    struct calibration_error out = {.n = n,
                                    .min = sorted[0],
                                    .p50 = rank(sorted, n, 500),
                                    .p99 = rank(sorted, n, 990),
                                    .p999 = rank(sorted, n, 999),
                                    .max = sorted[n - 1]};
    free(sorted);
    return out;
}

int calibration_of_run(struct record_reader *r, int64_t run_id, int64_t origin_ns,
                       const struct calibration_truth *truth, struct calibration *out,
                       struct err *e)
{
    struct values *values = MEM_NEW(struct values);
    struct pass p = {out, truth, origin_ns, values, e};
    *out = (struct calibration){0};
    int rc = record_reader_requests(r, run_id, true, take, &p, e);
    for (int of = 0; of < CALIBRATION_KINDS; of++)
        for (int censored = 0; censored < 2; censored++)
            for (int s = 0; s < CALIBRATION_STAMPS; s++) {
                struct buf *b = &values->of[of][censored][s];
                if (rc == OK)
                    out->error[of][censored][s] = condense(b);
                buf_release(b);
            }
    free(values);
    return rc;
}
