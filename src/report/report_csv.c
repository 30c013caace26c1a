#include "report/report.h"

#include <inttypes.h>

#include "record/gaps.h"

enum { PIECE_BYTES = 64 * 1024 };

static const char requests_header[] =
    "index,phase,session,rung,thread,outcome,http_status,error,finish_reason,intended_ns,started_"
    "ns,"
    "sent_ns,first_byte_ns,first_token_ns,first_answer_ns,last_token_ns,end_ns,dns_ns,connect_ns,"
    "tls_ns,prompt_tokens,output_tokens,cached_tokens,reasoning_tokens,output_source,asked_input,"
    "asked_output,received_bytes,sent_bytes,events,censored,censored_ours,unstamped,resends,reused,"
    "repeated,rtt_us,min_rtt_us,retransmits,output_hash,output_bytes\r\n";

static const char gaps_header[] = "index,phase,event,time_ns,gap_ns,tokens,censored_width_ns\r\n";

struct pass {
    struct report_sink *to;
    struct buf piece;
    struct err *e;
};

/* Hands over what has gathered; a sink that refuses ends the pass with its own code. */
static int flush(struct pass *p)
{
    int rc = p->piece.n > 0 ? p->to->write(p->to->context, buf_slice(&p->piece)) : 0;
    buf_clear(&p->piece);
    return rc;
}

static int flush_when_full(struct pass *p)
{
    return p->piece.n >= PIECE_BYTES ? flush(p) : 0;
}

/* RFC 4180: quoted when it holds a comma, a quote or a line break; quotes doubled. */
static void put_text(struct buf *out, struct slice s)
{
    bool quote = false;
    for (size_t i = 0; i < s.n && !quote; i++)
        quote = s.p[i] == ',' || s.p[i] == '"' || s.p[i] == '\n' || s.p[i] == '\r';
    if (!quote) {
        buf_put(out, s);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            buf_putc(out, '"');
        buf_putc(out, s.p[i]);
    }
    buf_putc(out, '"');
}

/* Empty where there is no value. */
static void put_times(struct buf *out, const int64_t *ns, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_putc(out, ',');
        if (ns[i] != RECORD_NONE)
            buf_printf(out, "%" PRId64, ns[i]);
    }
}

static void put_known(struct buf *out, int64_t count, int64_t least)
{
    buf_putc(out, ',');
    if (count >= least)
        buf_printf(out, "%" PRId64, count);
}

static const char *phase_name(int phase)
{
    static const char *const names[] = {"warmup", "measure", "tail"};
    return phase >= 0 && phase <= 2 ? names[phase] : "unknown";
}

static int take_request(void *context, const struct request_record *q)
{
    struct pass *p = context;
    struct buf *out = &p->piece;
    const int64_t times[] = {q->intended_ns,   q->started_ns,     q->sent_ns,
                             q->first_byte_ns, q->first_token_ns, q->first_answer_ns,
                             q->last_token_ns, q->end_ns,         q->dns_ns,
                             q->connect_ns,    q->tls_ns};
    buf_printf(out, "%" PRIu64 ",%s,%" PRIu64 ",", q->index, phase_name(q->phase), q->session);
    if (q->rung >= 0)
        buf_printf(out, "%d", q->rung);
    buf_printf(out, ",%" PRIu32 ",%s,", q->thread, outcome_name(q->outcome));
    if (q->http_status > 0)
        buf_printf(out, "%d", q->http_status);
    buf_putc(out, ',');
    put_text(out, q->error);
    buf_putc(out, ',');
    put_text(out, q->finish_reason);
    put_times(out, times, sizeof times / sizeof times[0]);
    put_known(out, q->prompt_tokens, 0);
    put_known(out, q->output_tokens, 0);
    put_known(out, q->cached_tokens, 0);
    put_known(out, q->reasoning_tokens, 0);
    buf_printf(out, ",%s", token_source_name(q->output_source));
    put_known(out, q->asked_input, 1);
    put_known(out, q->asked_output, 1);
    buf_printf(out,
               ",%" PRIu64 ",%" PRIu64 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32
               ",%d,%d,%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%016" PRIx64 ",%" PRIu64 "\r\n",
               q->received_bytes, q->sent_bytes, q->events, q->censored, q->censored_ours,
               q->unstamped, q->resends, q->reused, q->repeated, q->rtt_us, q->min_rtt_us,
               q->retransmits, q->output_hash, q->output_bytes);
    return flush_when_full(p);
}

static int take_gaps(void *context, const struct request_record *q)
{
    struct pass *p = context;
    struct slice in = q->gaps;
    int64_t at = q->first_token_ns;
    for (uint64_t event = 0; in.n > 0; event++) {
        struct gap g;
        if (gaps_take(&in, &g) < 0)
            return err_set(p->e, ERR_INPUT,
                           "the token gaps of request %" PRIu64 " in the run file are damaged; the "
                           "file was changed or its disk is failing",
                           q->index);
        at += g.gap_ns;
        buf_printf(&p->piece,
                   "%" PRIu64 ",%s,%" PRIu64 ",%" PRId64 ",%" PRId64 ",%" PRIu64 ",%" PRId64 "\r\n",
                   q->index, phase_name(q->phase), event, at, g.gap_ns, g.tokens, g.width_ns);
        int rc = flush_when_full(p);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int write_csv(struct record_reader *r, int64_t run_id, const char *header, bool gaps,
                     int (*take)(void *, const struct request_record *), struct report_sink *to,
                     struct err *e)
{
    struct pass p = {.to = to, .e = e};
    buf_puts(&p.piece, header);
    int rc = record_reader_requests(r, run_id, gaps, take, &p, e);
    if (rc == 0)
        rc = flush(&p);
    buf_release(&p.piece);
    return rc;
}

int report_csv_requests(struct record_reader *r, int64_t run_id, struct report_sink *to,
                        struct err *e)
{
    return write_csv(r, run_id, requests_header, false, take_request, to, e);
}

int report_csv_gaps(struct record_reader *r, int64_t run_id, struct report_sink *to, struct err *e)
{
    return write_csv(r, run_id, gaps_header, true, take_gaps, to, e);
}
