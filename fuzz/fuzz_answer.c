/* Answers in random pieces. Byte 0 chooses the form, byte 1 how the transport ended, byte 2 the
 * pieces; the rest is the body. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/openai.h"
#include "drive/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHAT = 1, STREAM = 2, SAVE = 4, FORM_SHIFT = 3, FORMS = 4, MAX_PIECE = 48 };

struct taken { /* what may not depend on the pieces */
    enum outcome outcome;
    bool decided;
    uint64_t hash, bytes;
    int64_t output_tokens, prompt_tokens;
    uint32_t events;
};

static const struct {
    int status;
    const char *type;
} HEADS[FORMS] = {
    {200, "text/event-stream"}, {200, "application/json"}, {500, ""}, {200, "text/html"}};

/* Gaps decode to the events and lead from the first token to the last. */
static void check_gaps(const struct request_record *r)
{
    struct slice in = r->gaps;
    struct gap g;
    uint32_t n = 0, censored = 0;
    int64_t sum = 0;
    while (in.n > 0) {
        if (gaps_take(&in, &g) < 0)
            abort();
        n++;
        censored += g.width_ns > 0;
        sum += g.gap_ns;
    }
    if (n != r->events || censored != r->censored || r->censored_ours > r->censored ||
        r->unstamped > r->events)
        abort();
    if (n > 0 && r->first_token_ns + sum != r->last_token_ns)
        abort();
}

static struct taken take(struct answer *a, uint8_t flags, uint8_t transport, struct slice body,
                         uint32_t pieces)
{
    const struct answer_options o = {.protocol = flags & CHAT ? &openai_chat : &openai_completions,
                                     .stream = flags & STREAM,
                                     .save_output = flags & SAVE};
    struct request_record r = {0};
    struct stamp stamp = {.at_ns = 1000, .kernel = true};
    unsigned form = (flags >> FORM_SHIFT) % FORMS;
    int rc = OK;
    answer_begin(a, &o);
    answer_head(a, HEADS[form].status, slice_of(HEADS[form].type), slice_of("3"));
    while (rc == OK && body.n > 0) {
        size_t n = body.n;
        if (pieces != 0) {
            pieces = pieces * 1664525 + 1013904223; /* Numerical Recipes' ranqd1 */
            size_t piece = (pieces >> 24) % MAX_PIECE + 1;
            n = piece < n ? piece : n;
        }
        stamp.read_id++;
        stamp.after_ns = stamp.at_ns;
        stamp.at_ns += (int64_t)(pieces >> 8) - 1000; /* may run backward */
        rc = answer_body(a, slice_make(body.p, n), &stamp);
        answer_read_end(a, &stamp);
        body = slice_make(body.p + n, body.n - n);
    }
    if (rc < 0)
        transport = TRANSPORT_BROKEN;
    bool decided = answer_finish(a, transport % 3, stamp.at_ns + 1, 0, &r);
    check_gaps(&r);
    if (decided && r.outcome != OUTCOME_OK && r.error.n == 0)
        abort(); /* a failure has a sentence */
    return (struct taken){.outcome = decided ? r.outcome : OUTCOME_RESET,
                          .decided = decided,
                          .hash = r.output_hash,
                          .bytes = r.output_bytes,
                          .output_tokens = r.output_tokens,
                          .prompt_tokens = r.prompt_tokens,
                          .events = r.events};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct answer a;
    struct slice body = slice_make((const char *)data + 3, size - 3);
    answer_init(&a);
    struct taken whole = take(&a, data[0], data[1], body, 0);
    struct taken parts = take(&a, data[0], data[1], body, data[2] + 1u);
    if (whole.outcome != parts.outcome || whole.decided != parts.decided ||
        whole.hash != parts.hash || whole.bytes != parts.bytes || whole.events != parts.events ||
        whole.output_tokens != parts.output_tokens || whole.prompt_tokens != parts.prompt_tokens)
        abort();
    answer_release(&a);
    return 0;
}
