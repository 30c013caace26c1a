#include "cli/session_runner.h"

#include <stdio.h>

#include "base/clock.h"

enum {
    KIND_BYTES = 32,
    WARMUP_USERS =
        16, /* also before a level of one user, which would take minutes to warm a server up */
};

static struct session_point point_of(struct session_runner *r, const struct load_point *p,
                                     char kind[KIND_BYTES])
{
    static const enum load_mode modes[] = {LOAD_OPEN, LOAD_CLOSED, LOAD_OFFLINE};
    const struct load_spec *asked = &r->session->plan.load;
    struct session_point s = {.kind = kind,
                              .ordinal = ++r->ordinal,
                              .seed = session_seed(r->session, (int64_t)p->seed_index),
                              .slo = r->slo,
                              .label = r->label,
                              .series_left_s = r->left_s,
                              .from_idle = p->from_idle};
    snprintf(kind, KIND_BYTES, "%s%s", r->kind_prefix, p->purpose);
    s.load = (struct load_spec){
        .mode = modes[p->kind],
        .arrivals = {.rate = p->kind == LOAD_AT_RATE ? p->rate : INFINITY,
                     .burstiness = asked->arrivals.burstiness},
        .max_concurrency = p->kind == LOAD_OF_USERS ? p->users : 0,
        .num_prompts = p->requests,
        .duration_ns = p->duration_ns,
        .cut = p->cut,
    };
    s.warmup_requests = r->warmup_requests;
    s.warmup_users = WARMUP_USERS;
    r->warmup_requests = 0;
    return s;
}

/* Reads back what was written: a search that goes on from its file sees the same. */
static int read_back(const struct session_runner *r, struct probed *out, size_t n, struct err *e)
{
    struct record_reader *reader;
    int rc = record_reader_open(r->session->run_file, &reader, e);
    if (rc < 0)
        return rc;
    size_t done = 0;
    for (; rc == OK && done < n; done++)
        rc = samples_read(reader, out[done].run_id, &out[done].set, e);
    record_reader_close(reader);
    for (size_t i = 0; rc != OK && i < done; i++)
        probed_release(&out[i]);
    return rc;
}

static int climb(void *context, const struct load_point *points, size_t n, struct probed *out,
                 struct err *e)
{
    struct session_runner *r = context;
    struct session_point session_points[RUNNER_MAX_CLIMB];
    struct run_record rows[RUNNER_MAX_CLIMB];
    char kinds[RUNNER_MAX_CLIMB][KIND_BYTES];
    for (size_t i = 0; i < n; i++)
        session_points[i] = point_of(r, &points[i], kinds[i]);
    session_reset_cache(r->session);
    int rc = n > 1 ? session_climb(r->session, session_points, n, rows, e)
                   : session_load(r->session, &session_points[0], &rows[0], e);
    if (rc != OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        out[i] = (struct probed){.run_id = rows[i].id, .run = rows[i]};
    return read_back(r, out, n, e);
}

static int probe(void *context, const struct load_point *p, struct probed *out, struct err *e)
{
    return climb(context, p, 1, out, e);
}

static int64_t now_ns(void *context)
{
    const struct session_runner *r = context;
    return r->session->twin ? twin_now_ns(r->session->twin) : clock_mono_ns();
}

struct runner session_runner(struct session_runner *r)
{
    return (struct runner){probe, climb, now_ns, r};
}
