#include "serve/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/sock.h"
#include "serve/client.h"
#include "serve/generation.h"
#include "serve/pace.h"
#include "serve/server.h"
#include "serve/truth_file.h"

enum {
    /* The last stretch to a due time is polled, not slept: waking takes the kernel some tens of us.
     */
    SPIN_NS = 50 * 1000,
    /* epoll rounds a timeout by 0.1 % (select_estimate_accuracy in fs/select.c). */
    WAIT_SLACK_DIVISOR = 1000,
    MAX_ACCEPTS = 64, /* a turn, so that tokens do not wait for a rush of clients */
    DATE_BYTES = sizeof((struct server *)0)->date,
};

/* A turn's timeout when no step is near: the pace of housekeeping. */
#define TICK_NS NS_PER_S

struct slice server_date(struct server *s)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t now_s = clock_real_ns() / NS_PER_S;
    if (now_s != s->date_s) {
        struct tm t;
        time_t seconds = (time_t)now_s;
        gmtime_r(&seconds, &t);
        snprintf(s->date, DATE_BYTES, "%s, %02d %s %d %02d:%02d:%02d GMT", days[t.tm_wday],
                 t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
        s->date_s = now_s;
    }
    return slice_of(s->date);
}

static void raise_file_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

static bool orphaned(const struct serve_options *o)
{
    return o->parent_pid > 0 && getppid() != (pid_t)o->parent_pid;
}

static void tell_ready(const struct server *s)
{
    const struct serve_options *o = s->options;
    char text[512];
    if (o->ready_fd >= 0) {
        int n = snprintf(text, sizeof text, "%u\n", (unsigned)s->listener.port);
        ssize_t written = write(o->ready_fd, text, (size_t)n);
        if (written != n && !o->quiet)
            fprintf(stderr, "loadline sim: nobody waits for the port number\n");
    }
    if (o->quiet)
        return;
    const char *scheme = !s->listener.port ? "unix:" : s->tls ? "https://" : "http://";
    if (o->metronome_ns > 0)
        fprintf(stderr, "loadline sim: a metronome in place of the engine\n");
    fprintf(stderr, "loadline sim: %s\nloadline sim: serving at %s%s\n",
            spec_describe(s->config, text, sizeof text), scheme, s->listener.at.text);
}

static int open_tls(struct server *s, struct err *e)
{
    const struct serve_options *o = s->options;
    return o->tls_cert ? tls_server_context(o->tls_cert, o->tls_key, &s->tls, e) : OK;
}

static int open_server(struct server *s, int stop_fd, struct err *e)
{
    raise_file_limit();
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    s->listener.fd = -1;
    s->created_s = clock_real_ns() / NS_PER_S;
    s->ready_ns = clock_mono_ns() + (int64_t)(s->config->start_s * (double)NS_PER_S);
    int rc = open_tls(s, e);
    if (rc < 0)
        return rc;
    rc = poller_init(&s->poller, e);
    if (rc == OK)
        rc = listener_open(s->options->listen, &s->listener, e);
    if (rc < 0)
        return rc;
    s->accepting = true;
    rc = poller_add(&s->poller, s->listener.fd, POLLER_READ, s);
    if (rc == OK && stop_fd >= 0)
        rc = poller_add(&s->poller, stop_fd, POLLER_READ, NULL);
    if (rc < 0)
        return err_set(e, ERR_IO, "cannot watch the listening socket: %s", strerror(errno));
    return OK;
}

/* Connections for the questions before a load are spared, as their requests are. */
static bool refused(struct server *s)
{
    return s->loaded && fault_refuses(&s->options->faults, s->options->seed, s->connections++);
}

static void accept_clients(struct server *s)
{
    for (int i = 0; i < MAX_ACCEPTS && s->listener.fd >= 0; i++) {
        int fd = sock_accept(s->listener.fd);
        if (fd == -EAGAIN)
            return;
        if (fd < 0) {
            /* Out of descriptors: look again when one is closed, or at the next tick. */
            s->accepting = false;
            poller_change(&s->poller, s->listener.fd, 0, s);
            return;
        }
        if (refused(s)) {
            struct linger at_once = {.l_onoff = 1};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            close(fd);
            continue;
        }
        client_new(s, fd);
    }
}

/* Returns false when asked to stop. */
static bool take_events(struct server *s, const struct poller_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        if (!events[i].owner)
            return false;
        pace_run(s); /* a long prompt in an event before may have passed a due time */
        if (events[i].owner == s) {
            accept_clients(s);
            continue;
        }
        struct client *c = events[i].owner;
        if (events[i].writable)
            client_writable(c);
        if (events[i].readable)
            client_readable(c);
    }
    return true;
}

static int64_t timeout_ns(int64_t wake_ns)
{
    int64_t left = wake_ns - clock_mono_ns();
    if (left <= SPIN_NS)
        return 0;
    int64_t sleep = left - SPIN_NS - left / WAIT_SLACK_DIVISOR;
    return sleep > 0 ? sleep : 0;
}

/* Returns false when the server should end. */
static bool tick(struct server *s)
{
    client_expire(s, clock_mono_ns());
    if (!s->accepting) {
        s->accepting = true;
        poller_change(&s->poller, s->listener.fd, POLLER_READ, s);
    }
    return !orphaned(s->options);
}

static void loop(struct server *s)
{
    struct poller_event events[POLLER_MAX_EVENTS];
    int64_t tick_ns = clock_mono_ns() + TICK_NS;
    for (bool going = true; going;) {
        int64_t due_ns = pace_due_ns(s);
        if (s->drip_ns && s->drip_ns < due_ns)
            due_ns = s->drip_ns;
        int n = poller_wait(&s->poller, timeout_ns(due_ns < tick_ns ? due_ns : tick_ns), events);
        pace_run(s);
        going = take_events(s, events, n);
        pace_begin(s);
        client_drip_all(s, clock_mono_ns());
        if (clock_mono_ns() >= tick_ns) {
            tick_ns += TICK_NS;
            going = tick(s) && going;
        }
        client_sweep(s);
    }
}

/* Nothing more is accepted; what is under way ends now, and says so. */
static void close_server(struct server *s)
{
    listener_close(&s->listener);
    while (s->clients) {
        struct client *c = s->clients;
        if (c->generation)
            generation_abort(c->generation);
        client_end(c);
    }
    client_sweep(s);
    pace_release(s);
    poller_release(&s->poller);
    buf_release(&s->scratch);
    buf_release(&s->wire);
    tls_context_release(s->tls);
    free(s->plain_buffer);
    free(s->read_buffer);
}

static int open_truth(struct server *s, struct err *e)
{
    if (!s->options->truth)
        return OK;
    s->truth = truth_new();
    return truth_file_claim(s->options->truth, e);
}

static int write_truth(const struct server *s, struct err *e)
{
    char engine[512];
    if (!s->truth)
        return OK;
    spec_describe(s->config, engine, sizeof engine);
    return truth_file_write(s->options->truth, s->truth, engine, s->options->metronome_ns, e);
}

static void tell_lateness(const struct server *s)
{
    char line[256];
    if (!s->options->quiet && s->lateness.bursts > 0)
        fprintf(stderr, "loadline sim: %s\n", lateness_line(&s->lateness, line, sizeof line));
}

int serve_run(const struct serve_options *o, int stop_fd, struct err *e)
{
    if (orphaned(o))
        return err_set(e, ERR_INTERRUPTED, "the process that started the engine has ended");
    struct server s = {.options = o,
                       .config = &o->engine,
                       .date_s = -1,
                       .metronome = {.interval_ns = o->metronome_ns}};
    int rc = open_server(&s, stop_fd, e);
    if (rc == OK)
        rc = open_truth(&s, e);
    pace_init(&s);
    if (rc == OK) {
        tell_ready(&s);
        loop(&s);
    }
    close_server(&s);
    if (rc == OK) {
        tell_lateness(&s);
        rc = write_truth(&s, e);
    }
    truth_free(s.truth);
    return rc;
}
