#include "cli/session.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/calibration_file.h"
#include "cli/simspec.h"
#include "cli/term.h"
#include "drive/host.h"
#include "drive/recount.h"

/* A question before the run waits so long at the most, however patient the run itself is. */
#define PROBE_TIMEOUT_NS (120 * NS_PER_S)

/* What a busy server may need to say its first word before the user is told that we are waiting. */
enum { NAME_TRIES = 100 };

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int take_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file limit becomes an error of the write, which is reported */
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void note(void *context, const char *sentence)
{
    struct session *s = context;
    progress_clear(&s->progress);
    if (!s->options->quiet)
        term_say("%s", sentence);
    if (s->notes.n < OPTION_LIST_MAX)
        s->notes.items[s->notes.n++] = mem_strdup(sentence);
}

/* --- the run file --- */

static int create_run_file(struct session *s, struct err *e)
{
    if (s->options->output) {
        snprintf(s->run_file, sizeof s->run_file, "%s", s->options->output);
        s->created = access(s->run_file, F_OK) != 0;
        return record_writer_open(s->run_file, false, &s->writer, e);
    }
    char stamp[32];
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &local);
    for (int i = 0; i < NAME_TRIES; i++) { /* two runs may begin within a second */
        if (i == 0)
            snprintf(s->run_file, sizeof s->run_file, "loadline-%s.db", stamp);
        else
            snprintf(s->run_file, sizeof s->run_file, "loadline-%s-%d.db", stamp, i);
        s->created = access(s->run_file, F_OK) != 0;
        if (s->created)
            return record_writer_open(s->run_file, false, &s->writer, e);
    }
    return err_set(e, ERR_IO, "%s and its kind exist already; choose a name with -o", s->run_file);
}

/* The last calibration goes into the file, so that the report stays a function of the file alone.
 */
static int bring_calibration(struct session *s, struct err *e)
{
    char *json = calibration_last();
    int rc = json ? record_writer_meta(s->writer, "calibration", json, e) : OK;
    free(json);
    return rc;
}

/* --- the server --- */

static void add_header(struct session *s, char *line)
{
    s->header_lines[s->header_count++] = line;
}

static void make_headers(struct session *s)
{
    const struct run_options *o = s->options;
    const char *key = o->api_key ? o->api_key : getenv("OPENAI_API_KEY");
    bool authorized = false;
    for (size_t i = 0; i < o->headers.n; i++) {
        struct slice name = slice_make(o->headers.items[i], strcspn(o->headers.items[i], ":"));
        authorized |= slice_is_nocase(slice_trim(name), "authorization");
        if (s->header_count < OPTION_LIST_MAX)
            add_header(s, mem_strdup(o->headers.items[i]));
    }
    if (key && key[0] && !authorized && !strpbrk(key, "\r\n"))
        add_header(s, mem_printf("Authorization: Bearer %s", key));
}

static int ask_server(struct session *s, struct err *e)
{
    struct run_plan *p = &s->plan;
    s->ask = (struct probe_target){.endpoint = &s->target.endpoint,
                                   .protocol = p->protocol,
                                   .path = p->path,
                                   .header_lines = (const char *const *)s->header_lines,
                                   .header_count = s->header_count,
                                   .timeout_ns = s->options->timeout_ns < PROBE_TIMEOUT_NS
                                                     ? s->options->timeout_ns
                                                     : PROBE_TIMEOUT_NS,
                                   .cancel_fd = s->signal_fd,
                                   .say = note,
                                   .context = s};
    int rc = probe_server(&s->ask, &p->api, &s->probed, e);
    if (rc < 0)
        return rc;
    run_plan_note_api(p);
    bool drawn = p->workload.dataset == DATASET_PROFILE || p->workload.dataset == DATASET_RANDOM;
    if (drawn || p->workload.dataset == DATASET_SHAREGPT)
        rc = probe_tokenization(&s->ask, &p->api, p->seed, &s->probed, e);
    return rc;
}

/* --- the workload --- */

static int open_workload(struct session *s, struct err *e)
{
    struct token_counter counter = {probe_count_tokens, &s->counter};
    s->counter = (struct probe_counter){&s->ask, s->probed.model, s->probed.tokenize_path};
    s->plan.workload.seed = s->plan.seed;
    return workload_open(&s->plan.workload, s->probed.tokenize_path ? &counter : NULL, &s->workload,
                         e);
}

static int check_arrivals(struct session *s, struct err *e)
{
    struct arrivals_spec *a = &s->plan.load.arrivals;
    const int64_t *at_ns = workload_arrivals_ns(s->workload);
    bool trace = s->plan.load.mode == LOAD_OPEN && a->rate <= 0;
    if (!trace)
        return OK;
    if (!at_ns)
        return err_set(e, ERR_USAGE,
                       "how much load? The lines of %s have no at_ms: give --request-rate R or "
                       "--max-concurrency C",
                       s->plan.workload.path);
    a->at_ns = at_ns;
    a->at_count = workload_items(s->workload);
    if (s->options->num_prompts <= 0)
        s->plan.load.num_prompts = a->at_count;
    return OK;
}

/* A server that reports no usage but has a tokenizer: the answers are counted when the load is
 * over. */
static bool counts_afterwards(const struct session *s)
{
    return !s->probed.usage && s->probed.tokenize_path;
}

/* The embedded engine knows what it simulates. */
static void note_engine(struct session *s, const char *target)
{
    struct simspec spec;
    char gpus[16];
    if (!s->target.sim || simspec_open(target + strlen("sim:"), &spec, NULL) < 0)
        return;
    const struct sim_config *c = &spec.config;
    snprintf(gpus, sizeof gpus, "%d", c->tp * (c->replicas + c->prefill_replicas));
    run_plan_add_context(&s->plan, "gpu", c->gpu->name);
    run_plan_add_context(&s->plan, "gpus", gpus);
    run_plan_add_context(&s->plan, "precision", spec_precision_name(c->precision));
    run_plan_add_context(&s->plan, "simulated", "yes");
    simspec_release(&spec);
}

static void undo(struct session *s)
{
    struct err ignored;
    session_close(s, &ignored);
}

int session_open(struct session *s, const struct run_options *o, const char *target,
                 const char *command, struct err *e)
{
    *s = (struct session){.options = o, .command = command, .signal_fd = -1};
    progress_init(&s->progress, o->quiet, 0, 0);
    int rc = run_plan_make(o, &s->plan, e);
    if (rc == OK)
        rc = target_check(target, e);
    if (rc < 0) {
        undo(s);
        return rc;
    }
    raise_descriptor_limit();
    s->signal_fd = take_signals();
    bool counted = s->plan.workload.dataset == DATASET_SHAREGPT; /* needs the server's tokenizer */
    if (!counted)
        rc = open_workload(s, e);
    struct tls_options tls = {.ca_file = o->cacert, .insecure = o->insecure};
    if (rc == OK)
        rc = target_open(target, s->plan.seed, &tls, &s->target, e);
    if (rc == OK)
        rc = create_run_file(s, e);
    if (rc == OK && !o->keep_reads)
        rc = bring_calibration(s, e);
    if (rc == OK) {
        note_engine(s, target);
        make_headers(s);
        rc = ask_server(s, e);
    }
    if (rc == OK && counted)
        rc = open_workload(s, e);
    if (rc == OK)
        rc = check_arrivals(s, e);
    if (rc == OK) {
        workload_set_tokenization(s->workload, &s->probed.tokenization);
        struct drive_setup setup = {.target = &s->ask,
                                    .api = &s->plan.api,
                                    .threads = (unsigned)o->threads,
                                    .preconnect = (unsigned)o->preconnect,
                                    .timeout_ns = o->timeout_ns,
                                    .save_output = o->save_output || counts_afterwards(s),
                                    .keep_reads = o->keep_reads};
        rc = drive_open(&setup, s->plan.load.max_concurrency, &s->drive, e);
    }
    if (rc < 0)
        undo(s);
    return rc;
}

/* --- a load point --- */

static enum drive_command on_tick(void *context, const struct drive_progress *p)
{
    struct session *s = context;
    struct signalfd_siginfo info;
    struct err e;
    while (read(s->signal_fd, &info, sizeof info) == sizeof info) {
        s->interrupts++;
        progress_clear(&s->progress);
        if (s->interrupts == 1)
            term_say(
                "stopping: nothing more is sent; %llu in flight may end (Ctrl-C again: cut off)",
                (unsigned long long)p->in_flight);
    }
    progress_show(&s->progress, p);
    if (record_writer_error(s->writer, &e))
        return DRIVE_ABORT; /* nothing that is measured now could be kept */
    return s->interrupts == 0 ? DRIVE_GO_ON : s->interrupts == 1 ? DRIVE_STOP : DRIVE_ABORT;
}

static struct run_record describe(struct session *s, int64_t ordinal, uint64_t seed)
{
    const struct run_options *o = s->options;
    const struct run_plan *p = &s->plan;
    const struct load_spec *l = &p->load;
    static const char *const MODES[] = {"open", "closed", "offline"};
    static const char *const RAMPS[] = {"", "linear", "exponential"};
    int64_t in0, out0, in1, out1;
    workload_lengths(s->workload, false, 0, &in0, &out0);
    workload_lengths(s->workload, false, 1, &in1, &out1);
    bool trace = l->arrivals.at_ns != NULL;
    double span_s = trace ? (double)l->arrivals.at_ns[l->arrivals.at_count - 1] / 1e9 : 0;
    return (struct run_record){
        .kind = "run",
        .ordinal = ordinal,
        .started_real_ns = clock_real_ns(),
        .target = s->target.text,
        .backend = p->protocol->name,
        .engine = s->target.sim ? "loadline-sim" : s->probed.engine,
        .engine_version = s->probed.engine_version,
        .model = s->probed.model,
        .command = s->command,
        .seed = seed,
        .mode = MODES[l->mode],
        .request_rate = l->mode == LOAD_CLOSED ? 0
                        : trace ? (span_s > 0 ? (double)l->arrivals.at_count / span_s : 0)
                                : l->arrivals.rate,
        .burstiness = trace ? NAN : l->arrivals.burstiness,
        .ramp = RAMPS[l->arrivals.ramp],
        .ramp_start = l->arrivals.ramp_start,
        .ramp_end = l->arrivals.ramp_end,
        .max_concurrency = l->max_concurrency,
        .on_cap = l->on_cap == ON_CAP_DROP ? "drop" : "queue",
        .num_prompts = (int64_t)l->num_prompts,
        .duration_ns = l->duration_ns,
        .timeout_ns = o->timeout_ns,
        .warmup_requests = o->warmup_requests,
        .threads = o->threads,
        .workload = workload_name(s->workload),
        .workload_json = p->workload_json,
        .synthetic = workload_synthetic(s->workload),
        .streaming = p->api.stream,
        .fixed_output =
            workload_synthetic(s->workload) && out0 == out1 && p->workload.ladder_count < 2,
        .prefix_len = p->workload.prefix_len,
        .lengths_estimated = workload_lengths_estimated(s->workload),
        .goodput = o->goodput ? o->goodput : "",
        .slo = o->slo ? o->slo : "",
        .options_json = p->options_json,
        .host_json = s->host_json,
        .context_json = p->context_json,
    };
}

/* Every run of a series has prompts of its own: the seed of run k follows from the first. */
static uint64_t seed_of(const struct session *s, int64_t ordinal)
{
    if (ordinal == 1)
        return s->plan.seed;
    struct rng r = rng_at(s->plan.seed, RNG_SHUFFLE, (uint64_t)ordinal);
    return rng_u64(&r) >> 2; /* one that --seed takes */
}

static int reseed_workload(struct session *s, uint64_t seed, struct err *e)
{
    struct workload *fresh;
    struct workload_spec spec = s->plan.workload;
    struct token_counter counter = {probe_count_tokens, &s->counter};
    spec.seed = seed;
    int rc = workload_open(&spec, s->probed.tokenize_path ? &counter : NULL, &fresh, e);
    if (rc < 0)
        return rc;
    workload_close(s->workload);
    s->workload = fresh;
    workload_set_tokenization(fresh, &s->probed.tokenization);
    return s->plan.load.arrivals.at_ns ? check_arrivals(s, e) : OK;
}

static void on_count(void *context, uint64_t done, uint64_t total)
{
    struct session *s = context;
    progress_count(&s->progress, "counting tokens of answers", done, total);
}

static int count_answers(struct session *s, int64_t run_id, struct err *e)
{
    struct recount c = {.run_file = s->run_file,
                        .run_id = run_id,
                        .counter = &s->counter,
                        .keep_output = s->options->save_output,
                        .progress = on_count,
                        .context = s};
    s->counter = (struct probe_counter){&s->ask, s->probed.model, s->probed.tokenize_path};
    int rc = recount_tokens(&c, s->writer, e);
    progress_clear(&s->progress);
    return rc;
}

int session_run(struct session *s, int64_t ordinal, struct err *e)
{
    struct buf host = {0};
    uint64_t seed = seed_of(s, ordinal);
    int rc = ordinal > 1 ? reseed_workload(s, seed, e) : OK;
    if (rc < 0)
        return rc;
    host_describe(&host);
    snprintf(s->host_json, sizeof s->host_json, "%s", buf_cstr(&host));
    buf_release(&host);
    struct run_record run = describe(s, ordinal, seed);
    rc = record_writer_begin(s->writer, &run, e);
    if (rc < 0)
        return rc;
    s->runs++;
    for (size_t i = 0; i < s->notes.n; i++)
        record_writer_finding(s->writer,
                              &(struct finding_record){"server", "note", s->notes.items[i]});
    struct drive_load load = {.load = s->plan.load,
                              .workload = s->workload,
                              .seed = seed,
                              .warmup_requests = (uint64_t)s->options->warmup_requests};
    load.load.arrivals.seed = seed;
    struct drive_observer observer = {on_tick, s, s->signal_fd};
    progress_init(&s->progress, s->options->quiet, load.load.duration_ns,
                  load.load.mode == LOAD_OPEN ? load.load.arrivals.rate : 0);
    rc = drive_run(s->drive, &load, s->writer, &observer, &run, e);
    progress_clear(&s->progress);
    s->started_mono_ns = run.started_mono_ns;
    if (rc == OK && !run.interrupted && counts_afterwards(s))
        rc = count_answers(s, run.id, e);
    if (rc == OK && run.interrupted)
        return err_set(e, ERR_INTERRUPTED, "interrupted");
    return rc;
}

int session_close(struct session *s, struct err *e)
{
    int rc = OK;
    drive_close(s->drive);
    if (s->writer)
        rc = record_writer_close(s->writer, e);
    if (s->writer && s->runs == 0 && s->created)
        unlink(s->run_file);
    s->writer = NULL;
    s->drive = NULL;
    workload_close(s->workload);
    s->workload = NULL;
    probe_release(&s->probed);
    target_close(&s->target);
    for (size_t i = 0; i < s->header_count; i++) {
        explicit_bzero(s->header_lines[i], strlen(s->header_lines[i]));
        free(s->header_lines[i]);
    }
    s->header_count = 0;
    for (size_t i = 0; i < s->notes.n; i++)
        free((char *)s->notes.items[i]);
    s->notes.n = 0;
    run_plan_release(&s->plan);
    if (s->signal_fd >= 0)
        close(s->signal_fd);
    s->signal_fd = -1;
    return rc;
}
