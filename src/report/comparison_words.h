#ifndef LOADLINE_REPORT_COMPARISON_WORDS_H
#define LOADLINE_REPORT_COMPARISON_WORDS_H

/* Ratios, p values and the result of a comparison in words. Ratios are ln(B/A). */

#include "decide/compare.h"

enum { WORDS_CELL = 40 };

/* "+3.1 %", "×3.35" from three times or a third on; "-" for NAN. Each returns out, of WORDS_CELL bytes. */
const char *words_change(double ratio, char *out);

/* "[+2.9, +3.3]" in percent, or "[×2.90, ×3.81]", in the form of the ratio; "no bounds". */
const char *words_interval(double ratio, const struct interval *ci, char *out);

/* "0.012", "< 0.001". */
const char *words_p(double p, char *out);

/* One sentence, or two: what is worse, better, equivalent, and what is not decided. Percentages are of A's value. */
void words_result(const struct comparison *c, struct buf *out);

/* "p99 ttft: about 24; p50 e2e: more than 1000"; nothing when there is nothing to decide. */
void words_rounds(const struct comparison *c, struct buf *out);

/* "shown: p = 0.004". */
void words_gate(const struct comparison *c, const struct compare_gate_result *g, struct buf *out);

const char *words_design(enum compare_design d); /* "interleaved rounds", … as in the JSON */

#endif
