#ifndef LOADLINE_DRIVE_ANSWER_H
#define LOADLINE_DRIVE_ANSWER_H

/* One answer as it comes in: stamped slices of body → events → deltas → the fields of a request record. No
 * sockets, no clock: bytes and stamps come from outside, so that it can be driven by a replay. Nothing is
 * allocated per token but the growing gap list.
 *
 * Censoring: when one read brings several events, only the newest byte has the kernel's stamp. A token event
 * that other bytes of the answer's text followed in the same read is stored with a bound (stamp.after_ns) in
 * place of a time. */

#include <stdbool.h>
#include <stdint.h>

#include "api/protocol.h"
#include "base/buf.h"
#include "net/stamp.h"
#include "record/gaps.h"
#include "record/record.h"
#include "wire/sse.h"

enum {
    ANSWER_MAX_WHOLE_BYTES = 64 * 1024 * 1024, /* an answer that is not streamed */
    ANSWER_MAX_ERROR_BYTES = 64 * 1024,        /* an error body; the rest is read and dropped */
    ANSWER_MAX_GAP_BYTES = 64 * 1024 * 1024,
};

struct answer_options {
    const struct protocol *protocol;
    bool stream;
    bool save_output;
    enum api_ending ending;
    bool keep_reads;    /* for a calibration: when each event was read, besides its stamp */
};

enum answer_form { ANSWER_NONE, ANSWER_EVENTS, ANSWER_LINES, ANSWER_WHOLE, ANSWER_ERROR };

struct answer {
    struct answer_options options;
    enum answer_form form;
    int status;
    struct sse sse;
    struct buf whole;   /* a whole or an error body, or an unfinished line */
    struct api_stream api;

    struct buf gaps;    /* finished token events, gaps.h */
    struct buf reads;   /* with keep_reads: of the same, varint(read_ns − stamp) */
    uint32_t events, censored, unstamped, wide; /* wide: censored by more than ANSWER_WIDE_NS */
    int64_t first_token_ns, first_answer_ns, last_token_ns; /* on the stamps' clock; 0 none yet */
    struct { /* the newest token event: whether it is censored shows only with what follows it */
        bool held, censored;
        uint64_t read_id, tokens;
        int64_t at_ns, after_ns, read_ns;
    } newest;

    int64_t prompt_tokens, output_tokens, cached_tokens, reasoning_tokens; /* −1 not told */
    uint64_t counted;   /* tokens by events */
    bool done, usage_final, protocol_error;
    bool reasoned;      /* some reasoning came */
    uint64_t hash, text_bytes;
    struct buf text;    /* with save_output */
    struct buf error;   /* sentence */
    struct buf finish_reason;
    struct buf scratch;
};

void answer_init(struct answer *a); /* once; then begin for every request */
void answer_begin(struct answer *a, const struct answer_options *o);
void answer_release(struct answer *a);

/* The response's head; content_type decides the form. */
void answer_head(struct answer *a, int status, struct slice content_type, struct slice retry_after);

/* A slice of body. ERR_PROTOCOL or ERR_TOO_BIG: the rest is not worth reading; answer_finish knows why. */
int answer_body(struct answer *a, struct slice data, const struct stamp *stamp);

/* All slices of one read have been given. */
void answer_read_end(struct answer *a, const struct stamp *stamp);

enum answer_transport { TRANSPORT_COMPLETE, TRANSPORT_CUT, TRANSPORT_BROKEN };

/* The exchange ended at end_ns. Fills the record's fields on tokens, text and outcome, times relative to origin_ns;
 * slices are views into a, valid until the next begin. COMPLETE: the response ended as HTTP wants;
 * CUT: closed within the body; BROKEN: failed otherwise (`outcome` and error are the caller's then, unless
 * the answer was already complete). Returns true when outcome was decided here. */
bool answer_finish(struct answer *a, enum answer_transport transport, int64_t end_ns,
                   int64_t origin_ns, struct request_record *r);

#endif
