#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/run_options.h"
#include "cli/simspec.h"
#include "cli/term.h"
#include "serve/serve.h"

struct sim_options {
    const char *listen, *truth, *tls;
    int64_t seed, ready_fd, parent, metronome_ns;
    struct option_list faults;
    bool quiet, help, offline;
};

/* One send takes the kernel about as long. */
#define MIN_METRONOME_NS INT64_C(10000)

#define AT(field) offsetof(struct sim_options, field)

static const struct option OPTIONS[] = {
    {OPTION_GROUP, "Options", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_TEXT, "listen", 0, "ADDRESS",
     "127.0.0.1:8000 (default), [::]:8000, port 0 for a free one, or unix:/path.sock", AT(listen),
     0, 0, NULL, false},
    {OPTION_TEXT, "tls", 0, "CERT,KEY",
     "speak TLS with the certificate and the key of these PEM files", AT(tls), 0, 0, NULL, false},
    {OPTION_COUNT, "seed", 0, "N", "seed of generated text and lengths (default 0)", AT(seed), 0,
     9e18, NULL, false},
    {OPTION_PATH, "truth", 0, "FILE",
     "when it ends, write to this new SQLite file when every token was sent", AT(truth), 0, 0, NULL,
     false},
    {OPTION_DURATION, "metronome", 0, "ITL",
     "in place of the engine, send every stream a token at the same instants, the multiples of ITL",
     AT(metronome_ns), 0, 0, NULL, false},
    {OPTION_LIST, "fault", 0, "KIND=RATE",
     "give that share of the requests with an X-Request-Id a fault: reset, 429, 500, "
     "reset-midstream, stall, truncate, malformed-chunk, malformed-json, error, slow-headers, "
     "split-utf8, coalesce, one-byte; or of connections: refuse. May be repeated",
     AT(faults), 0, 0, NULL, false},
    {OPTION_COUNT, "ready-fd", 0, "FD",
     "for programs: write the port to this descriptor once listening", AT(ready_fd), 0, 1e6, NULL,
     false},
    {OPTION_COUNT, "parent", 0, "PID", "for programs: stop when this process, the parent, has gone",
     AT(parent), 0, 1e9, NULL, false},
    {OPTION_FLAG, "offline", 0, NULL,
     "no server: load the engine in virtual time, an hour in seconds, into a run file. Takes the "
     "options of `loadline run` in place of these",
     AT(offline), 0, 0, NULL, false},
    {OPTION_FLAG, "quiet", 'q', NULL, "no messages", AT(quiet), 0, 0, NULL, false},
    {OPTION_FLAG, "help", 'h', NULL, "this text", AT(help), 0, 0, NULL, false},
    {0},
};
const struct option_set SIM_OPTIONS = {{OPTIONS}};

static int stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* "CERT,KEY" in two; cert is the caller's room for the first. */
static int split_tls(const char *text, char *cert, size_t room, struct serve_options *s,
                     struct err *e)
{
    const char *comma = strchr(text, ',');
    if (!comma || comma == text || !comma[1] || (size_t)(comma - text) >= room)
        return err_set(e, ERR_USAGE,
                       "--tls takes two PEM files, CERT,KEY (one that holds both: twice), not "
                       "\"%s\"",
                       text);
    memcpy(cert, text, (size_t)(comma - text));
    cert[comma - text] = '\0';
    s->tls_cert = cert;
    s->tls_key = comma + 1;
    return OK;
}

static bool is_offline(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--offline") == 0)
            return true;
    return false;
}

/* An option of the other side: of the server, or of a load. */
static int check_side(bool offline, int argc, char **argv, struct err *e)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        int n = (int)strcspn(argv[i], "=");
        bool server = options_know(&SIM_OPTIONS, argv[i]),
             load = options_know(&RUN_OPTIONS, argv[i]);
        if (offline && server && !load)
            return err_set(e, ERR_USAGE,
                           "%.*s is an option of the server, and with --offline there is none; "
                           "sim --offline takes the options of `loadline run`",
                           n, argv[i]);
        if (!offline && load && !server)
            return err_set(e, ERR_USAGE,
                           "%.*s is an option of a load: add --offline for one in virtual time, or "
                           "use `loadline run` for one that a server is sent",
                           n, argv[i]);
    }
    return OK;
}

int cmd_sim(int argc, char **argv)
{
    struct err e;
    bool offline = is_offline(argc, argv);
    if (check_side(offline, argc, argv, &e) < 0)
        return term_fail(&e);
    if (offline)
        return cmd_sim_offline(argc, argv);
    struct sim_options o = {.listen = "127.0.0.1:8000", .ready_fd = -1};
    struct operands operands = {0};
    struct serve_options s = {0};
    char cert[PATH_MAX];
    if (options_parse(&SIM_OPTIONS, argc, argv, &o, &operands, &e) < 0)
        return term_fail(&e);
    if (o.help) {
        command_help(command_find("sim"));
        return 0;
    }
    if (operands.n > 1) {
        err_set(&e, ERR_USAGE, "sim takes one engine, not \"%s\" as well", operands.items[1]);
        return term_fail(&e);
    }
    if (o.metronome_ns > 0 && o.metronome_ns < MIN_METRONOME_NS) {
        err_set(&e, ERR_USAGE, "--metronome takes an interval of at least 10us");
        return term_fail(&e);
    }
    if (o.tls && split_tls(o.tls, cert, sizeof cert, &s, &e) < 0)
        return term_fail(&e);
    for (size_t i = 0; i < o.faults.n; i++)
        if (fault_rates_add(&s.faults, slice_of(o.faults.items[i]), &e) < 0)
            return term_fail(&e);
    const char *spec = operands.n > 0 ? operands.items[0] : "";
    if (strncmp(spec, "sim:", 4) == 0)
        spec += 4;
    struct simspec engine;
    if (simspec_open(spec, &engine, &e) < 0)
        return term_fail(&e);
    s.engine = engine.config;
    s.listen = o.listen;
    s.truth = o.truth;
    s.metronome_ns = o.metronome_ns;
    s.seed = (uint64_t)o.seed;
    s.ready_fd = (int)o.ready_fd;
    s.parent_pid = (int)o.parent;
    s.quiet = o.quiet;
    int fd = stop_signals();
    int rc = serve_run(&s, fd, &e);
    close(fd);
    simspec_release(&engine);
    return rc < 0 ? term_fail(&e) : 0;
}
