/* How fast the run file is written and read: requests with and without token gaps. Prints medians
 * of five. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "record/gaps.h"
#include "record/reader.h"
#include "record/writer.h"

enum { ROUNDS = 5, REQUESTS = 100000, GAPS_EACH = 500 };

struct figures {
    double put_s, write_s, read_s, read_plain_s;
    uint64_t gap_sum;
};

static void stop(const struct err *e)
{
    fprintf(stderr, "%s\n", e->text);
    exit(1);
}

static struct request_record request_at(uint64_t i)
{
    int64_t t = (int64_t)i * NS_PER_MS;
    return (struct request_record){
        .index = i,
        .phase = 1,
        .rung = -1,
        .intended_ns = t,
        .started_ns = t + 40 * NS_PER_US,
        .sent_ns = t + 90 * NS_PER_US,
        .first_byte_ns = t + 40 * NS_PER_MS,
        .first_token_ns = t + 40 * NS_PER_MS,
        .first_answer_ns = t + 40 * NS_PER_MS,
        .last_token_ns = t + 10 * NS_PER_S,
        .end_ns = t + 10 * NS_PER_S,
        .dns_ns = RECORD_NONE,
        .connect_ns = RECORD_NONE,
        .tls_ns = RECORD_NONE,
        .http_status = 200,
        .finish_reason = slice_of("length"),
        .prompt_tokens = 500,
        .output_tokens = GAPS_EACH,
        .cached_tokens = -1,
        .reasoning_tokens = -1,
        .output_source = TOKENS_USAGE,
        .asked_input = 500,
        .asked_output = GAPS_EACH,
        .received_bytes = 100000,
        .sent_bytes = 3000,
        .reused = true,
        .rtt_us = 120,
        .min_rtt_us = 80,
        .output_hash = i * UINT64_C(0x9e3779b97f4a7c15),
        .output_bytes = 2000,
    };
}

/* Gaps of about 20 ms that differ from event to event. */
static void fill_gaps(struct buf *out, uint64_t count)
{
    for (uint64_t j = 0; j < count; j++)
        gaps_put(out, &(struct gap){j ? 18000000 + (int64_t)(j * 7919 % 4000000) : 0, 0, 1});
}

static int sum_gaps(void *context, const struct request_record *q)
{
    uint64_t *sum = context;
    struct slice bytes = q->gaps;
    struct gap g;
    while (bytes.n > 0 && gaps_take(&bytes, &g) == OK)
        *sum += (uint64_t)g.gap_ns;
    return 0;
}

static int only_look(void *context, const struct request_record *q)
{
    *(uint64_t *)context += q->gaps.n;
    return 0;
}

static void write_all(const char *path, uint64_t gaps_each, struct figures *f)
{
    struct err e = {0};
    struct record_writer *w;
    struct run_record run = {.kind = "run", .mode = "open"};
    struct buf gaps = {0};
    fill_gaps(&gaps, gaps_each);
    if (record_writer_open(path, false, &w, &e) != OK || record_writer_begin(w, &run, &e) != OK)
        stop(&e);
    int64_t begin = clock_mono_ns();
    for (uint64_t i = 0; i < REQUESTS; i++) {
        struct request_record q = request_at(i);
        q.gaps = buf_slice(&gaps);
        q.events = (uint32_t)gaps_each;
        record_writer_put(w, &q);
    }
    f->put_s = (double)(clock_mono_ns() - begin) / 1e9;
    if (record_writer_finish(w, &run, &e) != OK || record_writer_close(w, &e) != OK)
        stop(&e);
    f->write_s = (double)(clock_mono_ns() - begin) / 1e9;
    buf_release(&gaps);
}

static double read_all(const char *path, int (*visit)(void *, const struct request_record *),
                       uint64_t *sum)
{
    struct err e = {0};
    struct record_reader *r;
    int64_t begin = clock_mono_ns();
    if (record_reader_open(path, &r, &e) != OK ||
        record_reader_requests(r, 1, true, visit, sum, &e) != OK)
        stop(&e);
    record_reader_close(r);
    return (double)(clock_mono_ns() - begin) / 1e9;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *x)
{
    qsort(x, ROUNDS, sizeof *x, by_size);
    return x[ROUNDS / 2];
}

static void measure(const char *path, uint64_t gaps_each)
{
    double put[ROUNDS], written[ROUNDS], read[ROUNDS], decoded[ROUNDS];
    uint64_t sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct figures f;
        write_all(path, gaps_each, &f);
        put[i] = f.put_s;
        written[i] = f.write_s;
        read[i] = read_all(path, only_look, &sum);
        decoded[i] = read_all(path, sum_gaps, &sum);
        unlink(path);
    }
    double w = median_of(written);
    printf("%d requests x %llu gaps: put %.2f us each; in the file %.2f s (%.0f requests/s); "
           "read %.2f s, and with gaps decoded %.2f s\n",
           REQUESTS, (unsigned long long)gaps_each, median_of(put) * 1e6 / REQUESTS, w,
           REQUESTS / w, median_of(read), median_of(decoded));
    if (sum == 1)
        puts(""); /* the sum is used */
}

int main(void)
{
    char dir[] = "/tmp/loadline-bench-XXXXXX";
    char path[64];
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/run.loadline", dir);
    measure(path, 0);
    measure(path, GAPS_EACH);
    rmdir(dir);
    return 0;
}
