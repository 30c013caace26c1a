#include "drive/recount.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "record/reader.h"

struct text { /* an answer to be counted */
    int phase;
    uint64_t index;
    int64_t events; /* as counted so far */
    char *p;
    size_t n;
};

struct texts {
    struct text *list;
    size_t n, room;
};

static int keep_text(void *context, const struct request_record *q)
{
    struct texts *t = context;
    if (q->output_source != TOKENS_EVENTS || q->output.n == 0)
        return 0;
    if (t->n == t->room) {
        t->room = t->room ? 2 * t->room : 256;
        t->list = mem_resize(t->list, t->room * sizeof *t->list);
    }
    t->list[t->n++] = (struct text){.phase = q->phase,
                                    .index = q->index,
                                    .events = q->output_tokens,
                                    .p = mem_strndup(q->output.p, q->output.n),
                                    .n = q->output.n};
    return 0;
}

static int read_texts(const struct recount *c, struct texts *out, struct err *e)
{
    struct record_reader *r;
    int rc = record_reader_open(c->run_file, &r, e);
    if (rc < 0)
        return rc;
    rc = record_reader_requests(r, c->run_id, false, keep_text, out, e);
    record_reader_close(r);
    return rc;
}

/* Counts one answer; one that the server does not count keeps its number of events. */
static int count_text(const struct recount *c, const struct text *t, struct record_writer *w,
                      uint64_t *uncounted, struct err *e)
{
    struct request_record r = {.phase = t->phase,
                               .index = t->index,
                               .output_tokens = t->events,
                               .output_source = TOKENS_EVENTS};
    int64_t tokens;
    int rc = probe_count_tokens(c->counter, slice_make(t->p, t->n), &tokens, e);
    if (rc == ERR_INTERRUPTED)
        return rc;
    if (rc == OK) {
        r.output_tokens = tokens;
        r.output_source = TOKENS_TOKENIZER;
    }
    *uncounted += rc < 0;
    return record_writer_recount(w, &r, c->keep_output, e);
}

int recount_tokens(const struct recount *c, struct record_writer *w, struct err *e)
{
    struct texts texts = {0};
    uint64_t uncounted = 0;
    int rc = read_texts(c, &texts, e);
    for (size_t i = 0; rc == OK && i < texts.n; i++) {
        rc = count_text(c, &texts.list[i], w, &uncounted, e);
        if (c->progress)
            c->progress(c->context, i + 1, texts.n);
    }
    if (rc == OK && uncounted > 0) {
        char sentence[128];
        snprintf(sentence, sizeof sentence,
                 "the server's tokenizer did not count %" PRIu64 " of %zu answers", uncounted,
                 texts.n);
        record_writer_finding(w, &(struct finding_record){"uncounted", "note", sentence});
    }
    for (size_t i = 0; i < texts.n; i++)
        free(texts.list[i].p);
    free(texts.list);
    return rc;
}
