#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "cli/session_open.h"
#include "cli/term.h"
#include "drive/host.h"
#include "drive/recount.h"

/* What a load in virtual time may leave to be written before it waits. */
enum { UNWRITTEN_MAX_BYTES = 64 << 20 };

/* --- while it runs --- */

/* What the user wants by now: one Ctrl-C stops offering, a second cuts off. */
static enum drive_command take_interrupts(struct session *s, uint64_t in_flight)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == sizeof info) {
        s->interrupts++;
        progress_clear(&s->progress);
        if (s->interrupts == 1)
            term_say(
                "stopping: nothing more is sent; %llu in flight may end (Ctrl-C again: cut off)",
                (unsigned long long)in_flight);
    }
    return s->interrupts == 0 ? DRIVE_GO_ON : s->interrupts == 1 ? DRIVE_STOP : DRIVE_ABORT;
}

static enum drive_command on_tick(void *context, const struct drive_progress *p)
{
    struct session *s = context;
    struct err e;
    enum drive_command command = take_interrupts(s, p->in_flight);
    progress_show(&s->progress, p);
    if (record_writer_error(s->writer, &e))
        return DRIVE_ABORT; /* nothing that is measured now could be kept */
    return command;
}

static enum twin_command on_virtual_tick(void *context, const struct twin_progress *p)
{
    static const enum twin_command COMMANDS[] = {
        [DRIVE_GO_ON] = TWIN_GO_ON, [DRIVE_STOP] = TWIN_STOP, [DRIVE_ABORT] = TWIN_ABORT};
    struct drive_progress shown = {
        .stage = p->phase == PHASE_WARMUP ? DRIVE_WARMUP : DRIVE_MEASURE,
        .elapsed_ns = p->elapsed_ns,
        .total = p->total,
        .offered = p->offered,
        .ended = p->ended,
        .failed = p->failed,
        .dropped = p->dropped,
        .in_flight = p->in_flight,
        .queued = p->queued,
        .tokens_per_s = p->elapsed_ns > 0 ? (double)p->tokens * 1e9 / (double)p->elapsed_ns : 0,
    };
    return COMMANDS[on_tick(context, &shown)];
}

/* Virtual time may run ahead of the disk, but not without end. */
static void on_virtual_record(void *context, const struct request_record *r)
{
    struct session *s = context;
    record_writer_put(s->writer, r);
    s->unwritten_bytes += sizeof *r + r->gaps.n;
    if (s->unwritten_bytes < UNWRITTEN_MAX_BYTES)
        return;
    s->unwritten_bytes = 0;
    record_writer_catch_up(s->writer);
}

/* --- the row of the run --- */

/* The load with arrivals of its seed; where they are a file's, of the workload there is now. */
static struct load_spec spec_of(const struct session *s, const struct session_point *p)
{
    struct load_spec spec = p->load;
    spec.arrivals.seed = p->seed;
    if (spec.arrivals.at_ns)
        spec.arrivals.at_ns = s->plan.load.arrivals.at_ns;
    return spec;
}

static struct run_record describe(struct session *s, const struct session_point *point)
{
    const struct run_options *o = s->options;
    const struct run_plan *p = &s->plan;
    const struct load_spec load = spec_of(s, point), *l = &load;
    static const char *const MODES[] = {"open", "closed", "offline"};
    static const char *const RAMPS[] = {"", "linear", "exponential"};
    int64_t in0, out0, in1, out1;
    workload_lengths(s->workload, false, 0, &in0, &out0);
    workload_lengths(s->workload, false, 1, &in1, &out1);
    bool trace = l->arrivals.at_ns != NULL;
    double span_s = trace ? (double)l->arrivals.at_ns[l->arrivals.at_count - 1] / 1e9 : 0;
    return (struct run_record){
        .kind = point->kind,
        .parent = point->parent,
        .ordinal = point->ordinal,
        .started_real_ns = clock_real_ns(),
        .target = s->target.text,
        .backend = p->protocol->name,
        .engine = s->target.sim ? "loadline-sim" : s->probed.engine,
        .engine_version = s->probed.engine_version,
        .model = s->probed.model,
        .command = s->command,
        .seed = point->seed,
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
        .warmup_requests = (int64_t)point->warmup_requests,
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
        .slo = point->slo,
        .options_json = p->options_json,
        .host_json = s->host_json,
        .context_json = p->context_json,
    };
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
    int rc = recount_tokens(&c, s->writer, e);
    progress_clear(&s->progress);
    return rc;
}

/* --- one load point --- */

/* A workload of the point's own seed, unless it is the one there is. */
static int use_seed(struct session *s, uint64_t seed, struct err *e)
{
    struct workload *fresh;
    if (seed == s->workload_seed)
        return OK;
    int rc = session_new_workload(s, seed, &fresh, e);
    if (rc < 0)
        return rc;
    workload_close(s->workload);
    s->workload = fresh;
    s->workload_seed = seed;
    return s->plan.load.arrivals.at_ns ? session_take_arrivals(s, e) : OK;
}

static int load_live(struct session *s, const struct session_point *p, struct run_record *run,
                     struct err *e)
{
    struct drive_load load = {.load = spec_of(s, p),
                              .workload = s->workload,
                              .seed = p->seed,
                              .warmup_requests = p->warmup_requests,
                              .warmup_users = p->warmup_users,
                              .from_idle = p->from_idle};
    struct drive_observer observer = {on_tick, s, s->signal_fd};
    int rc = drive_run(s->drive, &load, s->writer, &observer, run, e);
    progress_clear(&s->progress);
    if (rc == OK && !run->interrupted && session_counts_afterwards(s))
        rc = count_answers(s, run->id, e);
    return rc;
}

static int load_virtual(struct session *s, const struct session_point *p, struct run_record *run,
                        struct err *e)
{
    struct twin_load load = {.load = spec_of(s, p),
                             .workload = s->workload,
                             .warmup_requests = p->warmup_requests,
                             .warmup_users = p->warmup_users,
                             .from_idle = p->from_idle};
    struct twin_observer observer = {on_virtual_record, on_virtual_tick, s};
    bool hopeful = twin_run(s->twin, &load, &observer, run);
    progress_clear(&s->progress);
    if (!hopeful)
        record_writer_finding(
            s->writer,
            &(struct finding_record){"hopeless", "invalid",
                                     "nothing succeeded any more; the run was stopped early"});
    return record_writer_finish(s->writer, run, e);
}

/* What all loads begin with: prompts of their seed, and what machine this is. */
static int prepare(struct session *s, uint64_t seed, struct err *e)
{
    struct buf host = {0};
    int rc = use_seed(s, seed, e);
    if (rc < 0)
        return rc;
    host_describe(&host);
    snprintf(s->host_json, sizeof s->host_json, "%s", buf_cstr(&host));
    buf_release(&host);
    return OK;
}

/* The rows of the load are in the file. `run` gets what is known at its end. */
static int load(struct session *s, const struct session_point *p, struct run_record *run,
                struct err *e)
{
    session_owner(s)->runs++;
    for (size_t i = 0; i < s->notes.n; i++)
        record_writer_finding(s->writer,
                              &(struct finding_record){"server", "note", s->notes.items[i]});
    progress_init(&s->progress, s->options->quiet, p->load.duration_ns,
                  p->load.mode == LOAD_OPEN ? p->load.arrivals.rate : 0);
    s->progress.label = p->label;
    s->progress.virtual_time = s->twin != NULL;
    s->progress.series_left_s = p->series_left_s;
    int rc = s->twin ? load_virtual(s, p, run, e) : load_live(s, p, run, e);
    s->started_mono_ns = run->started_mono_ns;
    if (rc == OK && run->interrupted)
        return err_set(e, ERR_INTERRUPTED, "interrupted");
    return rc;
}

int session_load(struct session *s, const struct session_point *p, struct run_record *run,
                 struct err *e)
{
    int rc = prepare(s, p->seed, e);
    if (rc < 0)
        return rc;
    *run = describe(s, p);
    rc = record_writer_begin(s->writer, run, e);
    return rc < 0 ? rc : load(s, p, run, e);
}

/* What is known of a step at the end of the whole climb. Its processor time is not: the steps share
 * it. */
static void finish_step(struct run_record *row, const struct run_record *whole, int64_t from_ns)
{
    row->finished = true;
    row->started_real_ns = whole->started_real_ns + from_ns;
    row->interrupted = whole->interrupted;
    row->offered_end_ns = row->duration_ns;
    row->drained_ns = whole->drained_ns > from_ns ? whole->drained_ns - from_ns : 0;
    row->steal_fraction = whole->steal_fraction;
    row->body_underruns = whole->body_underruns;
    row->clock_steps = whole->clock_steps;
    row->peak_in_flight = whole->peak_in_flight;
}

int session_climb(struct session *s, const struct session_point *points, size_t n,
                  struct run_record *rows, struct err *e)
{
    int64_t from_ns[ARRIVALS_MAX_STEPS];
    struct session_point whole = points[0];
    _Static_assert((int)ARRIVALS_MAX_STEPS == (int)RECORD_MAX_STEPS, "a step is a row");
    if (n > ARRIVALS_MAX_STEPS)
        BUG("a climb of more steps than arrivals have");
    whole.load.duration_ns = 0;
    whole.load.arrivals.ramp = RAMP_STEPS;
    whole.load.arrivals.step_count = n;
    int rc = prepare(s, points[0].seed, e);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n; i++) {
        from_ns[i] = whole.load.duration_ns;
        whole.load.duration_ns += points[i].load.duration_ns;
        whole.load.arrivals.steps[i] =
            (struct arrivals_step){points[i].load.arrivals.rate, whole.load.duration_ns};
        rows[i] = describe(s, &points[i]);
        if (rows[i].request_rate > whole.load.arrivals.rate)
            whole.load.arrivals.rate = rows[i].request_rate; /* for the window of bodies */
    }
    rc = record_writer_begin_steps(s->writer, rows, from_ns, n, e);
    if (rc < 0)
        return rc;
    struct run_record end = rows[0];
    struct err ignored;
    rc = load(s, &whole, &end, e);
    for (size_t i = 0; i < n; i++) {
        finish_step(&rows[i], &end, from_ns[i]);
        int finished = record_writer_finish(s->writer, &rows[i], rc == OK ? e : &ignored);
        rc = rc == OK ? finished : rc;
    }
    return rc;
}

uint64_t session_seed(const struct session *s, int64_t ordinal)
{
    if (ordinal == 1)
        return s->plan.seed;
    struct rng r = rng_at(s->plan.seed, RNG_SHUFFLE, (uint64_t)ordinal);
    return rng_u64(&r) >> 2; /* one that --seed takes */
}

int session_run(struct session *s, int64_t ordinal, struct err *e)
{
    struct run_record run;
    struct session_point p = {.kind = "run",
                              .ordinal = ordinal,
                              .seed = session_seed(s, ordinal),
                              .load = s->plan.load,
                              .warmup_requests = (uint64_t)s->options->warmup_requests,
                              .slo = s->options->slo ? s->options->slo : "",
                              .from_idle = true};
    return session_load(s, &p, &run, e);
}
