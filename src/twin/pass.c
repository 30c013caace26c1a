#include "twin/pass.h"

#include <stdio.h>

enum { HTTP_OK = 200, HTTP_BAD_REQUEST = 400 };

static int64_t relative(const struct pass *p, int64_t at_ns)
{
    return at_ns == RECORD_NONE ? RECORD_NONE : at_ns - p->start_ns;
}

static struct request_record record_of(const struct pass *p, const struct offer *o)
{
    return (struct request_record){
        .index = o->index,
        .phase = (int)o->phase,
        .session = o->index,
        .rung = -1,
        .intended_ns = o->intended_ns - p->start_ns,
        .started_ns = RECORD_NONE,
        .sent_ns = RECORD_NONE,
        .first_byte_ns = RECORD_NONE,
        .first_token_ns = RECORD_NONE,
        .first_answer_ns = RECORD_NONE,
        .last_token_ns = RECORD_NONE,
        .end_ns = RECORD_NONE,
        .dns_ns = RECORD_NONE,
        .connect_ns = RECORD_NONE,
        .tls_ns = RECORD_NONE,
        .prompt_tokens = -1,
        .output_tokens = -1,
        .cached_tokens = -1,
        .reasoning_tokens = -1,
        .reused = true,
    };
}

static void put(struct pass *p, const struct request_record *r)
{
    p->observer->record(p->observer->context, r);
    p->dropped += r->outcome == OUTCOME_DROPPED;
    if (r->outcome == OUTCOME_OK) {
        p->succeeded++;
        p->failures_in_row = 0;
        p->succeeded_ns = p->twin->now_ns;
    } else if (r->outcome != OUTCOME_DROPPED && r->outcome != OUTCOME_CANCELLED) {
        p->failed++;
        p->failures_in_row++;
    }
}

void pass_put_unsent(struct pass *p, const struct offer *o, enum outcome outcome, const char *why)
{
    struct request_record r = record_of(p, o);
    struct prompt q;
    workload_outline(p->workload, p->spec.warmup, o->index, &q);
    r.asked_input = q.input_tokens;
    r.asked_output = q.output_tokens;
    r.rung = q.rung;
    r.repeated = q.repeated;
    r.outcome = outcome;
    r.error = slice_of(why);
    r.end_ns = r.intended_ns + (outcome == OUTCOME_TIMEOUT ? p->twin->setup.timeout_ns : 0);
    put(p, &r);
}

static struct request_record sent_record(const struct pass *p, const struct flight *f,
                                         enum outcome outcome, const char *why)
{
    struct request_record r = record_of(p, &f->offer);
    r.asked_input = f->asked_input;
    r.asked_output = f->asked_output;
    r.rung = f->rung;
    r.repeated = f->repeated;
    r.started_ns = r.sent_ns = r.first_byte_ns = relative(p, f->started_ns);
    r.end_ns = relative(p, p->twin->now_ns);
    r.outcome = outcome;
    r.http_status = HTTP_OK;
    r.error = slice_of(why);
    return r;
}

void pass_put_flight(struct pass *p, const struct flight *f, enum outcome outcome, const char *why)
{
    struct request_record r = sent_record(p, f, outcome, why);
    r.first_token_ns = r.first_answer_ns = relative(p, f->first_ns);
    r.last_token_ns = relative(p, f->last_ns);
    if (f->done > 0) {
        r.output_tokens = f->done;
        r.output_source = TOKENS_CONTINUOUS; /* each event tells what it carries */
        r.cached_tokens = f->cached;
        r.prompt_tokens = f->prompt_tokens;
        r.events = f->events;
        r.gaps = buf_slice(&f->gaps);
    }
    if (outcome == OUTCOME_OK)
        r.finish_reason = slice_of(f->stops ? "stop" : "length");
    put(p, &r);
}

void pass_put_refused(struct pass *p, const struct flight *f)
{
    char why[160];
    long long context = (long long)p->twin->config.max_model_len;
    if (f->prompt_tokens < 0)
        snprintf(why, sizeof why, "HTTP 400: messages that are not text only");
    else if (f->prompt_tokens >= context)
        snprintf(why, sizeof why,
                 "HTTP 400: the prompt has %lld tokens, and this model's context holds %lld with "
                 "the output",
                 (long long)f->prompt_tokens, context);
    else
        snprintf(why, sizeof why,
                 "HTTP 400: a prompt of %lld tokens and %lld of output are more than this model's "
                 "context of %lld",
                 (long long)f->prompt_tokens, (long long)f->asked_output, context);
    struct request_record r = sent_record(p, f, OUTCOME_HTTP_ERROR, why);
    r.http_status = HTTP_BAD_REQUEST;
    put(p, &r);
}
