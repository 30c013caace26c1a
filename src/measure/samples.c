#include "measure/samples.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

/* Phases as workload/policy.h numbers them and the run file stores them. */
enum { WARMUP = 0, MEASURE = 1, TAIL = 2 };

/* A stream is judged from this many tokens on. */
enum { STREAM_MIN_TOKENS = 8 };

/* Nobody decodes 50,000 tokens a second for one user: tokens that come faster were held back and
 * sent together. */
enum { LUMP_NS_PER_TOKEN = 20000 };

static double between(int64_t from_ns, int64_t to_ns)
{
    return from_ns == RECORD_NONE || to_ns == RECORD_NONE ? NAN : (double)(to_ns - from_ns);
}

static double pace_ns(const struct request_record *q)
{
    return q->output_tokens > 1
               ? between(q->first_token_ns, q->last_token_ns) / (double)(q->output_tokens - 1)
               : NAN;
}

/* Time to make a connection ready: name, connect, TLS, as far as each was needed. */
static double connect_ns(const struct request_record *q)
{
    const int64_t parts[] = {q->dns_ns, q->connect_ns, q->tls_ns};
    double sum = NAN;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i] != RECORD_NONE)
            sum = (isnan(sum) ? 0 : sum) + (double)parts[i];
    return sum;
}

static bool is_lump(const struct request_record *q)
{
    if (q->events <= 1)
        return true;
    return between(q->first_token_ns, q->last_token_ns) <
           (double)LUMP_NS_PER_TOKEN * (double)q->output_tokens;
}

static void fill_sample(struct sample *s, const struct request_record *q)
{
    *s = (struct sample){
        .index = q->index,
        .intended_ns = q->intended_ns,
        .started_ns = q->started_ns,
        .end_ns = q->end_ns,
        .first_token_ns = q->first_token_ns,
        .prompt_tokens = q->prompt_tokens,
        .output_tokens = q->output_tokens,
        .asked_output = q->asked_output,
        .rung = (int16_t)(q->rung >= 0 && q->rung < SUMMARY_MAX_RUNGS ? q->rung : -1),
        .phase = (uint8_t)q->phase,
        .outcome = (uint8_t)q->outcome,
    };
    if (s->end_ns == RECORD_NONE && q->outcome == OUTCOME_DROPPED)
        s->end_ns = s->intended_ns;
    s->value_ns[LATENCY_TTFT] = between(q->intended_ns, q->first_token_ns);
    s->value_ns[LATENCY_TTFT_SERVICE] = between(q->sent_ns, q->first_token_ns);
    s->value_ns[LATENCY_TTFA] = between(q->intended_ns, q->first_answer_ns);
    s->value_ns[LATENCY_TPOT] = pace_ns(q);
    s->value_ns[LATENCY_ITL] = NAN;
    s->value_ns[LATENCY_E2E] = between(q->intended_ns, q->last_token_ns);
    s->value_ns[LATENCY_CONNECT] = connect_ns(q);
    s->lump = q->output_tokens >= STREAM_MIN_TOKENS && is_lump(q);
}

static void add_known(struct mean_of *m, int64_t value, bool known)
{
    if (known) {
        m->sum += (double)value;
        m->n++;
    }
}

static void count_lengths(struct lengths *l, int64_t asked, int64_t got)
{
    add_known(&l->got, got, got >= 0);
    add_known(&l->asked, asked, asked > 0);
    add_known(&l->got_of_asked, got, got >= 0 && asked > 0);
}

static void count_completed(struct sample_set *set, const struct request_record *q,
                            const struct sample *s)
{
    if (q->prompt_tokens > 0)
        set->prompt_tokens += (uint64_t)q->prompt_tokens;
    if (q->output_tokens > 0)
        set->output_tokens += (uint64_t)q->output_tokens;
    if (q->cached_tokens >= 0) {
        set->cached_known++;
        set->cached_tokens += (uint64_t)q->cached_tokens;
        set->cached_prompt_tokens += q->prompt_tokens > 0 ? (uint64_t)q->prompt_tokens : 0;
    }
    if (q->output_tokens >= 0 && q->events > 0) {
        set->event_tokens += (uint64_t)q->output_tokens;
        set->events_with_tokens += q->events;
    }
    if (q->output_source >= 0 && q->output_source <= TOKENS_EVENTS)
        set->by_source[q->output_source]++;
    if (q->output_tokens >= STREAM_MIN_TOKENS) {
        set->with_stream++;
        set->lumps += s->lump;
    }
    count_lengths(&set->input, q->asked_input, q->prompt_tokens);
    count_lengths(&set->output, q->asked_output, q->output_tokens);
    if (!isnan(s->value_ns[LATENCY_E2E])) {
        set->e2e_ns.sum += s->value_ns[LATENCY_E2E];
        set->e2e_ns.n++;
    }
}

static void count_measured(struct sample_set *set, const struct request_record *q,
                           const struct sample *s)
{
    set->offered++;
    set->sent += q->sent_ns != RECORD_NONE;
    set->resends += q->resends;
    set->repeated += q->repeated;
    set->outcomes[q->outcome]++;
    set->unended += s->end_ns == RECORD_NONE;
    set->events += q->events;
    set->censored += q->censored;
    set->censored_ours += q->censored_ours;
    set->unstamped += q->unstamped;
    if (q->outcome == OUTCOME_OK) {
        set->completed++;
        count_completed(set, q, s);
        return;
    }
    if (q->outcome == OUTCOME_DROPPED) {
        set->dropped++;
        set->no_descriptor += q->started_ns != RECORD_NONE; /* a cap drops before the start */
    } else {
        set->failed++;
    }
    if (set->first_error[0] == '\0' && q->error.n > 0) {
        int n = (int)(q->error.n < sizeof set->first_error ? q->error.n : sizeof set->first_error);
        snprintf(set->first_error, sizeof set->first_error, "%.*s", n, q->error.p);
    }
}

int samples_take(struct sample_set *set, const struct request_record *q, struct err *e)
{
    if ((int)q->outcome < 0 || q->outcome >= OUTCOME_COUNT || q->phase < WARMUP ||
        q->phase > TAIL || q->intended_ns == RECORD_NONE)
        return err_set(e, ERR_INPUT,
                       "request %" PRIu64 " in the run file is damaged (outcome %d, phase %d); "
                       "the file was changed or its disk is failing",
                       q->index, (int)q->outcome, q->phase);
    if (q->phase == WARMUP) {
        set->warmup++;
        return OK;
    }
    if (set->n == set->capacity) {
        set->capacity = set->capacity ? 2 * set->capacity : 1024;
        set->list = mem_resize(set->list, set->capacity * sizeof *set->list);
    }
    struct sample *s = &set->list[set->n++];
    fill_sample(s, q);
    if (q->phase == MEASURE)
        count_measured(set, q, s);
    else
        set->tail++;
    return OK;
}

static int by_intended(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    if (x->intended_ns != y->intended_ns)
        return x->intended_ns < y->intended_ns ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

void samples_sort(struct sample_set *set)
{
    bool sorted = true;
    for (size_t i = 1; i < set->n && sorted; i++)
        sorted = by_intended(&set->list[i - 1], &set->list[i]) <= 0;
    if (!sorted)
        qsort(set->list, set->n, sizeof *set->list, by_intended);
}

struct pass {
    struct sample_set *set;
    struct err *e;
};

static int take(void *context, const struct request_record *q)
{
    struct pass *pass = context;
    return samples_take(pass->set, q, pass->e);
}

int samples_read(struct record_reader *r, int64_t run_id, struct sample_set *out, struct err *e)
{
    *out = (struct sample_set){0};
    struct pass pass = {out, e};
    int rc = record_reader_requests(r, run_id, false, take, &pass, e);
    if (rc != 0)
        samples_release(out);
    samples_sort(out);
    return rc;
}

void samples_release(struct sample_set *s)
{
    free(s->list);
    *s = (struct sample_set){0};
}
