#include "cli/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/term.h"

#define PLAIN_LINE_EVERY_NS (5 * NS_PER_S)

void progress_init(struct progress *p, bool quiet, int64_t duration_ns, double rate)
{
    *p = (struct progress){.tty = term_of(stderr).tty,
                           .quiet = quiet,
                           .duration_ns = duration_ns,
                           .rate = rate,
                           .since_ns = clock_mono_ns()};
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

/* "3:07", "1:02:45". */
static const char *clock_text(double seconds, char *out, size_t room)
{
    unsigned long long t = (unsigned long long)seconds;
    if (t < 3600)
        snprintf(out, room, "%llu:%02llu", t / 60, t % 60);
    else
        snprintf(out, room, "%llu:%02llu:%02llu", t / 3600, t / 60 % 60, t % 60);
    return out;
}

/* "13.1/82.7 ms", "13.1 ms/1.37 s"; "-" while there is none. */
static void pair_text(int64_t p50_ns, int64_t p99_ns, char *out, size_t room)
{
    char low[24], high[24];
    if (p50_ns <= 0) {
        snprintf(out, room, "-");
        return;
    }
    units_format_ns(p50_ns, low, sizeof low);
    units_format_ns(p99_ns, high, sizeof high);
    char *low_unit = strchr(low, ' '), *high_unit = strchr(high, ' ');
    if (low_unit && high_unit && strcmp(low_unit, high_unit) == 0)
        *low_unit = '\0';
    snprintf(out, room, "%s/%s", low, high);
}

/* "3/10 A, 12:30 left  ": where in the series this load point is. */
static const char *series_text(const struct progress *p, const struct drive_progress *now,
                               char *out, size_t room)
{
    char left[32];
    out[0] = '\0';
    if (!p->label)
        return out;
    int64_t gone_ns = p->virtual_time ? now->elapsed_ns : clock_mono_ns() - p->since_ns;
    double seconds = p->series_left_s - (double)gone_ns / 1e9;
    if (p->series_left_s >= 0)
        snprintf(out, room, "%s, %s left  ", p->label,
                 clock_text(ceil(fmax(0, seconds)), left, sizeof left));
    else
        snprintf(out, room, "%s  ", p->label);
    return out;
}

/* From all words to fewer: a terminal gets the first that fits. */
enum wording { WORDY, SHORT, SHORTEST, WORDINGS };

static void line(const struct progress *p, const struct drive_progress *now, enum wording wording,
                 char *out, size_t room)
{
    static const char *const STAGES[] = {"warm-up", "load", "drain"};
    bool wordy = wording == WORDY;
    char series[96], elapsed[32], ttft[56], count[24], rate[40] = "", left[48] = "", lost[64] = "";
    double seconds = seconds_left(p, now);
    clock_text((double)now->elapsed_ns / 1e9, elapsed, sizeof elapsed);
    pair_text(now->ttft_p50_ns, now->ttft_p99_ns, ttft, sizeof ttft);
    units_format_count(now->tokens_per_s, count, sizeof count);
    if (wording != SHORTEST)
        snprintf(rate, sizeof rate, "  %s tok/s", count);
    if (seconds >= 0 && !(p->label && wording == SHORTEST)) {
        char text[32];
        snprintf(left, sizeof left, "  %s left", clock_text(ceil(seconds), text, sizeof text));
    }
    if (now->failed > 0)
        snprintf(lost, sizeof lost, "  %llu failed", (unsigned long long)now->failed);
    if (now->dropped > 0)
        snprintf(lost + strlen(lost), sizeof lost - strlen(lost), "  %llu dropped",
                 (unsigned long long)now->dropped);
    snprintf(out, room, "%s%s %s  %llu/%llu%s%s  %llu %s  TTFT %s%s%s",
             series_text(p, now, series, sizeof series), STAGES[now->stage], elapsed,
             (unsigned long long)now->ended, (unsigned long long)now->offered, wordy ? " done" : "",
             lost, (unsigned long long)(now->in_flight + now->queued), wordy ? "in flight" : "open",
             ttft, rate, left);
}

static void terminal_line(const struct progress *p, const struct drive_progress *now)
{
    char text[256];
    size_t columns = term_of(stderr).columns;
    for (enum wording w = WORDY; w < WORDINGS; w++) {
        line(p, now, w, text, sizeof text);
        if (strlen(text) < columns)
            break;
    }
    fprintf(stderr, "\r%.*s\033[K", (int)columns - 1, text);
}

void progress_show(struct progress *p, const struct drive_progress *now)
{
    char text[256];
    if (p->quiet || now->elapsed_ns < 0)
        return;
    if (p->tty) {
        terminal_line(p, now);
        p->shown = true;
        return;
    }
    int64_t t = clock_mono_ns();
    if (p->last_line_ns == 0)
        p->last_line_ns = t - PLAIN_LINE_EVERY_NS + NS_PER_S; /* the first one after a second */
    if (t - p->last_line_ns < PLAIN_LINE_EVERY_NS)
        return;
    p->last_line_ns = t;
    line(p, now, WORDY, text, sizeof text);
    fprintf(stderr, "%s\n", text);
}

void progress_count(struct progress *p, const char *what, uint64_t done, uint64_t total)
{
    int64_t t = clock_mono_ns();
    int64_t every_ns = p->tty ? NS_PER_S / 10 : PLAIN_LINE_EVERY_NS;
    if (p->quiet || t - p->last_line_ns < every_ns)
        return;
    p->last_line_ns = t;
    fprintf(stderr, p->tty ? "\r%s: %llu of %llu\033[K" : "%s: %llu of %llu\n", what,
            (unsigned long long)done, (unsigned long long)total);
    p->shown = p->tty;
}

void progress_clear(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}
