#ifndef LOADLINE_MEASURE_SAMPLES_H
#define LOADLINE_MEASURE_SAMPLES_H

/* The requests of a run in compact form: one pass over the file without its gaps. Warm-up requests are counted
 * and kept out of everything else. Who takes records one by one calls samples_sort after the last: everything else
 * here wants the list in the order of its intended times. */

#include "base/arena.h"
#include "measure/summary.h"
#include "record/reader.h"

struct sample {
    uint64_t index;
    int64_t intended_ns, started_ns, end_ns; /* RECORD_NONE where it did not happen */
    int64_t first_token_ns;
    double value_ns[LATENCY_METRICS];        /* NAN: no value. ITL is unused: events.h has it */
    int64_t prompt_tokens, output_tokens, asked_output;
    int16_t rung;
    uint8_t phase, outcome;
    bool lump; /* several tokens that came all at once: no real stream */
};

struct mean_of { /* of things that are known of some requests only */
    double sum;
    uint64_t n;
};

struct lengths { /* tokens of completed requests */
    struct mean_of got, asked, got_of_asked; /* the last: of requests that asked for a length */
};

struct sample_set {
    struct sample *list; /* phases measure and tail, by intended time, then index */
    size_t n, capacity;

    /* Over the requests of phase measure. */
    uint64_t offered, sent, completed, failed, dropped, resends, repeated;
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t unended;                        /* rows without an end */
    uint64_t no_descriptor;                  /* of the dropped: started, and no descriptor was left for them */
    uint64_t prompt_tokens, output_tokens;   /* of completed requests */
    uint64_t cached_tokens, cached_prompt_tokens, cached_known; /* where the server told */
    uint64_t event_tokens, events_with_tokens; /* for tokens per event */
    uint64_t by_source[TOKENS_EVENTS + 1];
    uint64_t with_stream;                    /* completed, with enough tokens to judge the stream by */
    uint64_t lumps;                          /* of them */
    struct lengths input, output;
    struct mean_of e2e_ns;
    uint64_t events, censored, censored_ours, unstamped; /* of every outcome */

    uint64_t tail, warmup;
    char first_error[256];
};

/* Adds one record to a set that was zeroed or read before. ERR_INPUT for values that cannot be. */
int samples_take(struct sample_set *set, const struct request_record *q, struct err *e);
void samples_sort(struct sample_set *set);

/* As taken, and sorted. */
int samples_read(struct record_reader *r, int64_t run_id, struct sample_set *out, struct err *e);
void samples_release(struct sample_set *s);

static inline bool sample_in(const struct sample *q, int64_t from_ns, int64_t to_ns)
{
    return q->intended_ns >= from_ns && q->intended_ns <= to_ns;
}

#endif
