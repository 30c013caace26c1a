#ifndef LOADLINE_DECIDE_COMPARE_H
#define LOADLINE_DECIDE_COMPARE_H

/* Is B better or worse than A, and by how much?
 *
 * What is compared are blocks: one load point of one side, with one value for every metric. Blocks of a round have the same
 * prompts, lengths and arrivals and follow each other at once, in the order A B B A A B …, so that what drifts, the machine
 * or the room's temperature, falls on both sides alike. Each metric has D = ln(B/A) of its rounds; it is judged by the
 * exact signed-rank test, estimated by the median of the Walsh averages, and bounded by their order statistics
 * (stats/signedrank.h); p values are adjusted by Holm over all metrics. Runs that were not interleaved are compared by Welch's test
 * on the logarithms of run-level values; two single runs only by what varies within them, which allows no verdict. */

#include "decide/compare_metric.h"
#include "stats/signedrank.h"

#define COMPARE_LEVEL 0.95

enum compare_side { COMPARE_A, COMPARE_B, COMPARE_SIDES };

enum compare_design {
    COMPARE_ROUNDS,        /* interleaved */
    COMPARE_PAIRED_RUNS,   /* runs of the same seeds, at different times */
    COMPARE_UNPAIRED_RUNS, /* several of each side */
    COMPARE_SINGLE_RUNS,   /* one of a side */
};

struct compare_spec {
    struct compare_metrics metrics;
    struct compare_gates gates;
    double margin;         /* a difference below this share is none that matters */
    bool allow_mismatch;   /* also what was loaded differently */
    const char *goodput;   /* its bounds; NULL: as stored in the runs */
};

/* What is not given, a field of zeros, is filled in: the metrics and the margin by default. */
void compare_spec_complete(struct compare_spec *s);

enum compare_verdict {
    COMPARE_UNDECIDED,     /* neither a difference nor its absence is shown */
    COMPARE_BETTER,        /* B is: the Holm-adjusted p is at most 5 % */
    COMPARE_WORSE,
    COMPARE_EQUIVALENT,    /* no difference is shown, and the whole interval lies within the margin */
    COMPARE_NO_VERDICT,    /* there is no valid test; why says why */
};
const char *compare_verdict_name(enum compare_verdict v); /* "better", … "none" */

struct compare_row { /* one metric; ratios are ln(B/A) */
    struct compare_metric metric;
    size_t n[COMPARE_SIDES];      /* values; equal where they are paired */
    double *value[COMPARE_SIDES]; /* of the arena, in the order of rounds or runs, NAN where there is none; pairs stand side by side */
    struct interval within[COMPARE_SIDES]; /* single runs: of the value, by what varies within the run */
    double median[COMPARE_SIDES]; /* of the values: the lower of two middle ones */
    double ratio;                 /* NAN: no value */
    struct interval ci;           /* 95 % */
    double p, p_holm;             /* two-sided, against no difference; NAN: no test */
    struct {
        double ratio, p, df;
        struct interval ci;
    } t;                          /* of the paired t-test, or Welch's, on the same logarithms; NAN: none */
    double sd;                    /* of D; of unpaired values the pooled one, √2 times; NAN under 2 */
    enum compare_verdict verdict;
    bool within_margin;           /* the whole interval; also of a row that is better or worse */
    double rounds_needed;         /* in all, for a verdict four times out of five if spread and ratio stay as they are;
                                     NAN: decided, or nothing to go by; INFINITY: beyond COMPARE_MANY_ROUNDS */
    char why[160];                /* of NO_VERDICT */
};

/* The exact test counts out a table of rounds², for each metric and gate: more rounds or runs are refused. */
enum { COMPARE_MAX_ROUNDS = 500, COMPARE_MANY_ROUNDS = 1000 };

enum compare_gate_state { COMPARE_PASSES, COMPARE_FAILS, COMPARE_CANNOT_TELL };

struct compare_gate_result {
    struct compare_gate gate;
    size_t row;
    enum compare_gate_state state;
    double p;                     /* of "no worse than the limit", or of "worse than the limit" where it says possibly; one-sided */
};

enum { COMPARE_MAX_FLAWS = 32 };

struct compare_flaw { /* what a reader must know */
    enum severity severity;
    char text[640];
};

struct compare_about { /* one side: its first run stands for it */
    struct run_record run;        /* strings of the arena */
    size_t blocks;                /* that count; what follows is over all of them */
    uint64_t offered, completed, failed, dropped;
    double got_input, got_output, asked_input, asked_output; /* tokens of a completed request, means; NAN unknown */
    double tokens_per_event;      /* NAN unknown */
    double cached;                /* share of prompt tokens that a cache served; NAN unknown */
};

struct comparison {
    enum compare_design design;
    struct compare_spec spec;
    struct compare_about side[COMPARE_SIDES];
    bool same_seeds;              /* what A was asked, B was asked */
    bool mismatch;                /* something differs that should not */
    size_t planned, complete;     /* rounds; of runs not interleaved 0 */
    bool interrupted;
    struct compare_row *rows;
    size_t row_count;
    struct compare_gate_result gates[COMPARE_MAX_GATES];
    size_t gate_count;
    struct compare_flaw flaws[COMPARE_MAX_FLAWS];
    size_t flaw_count;
    enum verdict verdict;
    struct arena arena;
};

/* Sets c->rows up for c->spec, metrics of gates included, with room for so many values of each side, all NAN. ERR_USAGE when
 * these are too many metrics, ERR_INPUT when too many values. */
int compare_begin(struct comparison *c, size_t blocks, struct err *e);

/* From the values of the rows, the design, the spec and what is known of the sides to everything else of rows and gates.
 * Of single runs, ratio and ci are taken as they are. */
void compare_judge(struct comparison *c);

/* Takes every verdict away. */
void compare_withhold(struct comparison *c, const char *why);

/* A gate holds: the build is to fail. Cannot tell: it can neither pass nor fail. */
bool compare_gates_fail(const struct comparison *c);
bool compare_gates_cannot_tell(const struct comparison *c);

/* Least number of rounds with which every gate can fail, and all metrics can have a verdict. */
size_t compare_rounds_for_gates(const struct compare_gates *g);
size_t compare_rounds_for_metrics(size_t metrics);

void compare_flaw_add(struct comparison *c, enum severity severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void comparison_release(struct comparison *c);

#endif
