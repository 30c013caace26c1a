#include "measure/events.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "record/gaps.h"
#include "stats/rank.h"

/* A censored end is wide when its bound exceeds both; narrower than that, the events of one read
 * did arrive together as far as a gap can tell. */
static const int64_t wide_floor_ns = NS_PER_MS;
static const double wide_share_of_median = 0.1;

static const double stall_medians = 10;

struct event {
    int64_t gap_ns, width_ns;
    uint64_t tokens;
};

struct pass {
    struct events *ev;
    const struct window *w;
    bool per_token;
    struct err *e;

    struct event *list; /* of the request at hand */
    double *scratch;    /* its gaps, for the median */
    size_t capacity;
};

static void make_room(struct pass *p, size_t n)
{
    if (n < p->capacity)
        return;
    p->capacity = p->capacity ? 2 * p->capacity : 1024;
    p->list = mem_resize(p->list, p->capacity * sizeof *p->list);
    p->scratch = mem_resize(p->scratch, p->capacity * sizeof *p->scratch);
}

/* Unpacks the gaps of q. Returns the number of events, −1 for malformed bytes. */
static int64_t unpack(struct pass *p, const struct request_record *q, int64_t *widest_ns)
{
    struct slice in = q->gaps;
    size_t n = 0;
    *widest_ns = 0;
    while (in.n > 0) {
        struct gap g;
        if (gaps_take(&in, &g) < 0)
            return -1;
        make_room(p, n);
        p->list[n++] = (struct event){g.gap_ns, g.width_ns, g.tokens};
        if (g.width_ns > *widest_ns)
            *widest_ns = g.width_ns;
    }
    return (int64_t)n;
}

static void pool_put(struct gap_pool *g, uint64_t gap_ns)
{
    if (g->n == g->capacity) {
        g->capacity = g->capacity ? 2 * g->capacity : 65536;
        g->list = mem_resize(g->list, g->capacity * sizeof *g->list);
    }
    g->list[g->n++] = gap_ns;
    g->sum_ns += gap_ns;
    g->square_sum += (gap_square)gap_ns * gap_ns;
    if (gap_ns < g->min_ns || g->n == 1)
        g->min_ns = gap_ns;
    if (gap_ns > g->max_ns)
        g->max_ns = gap_ns;
}

static void span_put(struct gap_pool *g, int64_t intended_ns, size_t from)
{
    if (g->n == from)
        return;
    if (g->span_count == g->span_capacity) {
        g->span_capacity = g->span_capacity ? 2 * g->span_capacity : 1024;
        g->spans = mem_resize(g->spans, g->span_capacity * sizeof *g->spans);
    }
    g->spans[g->span_count++] = (struct gap_span){intended_ns, from, g->n - from};
}

static int by_intended(const void *a, const void *b)
{
    const struct gap_span *x = a, *y = b;
    if (x->intended_ns != y->intended_ns)
        return x->intended_ns < y->intended_ns ? -1 : 1;
    return (x->from > y->from) - (x->from < y->from);
}

static double median_gap_ns(struct pass *p, size_t events)
{
    size_t n = events - 1;
    for (size_t j = 0; j < n; j++)
        p->scratch[j] = (double)p->list[j + 1].gap_ns;
    return rank_select(p->scratch, n, rank_of(0.5, n));
}

/* One gap for each event after the first. */
static void pool_events(struct pass *p, size_t n, int64_t wide_ns, uint64_t *longest_ns)
{
    const struct event *v = p->list;
    for (size_t j = 1; j < n; j++) {
        if (v[j].width_ns > wide_ns || v[j - 1].width_ns > wide_ns) {
            p->ev->left_out++;
            continue;
        }
        uint64_t gap = (uint64_t)v[j].gap_ns;
        pool_put(&p->ev->gaps, gap);
        if (gap > *longest_ns)
            *longest_ns = gap;
    }
}

/* One gap for each token after the first. An event without tokens adds its wait to the next one's.
 */
static void pool_tokens(struct pass *p, size_t n, int64_t wide_ns, uint64_t *longest_ns)
{
    const struct event *v = p->list;
    uint64_t carried = 0;
    bool open = false,
         unsure = false; /* a token has come; an end of the gap at hand is censored wide */
    for (size_t j = 0; j < n; j++) {
        carried += (uint64_t)v[j].gap_ns;
        if (v[j].tokens == 0)
            continue;
        bool unsure_end = v[j].width_ns > wide_ns;
        if (open && (unsure || unsure_end)) {
            p->ev->left_out++;
        } else if (open) {
            pool_put(&p->ev->gaps, carried);
            *longest_ns = carried > *longest_ns ? carried : *longest_ns;
        }
        for (uint64_t k = 1; k < v[j].tokens; k++)
            pool_put(&p->ev->gaps, 0);
        carried = 0;
        open = true;
        unsure = unsure_end;
    }
}

/* Longest gap > 10 × the median, and median > 0, without looking for the median: at least half of
 * the gaps must be that much shorter, and fewer than half of them 0. */
static void judge_stall(struct pass *p, size_t n, uint64_t longest_ns)
{
    size_t gaps = n - 1, half = rank_of(0.5, gaps), shorter = 0, zero = 0;
    for (size_t j = 1; j < n; j++) {
        shorter += (double)p->list[j].gap_ns * stall_medians < (double)longest_ns;
        zero += p->list[j].gap_ns == 0;
    }
    if (zero >= half)
        return;
    p->ev->judged++;
    p->ev->stalled += shorter >= half;
}

static void pool_request(struct pass *p, size_t n, int64_t widest_ns)
{
    uint64_t longest = 0;
    int64_t wide_ns = INT64_MAX;
    if (widest_ns > wide_floor_ns) {
        double share = n >= 2 ? wide_share_of_median * median_gap_ns(p, n) : 0;
        wide_ns = share > (double)wide_floor_ns ? (int64_t)share : wide_floor_ns;
    }
    if (p->per_token)
        pool_tokens(p, n, wide_ns, &longest);
    else
        pool_events(p, n, wide_ns, &longest);
    if (longest > p->ev->longest_ns)
        p->ev->longest_ns = longest;
    if (n >= 3)
        judge_stall(p, n, longest);
}

/* Tokens of q whose event stamp lies in the window. Where no usage came with the events, each
 * carries an equal part. */
static double tokens_within(const struct pass *p, const struct request_record *q, size_t n)
{
    if (n == 0 || q->first_token_ns == RECORD_NONE) {
        int64_t at = q->last_token_ns != RECORD_NONE ? q->last_token_ns : q->end_ns;
        bool counts = q->output_tokens > 0 && at != RECORD_NONE && window_holds(p->w, at);
        return counts ? (double)q->output_tokens : 0;
    }
    bool told = q->output_source == TOKENS_CONTINUOUS;
    int64_t at = q->first_token_ns;
    uint64_t events = 0, tokens = 0;
    for (size_t j = 0; j < n; j++) {
        at += p->list[j].gap_ns;
        if (!window_holds(p->w, at))
            continue;
        events++;
        tokens += p->list[j].tokens;
    }
    if (told || q->output_tokens < 0)
        return (double)tokens;
    return (double)events * (double)q->output_tokens / (double)n;
}

static int take(void *context, const struct request_record *q)
{
    struct pass *p = context;
    int64_t widest_ns = 0;
    if (q->phase == 0 || q->outcome != OUTCOME_OK)
        return 0;
    int64_t n = unpack(p, q, &widest_ns);
    if (n < 0)
        return err_set(p->e, ERR_INPUT,
                       "the token gaps of request %" PRIu64 " in the run file are damaged; "
                       "the file was changed or its disk is failing",
                       q->index);
    p->ev->output_tokens += tokens_within(p, q, (size_t)n);
    /* A prompt has been read when its first token comes; all that is known of a whole answer is its
     * end. */
    int64_t read_ns = q->first_token_ns != RECORD_NONE ? q->first_token_ns : q->last_token_ns;
    if (read_ns != RECORD_NONE && window_holds(p->w, read_ns) && q->prompt_tokens > 0)
        p->ev->prompt_tokens += (double)q->prompt_tokens;
    p->ev->completions += q->end_ns != RECORD_NONE && window_holds(p->w, q->end_ns);
    if (q->phase != 1 || !window_holds(p->w, q->intended_ns) || n == 0)
        return 0;
    if (p->per_token && q->output_source != TOKENS_CONTINUOUS)
        return err_set(
            p->e, ERR_USAGE,
            "--itl per-token needs the server to say with every event how many tokens it "
            "carries (continuous_usage_stats), and request %" PRIu64 " has none; "
            "leave the option out",
            q->index);
    size_t pooled = p->ev->gaps.n;
    pool_request(p, (size_t)n, widest_ns);
    span_put(&p->ev->gaps, q->intended_ns, pooled);
    return 0;
}

int events_read(struct record_reader *r, int64_t run_id, const struct window *w, bool per_token,
                struct events *out, struct err *e)
{
    *out = (struct events){0};
    struct pass pass = {.ev = out, .w = w, .per_token = per_token, .e = e};
    int rc = record_reader_requests(r, run_id, true, take, &pass, e);
    free(pass.list);
    free(pass.scratch);
    if (rc != 0)
        events_release(out);
    else if (out->gaps.span_count > 0)
        qsort(out->gaps.spans, out->gaps.span_count, sizeof *out->gaps.spans, by_intended);
    return rc;
}

void events_release(struct events *ev)
{
    free(ev->gaps.list);
    free(ev->gaps.spans);
    *ev = (struct events){0};
}
