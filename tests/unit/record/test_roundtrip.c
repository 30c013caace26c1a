/* What is written is what is read: every field of every record, extremes and absent values. */

#include <math.h>
#include <sqlite3.h>

#include "support.h"

#include "record/schema.h"

static struct run_record full_run(void)
{
    return (struct run_record){
        .kind = "sweep level",
        .parent = 7,
        .ordinal = 3,
        .started_real_ns = INT64_MAX,
        .target = "http://h:1/v1",
        .backend = "openai-chat",
        .engine = "vllm",
        .engine_version = "0.9",
        .model = "meta/x",
        .command = "loadline run 'é\"'",
        .seed = UINT64_MAX,
        .mode = "offline",
        .request_rate = INFINITY,
        .burstiness = 0.06,
        .ramp = "linear",
        .ramp_start = 1.5,
        .ramp_end = 99.25,
        .max_concurrency = 512,
        .on_cap = "drop",
        .num_prompts = 12345,
        .duration_ns = 60000000000,
        .timeout_ns = 1,
        .warmup_requests = 50,
        .threads = 4,
        .workload = "random",
        .workload_json = "{\"a\":1}",
        .synthetic = true,
        .streaming = true,
        .fixed_output = true,
        .prefix_len = 77,
        .lengths_estimated = true,
        .goodput = "ttft < 1s",
        .slo = "p99(ttft) < 2s",
        .options_json = "{\"temperature\":0}",
        .host_json = "{\"cpu\":\"x\"}",
        .context_json = "{\"gpu\":\"H100\"}",
        .interrupted = true,
        .offered_end_ns = 59,
        .drained_ns = 61,
        .body_underruns = 3,
        .clock_steps = UINT32_MAX,
        .steal_fraction = 0.015625,
        .cpu_user_ns = 11,
        .cpu_system_ns = 12,
        .spin_ns = 13,
        .token_events = UINT64_MAX,
        .exchanges = 15,
        .peak_in_flight = 16,
    };
}

static void assert_same_text(const char *a, const char *b)
{
    assert_string_equal(a, b);
}

static void assert_same_run(const struct run_record *a, const struct run_record *b)
{
#define SAME(f)      assert_true(a->f == b->f)
#define SAME_TEXT(f) assert_same_text(a->f, b->f)
    SAME(id);
    SAME(parent);
    SAME(ordinal);
    SAME(started_real_ns);
    SAME(seed);
    SAME(request_rate);
    SAME(burstiness);
    SAME(ramp_start);
    SAME(ramp_end);
    SAME(max_concurrency);
    SAME(num_prompts);
    SAME(duration_ns);
    SAME(timeout_ns);
    SAME(warmup_requests);
    SAME(threads);
    SAME(synthetic);
    SAME(streaming);
    SAME(fixed_output);
    SAME(prefix_len);
    SAME(lengths_estimated);
    SAME(interrupted);
    SAME(offered_end_ns);
    SAME(drained_ns);
    SAME(body_underruns);
    SAME(clock_steps);
    SAME(steal_fraction);
    SAME(cpu_user_ns);
    SAME(cpu_system_ns);
    SAME(spin_ns);
    SAME(token_events);
    SAME(exchanges);
    SAME(peak_in_flight);
    SAME_TEXT(kind);
    SAME_TEXT(target);
    SAME_TEXT(backend);
    SAME_TEXT(engine);
    SAME_TEXT(engine_version);
    SAME_TEXT(model);
    SAME_TEXT(command);
    SAME_TEXT(mode);
    SAME_TEXT(ramp);
    SAME_TEXT(on_cap);
    SAME_TEXT(workload);
    SAME_TEXT(workload_json);
    SAME_TEXT(goodput);
    SAME_TEXT(slo);
    SAME_TEXT(options_json);
    SAME_TEXT(host_json);
    SAME_TEXT(context_json);
}

static void every_field_of_a_run_survives(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct run_record run = full_run(), back;
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    assert_int_equal(run.id, 1);
    assert_ok(record_writer_finish(w, &run, &e), &e);
    assert_ok(record_writer_close(w, &e), &e);

    struct record_reader *r = open_reader(p->file);
    assert_ok(record_reader_run(r, 1, &back, &e), &e);
    assert_true(back.finished);
    assert_same_run(&run, &back);
    assert_int_equal(record_reader_run(r, 2, &back, &e), ERR_INPUT);
    record_reader_close(r);
}

static void a_run_without_its_end_reads_as_unfinished_and_unknown(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct run_record run = full_run(), back;
    run.engine = NULL;
    run.steal_fraction = -1;
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    assert_ok(record_writer_close(w, &e), &e);

    struct record_reader *r = open_reader(p->file);
    assert_ok(record_reader_run(r, run.id, &back, &e), &e);
    assert_false(back.finished);
    assert_false(back.interrupted);
    assert_true(back.offered_end_ns == RECORD_NONE);
    assert_true(back.drained_ns == RECORD_NONE);
    assert_true(back.steal_fraction == -1);
    assert_true(back.exchanges == 0);
    assert_string_equal(back.engine, "");
    record_reader_close(r);
}

static struct request_record full_request(struct buf *gaps)
{
    gaps_put(gaps, &(struct gap){0, 0, 1});
    gaps_put(gaps, &(struct gap){12345678, 0, 1});
    gaps_put(gaps, &(struct gap){INT64_C(1) << 59, 99, 0});
    return (struct request_record){
        .index = INT64_MAX,
        .phase = 2,
        .session = UINT64_MAX,
        .rung = 3,
        .thread = UINT32_MAX,
        .intended_ns = -(INT64_C(1) << 61),
        .started_ns = -1,
        .sent_ns = 0,
        .first_byte_ns = 1,
        .first_token_ns = 2,
        .first_answer_ns = 3,
        .last_token_ns = INT64_C(1) << 61,
        .end_ns = 5,
        .dns_ns = 0,
        .connect_ns = 7,
        .tls_ns = 8,
        .outcome = OUTCOME_DROPPED,
        .http_status = 599,
        .error = slice_make("no\0way \xff", 8),
        .finish_reason = slice_of("stop"),
        .prompt_tokens = 0,
        .output_tokens = INT64_C(1) << 40,
        .cached_tokens = 11,
        .reasoning_tokens = 12,
        .output_source = TOKENS_EVENTS,
        .asked_input = 13,
        .asked_output = 14,
        .received_bytes = UINT64_MAX,
        .sent_bytes = 16,
        .events = 3,
        .censored = 18,
        .censored_ours = 19,
        .unstamped = UINT32_MAX,
        .resends = 21,
        .reused = true,
        .repeated = true,
        .rtt_us = 22,
        .min_rtt_us = 23,
        .retransmits = 24,
        .output_hash = UINT64_C(0xcbf29ce484222325),
        .output_bytes = 25,
        .output = slice_of("“text” of the answer"),
        .gaps = buf_slice(gaps),
    };
}

static struct request_record empty_request(void)
{
    return (struct request_record){
        .index = 0,
        .phase = 0,
        .rung = -1,
        .intended_ns = RECORD_NONE,
        .started_ns = RECORD_NONE,
        .sent_ns = RECORD_NONE,
        .first_byte_ns = RECORD_NONE,
        .first_token_ns = RECORD_NONE,
        .first_answer_ns = RECORD_NONE,
        .last_token_ns = RECORD_NONE,
        .end_ns = RECORD_NONE,
        .dns_ns = RECORD_NONE,
        .connect_ns = RECORD_NONE,
        .tls_ns = RECORD_NONE,
        .outcome = OUTCOME_TIMEOUT,
        .prompt_tokens = -1,
        .output_tokens = -1,
        .cached_tokens = -1,
        .reasoning_tokens = -1,
    };
}

static void assert_same_request(const struct request_record *a, const struct request_record *b)
{
#define SAME_SLICE(f) assert_true(slice_eq(a->f, b->f))
    SAME(index);
    SAME(phase);
    SAME(session);
    SAME(rung);
    SAME(thread);
    SAME(intended_ns);
    SAME(started_ns);
    SAME(sent_ns);
    SAME(first_byte_ns);
    SAME(first_token_ns);
    SAME(first_answer_ns);
    SAME(last_token_ns);
    SAME(end_ns);
    SAME(dns_ns);
    SAME(connect_ns);
    SAME(tls_ns);
    SAME(outcome);
    SAME(http_status);
    SAME(prompt_tokens);
    SAME(output_tokens);
    SAME(cached_tokens);
    SAME(reasoning_tokens);
    SAME(output_source);
    SAME(asked_input);
    SAME(asked_output);
    SAME(received_bytes);
    SAME(sent_bytes);
    SAME(events);
    SAME(censored);
    SAME(censored_ours);
    SAME(unstamped);
    SAME(resends);
    SAME(reused);
    SAME(repeated);
    SAME(rtt_us);
    SAME(min_rtt_us);
    SAME(retransmits);
    SAME(output_hash);
    SAME(output_bytes);
    SAME_SLICE(error);
    SAME_SLICE(finish_reason);
    SAME_SLICE(output);
    SAME_SLICE(gaps);
}

struct expected {
    const struct request_record *records;
    size_t count, seen;
};

static int compare_request(void *context, const struct request_record *q)
{
    struct expected *x = context;
    assert_true(x->seen < x->count);
    assert_same_request(&x->records[x->seen++], q);
    return 0;
}

static void every_field_of_a_request_survives(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct buf gaps = {0};
    struct run_record run = sample_run();
    struct request_record records[] = {empty_request(), sample_request(4), full_request(&gaps)};
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    record_writer_put(w, &records[2]);
    record_writer_put(w, &records[0]);
    record_writer_put(w, &records[1]);
    assert_ok(record_writer_finish(w, &run, &e), &e);
    assert_ok(record_writer_close(w, &e), &e);

    struct record_reader *r = open_reader(p->file);
    struct expected x = {records, 3, 0};
    assert_ok(record_reader_requests(r, run.id, true, compare_request, &x, &e), &e);
    assert_int_equal(x.seen, 3);

    records[2].gaps = slice_make(NULL, 0);
    x.seen = 0;
    assert_ok(record_reader_requests(r, run.id, false, compare_request, &x, &e), &e);
    assert_int_equal(x.seen, 3);
    record_reader_close(r);
    buf_release(&gaps);
}

static void every_outcome_and_source_has_a_name_that_comes_back(void **state)
{
    (void)state;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        assert_int_equal(outcome_of(slice_of(outcome_name((enum outcome)o))), o);
    for (int s = TOKENS_NONE; s <= TOKENS_EVENTS; s++)
        assert_int_equal(token_source_of(slice_of(token_source_name((enum token_source)s))), s);
    assert_int_equal(outcome_of(slice_of("fine")), -1);
    assert_int_equal(token_source_of(slice_of("")), -1);
}

struct seconds_seen {
    int count;
    struct second_record last;
};

static int see_second(void *context, const struct second_record *s)
{
    struct seconds_seen *seen = context;
    if (seen->count > 0)
        assert_true(s->second > seen->last.second ||
                    (s->second == seen->last.second && s->thread > seen->last.thread));
    if (s->second == -3) {
        assert_int_equal(s->thread, 1);
        assert_int_equal(s->busy_ns, 1);
        assert_int_equal(s->spin_ns, 2);
        assert_int_equal(s->wait_ns, 3);
        assert_int_equal(s->reads, 4);
        assert_int_equal(s->full_reads, 5);
        assert_int_equal(s->stamped_reads, 6);
        assert_int_equal(s->events, 7);
        assert_true(slice_eq(s->read_lag, slice_make("\0a", 2)));
        assert_true(slice_eq(s->schedule_lag, slice_of("bcd")));
    }
    seen->last = *s;
    seen->count++;
    return 0;
}

static void seconds_come_back_in_order_of_time_and_thread(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct run_record run = sample_run();
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    for (int i = 9; i >= 0; i--)
        record_writer_second(w, &(struct second_record){.second = i, .thread = 1});
    record_writer_second(w, &(struct second_record){.second = 4, .thread = 0});
    record_writer_second(w, &(struct second_record){.second = -3,
                                                    .thread = 1,
                                                    .busy_ns = 1,
                                                    .spin_ns = 2,
                                                    .wait_ns = 3,
                                                    .reads = 4,
                                                    .full_reads = 5,
                                                    .stamped_reads = 6,
                                                    .events = 7,
                                                    .read_lag = slice_make("\0a", 2),
                                                    .schedule_lag = slice_of("bcd")});
    assert_ok(record_writer_finish(w, &run, &e), &e);
    assert_ok(record_writer_close(w, &e), &e);

    struct record_reader *r = open_reader(p->file);
    struct seconds_seen seen = {0};
    assert_ok(record_reader_seconds(r, run.id, see_second, &seen, &e), &e);
    assert_int_equal(seen.count, 12);
    record_reader_close(r);
}

struct kept {
    struct sample_record samples[3];
    struct finding_record findings[2];
    int sample_count, finding_count;
};

static int keep_sample(void *context, const struct sample_record *s)
{
    struct kept *k = context;
    k->samples[k->sample_count++] = *s;
    return 0;
}

static int keep_finding(void *context, const struct finding_record *f)
{
    struct kept *k = context;
    k->findings[k->finding_count++] = *f;
    return 0;
}

static void strings_of_samples_and_findings_live_until_the_close(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct run_record run = sample_run();
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    record_writer_sample(w,
                         &(struct sample_record){1, "/metrics", "vllm:x", "{a=\"b\"}", INFINITY});
    record_writer_sample(w, &(struct sample_record){2, "/metrics", "vllm:x", "", NAN});
    record_writer_sample(w, &(struct sample_record){3, "/metrics", "vllm:y", NULL, -0.5});
    record_writer_finding(w, &(struct finding_record){"option-dropped", "note", "a sentence"});
    record_writer_finding(w, &(struct finding_record){"x", "invalid", ""});
    assert_ok(record_writer_meta(w, "tool_version", "0.0.1", &e), &e);
    assert_ok(record_writer_meta(w, "tool_version", "0.1.0", &e), &e);
    assert_ok(record_writer_finish(w, &run, &e), &e);
    assert_ok(record_writer_close(w, &e), &e);

    struct record_reader *r = open_reader(p->file);
    struct kept k = {0};
    assert_ok(record_reader_samples(r, run.id, keep_sample, &k, &e), &e);
    assert_ok(record_reader_findings(r, run.id, keep_finding, &k, &e), &e);
    assert_int_equal(k.sample_count, 3);
    assert_int_equal(k.samples[0].at_ns, 1);
    assert_string_equal(k.samples[0].source, "/metrics");
    assert_string_equal(k.samples[0].name, "vllm:x");
    assert_string_equal(k.samples[0].labels, "{a=\"b\"}");
    assert_true(isinf(k.samples[0].value));
    assert_true(isnan(k.samples[1].value));
    assert_ptr_equal(k.samples[0].name, k.samples[1].name); /* one copy */
    assert_string_equal(k.samples[2].labels, "");
    assert_true(k.samples[2].value == -0.5);
    assert_int_equal(k.finding_count, 2);
    assert_string_equal(k.findings[0].id, "option-dropped");
    assert_string_equal(k.findings[0].severity, "note");
    assert_string_equal(k.findings[0].text, "a sentence");
    assert_string_equal(record_reader_meta(r, "tool_version"), "0.1.0");
    assert_string_equal(record_reader_meta(r, "nothing"), "");
    record_reader_close(r);
}

static int stop_at_third(void *context, const struct request_record *q)
{
    int *seen = context;
    (void)q;
    return ++*seen == 3 ? 17 : 0;
}

static void a_visitor_can_stop_the_walk(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct run_record run = sample_run();
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    for (uint64_t i = 0; i < 10; i++)
        record_writer_put(w, &(struct request_record){.index = i});
    assert_ok(record_writer_finish(w, &run, &e), &e);
    assert_ok(record_writer_close(w, &e), &e);
    struct record_reader *r = open_reader(p->file);
    int seen = 0;
    assert_int_equal(record_reader_requests(r, run.id, true, stop_at_third, &seen, &e), 17);
    assert_int_equal(seen, 3);
    record_reader_close(r);
}

static int check_finding_number(void *context, const struct finding_record *f)
{
    int *seen = context;
    char name[16];
    snprintf(name, sizeof name, "%d", (*seen)++);
    assert_string_equal(f->id, name);
    assert_string_equal(f->text, name);
    return 0;
}

static void many_distinct_strings_are_kept_apart(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct run_record run = sample_run();
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    for (int i = 0; i < 500; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        record_writer_finding(w, &(struct finding_record){name, "note", name});
    }
    assert_ok(record_writer_finish(w, &run, &e), &e);
    assert_ok(record_writer_close(w, &e), &e);
    struct record_reader *r = open_reader(p->file);
    int seen = 0;
    assert_ok(record_reader_findings(r, run.id, check_finding_number, &seen, &e), &e);
    assert_int_equal(seen, 500);
    record_reader_close(r);
}

static int count_rows(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int n = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return n;
}

static void the_file_is_one_plain_database_with_all_columns_described(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct run_record run = sample_run();
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    struct request_record q = sample_request(3);
    record_writer_put(w, &q);
    assert_ok(record_writer_finish(w, &run, &e), &e);
    assert_ok(record_writer_close(w, &e), &e);

    char wal[192];
    snprintf(wal, sizeof wal, "%s-wal", p->file);
    assert_int_not_equal(access(wal, F_OK), 0);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(p->file, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(count_rows(db, "PRAGMA application_id"), SCHEMA_APPLICATION_ID);
    assert_int_equal(count_rows(db, "PRAGMA user_version"), SCHEMA_VERSION);
    assert_int_equal(count_rows(db, "PRAGMA page_size"), SCHEMA_PAGE_BYTES);
    assert_int_equal(count_rows(db, "SELECT journal_mode = 'delete' FROM pragma_journal_mode"), 1);
    /* id; finished: kept by the writer itself */
    assert_int_equal(count_rows(db, "SELECT count(*) FROM pragma_table_info('run')"),
                     schema_run.count + schema_run_end.count + 2);
    /* id, run_id */
    assert_int_equal(count_rows(db, "SELECT count(*) FROM pragma_table_info('request')"),
                     schema_request.count + 2);
    assert_int_equal(count_rows(db, "SELECT count(*) FROM pragma_table_info('second')"),
                     schema_second.count + 1);
    assert_int_equal(count_rows(db, "SELECT count(*) FROM request_ms WHERE e2e_ms = 0.0009 "
                                    "AND ttft_ms = 0.0005 AND tpot_ms = 0.0001"),
                     1);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(every_field_of_a_run_survives),
        PLACE_TEST(a_run_without_its_end_reads_as_unfinished_and_unknown),
        PLACE_TEST(every_field_of_a_request_survives),
        cmocka_unit_test(every_outcome_and_source_has_a_name_that_comes_back),
        PLACE_TEST(seconds_come_back_in_order_of_time_and_thread),
        PLACE_TEST(strings_of_samples_and_findings_live_until_the_close),
        PLACE_TEST(a_visitor_can_stop_the_walk),
        PLACE_TEST(many_distinct_strings_are_kept_apart),
        PLACE_TEST(the_file_is_one_plain_database_with_all_columns_described),
    };
    return cmocka_run_group_tests_name("record round trip", tests, NULL, NULL);
}
