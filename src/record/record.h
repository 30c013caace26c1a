#ifndef LOADLINE_RECORD_RECORD_H
#define LOADLINE_RECORD_RECORD_H

/* Plain data of the run file: one load point, its requests, its seconds. Every time is ns from the start of the
 * run (the moment the measured phase began; those of warm-up requests from the warm-up's own start) unless its name says otherwise;
 * RECORD_NONE where a thing did not happen. Times lie within ± 2^61 ns (73 years), counts of tokens below 2^40. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define RECORD_NONE INT64_MIN

enum outcome { /* every offered request ends in exactly one */
    OUTCOME_OK,
    OUTCOME_HTTP_ERROR,
    OUTCOME_ENGINE_ERROR,   /* an error inside a 200 stream */
    OUTCOME_PROTOCOL_ERROR,
    OUTCOME_CONNECT_FAILED,
    OUTCOME_RESET,
    OUTCOME_TIMEOUT,
    OUTCOME_TRUNCATED,      /* the stream ended without its terminator */
    OUTCOME_CANCELLED,
    OUTCOME_DROPPED,
    OUTCOME_COUNT,
};
const char *outcome_name(enum outcome o);
int outcome_of(struct slice name); /* −1 when unknown */

enum token_source { TOKENS_NONE, TOKENS_USAGE, TOKENS_CONTINUOUS, TOKENS_TOKENIZER, TOKENS_EVENTS };
const char *token_source_name(enum token_source s);
int token_source_of(struct slice name);

struct request_record {
    uint64_t index;
    int phase;                      /* enum phase of workload/policy.h: 0 warmup, 1 measure, 2 tail */
    uint64_t session;
    int rung;                       /* of --output-ladder; −1 without */
    uint32_t thread;

    int64_t intended_ns, started_ns, sent_ns, first_byte_ns;
    int64_t first_token_ns, first_answer_ns, last_token_ns, end_ns;
    int64_t dns_ns, connect_ns, tls_ns; /* durations; RECORD_NONE when no connection was opened */

    enum outcome outcome;
    int http_status;                /* 0 when none came */
    struct slice error;             /* a sentence; empty when ok */
    struct slice finish_reason;

    int64_t prompt_tokens, output_tokens, cached_tokens, reasoning_tokens; /* −1 unknown */
    enum token_source output_source;
    int64_t asked_input, asked_output; /* 0 unknown */

    uint64_t received_bytes, sent_bytes;
    uint32_t events;                /* token events */
    uint32_t censored, censored_ours; /* of them: with a bound instead of a stamp; wide because we were late */
    uint32_t unstamped;             /* of them: stamped in user space */
    uint32_t resends;
    bool reused;                    /* sent on a kept-alive connection */
    bool repeated;                  /* its prompt was used before in this run */
    uint32_t rtt_us, min_rtt_us, retransmits;

    uint64_t output_hash;           /* FNV-1a 64 of the text received, answer and reasoning */
    uint64_t output_bytes;
    struct slice output;            /* with --save-output; empty otherwise */
    struct slice gaps;              /* gaps.h; empty when no token came */
    struct slice reads;             /* of a calibration: for each event varint(our read − its stamp), ns; empty otherwise */
};

struct run_record { /* one row of `run` */
    int64_t id;                     /* given by the writer */
    const char *kind;               /* "run"; later "sweep level", … */
    int64_t parent;                 /* first run of a series; 0 for none */
    int64_t ordinal;                /* place in the series, from 1 */
    int64_t started_real_ns;        /* CLOCK_REALTIME of time 0 */
    int64_t started_mono_ns;        /* CLOCK_MONOTONIC of it, known at the end; not in the file: no other boot has that clock */
    const char *target, *backend, *engine, *engine_version, *model, *command; /* no secrets; "" unknown */
    uint64_t seed;

    const char *mode;               /* "open", "closed", "offline" */
    double request_rate;            /* per s; INFINITY for offline, 0 for closed */
    double burstiness;
    const char *ramp;               /* "", "linear", "exponential" */
    double ramp_start, ramp_end;
    int64_t max_concurrency;        /* 0 none */
    const char *on_cap;             /* "queue", "drop" */
    int64_t num_prompts;            /* 0 none */
    int64_t duration_ns;            /* 0 none */
    int64_t timeout_ns;
    int64_t warmup_requests;
    int64_t threads;

    const char *workload;           /* "chat", "random", … */
    const char *workload_json;      /* the spec as JSON text */
    bool synthetic, streaming, fixed_output;
    int64_t prefix_len;
    bool lengths_estimated;

    const char *goodput;            /* expression text; "" none */
    const char *slo;
    const char *options_json;       /* request options sent: temperature, ignore_eos, … */
    const char *host_json;          /* cpu, cores, kernel, governor */
    const char *context_json;       /* --context */

    /* Known at the end; written by record_writer_finish. */
    bool finished;                  /* false in the file: the program was killed */
    bool interrupted;
    int64_t offered_end_ns;         /* last moment of offering: the window's natural end */
    int64_t drained_ns;             /* everything had ended */
    uint64_t body_underruns;
    uint32_t clock_steps;
    double steal_fraction;          /* of all CPU time, over the run; −1 unknown */
    uint64_t cpu_user_ns, cpu_system_ns; /* of the driver threads over the measured phase, spin included */
    uint64_t spin_ns;
    uint64_t token_events, exchanges; /* over the measured phase, all phases' requests */
    uint64_t peak_in_flight;
};

struct second_record { /* one driver thread's second */
    int64_t second;                 /* from run start */
    uint32_t thread;
    int64_t busy_ns, spin_ns, wait_ns; /* sum to about 1e9 */
    uint64_t reads, full_reads, stamped_reads, events;
    struct slice read_lag;          /* base/hist.h encoding: kernel stamp to our read */
    struct slice schedule_lag;      /* started − intended of requests started in this second */
};

struct sample_record { /* one metric of the server at one moment */
    int64_t at_ns;
    const char *source;             /* "/metrics" */
    const char *name;               /* as the server names it */
    const char *labels;             /* raw; "" none */
    double value;
};

struct finding_record { /* something that happened and a reader must know */
    const char *id;                 /* "option-dropped", … */
    const char *severity;           /* "note", "provisional", "invalid" */
    const char *text;
};

#endif
