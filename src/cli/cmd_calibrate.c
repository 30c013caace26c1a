#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/units.h"
#include "cli/calibrate_level.h"
#include "cli/calibration_file.h"
#include "cli/commands.h"
#include "cli/results.h"
#include "cli/term.h"
#include "report/layout.h"

/* So long a stream takes of both processes together on a slow machine; with an interval of as much
 * for each, bursts end before the next begins. */
#define ITL_PER_STREAM_NS (50 * NS_PER_US)
/* Few streams would otherwise see intervals that no engine has. */
#define MIN_ITL_NS          (1 * NS_PER_MS)
#define METRONOME_MIN_NS    (10 * NS_PER_US) /* the engine takes no less */
#define DEFAULT_DURATION_NS (5 * NS_PER_S)

enum {
    MAX_LEVELS = 16,
    MAX_STREAMS = 100000,
    SPARE_DESCRIPTORS = 128, /* of either process besides its connections */
};

static const char DEFAULT_STREAMS[] = "1,64,256,1024,4096";

struct calibrate_options {
    const char *streams, *json;
    int64_t itl_ns, duration_ns;
    bool quiet, help;
};

#define AT(field) offsetof(struct calibrate_options, field)

static const struct option OPTIONS[] = {
    {OPTION_GROUP, "Options", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_TEXT, "streams", 0, "N,N,...",
     "how many streams at once, one level after another (default 1,64,256,1024,4096)", AT(streams),
     0, 0, NULL, false},
    {OPTION_DURATION, "itl", 0, "TIME",
     "interval between the tokens of a stream (default 50us for each stream, at least 1ms)",
     AT(itl_ns), 0, 0, NULL, false},
    {OPTION_DURATION, "duration", 0, "TIME", "of each level (default 5s)", AT(duration_ns), 0, 0,
     NULL, false},
    {OPTION_PATH, "json", 0, "FILE",
     "write the figures as JSON; - is standard output, the table then goes to standard error",
     AT(json), 0, 0, NULL, false},
    {OPTION_FLAG, "quiet", 'q', NULL, "no progress", AT(quiet), 0, 0, NULL, false},
    {OPTION_FLAG, "help", 'h', NULL, "this text", AT(help), 0, 0, NULL, false},
    {0},
};
const struct option_set CALIBRATE_OPTIONS = {{OPTIONS}};

/* ---- what is asked ---- */

static int take_level(struct calibrate_level *l, struct slice text,
                      const struct calibrate_options *o, struct err *e)
{
    *l = (struct calibrate_level){.duration_ns = o->duration_ns};
    int rc = units_count(text, "--streams", 1, MAX_STREAMS, &l->streams, e);
    if (rc < 0)
        return rc;
    l->itl_ns = o->itl_ns ? o->itl_ns : l->streams * ITL_PER_STREAM_NS;
    if (!o->itl_ns && l->itl_ns < MIN_ITL_NS)
        l->itl_ns = MIN_ITL_NS;
    struct rng r = rng_at((uint64_t)clock_real_ns(), RNG_SHUFFLE, (uint64_t)l->streams);
    l->seed = rng_u64(&r) >> 8;
    return OK;
}

static int take_levels(struct calibrate_level *levels, size_t *count,
                       const struct calibrate_options *o, struct err *e)
{
    const char *list = o->streams ? o->streams : DEFAULT_STREAMS;
    *count = 0;
    for (const char *p = list;; p++) {
        size_t n = strcspn(p, ",");
        if (*count == MAX_LEVELS)
            return err_set(e, ERR_USAGE, "--streams takes at most %d levels", MAX_LEVELS);
        int rc = take_level(&levels[(*count)++], slice_make(p, n), o, e);
        if (rc < 0)
            return rc;
        p += n;
        if (!*p)
            return OK;
    }
}

static bool has_descriptors(int64_t streams)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY ||
           (int64_t)limit.rlim_max >= streams + SPARE_DESCRIPTORS;
}

/* ---- what is shown ---- */

static const char *us(int64_t ns, char *out)
{
    return layout_ms((double)ns / 1e3, out); /* a number at three digits, whatever its unit */
}

static void put_row(FILE *out, const char *of, const char *stamps,
                    const struct calibration_error *x)
{
    char n[LAYOUT_NUMBER], cells[4][LAYOUT_NUMBER];
    if (x->n == 0)
        return;
    fprintf(out, "    %-14s %-11s %9s %9s %9s %9s %9s\n", of, stamps, layout_count((double)x->n, n),
            us(x->p50, cells[0]), us(x->p99, cells[1]), us(x->p999, cells[2]),
            us(x->max, cells[3]));
}

static void put_errors(FILE *out, const struct calibration *c)
{
    static const char *const names[] = {"TTFT", "token arrival", "ITL"};
    fprintf(out, "    error, µs      %-11s %9s %9s %9s %9s %9s\n", "stamps", "n", "p50", "p99",
            "p99.9", "max");
    for (int of = 0; of < CALIBRATION_KINDS; of++)
        for (int censored = 0; censored < 2; censored++) {
            const struct calibration_error *x = c->error[of][censored];
            put_row(out, names[of], "kernel", &x[CALIBRATION_KERNEL]);
            put_row(out, censored ? "  censored" : "", "user space", &x[CALIBRATION_USER]);
        }
}

static void put_level(FILE *out, const struct calibrate_level *l)
{
    const struct calibration *c = &l->result;
    char a[LAYOUT_NUMBER], b[LAYOUT_NUMBER], d[LAYOUT_NUMBER], itl[24], duration[24];
    double events = (double)c->events;
    fprintf(out, "\n%s stream%s, a token each every %s, for %s: %s requests, %s events\n",
            layout_count((double)l->streams, a), l->streams == 1 ? "" : "s",
            units_format_ns(l->itl_ns, itl, sizeof itl),
            units_format_ns(l->duration_ns, duration, sizeof duration),
            layout_count((double)c->requests, b), layout_count(events, d));
    fprintf(out, "    bursts: first send %s µs after its due time (p99 %s)", us(l->lateness.p50, a),
            us(l->lateness.p99, b));
    fprintf(out, ", %s µs wide (p99 %s)\n", us(l->width.p50, a), us(l->width.p99, b));
    fprintf(out, "    %s kernel stamps", layout_percent(l->stamped_fraction, a));
    fprintf(out, ", %s censored", layout_percent((double)c->censored / events, a));
    fprintf(out, " (%s by us)", layout_percent(l->censored_ours_fraction, a));
    fprintf(out, ", %s µs CPU an event", layout_rate(l->cpu_total_us_per_event, a));
    fprintf(out, " (%s user)\n", layout_rate(l->cpu_user_us_per_event, a));
    if (c->unmatched > 0)
        fprintf(out, "    %s events unknown to the engine's log are in no figure\n",
                layout_count((double)c->unmatched, a));
    put_errors(out, c);
}

static void put_caveat(FILE *out)
{
    fputs("\nError: our stamp less the engine's clock before the send of the token; of ITL,\n"
          "the difference of two. Censored events have a bound in place of a stamp. This\n"
          "is loopback: no network card, and receive processing runs within the send.\n",
          out);
}

/* ---- the command ---- */

static int write_json(const char *json, const char *path, struct err *e)
{
    struct buf text = {0};
    buf_puts(&text, json);
    buf_putc(&text, '\n');
    int rc = results_write_json(&text, path, e);
    buf_release(&text);
    return rc;
}

static int finish(const struct calibrate_options *o, FILE *out,
                  const struct calibrate_level *levels, size_t done)
{
    struct err e;
    char *json = calibration_json(levels, done);
    put_caveat(out);
    int code = 0;
    if (calibration_save(json, &e) < 0)
        term_say("%s", e.text); /* the figures stand all the same */
    if (o->json && write_json(json, o->json, &e) < 0)
        code = term_fail(&e);
    free(json);
    return code;
}

static int calibrate(const struct calibrate_options *o, struct calibrate_level *levels,
                     size_t count)
{
    FILE *out = o->json && strcmp(o->json, "-") == 0 ? stderr : stdout;
    struct err e;
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        struct calibrate_level l = levels[i];
        if (!o->streams && !has_descriptors(l.streams)) {
            term_say("%" PRId64 " streams are left out: the limit of open files is lower (ulimit "
                     "-Hn)",
                     l.streams);
            continue;
        }
        if (!o->quiet)
            term_say("%" PRId64 " stream%s ...", l.streams, l.streams == 1 ? "" : "s");
        int rc = calibrate_level_run(&l, &e);
        if (rc == ERR_INTERRUPTED)
            return 130;
        if (rc < 0)
            return term_fail(&e);
        levels[done++] = l;
        put_level(out, &l);
        fflush(out);
    }
    return finish(o, out, levels, done);
}

int cmd_calibrate(int argc, char **argv)
{
    struct calibrate_options o = {.duration_ns = DEFAULT_DURATION_NS};
    struct operands operands = {0};
    struct calibrate_level *levels = calloc(MAX_LEVELS, sizeof *levels);
    size_t count = 0;
    struct err e;
    if (!levels)
        return 1;
    int rc = options_parse(&CALIBRATE_OPTIONS, argc, argv, &o, &operands, &e);
    if (rc == OK && o.help) {
        command_help(command_find("calibrate"));
        free(levels);
        return 0;
    }
    if (rc == OK && operands.n > 0)
        rc =
            err_set(&e, ERR_USAGE, "calibrate takes no operand, and not \"%s\"", operands.items[0]);
    if (rc == OK && o.duration_ns <= 0)
        rc = err_set(&e, ERR_USAGE, "--duration must be more than 0");
    if (rc == OK && o.itl_ns && o.itl_ns < METRONOME_MIN_NS)
        rc = err_set(&e, ERR_USAGE, "--itl takes an interval of at least 10us");
    if (rc == OK)
        rc = results_check_json(o.json, &e);
    if (rc == OK)
        rc = take_levels(levels, &count, &o, &e);
    int code = rc < 0 ? term_fail(&e) : calibrate(&o, levels, count);
    free(levels);
    return code;
}
