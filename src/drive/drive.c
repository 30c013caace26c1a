#include "drive/drive.h"

#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "drive/driver.h"
#include "drive/host.h"

/* A start a little ahead, so that every thread stands ready at time 0. */
#define START_LEAD_NS (20 * NS_PER_MS)
#define TICK_NS       (200 * NS_PER_MS)
#define AHEAD_S       2.0 /* of arrivals whose bodies are made beforehand */
#define PRECONNECT_NS (30 * NS_PER_S)

enum {
    SPARE_DESCRIPTORS = 64, /* files, timers, pollers and side questions */
    WARMUP_CONCURRENCY = 16,
    MIN_WINDOW = 256,        /* bodies ahead at the least */
    HOPELESS_FAILURES = 500, /* so many failures since the last success … */
};
/* … and it so long ago, or never: the run is stopped. */
#define HOPELESS_NS (10 * NS_PER_S)

struct drive {
    struct drive_setup setup;
    struct route *route;
    struct driver *drivers;
};

static int64_t descriptors_left(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return INT64_MAX;
    return (int64_t)limit.rlim_cur - SPARE_DESCRIPTORS;
}

static int check_descriptors(int64_t max_concurrency, struct err *e)
{
    int64_t left = descriptors_left();
    if (max_concurrency <= left)
        return OK;
    if (max_concurrency <= 0)
        return err_set(e, ERR_USAGE,
                       "this shell allows %lld descriptors, and %d are needed besides those of the "
                       "connections; raise it, for example ulimit -n 4096",
                       (long long)(left + SPARE_DESCRIPTORS), SPARE_DESCRIPTORS);
    return err_set(e, ERR_USAGE,
                   "--max-concurrency %lld needs as many connections, and this shell allows %lld "
                   "descriptors; raise it (ulimit -n %lld) or ask for less",
                   (long long)max_concurrency, (long long)(left + SPARE_DESCRIPTORS),
                   (long long)(max_concurrency + SPARE_DESCRIPTORS));
}

static int preconnect(struct drive *d, struct err *e)
{
    unsigned threads = d->setup.threads;
    int64_t deadline_ns = clock_mono_ns() + PRECONNECT_NS;
    for (unsigned i = 0; i < threads; i++) {
        unsigned share = d->setup.preconnect / threads + (i < d->setup.preconnect % threads);
        if (share == 0)
            continue;
        int rc = exchanger_preconnect(d->drivers[i].exchanger, share, deadline_ns, e);
        if (rc < 0)
            return rc;
    }
    return OK;
}

int drive_open(const struct drive_setup *s, int64_t max_concurrency, struct drive **out,
               struct err *e)
{
    int rc = check_descriptors(max_concurrency, e);
    if (rc < 0)
        return rc;
    struct drive *d = MEM_NEW(struct drive);
    struct exchanger_options options = {0};
    d->setup = *s;
    d->route = route_new(s->target->endpoint, "POST", s->target->path, s->target->header_lines,
                         s->target->header_count);
    d->drivers = MEM_ARRAY(struct driver, s->threads);
    for (unsigned i = 0; rc == OK && i < s->threads; i++)
        rc = driver_init(&d->drivers[i], i, s->target->endpoint, &options, e);
    if (rc == OK)
        rc = preconnect(d, e);
    if (rc < 0) {
        drive_close(d);
        return rc;
    }
    *out = d;
    return OK;
}

void drive_close(struct drive *d)
{
    if (!d)
        return;
    for (unsigned i = 0; i < d->setup.threads; i++)
        if (d->drivers[i].exchanger)
            driver_release(&d->drivers[i]);
    route_free(d->route);
    free(d->drivers);
    free(d);
}

/* --- progress --- */

struct watch { /* what the main thread remembers between ticks of a phase */
    struct drive *drive;
    struct drive_phase *phase;
    const struct drive_observer *observer;
    const struct load_spec *load;
    uint64_t base_ok, base_failed, base_dropped, base_events, base_tokens;
    int64_t rate_at_ns;
    uint64_t rate_events;
    double rate;
    struct hist *ttft;
    uint64_t ok_seen, failed_then; /* at the last success that was noticed */
    int64_t ok_at_ns;
    bool stopped, aborted, hopeless;
};

static uint64_t load_u64(_Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void sum_live(struct watch *w, struct drive_progress *p)
{
    hist_clear(w->ttft);
    for (unsigned i = 0; i < w->phase->driver_count; i++) {
        struct driver_live *l = &w->phase->drivers[i].live;
        p->ok += load_u64(&l->ok);
        p->failed += load_u64(&l->failed);
        p->dropped += load_u64(&l->dropped);
        p->events += load_u64(&l->events);
        p->tokens += load_u64(&l->tokens);
        hist_merge(w->ttft, &l->ttft);
    }
}

static void update_rate(struct watch *w, uint64_t events, int64_t now_ns)
{
    int64_t since_ns = now_ns - w->rate_at_ns;
    if (since_ns < NS_PER_S)
        return;
    w->rate = (double)(events - w->rate_events) * 1e9 / (double)since_ns;
    w->rate_at_ns = now_ns;
    w->rate_events = events;
}

static struct drive_progress look(struct watch *w, int64_t now_ns)
{
    struct drive_progress p = {0};
    struct policy_counts c = policy_counts(w->phase->policy);
    sum_live(w, &p);
    p.ok -= w->base_ok;
    p.failed -= w->base_failed;
    p.dropped -= w->base_dropped;
    p.events -= w->base_events;
    p.tokens -= w->base_tokens;
    update_rate(w, p.events, now_ns);
    p.tokens_per_s = w->rate;
    p.elapsed_ns = now_ns - w->phase->start_ns;
    p.offered = c.offered;
    p.ended = c.ended + c.dropped;
    p.in_flight = c.in_flight;
    p.queued = c.queued;
    p.total = w->load->num_prompts;
    p.ttft_p50_ns = hist_quantile_ns(w->ttft, 0.50);
    p.ttft_p99_ns = hist_quantile_ns(w->ttft, 0.99);
    bool draining = w->stopped || policy_exhausted(w->phase->policy) ||
                    (w->load->duration_ns > 0 && p.elapsed_ns > w->load->duration_ns);
    p.stage = w->load->warmup ? DRIVE_WARMUP : draining ? DRIVE_DRAIN : DRIVE_MEASURE;
    return p;
}

static void obey(struct watch *w, enum drive_command command)
{
    if (command == DRIVE_GO_ON)
        return;
    if (!w->stopped) {
        w->stopped = true;
        policy_stop(w->phase->policy);
        atomic_store(&w->phase->stopping, true);
    }
    if (command == DRIVE_ABORT && !w->aborted) {
        w->aborted = true;
        atomic_store(&w->phase->abort, true);
    }
    drive_phase_wake(w->phase);
}

/* Nothing succeeds (any more): going on would only fill the file with failures. */
static bool is_hopeless(struct watch *w, const struct drive_progress *p)
{
    int64_t now_ns = clock_mono_ns();
    if (p->ok > w->ok_seen) {
        w->ok_seen = p->ok;
        w->failed_then = p->failed;
        w->ok_at_ns = now_ns;
    }
    bool many = p->failed - w->failed_then >= HOPELESS_FAILURES;
    return many && (p->ok == 0 || now_ns - w->ok_at_ns >= HOPELESS_NS);
}

/* Waits for the drivers' ends, ticking. */
static void watch_phase(struct watch *w, unsigned drivers)
{
    unsigned ended = 0;
    w->rate_at_ns = clock_mono_ns();
    while (ended < drivers) {
        struct pollfd fds[2] = {{.fd = w->phase->done_fd, .events = POLLIN},
                                {.fd = w->observer->signal_fd, .events = POLLIN}};
        struct timespec tick = {.tv_nsec = TICK_NS};
        uint64_t count;
        ppoll(fds, 2, &tick, NULL);
        if ((fds[0].revents & POLLIN) && read(w->phase->done_fd, &count, sizeof count) > 0)
            ended += (unsigned)count;
        struct drive_progress p = look(w, clock_mono_ns());
        if (w->observer->tick)
            obey(w, w->observer->tick(w->observer->context, &p));
        if (is_hopeless(w, &p) && !w->stopped) {
            w->hopeless = true;
            obey(w, DRIVE_ABORT);
        }
    }
}

/* --- phases --- */

static uint64_t window_of(const struct load_spec *load)
{
    double ahead = 2.0 * (double)load->max_concurrency;
    if (load->mode == LOAD_OPEN) {
        double rate = fmax(load->arrivals.rate, load->arrivals.ramp_end);
        ahead = isfinite(rate) ? fmax(ahead, AHEAD_S * rate) : PREPARE_MAX_WINDOW;
    } else if (load->mode == LOAD_OFFLINE) {
        ahead = PREPARE_MAX_WINDOW;
    }
    ahead = fmax(ahead, MIN_WINDOW);
    if (load->num_prompts > 0)
        ahead = fmin(ahead, (double)load->num_prompts);
    return (uint64_t)fmin(ahead, PREPARE_MAX_WINDOW);
}

struct phase_result {
    struct policy_counts counts;
    int64_t start_ns, end_ns;
    uint64_t underruns;
    bool stopped, hopeless;
};

static void run_phase(struct drive *d, const struct drive_load *load, const struct load_spec *spec,
                      struct record_writer *writer, const struct drive_observer *observer,
                      struct phase_result *out)
{
    const struct drive_setup *s = &d->setup;
    struct prepare_options po = {.workload = load->workload,
                                 .protocol = s->target->protocol,
                                 .api = s->api,
                                 .warmup = spec->warmup,
                                 .seed = load->seed,
                                 .total = spec->duration_ns > 0 ? 0 : spec->num_prompts,
                                 .window = window_of(spec)};
    struct prepare *prepare = prepare_start(&po);
    struct hist *ttft = MEM_NEW(struct hist);
    prepare_wait(prepare);

    int64_t start_ns = clock_mono_ns() + START_LEAD_NS;
    struct drive_phase phase = {.route = d->route,
                                .protocol = s->target->protocol,
                                .stream = s->api->stream,
                                .save_output = s->save_output,
                                .ending = s->api->ending,
                                .keep_reads = s->keep_reads,
                                .policy = policy_new(spec, s->threads, start_ns),
                                .prepare = prepare,
                                .writer = writer,
                                .start_ns = start_ns,
                                .origin_ns = start_ns,
                                .timeout_ns = s->timeout_ns,
                                .cut = spec->cut,
                                .drivers = d->drivers,
                                .driver_count = s->threads,
                                .done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
                                .keep_seconds = !spec->warmup};
    struct watch watch = {
        .drive = d, .phase = &phase, .observer = observer, .load = spec, .ttft = ttft};
    struct drive_progress base = {0};
    for (unsigned i = 0; i < s->threads; i++)
        hist_clear(&d->drivers[i].live.ttft);
    sum_live(&watch, &base);
    watch.base_ok = base.ok;
    watch.base_failed = base.failed;
    watch.base_dropped = base.dropped;
    watch.base_events = base.events;
    watch.base_tokens = base.tokens;
    for (unsigned i = 0; i < s->threads; i++)
        driver_start(&d->drivers[i], &phase);
    watch_phase(&watch, s->threads);
    for (unsigned i = 0; i < s->threads; i++)
        driver_join(&d->drivers[i]);

    *out = (struct phase_result){.counts = policy_counts(phase.policy),
                                 .start_ns = start_ns,
                                 .end_ns = clock_mono_ns(),
                                 .underruns = prepare_underruns(prepare),
                                 .stopped = watch.stopped,
                                 .hopeless = watch.hopeless};
    close(phase.done_fd);
    policy_free(phase.policy);
    prepare_stop(prepare);
    free(ttft);
}

static struct load_spec warmup_spec(const struct drive_load *load)
{
    uint64_t n = load->warmup_requests;
    int64_t users = WARMUP_CONCURRENCY;
    if (load->warmup_users > 0)
        users = load->warmup_users;
    else if (load->load.max_concurrency > 0 && load->load.max_concurrency < users)
        users = load->load.max_concurrency;
    return (struct load_spec){.mode = LOAD_CLOSED,
                              .max_concurrency = (uint64_t)users < n ? users : (int64_t)n,
                              .num_prompts = n,
                              .warmup = true};
}

struct totals {
    uint64_t events, exchanges;
    uint32_t steps;
};

static struct totals totals_of(struct drive *d)
{
    struct totals t = {0};
    for (unsigned i = 0; i < d->setup.threads; i++) {
        t.events += load_u64(&d->drivers[i].live.events);
        t.exchanges += load_u64(&d->drivers[i].live.exchanges);
        t.steps += exchanger_stats(d->drivers[i].exchanger)->clock_steps;
    }
    return t;
}

static void fill_end(struct drive *d, const struct drive_load *load, const struct phase_result *m,
                     struct totals before, struct run_record *run)
{
    struct totals after = totals_of(d);
    int64_t offered_end_ns = m->counts.offered > 0 ? m->counts.last_offer_ns - m->start_ns : 0;
    if (load->load.duration_ns > 0 && !m->stopped && m->counts.offered > 0 &&
        (load->load.num_prompts == 0 || m->counts.offered < load->load.num_prompts))
        offered_end_ns = load->load.duration_ns;
    run->finished = true;
    run->started_mono_ns = m->start_ns;
    run->interrupted = m->stopped && !m->hopeless;
    run->offered_end_ns = offered_end_ns > 0 ? offered_end_ns : 0;
    run->drained_ns = m->end_ns - m->start_ns;
    run->body_underruns = m->underruns;
    run->clock_steps = after.steps - before.steps;
    run->token_events = after.events - before.events;
    run->exchanges = after.exchanges - before.exchanges;
    run->peak_in_flight = m->counts.peak_in_flight;
    run->cpu_user_ns = run->cpu_system_ns = run->spin_ns = 0;
    for (unsigned i = 0; i < d->setup.threads; i++) {
        run->cpu_user_ns += d->drivers[i].cpu_user_ns;
        run->cpu_system_ns += d->drivers[i].cpu_system_ns;
        run->spin_ns += (uint64_t)d->drivers[i].spin_ns;
    }
}

static void say_finding(struct record_writer *w, const char *id, const char *severity,
                        const char *text)
{
    record_writer_finding(w, &(struct finding_record){id, severity, text});
}

int drive_run(struct drive *d, const struct drive_load *load, struct record_writer *w,
              const struct drive_observer *observer, struct run_record *run, struct err *e)
{
    struct phase_result warmup = {0}, measured = {0};
    for (unsigned i = 0; load->from_idle && i < d->setup.threads; i++)
        driver_drop_left_over(&d->drivers[i]);
    if (load->warmup_requests > 0) {
        struct load_spec spec = warmup_spec(load);
        run_phase(d, load, &spec, w, observer, &warmup);
    }
    struct totals before = totals_of(d);
    struct host_cpu cpu = host_cpu_now();
    if (!warmup.stopped) {
        struct load_spec spec = load->load;
        probe_metrics(d->setup.target, w, 0);
        run_phase(d, load, &spec, w, observer, &measured);
        run->started_real_ns = clock_real_ns() - (clock_mono_ns() - measured.start_ns);
    }
    fill_end(d, load, &measured, before, run);
    run->interrupted |= warmup.stopped && !warmup.hopeless;
    run->steal_fraction = host_steal_fraction(cpu, host_cpu_now());
    if (!warmup.stopped)
        probe_metrics(d->setup.target, w, run->drained_ns);
    if (warmup.hopeless || measured.hopeless)
        say_finding(w, "hopeless", "invalid",
                    "nothing succeeded any more; the run was stopped early");
    return record_writer_finish(w, run, e);
}
