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

static bool on_virtual_tick(void *context, const struct twin_progress *p)
{
    struct drive_progress shown = {
        .stage = p->phase == PHASE_WARMUP ? DRIVE_WARMUP : DRIVE_MEASURE,
        .elapsed_ns = p->elapsed_ns,
        .offered = p->offered,
        .ended = p->ended,
        .ok = p->ended,
        .in_flight = p->in_flight,
        .queued = p->queued,
        .tokens_per_s = p->elapsed_ns > 0 ? (double)p->tokens * 1e9 / (double)p->elapsed_ns : 0,
    };
    return on_tick(context, &shown) != DRIVE_GO_ON;
}

static void on_virtual_record(void *context, const struct request_record *r)
{
    struct session *s = context;
    record_writer_put(s->writer, r);
}

/* --- the row of the run --- */

static struct run_record describe(struct session *s, const struct session_point *point)
{
    const struct run_options *o = s->options;
    const struct run_plan *p = &s->plan;
    const struct load_spec *l = &point->load;
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
    struct drive_load load = {.load = p->load,
                              .workload = s->workload,
                              .seed = p->seed,
                              .warmup_requests = p->warmup_requests,
                              .from_idle = p->from_idle};
    struct drive_observer observer = {on_tick, s, s->signal_fd};
    load.load.arrivals.seed = p->seed;
    int rc = drive_run(s->drive, &load, s->writer, &observer, run, e);
    progress_clear(&s->progress);
    if (rc == OK && !run->interrupted && session_counts_afterwards(s))
        rc = count_answers(s, run->id, e);
    return rc;
}

static int load_virtual(struct session *s, const struct session_point *p, struct run_record *run,
                        struct err *e)
{
    struct twin_load load = {.load = p->load,
                             .workload = s->workload,
                             .warmup_requests = p->warmup_requests,
                             .from_idle = p->from_idle};
    struct twin_observer observer = {on_virtual_record, on_virtual_tick, s};
    load.load.arrivals.seed = p->seed;
    twin_run(s->twin, &load, &observer, run);
    progress_clear(&s->progress);
    return record_writer_finish(s->writer, run, e);
}

int session_load(struct session *s, const struct session_point *p, struct run_record *run,
                 struct err *e)
{
    struct buf host = {0};
    int rc = use_seed(s, p->seed, e);
    if (rc < 0)
        return rc;
    host_describe(&host);
    snprintf(s->host_json, sizeof s->host_json, "%s", buf_cstr(&host));
    buf_release(&host);
    *run = describe(s, p);
    rc = record_writer_begin(s->writer, run, e);
    if (rc < 0)
        return rc;
    session_owner(s)->runs++;
    for (size_t i = 0; i < s->notes.n; i++)
        record_writer_finding(s->writer,
                              &(struct finding_record){"server", "note", s->notes.items[i]});
    progress_init(&s->progress, s->options->quiet, p->load.duration_ns,
                  p->load.mode == LOAD_OPEN ? p->load.arrivals.rate : 0);
    s->progress.label = p->label;
    s->progress.series_left_s = p->series_left_s;
    rc = s->twin ? load_virtual(s, p, run, e) : load_live(s, p, run, e);
    s->started_mono_ns = run->started_mono_ns;
    if (rc == OK && run->interrupted)
        return err_set(e, ERR_INTERRUPTED, "interrupted");
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
