/* Run files as files: refusals, appending, killed writers, full disks, read-only places, damage. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "support.h"

/* A finished file with one run of n requests, index 0…n−1, each with gaps. */
static void write_file(const char *path, bool append, uint64_t n)
{
    struct err e = {0};
    struct run_record run = sample_run();
    struct buf gaps = {0};
    for (int i = 0; i < 5; i++)
        gaps_put(&gaps, &(struct gap){i ? 1000 : 0, 0, 1});
    struct record_writer *w = open_writer(path, append);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    for (uint64_t i = 0; i < n; i++) {
        struct request_record q = sample_request(i);
        q.gaps = buf_slice(&gaps);
        q.events = 5;
        record_writer_put(w, &q);
    }
    assert_ok(record_writer_finish(w, &run, &e), &e);
    assert_ok(record_writer_close(w, &e), &e);
    buf_release(&gaps);
}

static void assert_refused(const char *path, bool append, int code, const char *words)
{
    struct err e = {0};
    struct record_writer *w = NULL;
    assert_int_equal(record_writer_open(path, append, &w, &e), code);
    assert_null(w);
    if (!strstr(e.text, words))
        fail_msg("'%s' does not say '%s'", e.text, words);
}

static void assert_unreadable(const char *path, const char *words)
{
    struct err e = {0};
    struct record_reader *r = NULL;
    assert_int_equal(record_reader_open(path, &r, &e), ERR_INPUT);
    assert_null(r);
    if (!strstr(e.text, words))
        fail_msg("'%s' does not say '%s'", e.text, words);
}

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

static void an_existing_file_is_refused_and_left_as_it_was(void **state)
{
    struct place *p = *state;
    put_file(p->file, "precious");
    assert_refused(p->file, false, ERR_USAGE, "exists; choose another name with -o");
    assert_refused(p->file, true, ERR_INPUT, "not an SQLite database");
    char back[16] = "";
    FILE *f = fopen(p->file, "r");
    assert_int_equal(fread(back, 1, sizeof back - 1, f), 8);
    fclose(f);
    assert_string_equal(back, "precious");
}

static void the_database_of_another_program_is_refused(void **state)
{
    struct place *p = *state;
    run_sql(p->file, "CREATE TABLE notes (text)");
    assert_refused(p->file, true, ERR_INPUT, "another program");
    assert_unreadable(p->file, "another program");
}

static void a_newer_schema_is_refused_with_advice(void **state)
{
    struct place *p = *state;
    write_file(p->file, false, 1);
    run_sql(p->file, "PRAGMA user_version = 2");
    assert_refused(p->file, true, ERR_INPUT, "newer Loadline (schema 2");
    assert_unreadable(p->file, "newer Loadline (schema 2");
}

static void places_that_cannot_hold_a_file_are_refused(void **state)
{
    struct place *p = *state;
    char nowhere[256];
    snprintf(nowhere, sizeof nowhere, "%s/no/such/dir/x", p->dir);
    assert_refused(p->dir, false, ERR_USAGE, "exists");
    assert_refused(p->dir, true, ERR_USAGE, "is a directory");
    assert_refused(nowhere, false, ERR_IO, "No such file or directory");
    assert_unreadable(p->dir, "it is a directory");
    assert_unreadable(nowhere, "No such file");
    put_file(p->file, "");
    assert_unreadable(p->file, "it is empty");
}

static void a_writer_without_a_run_leaves_no_file(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_close(w, &e), &e);
    assert_int_not_equal(access(p->file, F_OK), 0);
}

static void a_second_run_is_appended_with_the_next_id(void **state)
{
    struct place *p = *state;
    write_file(p->file, true, 10); /* append creates what is not there */
    write_file(p->file, true, 20);
    struct record_reader *r = open_reader(p->file);
    size_t n;
    const int64_t *runs = record_reader_runs(r, &n);
    assert_int_equal(n, 2);
    assert_int_equal(runs[0], 1);
    assert_int_equal(runs[1], 2);
    assert_int_equal(tally_of(r, 1).count, 10);
    assert_int_equal(tally_of(r, 2).count, 20);
    record_reader_close(r);
}

static void one_writer_holds_several_runs(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct record_writer *w = open_writer(p->file, false);
    for (uint64_t level = 1; level <= 3; level++) {
        struct run_record run = sample_run();
        assert_ok(record_writer_begin(w, &run, &e), &e);
        assert_int_equal(run.id, level);
        for (uint64_t i = 0; i < level; i++) {
            struct request_record q = sample_request(i);
            record_writer_put(w, &q);
        }
        assert_ok(record_writer_finish(w, &run, &e), &e);
    }
    assert_ok(record_writer_close(w, &e), &e);
    struct record_reader *r = open_reader(p->file);
    for (int64_t level = 1; level <= 3; level++)
        assert_int_equal(tally_of(r, level).count, level);
    record_reader_close(r);
}

static void two_writers_of_one_file_are_refused(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct run_record run = sample_run();
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    assert_refused(p->file, true, ERR_USAGE, "is being written by another run");
    assert_ok(record_writer_finish(w, &run, &e), &e);
    assert_ok(record_writer_close(w, &e), &e);
    write_file(p->file, true, 1); /* free again */
}

static void finished_records_can_be_read_while_the_run_goes_on(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct run_record run = sample_run(), back;
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    struct request_record q = sample_request(5);
    record_writer_put(w, &q);
    assert_ok(record_writer_finish(w, &run, &e), &e); /* all of it is in the file now */

    struct record_reader *r = open_reader(p->file);
    q = sample_request(6);
    record_writer_put(w, &q);
    assert_ok(record_writer_finish(w, &run, &e), &e);
    assert_int_equal(tally_of(r, run.id).count, 1); /* as it was at the open */
    assert_ok(record_reader_run(r, run.id, &back, &e), &e);
    record_reader_close(r);
    r = open_reader(p->file);
    assert_int_equal(tally_of(r, run.id).count, 2);
    record_reader_close(r);
    assert_ok(record_writer_close(w, &e), &e);
}

static void a_reader_left_open_does_not_make_the_close_fail(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct run_record run = sample_run();
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    struct request_record q = sample_request(5);
    record_writer_put(w, &q);
    assert_ok(record_writer_finish(w, &run, &e), &e);
    struct record_reader *r = open_reader(p->file);
    assert_ok(record_writer_close(w, &e), &e);
    assert_int_equal(tally_of(r, run.id).count, 1);
    record_reader_close(r);
    r = open_reader(p->file);
    assert_int_equal(tally_of(r, run.id).count, 1);
    record_reader_close(r);
}

/* In a child: writes requests without end; tells through the pipe when record `tell_at` is
 * certainly in the file. */
static void write_until_killed(const char *path, int tell)
{
    struct record_writer *w = NULL;
    struct run_record run = sample_run();
    if (record_writer_open(path, false, &w, NULL) != OK || record_writer_begin(w, &run, NULL) != OK)
        _exit(1);
    for (uint64_t i = 0;; i++) {
        struct request_record q = sample_request(i);
        record_writer_put(w, &q);
        if (i == 999) {
            record_writer_finding(w, &(struct finding_record){"x", "note", "y"});
            record_writer_meta(w, "k", "v", NULL);
        }
        if (i > 1000) {
            /* the thread commits by itself: wait until it has, then say so */
            struct record_reader *r = NULL;
            struct tally t = {0};
            if (record_reader_open(path, &r, NULL) == OK &&
                record_reader_requests(r, run.id, false, tally_request, &t, NULL) == OK &&
                t.count > 1000 && write(tell, "x", 1) != 1)
                _exit(2);
            record_reader_close(r);
            usleep(1000);
        }
    }
}

static pid_t spawn_writer_and_wait_for_a_commit(const char *path)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        write_until_killed(path, ends[1]);
    close(ends[1]);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return child;
}

static void a_killed_writer_leaves_a_file_that_opens_unfinished(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    pid_t child = spawn_writer_and_wait_for_a_commit(p->file);
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));

    struct run_record run;
    struct record_reader *r = open_reader(p->file);
    assert_ok(record_reader_run(r, 1, &run, &e), &e);
    assert_false(run.finished);
    struct tally t = tally_of(r, 1);
    assert_true(t.count > 1000);
    assert_int_equal(t.last_index + 1, t.count); /* none is missing in the middle */
    record_reader_close(r);

    write_file(p->file, true, 3); /* and the lock went with the process */
    r = open_reader(p->file);
    assert_int_equal(tally_of(r, 1).count, t.count);
    assert_int_equal(tally_of(r, 2).count, 3);
    record_reader_close(r);
}

/* Runs check(path) in a child that is not root. Directory and file have been made read-only before.
 */
static void check_without_privileges(const char *path, void (*check)(const char *path))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        enum { NOBODY = 65534 };
        if (getuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(77);
        check(path);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static uint64_t count_in_child(const char *path)
{
    struct err e = {0};
    struct record_reader *r = NULL;
    struct tally t = {0};
    if (record_reader_open(path, &r, &e) != OK ||
        record_reader_requests(r, 1, true, tally_request, &t, &e) != OK) {
        fprintf(stderr, "%s\n", e.text);
        _exit(3);
    }
    record_reader_close(r);
    return t.count;
}

static void make_read_only(const struct place *p)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        char path[192];
        snprintf(path, sizeof path, "%s%s", p->file, endings[i]);
        chmod(path, 0444);
    }
    assert_int_equal(chmod(p->dir, 0555), 0);
}

static void expect_ten(const char *path)
{
    if (access(path, W_OK) == 0)
        _exit(77); /* a file system that does not mind */
    if (count_in_child(path) != 10)
        _exit(4);
    struct err e = {0};
    struct record_writer *w;
    if (record_writer_open(path, true, &w, &e) != ERR_IO || !strstr(e.text, "choose another place"))
        _exit(5);
}

static void a_finished_file_opens_where_nothing_may_be_written(void **state)
{
    struct place *p = *state;
    write_file(p->file, false, 10);
    make_read_only(p);
    check_without_privileges(p->file, expect_ten);
}

static void expect_over_a_thousand(const char *path)
{
    if (access(path, W_OK) == 0)
        _exit(77);
    if (count_in_child(path) <= 1000)
        _exit(4);
}

static void a_killed_file_opens_where_nothing_may_be_written(void **state)
{
    struct place *p = *state;
    pid_t child = spawn_writer_and_wait_for_a_commit(p->file);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    char shm[192];
    snprintf(shm, sizeof shm, "%s-shm", p->file);
    unlink(shm); /* as after a copy to other media, where only the file and its log went */
    make_read_only(p);
    check_without_privileges(p->file, expect_over_a_thousand);
}

static void a_file_left_in_wal_mode_opens_where_nothing_may_be_written(void **state)
{
    struct place *p = *state;
    write_file(p->file, false, 10);
    run_sql(p->file, "PRAGMA journal_mode = WAL"); /* closing takes the log in and removes it */
    make_read_only(p);
    check_without_privileges(p->file, expect_ten);
}

/* In a child whose files may not grow beyond some bytes: what was written before stays, and the
 * error says so. */
static void fill_up(const char *path)
{
    enum { LIMIT_BYTES = 600 * 1024 };
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {LIMIT_BYTES, LIMIT_BYTES};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(77);
    struct err e = {0};
    struct record_writer *w = NULL;
    struct run_record run = sample_run();
    if (record_writer_open(path, false, &w, &e) != OK || record_writer_begin(w, &run, &e) != OK)
        _exit(1);
    uint64_t i = 0;
    for (; i < 100; i++) {
        struct request_record q = sample_request(i);
        record_writer_put(w, &q);
    }
    if (record_writer_meta(w, "k", "v", &e) != OK || record_writer_finish(w, &run, &e) != OK ||
        record_writer_error(w, &e))
        _exit(2);
    for (; i < 100000; i++) {
        struct request_record q = sample_request(i);
        record_writer_put(w, &q);
    }
    if (record_writer_finish(w, &run, &e) != ERR_IO)
        _exit(3);
    struct request_record q = sample_request(i);
    record_writer_put(w, &q);
    if (record_writer_begin(w, &run, &e) != ERR_IO || !record_writer_error(w, &e))
        _exit(4);
    fprintf(stderr, "%s\n", e.text);
    if (!strstr(e.text, "intact") || !strstr(e.text, path) || !strstr(e.text, "records could not"))
        _exit(5);
    if (record_writer_close(w, &e) != ERR_IO)
        _exit(6);
    _exit(0);
}

static void a_disk_that_fills_up_keeps_what_was_written(void **state)
{
    struct place *p = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        fill_up(p->file);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
    struct record_reader *r = open_reader(p->file);
    struct tally t = tally_of(r, 1);
    assert_true(t.count >= 100);
    assert_int_equal(t.last_index + 1, t.count);
    record_reader_close(r);
}

static void assert_damaged(const char *path, const char *words)
{
    struct err e = {0};
    struct record_reader *r = open_reader(path);
    struct tally t = {0};
    assert_int_equal(record_reader_requests(r, 1, true, tally_request, &t, &e), ERR_INPUT);
    if (!strstr(e.text, words))
        fail_msg("'%s' does not say '%s'", e.text, words);
    record_reader_close(r);
}

static void values_out_of_range_are_refused(void **state)
{
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"UPDATE request SET phase = 3 WHERE id = 2", "request.phase"},
        {"UPDATE request SET idx = -1 WHERE id = 2", "request.idx"},
        {"UPDATE request SET outcome = 'fine' WHERE id = 2", "request.outcome"},
        {"UPDATE request SET output_source = '' WHERE id = 2", "request.output_source"},
        {"UPDATE request SET end_ns = 9223372036854775807 WHERE id = 2", "request.end_ns"},
        {"UPDATE request SET output_tokens = -5 WHERE id = 2", "request.output_tokens"},
        {"UPDATE request SET events = 4294967296 WHERE id = 2", "request.events"},
        {"UPDATE request SET events = 4 WHERE id = 2", "do not decode"},
        {"UPDATE token_gaps SET gaps = x'ff' WHERE request_id = 2", "do not decode"},
        {"UPDATE token_gaps SET gaps = x'00' WHERE request_id = 2", "do not decode"},
        {"UPDATE token_gaps SET gaps = x'00000000fcffffffffffffffff01' WHERE request_id = 2",
         "do not decode"},
    };
    struct place *p = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_file(p->file, false, 3);
        run_sql(p->file, cases[i].sql);
        assert_damaged(p->file, cases[i].words);
        unlink(p->file);
    }
}

static void a_missing_or_masked_table_is_damage(void **state)
{
    struct place *p = *state;
    write_file(p->file, false, 3);
    run_sql(p->file, "DROP TABLE finding");
    assert_unreadable(p->file, "it has no table finding");
    run_sql(p->file, "CREATE VIEW finding AS SELECT 1");
    assert_unreadable(p->file, "it has no table finding");
}

static void a_file_cut_short_is_damage(void **state)
{
    struct place *p = *state;
    write_file(p->file, false, 1000);
    struct stat st;
    assert_int_equal(stat(p->file, &st), 0);
    assert_int_equal(truncate(p->file, st.st_size / 2), 0);
    struct err e = {0};
    struct record_reader *r = NULL;
    struct tally t = {0};
    int code = record_reader_open(p->file, &r, &e);
    if (code == OK)
        code = record_reader_requests(r, 1, true, tally_request, &t, &e);
    assert_int_equal(code, ERR_INPUT);
    record_reader_close(r);
}

static void a_request_recorded_twice_is_an_error_and_not_two_rows(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct run_record run = sample_run();
    struct record_writer *w = open_writer(p->file, false);
    assert_ok(record_writer_begin(w, &run, &e), &e);
    struct request_record q = sample_request(5);
    record_writer_put(w, &q);
    record_writer_put(w, &q);
    assert_int_equal(record_writer_finish(w, &run, &e), ERR_IO);
    assert_non_null(strstr(e.text, "UNIQUE"));
    assert_int_equal(record_writer_close(w, &e), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(an_existing_file_is_refused_and_left_as_it_was),
        PLACE_TEST(the_database_of_another_program_is_refused),
        PLACE_TEST(a_newer_schema_is_refused_with_advice),
        PLACE_TEST(places_that_cannot_hold_a_file_are_refused),
        PLACE_TEST(a_writer_without_a_run_leaves_no_file),
        PLACE_TEST(a_second_run_is_appended_with_the_next_id),
        PLACE_TEST(one_writer_holds_several_runs),
        PLACE_TEST(two_writers_of_one_file_are_refused),
        PLACE_TEST(finished_records_can_be_read_while_the_run_goes_on),
        PLACE_TEST(a_reader_left_open_does_not_make_the_close_fail),
        PLACE_TEST(a_killed_writer_leaves_a_file_that_opens_unfinished),
        PLACE_TEST(a_finished_file_opens_where_nothing_may_be_written),
        PLACE_TEST(a_killed_file_opens_where_nothing_may_be_written),
        PLACE_TEST(a_file_left_in_wal_mode_opens_where_nothing_may_be_written),
        PLACE_TEST(a_disk_that_fills_up_keeps_what_was_written),
        PLACE_TEST(values_out_of_range_are_refused),
        PLACE_TEST(a_missing_or_masked_table_is_damage),
        PLACE_TEST(a_file_cut_short_is_damage),
        PLACE_TEST(a_request_recorded_twice_is_an_error_and_not_two_rows),
    };
    return cmocka_run_group_tests_name("run files as files", tests, NULL, NULL);
}
