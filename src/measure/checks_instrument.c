#include "measure/checks.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "record/virtual.h"

/* Thresholds of docs/metrics.md. */
static const double lag_share_provisional = 0.05, lag_share_invalid = 0.2; /* of the median TTFT */
static const double lag_floor_ms = 1;
static const double stamped_share = 0.99;
static const double loop_lag_ms = 1;
static const double censored_provisional = 0.01, censored_invalid = 0.1;
static const double busy_share = 0.7, steal_share = 0.05;

/* The same in words. */
static const char lag_wanted[] = "5 % of median ttft or 1 ms; 20 % invalid";
static const char stamps_wanted[] = "99 % kernel stamps, or loop lag p99 of 1 ms";
static const char censored_wanted[] = "1 % of events; 10 % invalid";
static const char none_wanted[] = "none";
static const char busy_wanted[] = "at most 70 %";
static const char steal_wanted[] = "at most 5 %";

static void check_lag(struct summary *s, const struct evidence *v)
{
    const char *id = "schedule-lag", *threshold = lag_wanted;
    if (!mode_is(s, "open"))
        return;
    double lag = s->instrument.schedule_lag_p99_ms, ttft = v->ttft_p50_ms;
    if (isnan(lag) || !(ttft > 0)) {
        check_put(s, id, SEVERITY_PROVISIONAL, CHECK_SKIPPED, threshold, "",
                  "no first token to compare");
        return;
    }
    double share = lag / ttft;
    char ms[CHECK_NUMBER], percent[CHECK_NUMBER];
    check_put(s, id, check_grade(share, lag_share_invalid),
              check_when(lag > lag_floor_ms && share > lag_share_provisional), threshold,
              "We started requests late, and ttft holds it. Give the client free cores or more "
              "--threads, or ask for less.",
              "p99 %s ms, %s %% of median ttft", check_number(lag, ms),
              check_number(100 * share, percent));
}

/* Without kernel stamps a token's time is that of our read; then our loop has to be quick. How
 * quick, the read lag tells where some stamps came, and otherwise how late the same loop started
 * requests. */
static void check_stamps(struct summary *s)
{
    const char *id = "receive-stamps", *threshold = stamps_wanted;
    double stamped = s->instrument.rx_stamped_fraction;
    double lag = s->instrument.read_lag_p99_ms;
    if (isnan(lag))
        lag = s->instrument.schedule_lag_p99_ms;
    if (isnan(stamped)) {
        check_put(s, id, SEVERITY_PROVISIONAL, CHECK_SKIPPED, threshold, "", "no token events");
        return;
    }
    char number[CHECK_NUMBER], lag_text[CHECK_NUMBER + 4] = "unknown";
    if (!isnan(lag))
        snprintf(lag_text, sizeof lag_text, "%s ms", check_number(lag, number));
    check_put(
        s, id, SEVERITY_PROVISIONAL, check_when(stamped < stamped_share && !(lag <= loop_lag_ms)),
        threshold,
        "Token times are when we read them, and we read late. Connect over TCP on a Linux kernel "
        "that stamps received packets, or free cores for the client.",
        "%.4g %% stamped, loop lag p99 %s", 100 * stamped, lag_text);
}

static void check_censored(struct summary *s)
{
    const char *id = "censored", *threshold = censored_wanted;
    double share = s->instrument.censored_ours_fraction;
    if (isnan(share)) {
        check_put(s, id, SEVERITY_PROVISIONAL, CHECK_SKIPPED, threshold, "", "no token events");
        return;
    }
    check_put(
        s, id, check_grade(share, censored_invalid), check_when(share > censored_provisional),
        threshold,
        "We read several events at once and late, so their times are only bounded. Free cores for "
        "the client, or use more --threads.",
        "%.3g %% of events, by our lateness", 100 * share);
}

static void check_counters(struct summary *s)
{
    check_put(
        s, "body-underruns", SEVERITY_PROVISIONAL, check_when(s->run.body_underruns > 0),
        none_wanted,
        "Requests had to wait until their bodies were made. Shorter prompts or a free core for "
        "the preparer help.",
        "%" PRIu64, s->run.body_underruns);
    check_put(
        s, "clock-steps", SEVERITY_PROVISIONAL, check_when(s->instrument.clock_steps > 0),
        none_wanted,
        "The system clock was set during the run; stamps near the step may be off. Stop the time "
        "service's stepping (chrony makestep, ntpdate) and run again.",
        "%" PRIu32, s->instrument.clock_steps);
}

static void check_share(struct summary *s, const char *id, double share, double limit,
                        const char *threshold, const char *advice)
{
    if (isnan(share))
        check_put(s, id, SEVERITY_NOTE, CHECK_SKIPPED, threshold, "", "unknown");
    else
        check_put(s, id, SEVERITY_NOTE, check_when(share > limit), threshold, advice, "%.3g %%",
                  100 * share);
}

/* Without a client and without a network there is nothing to judge. */
static void skip_all(struct summary *s)
{
    static const struct {
        const char *id, *wanted;
        enum severity severity;
    } CHECKS[] = {
        {"schedule-lag", lag_wanted, SEVERITY_PROVISIONAL},
        {"receive-stamps", stamps_wanted, SEVERITY_PROVISIONAL},
        {"censored", censored_wanted, SEVERITY_PROVISIONAL},
        {"body-underruns", none_wanted, SEVERITY_PROVISIONAL},
        {"clock-steps", none_wanted, SEVERITY_PROVISIONAL},
        {"driver-busy", busy_wanted, SEVERITY_NOTE},
        {"steal", steal_wanted, SEVERITY_NOTE},
    };
    bool open = mode_is(s, "open");
    for (size_t i = open ? 0 : 1; i < sizeof CHECKS / sizeof *CHECKS; i++)
        check_put(s, CHECKS[i].id, CHECKS[i].severity, CHECK_SKIPPED, CHECKS[i].wanted, "",
                  "virtual time: no client, no network");
}

void checks_of_instrument(struct summary *s, const struct evidence *v)
{
    if (virtual_run(&s->run)) {
        skip_all(s);
        return;
    }
    check_lag(s, v);
    check_stamps(s);
    check_censored(s);
    check_counters(s);
    check_share(s, "driver-busy", s->instrument.busy_fraction, busy_share, busy_wanted,
                "The client works near its limit. Use more --threads, or a second machine.");
    check_share(s, "steal", s->instrument.steal_fraction, steal_share, steal_wanted,
                "Other virtual machines took this one's CPU time. Use a quieter host.");
}
