#include "support.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- the server ---- */

void desk_status(struct peer *p, int status, const char *json)
{
    struct buf out = {0};
    buf_printf(&out,
               "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
               status, strlen(json), json);
    peer_send_bytes(p, buf_slice(&out));
    buf_release(&out);
}

static void send_chunk(struct peer *p, const char *text)
{
    struct buf out = {0};
    buf_printf(&out, "%zx\r\n%s\r\n", strlen(text), text);
    peer_send_bytes(p, buf_slice(&out));
    buf_release(&out);
}

void desk_tokens(struct peer *p)
{
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < ANSWER_TOKENS; i++)
        send_chunk(p, "data: {\"choices\":[{\"index\":0,\"text\":\" a\"}]}\n\n");
    send_chunk(p,
               "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":3}}\n\n"
               "data: [DONE]\n\n");
    peer_send(p, "0\r\n\r\n");
}

void desk_await(struct peer *p, const atomic_bool *flag)
{
    while (!*flag && !p->server->stopping)
        poll(NULL, 0, 1);
}

void desk_at_once(struct desk *d, struct peer *p, bool warmup, uint64_t index)
{
    (void)d, (void)warmup, (void)index;
    desk_tokens(p);
}

void desk_after_a_moment(struct desk *d, struct peer *p, bool warmup, uint64_t index)
{
    (void)d, (void)warmup, (void)index;
    poll(NULL, 0, 2);
    desk_tokens(p);
}

void desk_when_released(struct desk *d, struct peer *p, bool warmup, uint64_t index)
{
    (void)index;
    if (!warmup)
        desk_await(p, &d->release);
    desk_tokens(p);
}

void desk_never(struct desk *d, struct peer *p, bool warmup, uint64_t index)
{
    (void)d, (void)index;
    if (warmup)
        desk_tokens(p);
    else
        peer_hold(p);
}

void desk_error(struct desk *d, struct peer *p, bool warmup, uint64_t index)
{
    (void)d, (void)warmup, (void)index;
    desk_status(p, 500, "{\"error\":{\"message\":\"out of order\"}}");
}

/* The phase and the index of the UUID in the X-Request-Id line. */
static bool read_id(const struct buf *request, bool *warmup, uint64_t *index)
{
    enum { PHASE_AT = 19, INDEX_AT = 24, UUID_CHARS = 36 };
    static const char name[] = "X-Request-Id: ";
    const char *line = slice_find(buf_slice(request), slice_of(name));
    char text[UUID_CHARS + 1];
    if (!line || (size_t)(request->p + request->n - line) < sizeof name - 1 + UUID_CHARS)
        return false;
    memcpy(text, line + sizeof name - 1, UUID_CHARS);
    text[UUID_CHARS] = '\0';
    *warmup = text[PHASE_AT] == '9';
    *index = strtoull(text + INDEX_AT, NULL, 10);
    return true;
}

static void note_request(struct desk *d, const struct buf *request, uint64_t index)
{
    const char *body = slice_find(buf_slice(request), slice_of("\r\n\r\n"));
    if (index >= SEEN_MAX || !body)
        return;
    size_t head = (size_t)(body - request->p) + 4;
    pthread_mutex_lock(&d->lock);
    struct seen *s = &d->seen[index];
    s->times++;
    buf_clear(&s->body);
    buf_append(&s->body, request->p + head, request->n - head);
    pthread_mutex_unlock(&d->lock);
}

static void serve_desk(struct peer *p)
{
    struct desk *d = p->server->context;
    struct buf request = {0};
    while (peer_request(p, &request)) {
        bool warmup;
        uint64_t index;
        if (!read_id(&request, &warmup, &index)) {
            desk_status(p, 404, "{}");
            continue;
        }
        if (!warmup)
            note_request(d, &request, index);
        atomic_fetch_add(warmup ? &d->warmups : &d->runs, 1);
        unsigned busy = atomic_fetch_add(&d->busy, 1) + 1;
        for (unsigned most = d->most_busy;
             busy > most && !atomic_compare_exchange_weak(&d->most_busy, &most, busy);)
            ;
        d->answer(d, p, warmup, index);
        atomic_fetch_sub(&d->busy, 1);
    }
    buf_release(&request);
}

/* ---- runs ---- */

int trial_set_up(void **state)
{
    struct trial *r = test_calloc(1, sizeof *r);
    struct workload_spec spec = {
        .dataset = DATASET_RANDOM, .input_len = 12, .output_len = 8, .range_ratio = 0.5, .seed = 5};
    *state = r;
    pthread_mutex_init(&r->desk.lock, NULL);
    r->desk.answer = desk_at_once;
    scratch_make(&r->scratch);
    scratch_path(&r->scratch, "run.db", r->path);
    r->server.context = &r->desk;
    if (!server_start(&r->server, "127.0.0.1", serve_desk))
        return -1;
    server_url(&r->server, NULL, r->url);
    if (endpoint_open(slice_of(r->url), NULL, &r->endpoint, &r->err) < 0 ||
        workload_open(&spec, NULL, &r->workload, &r->err) < 0)
        return -1;
    workload_set_tokenization(r->workload, &(struct tokenization){0});
    r->api = (struct api_options){.model = "m", .stream = true, .fields = API_MAX_TOKENS};
    r->target = (struct probe_target){.endpoint = &r->endpoint,
                                      .protocol = &openai_completions,
                                      .path = openai_completions.path,
                                      .timeout_ns = 20 * NS_PER_S};
    r->setup = (struct drive_setup){
        .target = &r->target, .api = &r->api, .threads = 1, .timeout_ns = 30 * NS_PER_S};
    return 0;
}

int trial_tear_down(void **state)
{
    struct trial *r = *state;
    drive_close(r->drive);
    if (r->writer)
        record_writer_close(r->writer, NULL);
    workload_close(r->workload);
    endpoint_close(&r->endpoint);
    server_stop(&r->server);
    for (size_t i = 0; i < SEEN_MAX; i++)
        buf_release(&r->desk.seen[i].body);
    pthread_mutex_destroy(&r->desk.lock);
    scratch_remove(&r->scratch);
    free(r->kept);
    test_free(r);
    return 0;
}

static void assert_fine(int rc, const struct trial *r)
{
    if (rc != OK)
        fail_msg("%s", r->err.text);
}

void trial_open(struct trial *r, int64_t max_concurrency)
{
    assert_fine(drive_open(&r->setup, max_concurrency, &r->drive, &r->err), r);
}

void trial_begin(struct trial *r)
{
    r->run = (struct run_record){.kind = "run",
                                 .ordinal = 1,
                                 .target = r->url,
                                 .backend = "openai",
                                 .engine = "",
                                 .engine_version = "",
                                 .model = "m",
                                 .command = "",
                                 .seed = 5,
                                 .mode = "open",
                                 .burstiness = 1,
                                 .ramp = "",
                                 .on_cap = "queue",
                                 .threads = r->setup.threads,
                                 .workload = "random",
                                 .workload_json = "{}",
                                 .goodput = "",
                                 .slo = "",
                                 .options_json = "{}",
                                 .host_json = "{}",
                                 .context_json = "{}"};
    assert_fine(record_writer_open(r->path, false, &r->writer, &r->err), r);
    assert_fine(record_writer_begin(r->writer, &r->run, &r->err), r);
}

int trial_drive(struct trial *r, const struct load_spec *load, uint64_t warmup,
                const struct drive_observer *observer)
{
    struct drive_load l = {.load = *load,
                           .workload = r->workload,
                           .seed = 5,
                           .warmup_requests = warmup,
                           .from_idle = r->from_idle};
    struct drive_observer none = {.signal_fd = -1};
    l.load.arrivals.seed = 5;
    return drive_run(r->drive, &l, r->writer, observer ? observer : &none, &r->run, &r->err);
}

static void copy_text(char *out, size_t room, struct slice s)
{
    snprintf(out, room, "%.*s", s.n < room ? (int)s.n : (int)room - 1, s.n > 0 ? s.p : "");
}

static int keep(void *context, const struct request_record *q)
{
    struct trial *r = context;
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->kept = mem_resize(r->kept, r->cap * sizeof *r->kept);
    }
    struct kept *k = &r->kept[r->n++];
    *k = (struct kept){.index = q->index,
                       .phase = q->phase,
                       .outcome = q->outcome,
                       .intended_ns = q->intended_ns,
                       .started_ns = q->started_ns,
                       .sent_ns = q->sent_ns,
                       .first_token_ns = q->first_token_ns,
                       .end_ns = q->end_ns,
                       .asked_input = q->asked_input,
                       .asked_output = q->asked_output,
                       .output_tokens = q->output_tokens,
                       .prompt_tokens = q->prompt_tokens,
                       .events = q->events,
                       .thread = q->thread,
                       .output_hash = q->output_hash,
                       .reused = q->reused};
    copy_text(k->error, sizeof k->error, q->error);
    copy_text(k->output, sizeof k->output, q->output);
    return 0;
}

static int note_finding(void *context, const struct finding_record *f)
{
    struct trial *r = context;
    size_t n = strlen(r->findings);
    snprintf(r->findings + n, sizeof r->findings - n, "%s (%s): %s\n", f->id, f->severity, f->text);
    return 0;
}

void trial_read_back(struct trial *r)
{
    struct record_reader *reader;
    struct record_writer *w = r->writer;
    r->writer = NULL;
    assert_fine(record_writer_close(w, &r->err), r);
    assert_fine(record_reader_open(r->path, &reader, &r->err), r);
    size_t runs;
    const int64_t *ids = record_reader_runs(reader, &runs);
    assert_int_equal(runs, 1);
    r->n = 0;
    r->findings[0] = '\0';
    assert_fine(record_reader_requests(reader, ids[0], true, keep, r, &r->err), r);
    assert_fine(record_reader_findings(reader, ids[0], note_finding, r, &r->err), r);
    record_reader_close(reader);
}

void trial_run(struct trial *r, const struct load_spec *load, uint64_t warmup,
               const struct drive_observer *observer)
{
    if (!r->drive)
        trial_open(r, load->max_concurrency);
    trial_begin(r);
    assert_fine(trial_drive(r, load, warmup, observer), r);
    assert_true(r->run.finished);
    trial_read_back(r);
    unlink(r->path);
}

size_t trial_count(const struct trial *r, int phase, int outcome)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += (phase < 0 || r->kept[i].phase == phase) &&
             (outcome < 0 || (int)r->kept[i].outcome == outcome);
    return n;
}

void assert_every_index_once(const struct trial *r, int phase, uint64_t n)
{
    uint64_t next = 0;
    for (size_t i = 0; i < r->n; i++) /* the reader gives them by phase and index */
        if (r->kept[i].phase == phase)
            assert_int_equal(r->kept[i].index, next++);
    assert_int_equal(next, n);
}
