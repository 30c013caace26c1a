#include "cli/progress.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/term.h"

#define PLAIN_LINE_EVERY_NS (5 * NS_PER_S)

void progress_init(struct progress *p, bool quiet, int64_t duration_ns, double rate)
{
    *p = (struct progress){
        .tty = term_of(stderr).tty, .quiet = quiet, .duration_ns = duration_ns, .rate = rate};
}

/* Time left, by the clock where the end is a time, by the pace so far where it is a count; < 0
 * unknown. */
static double seconds_left(const struct progress *p, const struct drive_progress *now)
{
    double elapsed = (double)now->elapsed_ns / 1e9;
    if (now->stage == DRIVE_DRAIN)
        return -1;
    if (now->stage == DRIVE_MEASURE && p->duration_ns > 0)
        return fmax(0, (double)p->duration_ns / 1e9 - elapsed);
    if (now->total == 0 || now->ended == 0 || elapsed <= 0)
        return -1;
    if (now->stage == DRIVE_MEASURE && p->rate > 0 && isfinite(p->rate) &&
        now->offered < now->total)
        return (double)(now->total - now->offered) / p->rate;
    return (double)(now->total - now->ended) * elapsed / (double)now->ended;
}

static void line(const struct progress *p, const struct drive_progress *now, char *out, size_t room)
{
    static const char *const STAGES[] = {"warm-up", "load", "drain"};
    char elapsed[24], p50[24] = "-", p99[24] = "-", rate[24], left[40] = "", errors[40] = "";
    units_format_ns(now->elapsed_ns > 0 ? now->elapsed_ns / NS_PER_S * NS_PER_S : 0, elapsed,
                    sizeof elapsed);
    if (now->ttft_p50_ns > 0) {
        units_format_ns(now->ttft_p50_ns, p50, sizeof p50);
        units_format_ns(now->ttft_p99_ns, p99, sizeof p99);
    }
    units_format_count(now->tokens_per_s, rate, sizeof rate);
    double seconds = seconds_left(p, now);
    if (seconds >= 0) {
        char text[24];
        units_format_ns((int64_t)ceil(seconds) * NS_PER_S, text, sizeof text);
        snprintf(left, sizeof left, "  %s left", text);
    }
    if (now->failed + now->dropped > 0)
        snprintf(errors, sizeof errors, "  %llu failed",
                 (unsigned long long)(now->failed + now->dropped));
    snprintf(out, room, "%-7s %s  %llu/%llu done%s  %llu in flight  TTFT %s/%s  %s tok/s%s",
             STAGES[now->stage], elapsed, (unsigned long long)now->ended,
             (unsigned long long)(now->offered), errors,
             (unsigned long long)(now->in_flight + now->queued), p50, p99, rate, left);
}

void progress_show(struct progress *p, const struct drive_progress *now)
{
    char text[256];
    if (p->quiet || now->elapsed_ns < 0)
        return;
    line(p, now, text, sizeof text);
    if (p->tty) {
        unsigned columns = term_of(stderr).columns;
        fprintf(stderr, "\r%.*s\033[K", (int)columns - 1, text);
        p->shown = true;
        return;
    }
    int64_t t = clock_mono_ns();
    if (p->last_line_ns == 0)
        p->last_line_ns = t - PLAIN_LINE_EVERY_NS + NS_PER_S; /* the first one after a second */
    if (t - p->last_line_ns < PLAIN_LINE_EVERY_NS)
        return;
    p->last_line_ns = t;
    fprintf(stderr, "%s\n", text);
}

void progress_clear(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}
