#include "singles.h"

static void one_missing(struct fixture *f)
{
    f->list[500] = f->list[f->n - 1];
    f->n--;
}

static void too_few_offered(struct fixture *f)
{
    f->run.num_prompts = 1001;
}

static void without_end(struct fixture *f)
{
    f->list[500].end_ns = RECORD_NONE;
}

static void ends_before_it_begins(struct fixture *f)
{
    f->list[500].end_ns = f->list[500].intended_ns - 5 * MS;
}

static void interrupted(struct fixture *f)
{
    f->run.interrupted = true;
}

static void killed(struct fixture *f)
{
    f->killed = true;
}

static void fail_requests(struct fixture *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fixture_fail(&f->list[i], OUTCOME_HTTP_ERROR, "503");
}

static void two_errors(struct fixture *f)
{
    fail_requests(f, 2);
}

static void twenty_errors(struct fixture *f)
{
    fail_requests(f, 20);
}

static void two_hundred_errors(struct fixture *f)
{
    fail_requests(f, 200);
}

static void nothing_but_errors(struct fixture *f)
{
    fail_requests(f, 1000);
}

void spoil_one_dropped(struct fixture *f)
{
    fixture_fail(&f->list[500], OUTCOME_DROPPED, "");
}

static void without_descriptor(struct fixture *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fixture_fail(&f->list[i], OUTCOME_DROPPED, "no file descriptor was left");
        f->list[i].started_ns = f->list[i].intended_ns + 1000;
    }
}

static void one_without_descriptor(struct fixture *f)
{
    without_descriptor(f, 1);
}

static void twenty_without_descriptor(struct fixture *f)
{
    without_descriptor(f, 20);
}

void spoil_most_of_a_burst_without_descriptor(struct fixture *f)
{
    f->run.mode = "offline";
    without_descriptor(f, 700);
}

static void capped(struct fixture *f) /* three are in flight when the fourth comes */
{
    f->run.max_concurrency = 2;
}

static void start_at(struct fixture *f, double factor)
{
    for (size_t i = 0; i < 1000; i++)
        f->list[i].started_ns = (int64_t)((double)f->list[i].intended_ns * factor);
}

static void starts_three_percent_slow(struct fixture *f)
{
    start_at(f, 1.03);
}

static void starts_ten_percent_slow(struct fixture *f)
{
    start_at(f, 1.1);
}

static void
schedule_three_percent_off(struct fixture *f) /* constant gaps leave nothing to chance */
{
    f->run.request_rate = 10.3;
}

static void slow_decode(struct fixture *f)
{
    for (size_t i = 0; i < 1000; i++)
        fixture_gaps(f, &f->list[i], 10,
                     (double[]){0, 1200, 1200, 1200, 1200, 1200, 1200, 1200, 1200, 1200}, NULL,
                     NULL);
}

static void squeeze(struct fixture *f) /* 1,000 requests in 10 s */
{
    f->run.request_rate = 100;
    f->run.offered_end_ns = 9990 * MS;
    f->n = 0;
    for (unsigned i = 0; i < 1000; i++)
        fixture_add(f, i, 10.0 * i, 50, 20, 10);
    fixture_add(f, 0, -5000, 50, 20, 10)->phase = 0;
}

void spoil_half_as_many(struct fixture *f)
{
    f->run.request_rate = 5;
    f->run.num_prompts = 500;
    f->n = 0;
    for (unsigned i = 0; i < 500; i++)
        fixture_add(f, i, 200.0 * i, 50, 20, 10);
    fixture_add(f, 0, -5000, 50, 20, 10)->phase = 0;
}

static void first_tokens(struct fixture *f, size_t stretch) /* 50 ms or 60, so long each */
{
    for (size_t i = 0; i < 1000; i++)
        if (i / stretch % 2 == 1)
            f->list[i].first_token_ns += 10 * MS;
}

void spoil_first_tokens_wait_in_stretches(struct fixture *f)
{
    first_tokens(f, 25);
}

void spoil_pace_wanders(struct fixture *f) /* four times slower and faster again, in stretches */
{
    for (size_t i = 0; i < 1000; i++)
        if (i / 125 % 2 == 1)
            f->list[i].last_token_ns += (int64_t)(i % 25 + 1) * MS / 10;
}

void spoil_decode_slows_down_late(struct fixture *f)
{
    for (size_t i = 700; i < 1000; i++)
        f->list[i].last_token_ns += 20 * MS;
}

static void in_flight_grows_late(struct fixture *f)
{
    for (size_t i = 700; i < 1000; i++)
        f->list[i].end_ns += 300 * MS;
}

static void longer_prompts(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].prompt_tokens = 102;
}

static void shorter_outputs(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].asked_output = 11;
}

static void closed(struct fixture *f)
{
    f->run.mode = "closed";
    f->run.max_concurrency = 3;
    f->run.request_rate = 0;
}

static void fixed(struct fixture *f)
{
    f->run.fixed_output = true;
}

static void no_warmup(struct fixture *f)
{
    f->n--; /* the last added */
}

static void no_context(struct fixture *f)
{
    f->run.context_json = "{\"gpu\":\"A100\"}";
}

static void server_slower_than_demand(struct fixture *f) /* eight a second of ten */
{
    f->n = 0;
    for (unsigned i = 0; i < 1000; i++)
        fixture_add(f, i, 100.0 * i, 50 + 25.0 * i, 20, 10);
    fixture_add(f, 0, -5000, 50, 20, 10)->phase = 0;
}

static void counted_by_events(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].output_source = TOKENS_EVENTS;
}

static void two_tokens_an_event(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].output_tokens = f->list[i].asked_output = 20;
}

static void cached_unasked(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].cached_tokens = 2;
}

static void cached_as_asked(struct fixture *f)
{
    f->run.prefix_len = 50;
    for (size_t i = 0; i < f->n; i++)
        f->list[i].cached_tokens = 50;
}

static void cache_bust_off(struct fixture *f)
{
    f->run.workload_json = "{\"cache_bust\":\"off\"}";
    cached_unasked(f);
}

static void hits_by_counters(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].cached_tokens = -1;
    const char *hits = "vllm:prefix_cache_hits_total", *queries = "vllm:prefix_cache_queries_total";
    const struct sample_record rows[] = {
        {0, "/metrics", hits, "engine=\"0\"", 100},
        {0, "/metrics", hits, "engine=\"1\"", 50},
        {0, "/metrics", queries, "", 1000},
        {500 * MS, "/metrics", hits, "", 7},
        {1000 * MS, "/metrics", hits, "engine=\"0\"", 300},
        {1000 * MS, "/metrics", hits, "engine=\"1\"", 50},
        {1000 * MS, "/metrics", queries, "", 2000},
    };
    memcpy(f->samples, rows, sizeof rows);
    f->sample_count = sizeof rows / sizeof rows[0];
}

static void repeated(struct fixture *f)
{
    f->list[7].repeated = true;
}

static void buffered_stream(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        fixture_gaps(f, &f->list[i], 10,
                     (double[]){0, .001, .001, .001, .001, .001, .001, .001, .001, .001}, NULL,
                     NULL);
}

static void start_late(struct fixture *f, int64_t by_ns)
{
    for (size_t i = 0; i < 1000; i++)
        f->list[i].started_ns = f->list[i].intended_ns + by_ns;
}

static void starts_five_ms_late(struct fixture *f)
{
    start_late(f, 5 * MS);
}

static void starts_twenty_ms_late(struct fixture *f)
{
    start_late(f, 20 * MS);
}

static void unstamped_and_slow(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->list[i].unstamped = f->list[i].events;
    start_late(f, 2 * MS);
}

static void two_percent_censored(struct fixture *f)
{
    for (size_t i = 0; i < 200; i++)
        f->list[i].censored = f->list[i].censored_ours = 1;
}

static void a_fifth_censored(struct fixture *f)
{
    for (size_t i = 0; i < 1000; i++)
        f->list[i].censored = f->list[i].censored_ours = 2;
}

static void underrun(struct fixture *f)
{
    f->run.body_underruns = 1;
}

static void clock_step(struct fixture *f)
{
    f->run.clock_steps = 1;
}

static void busy(struct fixture *f)
{
    f->second.busy_ns = 800 * MS;
    f->second.wait_ns = 200 * MS;
    f->second.spin_ns = 0;
}

static void stolen(struct fixture *f)
{
    f->run.steal_fraction = 0.06;
}

static void grave_finding(struct fixture *f)
{
    f->findings[0] = (struct finding_record){"disk-full", "invalid", "the disk filled up"};
    f->finding_count = 1;
}

const struct single singles[] = {
    {"outcomes", one_missing, SEVERITY_INVALID},
    {"outcomes", too_few_offered, SEVERITY_INVALID},
    {"outcomes", without_end, SEVERITY_INVALID},
    {"in-flight-identity", ends_before_it_begins, SEVERITY_INVALID},
    {"interrupted", interrupted, SEVERITY_INVALID},
    {"interrupted", killed, SEVERITY_INVALID},
    {"errors", two_errors, SEVERITY_NOTE},
    {"errors", twenty_errors, SEVERITY_PROVISIONAL},
    {"errors", two_hundred_errors, SEVERITY_INVALID},
    {"completed", nothing_but_errors, SEVERITY_INVALID},
    {"dropped", spoil_one_dropped, SEVERITY_NOTE},
    {"descriptors", one_without_descriptor, SEVERITY_NOTE},
    {"descriptors", twenty_without_descriptor, SEVERITY_PROVISIONAL},
    {"descriptors", spoil_most_of_a_burst_without_descriptor, SEVERITY_INVALID},
    {"cap-queued", capped, SEVERITY_NOTE},
    {"achieved-rate", starts_three_percent_slow, SEVERITY_PROVISIONAL},
    {"achieved-rate", starts_ten_percent_slow, SEVERITY_INVALID},
    {"achieved-rate", schedule_three_percent_off, SEVERITY_PROVISIONAL},
    {"steady-window", slow_decode, SEVERITY_PROVISIONAL},
    {"window-length", squeeze, SEVERITY_PROVISIONAL},
    {"sample-size", spoil_half_as_many, SEVERITY_PROVISIONAL},
    {"sample-size", spoil_pace_wanders, SEVERITY_PROVISIONAL},
    {"intervals", spoil_first_tokens_wait_in_stretches, SEVERITY_PROVISIONAL},
    {"intervals", spoil_pace_wanders, SEVERITY_PROVISIONAL},
    {"change-point", spoil_decode_slows_down_late, SEVERITY_PROVISIONAL},
    {"change-point", in_flight_grows_late, SEVERITY_PROVISIONAL},
    {"input-length", longer_prompts, SEVERITY_PROVISIONAL},
    {"output-length", shorter_outputs, SEVERITY_PROVISIONAL},
    {"closed-loop", closed, SEVERITY_NOTE},
    {"fixed-length", fixed, SEVERITY_NOTE},
    {"warmup", no_warmup, SEVERITY_NOTE},
    {"context", no_context, SEVERITY_NOTE},
    {"overload", server_slower_than_demand, SEVERITY_NOTE},
    {"overload-latency", server_slower_than_demand, SEVERITY_PROVISIONAL},
    {"token-source", counted_by_events, SEVERITY_NOTE},
    {"tokens-per-event", two_tokens_an_event, SEVERITY_NOTE},
    {"cache", cached_unasked, SEVERITY_PROVISIONAL},
    {"cache", cached_as_asked, SEVERITY_NOTE},
    {"cache", cache_bust_off, SEVERITY_NOTE},
    {"cache", hits_by_counters, SEVERITY_PROVISIONAL},
    {"repeated-prompts", repeated, SEVERITY_NOTE},
    {"streaming", buffered_stream, SEVERITY_NOTE},
    {"schedule-lag", starts_five_ms_late, SEVERITY_PROVISIONAL},
    {"schedule-lag", starts_twenty_ms_late, SEVERITY_INVALID},
    {"receive-stamps", unstamped_and_slow, SEVERITY_PROVISIONAL},
    {"censored", two_percent_censored, SEVERITY_PROVISIONAL},
    {"censored", a_fifth_censored, SEVERITY_INVALID},
    {"body-underruns", underrun, SEVERITY_PROVISIONAL},
    {"clock-steps", clock_step, SEVERITY_PROVISIONAL},
    {"driver-busy", busy, SEVERITY_NOTE},
    {"steal", stolen, SEVERITY_NOTE},
    {"findings", grave_finding, SEVERITY_INVALID},
};

const size_t single_count = sizeof singles / sizeof singles[0];
