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
#include "cli/session_open.h"
#include "cli/term.h"
#include "record/virtual.h"
#include "report/tool.h"
#include "sim/text.h"

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
        term_say("%s%s%s", s->name, s->name[0] ? ": " : "", sentence);
    if (s->notes.n < OPTION_LIST_MAX)
        s->notes.items[s->notes.n++] = mem_strdup(sentence);
}

/* --- the run file --- */

static int create_run_file(struct session *s, struct err *e)
{
    if (s->options->output) {
        snprintf(s->run_file, sizeof s->run_file, "%s", s->options->output);
        s->created = access(s->run_file, F_OK) != 0;
        return record_writer_open(s->run_file, s->options->append, &s->writer, e);
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

static void prepare_to_ask(struct session *s)
{
    make_headers(s);
    s->ask = (struct probe_target){.endpoint = &s->target.endpoint,
                                   .protocol = s->plan.protocol,
                                   .path = s->plan.path,
                                   .header_lines = (const char *const *)s->header_lines,
                                   .header_count = s->header_count,
                                   .timeout_ns = s->options->timeout_ns < PROBE_TIMEOUT_NS
                                                     ? s->options->timeout_ns
                                                     : PROBE_TIMEOUT_NS,
                                   .cancel_fd = s->signal_fd,
                                   .say = note,
                                   .context = s};
}

static int ask_server(struct session *s, struct err *e)
{
    struct run_plan *p = &s->plan;
    int rc = probe_server(&s->ask, &p->api, &s->probed, e);
    if (rc < 0)
        return rc;
    run_plan_note_api(p);
    bool drawn = p->workload.dataset == DATASET_PROFILE || p->workload.dataset == DATASET_RANDOM;
    if (drawn || p->workload.dataset == DATASET_SHAREGPT)
        rc = probe_tokenization(&s->ask, &p->api, p->seed, &s->probed, e);
    return rc;
}

void session_reset_cache(struct session *s)
{
    const char *path =
        strcmp(s->probed.engine, "sglang") == 0 ? "/flush_cache" : "/reset_prefix_cache";
    struct fetch_request q = {.method = "POST",
                              .path = path,
                              .header_lines = s->ask.header_lines,
                              .header_count = s->ask.header_count,
                              .timeout_ns = s->ask.timeout_ns,
                              .cancel_fd = s->signal_fd};
    struct fetch_result r;
    struct err ignored; /* a server that cannot is left as it is: prompts are fresh anyhow */
    if (s->twin || s->no_cache_reset)
        return;
    if (fetch(&s->target.endpoint, &q, &r, &ignored) < 0)
        return;
    s->no_cache_reset = r.status == 404 || r.status == 405;
    fetch_result_release(&r);
}

/* --- the workload --- */

/* As the embedded engine's /tokenize does, which the probe asks for completions. */
static int count_here(void *context, struct slice text, int64_t *tokens, struct err *e)
{
    (void)context;
    (void)e;
    *tokens = text_count(text);
    return OK;
}

int session_new_workload(struct session *s, uint64_t seed, struct workload **out, struct err *e)
{
    struct token_counter counter = {probe_count_tokens, &s->counter};
    struct workload_spec spec = s->plan.workload;
    bool here = s->options->offline && !s->plan.protocol->chat;
    spec.seed = seed;
    if (here)
        counter = (struct token_counter){count_here, NULL};
    int rc = workload_open(&spec, here || s->probed.tokenize_path ? &counter : NULL, out, e);
    if (rc == OK)
        workload_set_tokenization(*out, &s->probed.tokenization);
    return rc;
}

static int open_workload(struct session *s, struct err *e)
{
    s->workload_seed = s->plan.seed;
    return session_new_workload(s, s->plan.seed, &s->workload, e);
}

int session_take_arrivals(struct session *s, struct err *e)
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

bool session_counts_afterwards(const struct session *s)
{
    return !s->probed.usage && s->probed.tokenize_path;
}

/* The embedded engine knows what it simulates. */
static void note_engine(struct session *s)
{
    char gpus[16], replicas[16];
    const struct sim_config *c = &s->spec.config;
    snprintf(gpus, sizeof gpus, "%d", c->tp * (c->replicas + c->prefill_replicas));
    run_plan_add_context(&s->plan, "gpu", c->gpu->name);
    run_plan_add_context(&s->plan, "gpus", gpus);
    if (c->replicas + c->prefill_replicas > 1) {
        snprintf(replicas, sizeof replicas, "%d", c->replicas + c->prefill_replicas);
        run_plan_add_context(&s->plan, "replicas", replicas);
    }
    run_plan_add_context(&s->plan, "precision", spec_precision_name(c->precision));
    run_plan_add_context(&s->plan, VIRTUAL_KEY, s->options->offline ? VIRTUAL_VALUE : "yes");
}

static int read_spec(struct session *s, const char *target, struct err *e)
{
    if (strncmp(target, "sim:", 4) != 0)
        return s->options->offline
                   ? err_set(e, ERR_USAGE,
                             "--offline is for the embedded engine, sim:MODEL@GPU; %s has a clock "
                             "of its own",
                             target)
                   : OK;
    return simspec_open(target + strlen("sim:"), &s->spec, e);
}

/* Its items' lengths have to be counted by the server's tokenizer. */
static bool is_counted(const struct session *s)
{
    return s->plan.workload.dataset == DATASET_SHAREGPT && !s->options->offline;
}

/* --- several targets, one file --- */

static void undo(struct session *s, size_t n)
{
    struct err ignored;
    while (n-- > 0)
        session_close(&s[n], &ignored);
}

static int check_model(const struct session *s, const char *target, struct err *e)
{
    const char *wanted = s->options->model;
    if (!s->options->offline || !wanted || strcmp(wanted, s->spec.config.model->name) == 0)
        return OK;
    return err_set(e, ERR_USAGE, "--model %s: the engine of %s serves %s", wanted, target,
                   s->spec.config.model->name);
}

/* What can be found out without touching anything. */
static int check_one(struct session *s, const char *target, struct err *e)
{
    int rc = run_plan_make(s->options, &s->plan, e);
    if (rc == OK && s->first)
        s->plan.seed = s->first->plan.seed;
    if (rc == OK)
        rc = target_check(target, e);
    if (rc == OK)
        rc = read_spec(s, target, e);
    return rc == OK ? check_model(s, target, e) : rc;
}

/* Place i: among the targets, for the noise of engines. */
static int start_one(struct session *s, size_t i, const char *target, struct err *e)
{
    const struct run_options *o = s->options;
    struct tls_options tls = {.ca_file = o->cacert, .insecure = o->insecure};
    if (s->spec.config.model)
        note_engine(s);
    if (s->spec.config.noise_seed == 0)
        s->spec.config.noise_seed = (int64_t)i;
    int rc = is_counted(s) ? OK : open_workload(s, e);
    if (rc == OK && !is_counted(s))
        rc = session_take_arrivals(s, e);
    if (rc == OK && o->offline)
        s->target = (struct target){.text = target, .sim = true};
    else if (rc == OK)
        rc = target_open(target, s->plan.seed, (unsigned)i, &tls, &s->target, e);
    if (rc == OK)
        prepare_to_ask(s);
    return rc;
}

static void share_file(struct session *s)
{
    s->writer = s->first->writer;
    memcpy(s->run_file, s->first->run_file, sizeof s->run_file);
}

int session_start(struct session *s, size_t n, const struct run_options *o,
                  const char *const *targets, const char *const *names, const char *command,
                  struct err *e)
{
    int rc = OK;
    for (size_t i = 0; i < n; i++) {
        s[i] = (struct session){.options = o,
                                .first = i > 0 ? s : NULL,
                                .name = names ? names[i] : "",
                                .command = command,
                                .signal_fd = -1};
        progress_init(&s[i].progress, o->quiet, 0, 0);
    }
    for (size_t i = 0; rc == OK && i < n; i++)
        rc = check_one(&s[i], targets[i], e);
    if (rc == OK) {
        raise_descriptor_limit();
        s[0].signal_fd = take_signals();
    }
    for (size_t i = 0; rc == OK && i < n; i++) {
        s[i].signal_fd = s[0].signal_fd;
        rc = start_one(&s[i], i, targets[i], e);
    }
    if (rc == OK)
        rc = create_run_file(s, e);
    if (rc == OK && !o->keep_reads && !o->offline)
        rc = bring_calibration(s, e);
    for (size_t i = 1; rc == OK && i < n; i++)
        share_file(&s[i]);
    if (rc < 0)
        undo(s, n);
    return rc;
}

/* --- asking --- */

/* A server that is asked over the wire. */
static int ask_live(struct session *s, struct err *e)
{
    const struct run_options *o = s->options;
    int rc = ask_server(s, e);
    s->counter = (struct probe_counter){&s->ask, s->probed.model, s->probed.tokenize_path};
    if (rc == OK && is_counted(s))
        rc = open_workload(s, e);
    if (rc == OK && is_counted(s))
        rc = session_take_arrivals(s, e);
    if (rc < 0)
        return rc;
    workload_set_tokenization(s->workload, &s->probed.tokenization);
    struct drive_setup setup = {.target = &s->ask,
                                .api = &s->plan.api,
                                .threads = (unsigned)o->threads,
                                .preconnect = (unsigned)o->preconnect,
                                .timeout_ns = o->timeout_ns,
                                .save_output = o->save_output || session_counts_afterwards(s),
                                .keep_reads = o->keep_reads};
    return drive_open(&setup, s->plan.load.max_concurrency, &s->drive, e);
}

/* The engine itself, in virtual time. */
static void ask_virtual(struct session *s)
{
    snprintf(s->probed.model, sizeof s->probed.model, "%s", s->spec.config.model->name);
    snprintf(s->probed.engine_version, sizeof s->probed.engine_version, "loadline-sim %s",
             tool_version());
    run_plan_note_api(&s->plan);
    s->twin = twin_new(&(struct twin_setup){.engine = &s->spec.config,
                                            .seed = s->plan.seed,
                                            .timeout_ns = s->options->timeout_ns,
                                            .chat = s->plan.protocol->chat,
                                            .exact_output = s->plan.api.exact_output,
                                            .sampled = s->plan.api.temperature > 0});
    s->probed.tokenization = twin_tokenization(s->twin);
    workload_set_tokenization(s->workload, &s->probed.tokenization);
}

int session_ask(struct session *s, struct err *e)
{
    if (!s->options->offline)
        return ask_live(s, e);
    ask_virtual(s);
    return OK;
}

int session_salt_nonces(struct session *s, uint64_t salt, struct err *e)
{
    s->plan.workload.nonce_salt = salt;
    if (!s->workload)
        return OK;
    workload_close(s->workload);
    s->workload = NULL;
    return open_workload(s, e);
}

void session_use_tokenization(struct session *s, const struct tokenization *t)
{
    s->probed.tokenization = *t;
    workload_set_tokenization(s->workload, t);
}

int session_open(struct session *s, const struct run_options *o, const char *target,
                 const char *command, struct err *e)
{
    int rc = session_start(s, 1, o, &target, NULL, command, e);
    if (rc < 0)
        return rc;
    rc = session_ask(s, e);
    if (rc < 0)
        undo(s, 1);
    return rc;
}

int session_close(struct session *s, struct err *e)
{
    int rc = OK;
    drive_close(s->drive);
    twin_free(s->twin);
    if (s->writer && !s->first) {
        rc = record_writer_close(s->writer, e);
        if (s->runs == 0 && s->created)
            unlink(s->run_file);
    }
    s->writer = NULL;
    s->drive = NULL;
    s->twin = NULL;
    workload_close(s->workload);
    s->workload = NULL;
    probe_release(&s->probed);
    target_close(&s->target);
    simspec_release(&s->spec);
    for (size_t i = 0; i < s->header_count; i++) {
        explicit_bzero(s->header_lines[i], strlen(s->header_lines[i]));
        free(s->header_lines[i]);
    }
    s->header_count = 0;
    for (size_t i = 0; i < s->notes.n; i++)
        free((char *)s->notes.items[i]);
    s->notes.n = 0;
    run_plan_release(&s->plan);
    if (s->signal_fd >= 0 && !s->first)
        close(s->signal_fd);
    s->signal_fd = -1;
    return rc;
}
