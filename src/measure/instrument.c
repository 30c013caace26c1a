#include "measure/instrument.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/hist.h"
#include "base/mem.h"

enum { THREADS_MAX = 1024 }; /* ids above share the last place */

struct thread_time {
    double busy, spin, total;
};

struct pass {
    struct hist lag;
    struct thread_time thread[THREADS_MAX];
    struct err *e;
};

static int take(void *context, const struct second_record *s)
{
    struct pass *p = context;
    if (s->second < 0)
        return 0;
    if (hist_decode(&p->lag, s->read_lag) < 0)
        return err_set(p->e, ERR_INPUT,
                       "second %" PRId64 " in the run file is damaged; the file was changed or its "
                       "disk is failing",
                       s->second);
    struct thread_time *t = &p->thread[s->thread < THREADS_MAX ? s->thread : THREADS_MAX - 1];
    t->busy += (double)s->busy_ns;
    t->spin += (double)s->spin_ns;
    t->total += (double)s->busy_ns + (double)s->spin_ns + (double)s->wait_ns;
    return 0;
}

static double lag_ms(struct hist *h, double p)
{
    return atomic_load(&h->total) > 0 ? (double)hist_quantile_ns(h, p) / 1e6 : NAN;
}

/* busy: of the busiest thread, since that is the one that makes tokens wait. spin: over all. */
static void fill_time(const struct pass *p, struct summary *s)
{
    double spin = 0, total = 0, busiest = NAN;
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        const struct thread_time *t = &p->thread[i];
        if (t->total <= 0)
            continue;
        double busy = t->busy / t->total;
        busiest = isnan(busiest) || busy > busiest ? busy : busiest;
        spin += t->spin;
        total += t->total;
    }
    s->instrument.busy_fraction = busiest;
    s->instrument.spin_fraction = total > 0 ? spin / total : NAN;
}

/* CPU for each token event with the spin before arrivals taken out: it buys punctuality, not
 * events. How the spin divides into user and system time is not known; it is taken from both in
 * proportion. */
static void fill_cpu(const struct run_record *run, struct summary *s)
{
    double user = (double)run->cpu_user_ns, both = user + (double)run->cpu_system_ns;
    double spin = (double)run->spin_ns;
    s->instrument.cpu_user_us_per_event = s->instrument.cpu_total_us_per_event = NAN;
    if (run->token_events == 0 || both <= 0)
        return;
    double working = both > spin ? (both - spin) / both : 0;
    s->instrument.cpu_user_us_per_event = user * working / 1e3 / (double)run->token_events;
    s->instrument.cpu_total_us_per_event = both * working / 1e3 / (double)run->token_events;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : NAN;
}

int instrument_read(struct record_reader *r, const struct run_record *run,
                    const struct sample_set *set, struct summary *s, struct err *e)
{
    struct pass *p = MEM_NEW(struct pass);
    p->e = e;
    int rc = record_reader_seconds(r, run->id, take, p, e);
    if (rc == 0) {
        fill_time(p, s);
        s->instrument.read_lag_p50_ms = lag_ms(&p->lag, 0.5);
        s->instrument.read_lag_p99_ms = lag_ms(&p->lag, 0.99);
        s->instrument.read_lag_max_ms = lag_ms(&p->lag, 1);
        fill_cpu(run, s);
        s->instrument.rx_stamped_fraction =
            set->events > 0 ? 1 - share(set->unstamped, set->events) : NAN;
        s->instrument.censored_fraction = share(set->censored, set->events);
        s->instrument.censored_ours_fraction = share(set->censored_ours, set->events);
        s->instrument.clock_steps = run->clock_steps;
        s->instrument.steal_fraction = run->steal_fraction >= 0 ? run->steal_fraction : NAN;
    }
    free(p);
    return rc;
}
