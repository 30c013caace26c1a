#include "cli/calibrate_level.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/child.h"
#include "cli/session.h"
#include "drive/prepare.h"
#include "measure/summary.h"
#include "serve/truth_file.h"

enum {
    INPUT_TOKENS = 16,
    /* A level has about so many rounds of requests, within bounds: each begins with a TTFT. */
    ROUNDS = 8,
    MIN_TOKENS = 8,
    MAX_TOKENS = 128,
};

struct folder { /* of the level's files */
    char path[256], run_file[300], truth[300];
};

static int folder_make(struct folder *f, struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    if (!tmp || !tmp[0] || strlen(tmp) > sizeof f->path / 2)
        tmp = "/tmp";
    snprintf(f->path, sizeof f->path, "%s/loadline-calibrate-XXXXXX", tmp);
    if (!mkdtemp(f->path))
        return err_set(e, ERR_IO, "cannot make a folder in %s: %s", tmp, strerror(errno));
    snprintf(f->run_file, sizeof f->run_file, "%s/run.db", f->path);
    snprintf(f->truth, sizeof f->truth, "%s/truth.db", f->path);
    return OK;
}

static void folder_remove(const struct folder *f)
{
    static const char *const beside[] = {"", "-wal", "-shm", "-journal"};
    char name[320];
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        snprintf(name, sizeof name, "%s%s", f->run_file, beside[i]);
        unlink(name);
        snprintf(name, sizeof name, "%s%s", f->truth, beside[i]);
        unlink(name);
    }
    rmdir(f->path);
}

static int64_t tokens_of(const struct calibrate_level *l)
{
    int64_t n = l->duration_ns / ROUNDS / l->itl_ns;
    return n < MIN_TOKENS ? MIN_TOKENS : n > MAX_TOKENS ? MAX_TOKENS : n;
}

/* ---- the load ---- */

static int drive_it(const struct calibrate_level *l, const struct folder *f, const char *url,
                    int64_t *origin_ns, struct err *e)
{
    struct run_options o;
    struct session *s = MEM_NEW(struct session);
    struct err close_error = {0};
    run_options_defaults(&o);
    o.max_concurrency = l->streams;
    o.preconnect = l->streams;
    o.duration_ns = l->duration_ns;
    o.warmup_requests = 0;
    o.dataset_name = "random";
    o.random_input_len = INPUT_TOKENS;
    o.random_output_len = l->tokens;
    o.seed = (int64_t)l->seed;
    o.output = f->run_file;
    o.quiet = true;
    o.keep_reads = true;
    int rc = session_open(s, &o, url, "loadline calibrate", e);
    if (rc == OK) {
        rc = session_run(s, 1, e);
        *origin_ns = s->started_mono_ns;
        int closed = session_close(s, &close_error);
        if (rc == OK && closed < 0) {
            *e = close_error;
            rc = closed;
        }
    }
    free(s);
    return rc;
}

static int load_it(const struct calibrate_level *l, const struct folder *f, int64_t *origin_ns,
                   struct err *e)
{
    char interval[32], seed[24], url[64];
    struct child engine;
    snprintf(interval, sizeof interval, "%" PRId64 "ns", l->itl_ns);
    snprintf(seed, sizeof seed, "%" PRIu64, l->seed);
    const char *const more[] = {"--metronome", interval, "--truth", f->truth, NULL};
    int rc = child_start_with("", seed, more, &engine, e);
    if (rc < 0)
        return rc;
    snprintf(url, sizeof url, "http://127.0.0.1:%d", engine.port);
    rc = drive_it(l, f, url, origin_ns, e);
    if (rc == OK)
        rc = child_finish(&engine, e);
    else
        child_stop(&engine);
    return rc;
}

/* ---- the truth ---- */

struct named { /* a request of the truth and where its tokens are in `sent_ns` */
    const char *name;
    uint32_t tokens;
    size_t first;
};

struct lookup {
    uint64_t seed;
    struct named *requests; /* by name */
    size_t count;
    int64_t *sent_ns; /* 0: never sent */
    const struct named *last;
    uint64_t last_index;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static void lookup_make(struct lookup *k, const struct truth *t, uint64_t seed)
{
    size_t total = 0;
    *k = (struct lookup){.seed = seed, .count = truth_requests(t)};
    k->requests = MEM_ARRAY(struct named, k->count + 1);
    for (uint32_t i = 0; i < k->count; i++) {
        const struct truth_request *r = truth_request_at(t, i);
        k->requests[i] = (struct named){r->name, (uint32_t)r->tokens, total};
        total += (size_t)r->tokens;
    }
    k->sent_ns = MEM_ARRAY(int64_t, total + 1);
    for (uint32_t i = 0; i < truth_tokens(t); i++) {
        const struct truth_token *token = truth_token_at(t, i);
        k->sent_ns[k->requests[token->request].first + token->token] = token->before_ns;
    }
    qsort(k->requests, k->count, sizeof *k->requests, by_name);
}

static void lookup_release(struct lookup *k)
{
    free(k->requests);
    free(k->sent_ns);
}

static int64_t sent_ns(void *context, uint64_t index, uint32_t token)
{
    struct lookup *k = context;
    if (!k->last || k->last_index != index) { /* a request's tokens are asked for in a row */
        char name[REQUEST_ID_BYTES];
        prepare_name(k->seed, false, index, name);
        k->last = bsearch(&(struct named){.name = name}, k->requests, k->count, sizeof *k->requests,
                          by_name);
        k->last_index = index;
    }
    return k->last && token < k->last->tokens ? k->sent_ns[k->last->first + token] : 0;
}

static int compare_i64(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

static struct spread spread_of(int64_t *values, size_t n)
{
    if (n == 0)
        return (struct spread){0};
    qsort(values, n, sizeof *values, compare_i64);
    return (struct spread){values[(n + 1) / 2 - 1], values[(n * 99 + 99) / 100 - 1], values[n - 1]};
}

/* Of the bursts of the load: those before its start answered questions. */
static void read_bursts(struct calibrate_level *l, const struct truth *t, int64_t origin_ns)
{
    size_t steps = truth_steps(t), n = 0;
    int64_t *late = MEM_ARRAY(int64_t, steps + 1), *width = MEM_ARRAY(int64_t, steps + 1);
    for (uint32_t i = 0; i < steps; i++) {
        const struct truth_step *s = truth_step_at(t, i);
        if (s->sends == 0 || s->due_ns < origin_ns)
            continue;
        late[n] = s->first_ns - s->due_ns;
        width[n++] = s->last_ns - s->first_ns;
    }
    l->bursts = n;
    l->lateness = spread_of(late, n);
    l->width = spread_of(width, n);
    free(late);
    free(width);
}

static int read_instrument(struct calibrate_level *l, struct record_reader *r, int64_t run_id,
                           struct err *e)
{
    struct summary *s = MEM_NEW(struct summary);
    struct summary_options options = {0};
    int rc = summary_of_run(r, run_id, &options, s, e);
    if (rc == OK) {
        l->stamped_fraction = s->instrument.rx_stamped_fraction;
        l->censored_ours_fraction = s->instrument.censored_ours_fraction;
        l->cpu_user_us_per_event = s->instrument.cpu_user_us_per_event;
        l->cpu_total_us_per_event = s->instrument.cpu_total_us_per_event;
        l->busy_fraction = s->instrument.busy_fraction;
        summary_release(s);
    }
    free(s);
    return rc;
}

static int compare_them(struct calibrate_level *l, const struct folder *f, int64_t origin_ns,
                        struct err *e)
{
    struct truth *t;
    struct record_reader *r;
    struct lookup k;
    size_t runs;
    int rc = truth_file_read(f->truth, &t, e);
    if (rc < 0)
        return rc;
    rc = record_reader_open(f->run_file, &r, e);
    if (rc == OK) {
        int64_t run_id = record_reader_runs(r, &runs)[0];
        struct calibration_truth truth = {sent_ns, &k};
        lookup_make(&k, t, l->seed);
        rc = calibration_of_run(r, run_id, origin_ns, &truth, &l->result, e);
        if (rc == OK)
            rc = read_instrument(l, r, run_id, e);
        read_bursts(l, t, origin_ns);
        lookup_release(&k);
        record_reader_close(r);
    }
    if (rc == OK && l->result.events == l->result.unmatched)
        rc = err_set(e, ERR_NET, "no token of the engine came through at %" PRId64 " streams",
                     l->streams);
    truth_free(t);
    return rc;
}

int calibrate_level_run(struct calibrate_level *l, struct err *e)
{
    struct folder f;
    int64_t origin_ns = 0;
    int rc = folder_make(&f, e);
    if (rc < 0)
        return rc;
    l->tokens = tokens_of(l);
    rc = load_it(l, &f, &origin_ns, e);
    if (rc == OK)
        rc = compare_them(l, &f, origin_ns, e);
    folder_remove(&f);
    return rc;
}
